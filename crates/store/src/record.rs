//! Records: what the journal and the blocks of a log are made of.
//!
//! ```text
//! offset size
//!      0    4  length of the record, this header included
//!      4    4  head check: low half of the CRC-64 of bytes 0..4 and 8..36
//!      8    4  log
//!     12    1  kind
//!     13    1  zero
//!     14    2  length of the key
//!     16    4  length of the head part
//!     20    8  sequence
//!     28    8  time, nanoseconds since 1970
//!     36    8  CRC-64 of bytes 0..36 and of everything behind this header
//!     44       key, head part, body
//! ```
//!
//! All numbers are little-endian. The head check stands apart from the rest, so that a length that
//! was damaged does not lead into the middle of a neighbour. Log and sequence are inside the
//! checksum: a record in the wrong place is recognised as one.

use crate::checksum::{Flipped, checksum, flipped_bit};
use crate::limits::{KEY_BYTES_MAX, RECORD_BYTES_MAX};

/// Bytes before the key.
pub const RECORD_HEADER_BYTES: usize = 44;

const CRC_AT: usize = 36;

/// Which log a record belongs to. 0 is nobody's: records of the store's user that no log keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(pub u32);

/// A record, borrowed from where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Log that it belongs to.
    pub log: LogId,
    /// What it is; the meaning is the store's user's.
    pub kind: u8,
    /// Sequence in its log.
    pub sequence: u64,
    /// Nanoseconds since 1970.
    pub time: i64,
    /// What the log finds it by.
    pub key: &'a [u8],
    /// First part of the content.
    pub head: &'a [u8],
    /// Second part of the content.
    pub body: &'a [u8],
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The header is damaged: where the next record begins is not known either.
    #[error("the header of a record is damaged")]
    Header,
    /// The header is whole, what follows is not.
    #[error("the content of a record is damaged")]
    Content {
        /// Length of the record in bytes.
        length: usize,
    },
}

impl<'a> Record<'a> {
    /// Length in bytes once encoded.
    pub fn encoded_len(&self) -> usize {
        RECORD_HEADER_BYTES + self.key.len() + self.head.len() + self.body.len()
    }

    /// Whether it can be encoded at all.
    pub fn fits(&self) -> bool {
        self.key.len() <= KEY_BYTES_MAX && self.encoded_len() <= RECORD_BYTES_MAX
    }

    /// Appends the record, which [fits](Self::fits).
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.encode_unchecked(out);
        let (header, content) = out[start..]
            .split_first_chunk_mut::<RECORD_HEADER_BYTES>()
            .expect("a record begins with its header");
        let check = head_check(header);
        header[4..8].copy_from_slice(&check);
        let crc = checksum(&[&header[..CRC_AT], content]);
        header[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    }

    /// Appends the record, which [fits](Self::fits), with zeroes for its checksums: for what only
    /// [`Record::view`] will read, because it never leaves this process.
    pub fn encode_unchecked(&self, out: &mut Vec<u8>) {
        assert!(self.fits(), "a record of {} bytes is too long", self.encoded_len());
        let narrow = |length: usize| u32::try_from(length).expect("it fits");
        let key_len = u16::try_from(self.key.len()).expect("it fits");
        let mut header = [0; RECORD_HEADER_BYTES];
        header[0..4].copy_from_slice(&narrow(self.encoded_len()).to_le_bytes());
        header[8..12].copy_from_slice(&self.log.0.to_le_bytes());
        header[12] = self.kind;
        header[14..16].copy_from_slice(&key_len.to_le_bytes());
        header[16..20].copy_from_slice(&narrow(self.head.len()).to_le_bytes());
        header[20..28].copy_from_slice(&self.sequence.to_le_bytes());
        header[28..36].copy_from_slice(&self.time.to_le_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.head);
        out.extend_from_slice(self.body);
    }

    /// The record that `bytes` are, without looking at its checksum: for bytes that this process
    /// encoded or has checked before.
    pub fn view(bytes: &'a [u8]) -> Self {
        let (header, content) = bytes.split_at(RECORD_HEADER_BYTES);
        let (key, rest) = content.split_at(usize::from(u16_at(header, 14)));
        let (head, body) = rest.split_at(u32_at(header, 16) as usize);
        Self {
            log: LogId(u32_at(header, 8)),
            kind: header[12],
            sequence: u64_at(header, 20),
            time: i64::from_le_bytes(u64_at(header, 28).to_le_bytes()),
            key,
            head,
            body,
        }
    }

    /// The record at the start of `bytes`, and its length.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, usize), RecordError> {
        let header: &[u8; RECORD_HEADER_BYTES] = bytes.first_chunk().ok_or(RecordError::Header)?;
        let length = u32_at(header, 0) as usize;
        let (key_len, head_len) = (usize::from(u16_at(header, 14)), u32_at(header, 16) as usize);
        let fits = RECORD_HEADER_BYTES
            .checked_add(key_len)
            .and_then(|sum| sum.checked_add(head_len))
            .is_some_and(|sum| sum <= length);
        if header[4..8] != head_check(header) || !fits || length > RECORD_BYTES_MAX {
            return Err(RecordError::Header);
        }
        let content = bytes.get(RECORD_HEADER_BYTES..length);
        let content = content.ok_or(RecordError::Content { length })?;
        if u64_at(header, CRC_AT) != checksum(&[&header[..CRC_AT], content]) {
            return Err(RecordError::Content { length });
        }
        let record = Self::view(&bytes[..length]);
        Ok((record, length))
    }
}

/// Repairs the record at the start of `bytes` if one bit of its content or its checksum is wrong.
/// `length` is what its header says.
pub fn repair(bytes: &mut [u8], length: usize) -> bool {
    let Some(record) = bytes.get_mut(..length) else { return false };
    let Some((header, content)) = record.split_at_mut_checked(RECORD_HEADER_BYTES) else {
        return false;
    };
    let computed = checksum(&[&header[..CRC_AT], content]);
    match flipped_bit(CRC_AT + content.len(), u64_at(header, CRC_AT), computed) {
        Some(Flipped::Checksum) => header[CRC_AT..].copy_from_slice(&computed.to_le_bytes()),
        Some(Flipped::Data { byte, mask }) => match byte.checked_sub(CRC_AT) {
            Some(at) => content[at] ^= mask,
            None => header[byte] ^= mask,
        },
        None => return false,
    }
    Record::decode(record).is_ok()
}

fn head_check(header: &[u8; RECORD_HEADER_BYTES]) -> [u8; 4] {
    // In one piece: the rest of each piece, up to 15 bytes, is summed byte by byte.
    let mut checked = [0; CRC_AT - 4];
    checked[..4].copy_from_slice(&header[..4]);
    checked[4..].copy_from_slice(&header[8..CRC_AT]);
    let crc = checksum(&[&checked]).to_le_bytes();
    [crc[0], crc[1], crc[2], crc[3]]
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECORD: Record<'_> = Record {
        log: LogId(7),
        kind: 3,
        sequence: 42,
        time: -5,
        key: b"a.b",
        head: b"head",
        body: b"the body",
    };

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        RECORD.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_record_survives() {
        let mut bytes = encoded();
        assert_eq!(bytes.len(), RECORD.encoded_len());
        bytes.extend_from_slice(b"what follows");
        assert_eq!(Record::decode(&bytes), Ok((RECORD, RECORD.encoded_len())));
    }

    #[test]
    fn every_flipped_bit_is_seen_and_every_one_behind_the_head_is_repaired() {
        let whole = encoded();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = Record::decode(&bytes).unwrap_err();
            if bit / 8 >= CRC_AT {
                assert_eq!(error, RecordError::Content { length: whole.len() });
                assert!(repair(&mut bytes, whole.len()));
                assert_eq!(bytes, whole);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_decoded(mut bytes: Vec<u8>, length: usize) {
            let _ = Record::decode(&bytes);
            repair(&mut bytes, length);
        }
    }
}
