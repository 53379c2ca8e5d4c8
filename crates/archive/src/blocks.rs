//! Blocks of messages as nats-server keeps them. A record has its length (4 bytes, the highest bit
//! says whether there is a header block), the sequence (8), the time (8), the length of the subject
//! (2), the subject, the length of the header block and that block if there is one, the payload, and
//! a checksum (8). A bit of the sequence says that there is no message, or that an earlier one went.

use highway::{HighwayHash as _, HighwayHasher, Key};
use sha2::{Digest as _, Sha256};

use crate::bad::BadArchive;

const HAS_HEADER: u32 = 1 << 31;

/// There is no message under this sequence.
const EMPTY: u64 = 1 << 63;

/// The message with this sequence has gone.
const GONE: u64 = 1 << 62;

/// Bytes of a record beside its subject, header block and payload.
const RECORD_BYTES: usize = 30;

/// Longest record.
pub(crate) const RECORD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Checksums of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums(Key);

impl Sums {
    fn new(what: &str) -> Self {
        let bytes: [u8; 32] = Sha256::digest(what.as_bytes()).into();
        let mut key = [0; 4];
        for (number, bytes) in key.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        }
        Self(Key(key))
    }

    /// Those of a stream's configuration.
    pub(crate) fn of_stream(stream: &str) -> Self {
        Self::new(stream)
    }

    /// Those of a consumer's configuration.
    pub(crate) fn of_consumer(stream: &str, consumer: &str) -> Self {
        Self::new(&format!("{stream}/{consumer}"))
    }

    /// Those of a block.
    pub(crate) fn of_block(stream: &str, block: u32) -> Self {
        Self::new(&format!("{stream}-{block}"))
    }

    fn sum(&self, parts: &[&[u8]]) -> [u8; 8] {
        let mut hasher = HighwayHasher::new(self.0);
        for part in parts {
            hasher.append(part);
        }
        hasher.finalize64().to_le_bytes()
    }

    /// The sum of a file, as the file beside it says it.
    pub(crate) fn text(&self, content: &[u8]) -> String {
        format!("{:016x}", u64::from_be_bytes(self.sum(&[content])))
    }
}

/// A message of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its sequence.
    pub sequence: u64,
    /// When it was stored, in nanoseconds.
    pub time: i64,
    /// Its subject.
    pub subject: &'a [u8],
    /// Its header block, or nothing.
    pub header: &'a [u8],
    /// Its payload.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// Whether an archive can hold it.
    pub fn fits(&self) -> bool {
        let length = self.subject.len() + self.header.len() + self.payload.len();
        u16::try_from(self.subject.len()).is_ok() && length + RECORD_BYTES + 4 <= RECORD_BYTES_MAX
    }
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A message.
    Message(Message<'a>),
    /// There is none up to this sequence, behind the one before; and when that was.
    Empty(u64, i64),
    /// A message has gone.
    Gone(u64),
}

/// Appends a message.
pub(crate) fn write(message: &Message<'_>, sums: &Sums, out: &mut Vec<u8>) {
    let Message { sequence, time, subject, header, payload } = *message;
    let for_header = if header.is_empty() { 0 } else { 4 + header.len() };
    let length = RECORD_BYTES + subject.len() + for_header + payload.len();
    let flag = if header.is_empty() { 0 } else { HAS_HEADER };
    let length = u32::try_from(length).expect("a record fits 32 bits");
    out.extend_from_slice(&(length | flag).to_le_bytes());
    let at = out.len();
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&time.to_le_bytes());
    let sum = sums.sum(&[&out[at..], subject, header, payload]);
    let length = u16::try_from(subject.len()).expect("a subject fits 16 bits");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(subject);
    if !header.is_empty() {
        let length = u32::try_from(header.len()).expect("a header block fits 32 bits");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(header);
    }
    out.extend_from_slice(payload);
    out.extend_from_slice(&sum);
}

/// Says that there is no message up to a sequence.
pub(crate) fn write_empty(sequence: u64, time: i64, sums: &Sums, out: &mut Vec<u8>) {
    let sequence = sequence | EMPTY;
    write(&Message { sequence, time, subject: b"", header: b"", payload: b"" }, sums, out);
}

/// Reads the record that `bytes` begin with, and takes it from them. `None`: there is more of it.
pub(crate) fn read<'a>(bytes: &mut &'a [u8], sums: &Sums) -> Result<Option<Entry<'a>>, BadArchive> {
    let Some((length, _)) = bytes.split_first_chunk() else { return Ok(None) };
    let length = u32::from_le_bytes(*length);
    let has_header = length & HAS_HEADER > 0;
    let length = (length & !HAS_HEADER) as usize;
    if !(RECORD_BYTES..=RECORD_BYTES_MAX).contains(&length) {
        return Err(BadArchive("a message is longer or shorter than any"));
    }
    let Some((record, rest)) = bytes.split_at_checked(length) else { return Ok(None) };
    *bytes = rest;
    parse(record, has_header, sums).ok_or(BadArchive("a message is broken")).map(Some)
}

fn parse<'a>(record: &'a [u8], has_header: bool, sums: &Sums) -> Option<Entry<'a>> {
    let (_, record) = record.split_first_chunk::<4>()?;
    let (stamp, record) = record.split_at_checked(16)?;
    let (sequence, time) = stamp.split_first_chunk()?;
    let (sequence, time) =
        (u64::from_le_bytes(*sequence), i64::from_le_bytes(time.try_into().ok()?));
    let (length, record) = record.split_first_chunk()?;
    let (subject, record) = record.split_at_checked(u16::from_le_bytes(*length).into())?;
    let (content, sum) = record.split_last_chunk()?;
    let (header, payload) = if has_header {
        let (length, content) = content.split_first_chunk()?;
        content.split_at_checked(u32::from_le_bytes(*length) as usize)?
    } else {
        content.split_at(0)
    };
    if sums.sum(&[stamp, subject, header, payload]) != *sum {
        return None;
    }
    let number = sequence & !(EMPTY | GONE);
    Some(match sequence {
        _ if number == 0 => return None,
        _ if sequence & GONE > 0 => Entry::Gone(number),
        _ if sequence & EMPTY > 0 => Entry::Empty(number, time),
        _ => Entry::Message(Message { sequence, time, subject, header, payload }),
    })
}

/// The first and the last sequence of a stream, as its file `index.db` says them.
pub(crate) fn first_and_last(mut index: &[u8]) -> Option<(u64, u64)> {
    let (&[_magic, _version], rest) = index.split_first_chunk()?;
    index = rest;
    let [_messages, _bytes, first, _first_time, last] = std::array::from_fn(|_| varint(&mut index));
    Some((first?, last?))
}

/// Reads a number of seven bits to a byte, the lowest first.
pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A block that nats-server 2.14 wrote: two messages of which the second went, one with headers.
    const WRITTEN: &[&[u8]] = &[
        b"\x2a\0\0\0\x01\0\0\0\0\0\0\0\x30\x11\x02\xd9\x99\x02\xec\x18\x05\0ord.1hello 1\
          \x26\xf9\x3f\x0c\x36\xc5\x1f\x4f",
        b"\x2a\0\0\0\x02\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0\0\0\x07\xd0\xb9\xf8\xb4\xbc\x21\xf7\x21\
          \x1b\x91\x92\x7f\x13\x88\x05\x16\xbf\x41\x94",
        b"\x55\0\0\x80\x06\0\0\0\0\0\0\0\x1f\xdb\x21\xeb\x99\x02\xec\x18\x05\0ord.h\x23\0\0\0\
          NATS/1.0\r\nA: b\r\nNats-Msg-Id: q1\r\n\r\nwith header\x5b\x2e\x4b\xc3\xd6\x59\x81\x41",
        b"\x1e\0\0\0\x02\0\0\0\0\0\0\x40\xa6\xe2\x07\xdc\x99\x02\xec\x18\0\0\
          \xba\xd1\x6e\xc4\x77\x60\x35\x50",
    ];

    #[test]
    fn blocks_are_those_of_nats_server() {
        let sums = Sums::of_block("ORD", 1);
        let all = WRITTEN.concat();
        let mut rest = all.as_slice();
        let mut next = || read(&mut rest, &sums).unwrap().unwrap();
        let first = next();
        let Entry::Message(message) = first else { panic!("{first:?}") };
        assert_eq!((message.sequence, message.subject), (1, &b"ord.1"[..]));
        assert_eq!((message.header, message.payload), (&b""[..], &b"hello 1"[..]));
        assert_eq!(next(), Entry::Empty(2, 0));
        let Entry::Message(with_header) = next() else { panic!("no message") };
        assert_eq!(with_header.header, b"NATS/1.0\r\nA: b\r\nNats-Msg-Id: q1\r\n\r\n");
        assert_eq!(with_header.payload, b"with header");
        assert_eq!(next(), Entry::Gone(2));
        let mut written = Vec::new();
        write(&message, &sums, &mut written);
        assert_eq!(written, WRITTEN[0]);
        written.clear();
        write(&with_header, &sums, &mut written);
        assert_eq!(written, WRITTEN[2]);
        assert!(read(&mut all.as_slice(), &Sums::of_block("ORD", 2)).is_err());
    }

    #[test]
    fn an_index_says_where_a_stream_begins_and_ends() {
        let purged = b"\x0b\x04\x00\x00\x04\x00\x03\xec\xcc";
        assert_eq!(first_and_last(purged), Some((4, 3)));
        let kept = b"\x0b\x04\x04\xd3\x01\x01\xe0\xc4\x90\x90\xbb\xa6\x81\xec\x31\x06\xbe";
        assert_eq!(first_and_last(kept), Some((1, 6)));
        assert_eq!(first_and_last(b"\x0b\x04\x04"), None);
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 30..200)) {
            let length = u32::try_from(bytes.len()).unwrap();
            let flag = length.to_le_bytes();
            bytes[..3].copy_from_slice(&flag[..3]);
            bytes[3] &= 0x80;
            let _ = read(&mut bytes.as_slice(), &Sums::of_block("S", 1));
            let _ = first_and_last(&bytes);
        }

        #[test]
        fn what_is_written_is_read(
            sequence in 1_u64..1 << 62,
            time in any::<i64>(),
            subject in "[a-z]{1,9}",
            header in "(NATS/1.0\r\n\r\n)?",
            payload in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let (subject, header) = (subject.as_bytes(), header.as_bytes());
            let message = Message { sequence, time, subject, header, payload: &payload };
            let sums = Sums::of_block("S", 7);
            let mut out = Vec::new();
            write(&message, &sums, &mut out);
            prop_assert_eq!(read(&mut &out[..out.len() - 1], &sums), Ok(None));
            prop_assert_eq!(read(&mut out.as_slice(), &sums), Ok(Some(Entry::Message(message))));
            out[8] ^= 4;
            prop_assert!(read(&mut out.as_slice(), &sums).is_err());
        }
    }
}
