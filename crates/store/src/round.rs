//! Rounds: the records that become durable together.
//!
//! ```text
//! offset size
//!      0    4  "WRnd"
//!      4    4  length of the body
//!      8    8  number of the round
//!     16    4  records in the body
//!     20    4  zero
//!     24    8  CRC-64 of the number and the body
//!     32    8  CRC-64 of bytes 0..32
//!     40       records, then zeroes up to a multiple of 8
//! ```
//!
//! Rounds are the unit of truth. A segment is used again and again, so behind its last round stand
//! well-formed records of earlier ones; and of a round that was not synced any bytes may survive. The
//! number is inside the checksum, so neither can be taken for a round that was.

use std::sync::Arc;

use crate::checksum::{Flipped, checksum, flipped_bit};
use crate::limits::ROUND_BYTES_MAX;
use crate::record::{RECORD_HEADER_BYTES, Record, u32_at, u64_at};

/// Bytes before the records.
pub const ROUND_HEADER_BYTES: usize = 40;

/// Rounds begin at multiples of this.
pub(crate) const ROUND_ALIGNMENT: usize = 8;

const MAGIC: &[u8; 4] = b"WRnd";
const BODY_CRC_AT: usize = 24;
const HEADER_CRC_AT: usize = 32;

/// A round that is still being gathered.
#[derive(Debug)]
pub struct RoundBuilder {
    number: u64,
    bytes: Vec<u8>,
    records: u32,
}

/// A closed round. Cheap to clone: the bytes are shared.
#[derive(Debug, Clone)]
pub struct Round {
    number: u64,
    bytes: Arc<Vec<u8>>,
}

/// Where a record is inside its round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Offset of the record from the round's first byte.
    pub offset: u32,
    /// Length of the record.
    pub length: u32,
}

impl RoundBuilder {
    /// An empty round.
    pub fn new(number: u64) -> Self {
        Self { number, bytes: vec![0; ROUND_HEADER_BYTES], records: 0 }
    }

    /// Number of the round.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether no record was added.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Bytes so far, header included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a record with this many bytes of content can still be added.
    pub fn has_room(&self, content_bytes: usize) -> bool {
        self.bytes.len() + content_bytes + RECORD_HEADER_BYTES + ROUND_ALIGNMENT <= ROUND_BYTES_MAX
    }

    /// Adds a record that there [is room](Self::has_room) for.
    pub fn push(&mut self, record: &Record<'_>) -> Place {
        let offset = u32::try_from(self.bytes.len()).expect("a round fits 32 bits");
        record.encode(&mut self.bytes);
        assert!(self.bytes.len() <= ROUND_BYTES_MAX, "a round is bounded");
        self.records += 1;
        let length = u32::try_from(record.encoded_len()).expect("a record fits 32 bits");
        Place { offset, length }
    }

    /// Closes the round.
    pub fn close(mut self) -> Round {
        let body_len = u32::try_from(self.bytes.len() - ROUND_HEADER_BYTES).expect("bounded");
        let number = self.number.to_le_bytes();
        let crc = checksum(&[&number, &self.bytes[ROUND_HEADER_BYTES..]]);
        let header = &mut self.bytes[..ROUND_HEADER_BYTES];
        header[0..4].copy_from_slice(MAGIC);
        header[4..8].copy_from_slice(&body_len.to_le_bytes());
        header[8..16].copy_from_slice(&number);
        header[16..20].copy_from_slice(&self.records.to_le_bytes());
        header[BODY_CRC_AT..HEADER_CRC_AT].copy_from_slice(&crc.to_le_bytes());
        let crc = checksum(&[&header[..HEADER_CRC_AT]]);
        header[HEADER_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(ROUND_ALIGNMENT), 0);
        Round { number: self.number, bytes: Arc::new(self.bytes) }
    }
}

impl Round {
    /// Number of the round.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// All its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of one record.
    pub fn slice(&self, place: Place) -> &[u8] {
        &self.bytes[place.offset as usize..][..place.length as usize]
    }

    /// The records, and where they are.
    pub fn records(&self) -> impl Iterator<Item = (Place, Record<'_>)> {
        let length = u32_at(&self.bytes, 4) as usize;
        let end = ROUND_HEADER_BYTES + length;
        let mut at = ROUND_HEADER_BYTES;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (record, length) = Record::decode(&self.bytes[at..end]).ok()?;
            let place =
                Place { offset: u32::try_from(at).ok()?, length: u32::try_from(length).ok()? };
            at += length;
            Some((place, record))
        })
    }

    /// How many records the round says that it has.
    pub fn record_count(&self) -> u32 {
        u32_at(&self.bytes, 16)
    }
}

/// What stands at a place where a round may begin.
#[derive(Debug)]
pub(crate) enum Found {
    /// A round, whole.
    Round(Round),
    /// A round that had one bit wrong, repaired.
    Repaired(Round),
    /// The header of a round whose body is not what it says.
    Broken {
        /// Number of the round.
        number: u64,
        /// Bytes of the round, padding included.
        length: usize,
    },
    /// Nothing that is a round.
    Nothing,
}

/// Number and length of the round at the start of `bytes`, whose header is unharmed. Its body is
/// not looked at.
pub(crate) fn peek(bytes: &[u8]) -> Option<(u64, usize)> {
    let header = bytes.first_chunk::<ROUND_HEADER_BYTES>()?;
    let whole = header[0..4] == *MAGIC
        && checksum(&[&header[..HEADER_CRC_AT]]) == u64_at(header, HEADER_CRC_AT);
    let length = ROUND_HEADER_BYTES + u32_at(header, 4) as usize;
    whole.then(|| (u64_at(header, 8), length.next_multiple_of(ROUND_ALIGNMENT)))
}

/// The first place in `bytes` where the header of a round above `number` stands unharmed.
pub(crate) fn find_later(bytes: &[u8], number: u64) -> Option<usize> {
    let places = (0..bytes.len().saturating_sub(ROUND_HEADER_BYTES)).step_by(ROUND_ALIGNMENT);
    places.into_iter().find(|at| {
        let header = &bytes[*at..at + ROUND_HEADER_BYTES];
        header[0..4] == *MAGIC
            && u64_at(header, 8) > number
            && checksum(&[&header[..HEADER_CRC_AT]]) == u64_at(header, HEADER_CRC_AT)
    })
}

/// Looks at the start of `bytes`.
pub(crate) fn find(bytes: &[u8]) -> Found {
    let Some(header) = bytes.first_chunk::<ROUND_HEADER_BYTES>() else { return Found::Nothing };
    let mut header = *header;
    let mut repaired = false;
    let crc = checksum(&[&header[..HEADER_CRC_AT]]);
    let stored = u64_at(&header, HEADER_CRC_AT);
    if crc != stored {
        // Zeroes are the usual case; what resembles a header nowhere is none.
        if header[0..4] != *MAGIC && header[8..16] == [0; 8] {
            return Found::Nothing;
        }
        match flipped_bit(HEADER_CRC_AT, stored, crc) {
            Some(Flipped::Data { byte, mask }) => header[byte] ^= mask,
            Some(Flipped::Checksum) => {}
            None => return Found::Nothing,
        }
        repaired = true;
        let crc = checksum(&[&header[..HEADER_CRC_AT]]);
        header[HEADER_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    }
    let body_len = u32_at(&header, 4) as usize;
    if header[0..4] != *MAGIC || body_len > ROUND_BYTES_MAX {
        return Found::Nothing;
    }
    let number = u64_at(&header, 8);
    let length = (ROUND_HEADER_BYTES + body_len).next_multiple_of(ROUND_ALIGNMENT);
    let Some(body) = bytes.get(ROUND_HEADER_BYTES..ROUND_HEADER_BYTES + body_len) else {
        return Found::Broken { number, length };
    };
    let mut whole = Vec::with_capacity(length);
    whole.extend_from_slice(&header);
    whole.extend_from_slice(body);
    let crc = checksum(&[&number.to_le_bytes(), body]);
    let stored = u64_at(&header, BODY_CRC_AT);
    if crc != stored {
        repaired = true;
        match flipped_bit(8 + body_len, stored, crc) {
            Some(Flipped::Data { byte, mask }) if byte >= 8 => {
                whole[ROUND_HEADER_BYTES + byte - 8] ^= mask;
            }
            _ => return Found::Broken { number, length },
        }
    }
    whole.resize(length, 0);
    let round = Round { number, bytes: Arc::new(whole) };
    // Checksums of a recycled segment's rounds are right too; records are the last word.
    if round.records().count() != round.record_count() as usize {
        return Found::Broken { number, length };
    }
    if repaired { Found::Repaired(round) } else { Found::Round(round) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LogId;

    fn round(number: u64, bodies: &[&[u8]]) -> Round {
        let mut builder = RoundBuilder::new(number);
        for (sequence, body) in (1..).zip(bodies) {
            let record =
                Record { log: LogId(1), kind: 0, sequence, time: 0, key: b"k", head: b"", body };
            let place = builder.push(&record);
            assert_eq!(place.length as usize, record.encoded_len());
        }
        builder.close()
    }

    #[test]
    fn a_round_is_found_again() {
        let round = round(9, &[b"one", b"two"]);
        assert_eq!(round.bytes().len() % ROUND_ALIGNMENT, 0);
        let Found::Round(found) = find(round.bytes()) else { panic!("not found") };
        assert_eq!((found.number(), found.record_count()), (9, 2));
        let bodies: Vec<_> = found.records().map(|(_, record)| record.body).collect();
        assert_eq!(bodies, [b"one", b"two"]);
        let (place, _) = found.records().last().unwrap();
        assert_eq!(Record::decode(found.slice(place)).unwrap().0.body, b"two");
    }

    #[test]
    fn every_flipped_bit_of_a_round_is_repaired() {
        let whole = round(9, &[b"one", b"two"]);
        let end = ROUND_HEADER_BYTES + u32_at(whole.bytes(), 4) as usize;
        for bit in 0..end * 8 {
            let mut bytes = whole.bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match find(&bytes) {
                Found::Repaired(found) => {
                    let bodies = |round: &Round| -> Vec<Vec<u8>> {
                        round.records().map(|(_, record)| record.body.to_vec()).collect()
                    };
                    assert_eq!(bodies(&found), bodies(&whole), "bit {bit}");
                }
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_round() {
        assert!(matches!(find(&[0; 64]), Found::Nothing));
        assert!(matches!(find(b"short"), Found::Nothing));
        let whole = round(9, &[&[7; 100]]);
        let mut torn = whole.bytes().to_vec();
        torn[60..90].fill(0);
        assert!(matches!(find(&torn), Found::Broken { number: 9, .. }));
        assert!(matches!(find(&torn[..80]), Found::Broken { number: 9, .. }));
    }
}
