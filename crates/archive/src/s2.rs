//! S2: frames of compressed blocks, a superset of Snappy's. What is written, Snappy could read too but
//! for its first bytes.

use crate::bad::BadArchive;

const BEGINNING: &[u8] = b"\xff\x06\x00\x00S2sTwO";
const BEGINNING_SNAPPY: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// Longest block, unpacked.
const BLOCK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The same as a frame: what cannot be compressed grows by little.
const FRAME_BYTES_MAX: usize = BLOCK_BYTES_MAX + BLOCK_BYTES_MAX / 6 + 64;

/// Longest block that is written.
const WRITTEN_BYTES: usize = 64 * 1024;

const COMPRESSED: u8 = 0x00;
const PLAIN: u8 = 0x01;

/// Types of frames that may be passed over.
const PASSED_OVER: std::ops::RangeInclusive<u8> = 0x80..=0xfe;

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0_u32;
    while index < 256 {
        let mut value = index;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82f6_3b78 } else { value >> 1 };
            bit += 1;
        }
        table[index as usize] = value;
        index += 1;
    }
    table
}

/// CRC-32C, turned and moved so that sums of what holds sums are no sums of sums.
fn checksum(bytes: &[u8]) -> u32 {
    let step =
        |crc: u32, byte: &u8| CRC_TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    let crc = !bytes.iter().fold(!0, step);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Unpacks frames as they come.
#[derive(Debug, Default)]
pub(crate) struct Unpacker {
    held: Vec<u8>,
    past: usize,
    begun: bool,
}

impl Unpacker {
    /// Takes bytes in.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // Each byte is moved at most once for every byte that went.
        if self.past > self.held.len() / 2 {
            self.held.drain(..self.past);
            self.past = 0;
        }
        self.held.extend_from_slice(bytes);
    }

    /// Bytes that are not unpacked.
    pub(crate) fn len(&self) -> usize {
        self.held.len() - self.past
    }

    /// Unpacks the next frame, if all of it is here, behind `out`. Says whether it was.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> Result<bool, BadArchive> {
        let held = &self.held[self.past..];
        if !self.begun {
            let Some(beginning) = held.get(..BEGINNING.len()) else { return Ok(false) };
            if beginning != BEGINNING && beginning != BEGINNING_SNAPPY {
                return Err(BadArchive("it is not packed by S2"));
            }
            self.begun = true;
            self.past += BEGINNING.len();
            return Ok(true);
        }
        let Some((&[kind, a, b, c], rest)) = held.split_first_chunk() else { return Ok(false) };
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(BadArchive("a frame is too long"));
        }
        let Some(frame) = rest.get(..length) else { return Ok(false) };
        let before = out.len();
        match kind {
            COMPRESSED | PLAIN => {
                let Some((sum, content)) = frame.split_first_chunk() else {
                    return Err(BadArchive("a frame is too short"));
                };
                if kind == COMPRESSED {
                    unpack(content, out)?;
                } else if content.len() > BLOCK_BYTES_MAX {
                    return Err(BadArchive("a frame is too long"));
                } else {
                    out.extend_from_slice(content);
                }
                if checksum(&out[before..]) != u32::from_le_bytes(*sum) {
                    return Err(BadArchive("a checksum is wrong"));
                }
            }
            // Archives may stand one behind the other.
            0xff if [&BEGINNING[4..], &BEGINNING_SNAPPY[4..]].contains(&frame) => {}
            kind if PASSED_OVER.contains(&kind) => {}
            _ => return Err(BadArchive("an unknown frame")),
        }
        self.past += 4 + length;
        Ok(true)
    }
}

/// Reads a little-endian number of so many bytes, at most four.
fn number(bytes: &mut &[u8], count: usize) -> Option<usize> {
    let (own, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(own.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

/// A piece of a block: bytes that follow, or a copy of earlier ones.
enum Piece {
    Literal(usize),
    Copy { offset: usize, length: usize },
}

fn piece(bytes: &mut &[u8], offset: usize) -> Option<Piece> {
    let tag = number(bytes, 1)?;
    let upper = tag >> 2;
    Some(match tag & 3 {
        0 => Piece::Literal(match upper {
            ..60 => upper + 1,
            more => number(bytes, more - 59)? + 1,
        }),
        1 => match (tag & 0xe0) << 3 | number(bytes, 1)? {
            // As far back as before.
            0 => {
                let length = match upper & 7 {
                    5 => number(bytes, 1)? + 4,
                    6 => number(bytes, 2)? + (1 << 8),
                    7 => number(bytes, 3)? + (1 << 16),
                    short => short,
                };
                Piece::Copy { offset, length: length + 4 }
            }
            offset => Piece::Copy { offset, length: (upper & 7) + 4 },
        },
        2 => Piece::Copy { offset: number(bytes, 2)?, length: upper + 1 },
        _ => Piece::Copy { offset: number(bytes, 4)?, length: upper + 1 },
    })
}

/// Unpacks one block behind `out`.
fn unpack(mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BadArchive> {
    const BROKEN: BadArchive = BadArchive("a block cannot be unpacked");
    let mut length = 0;
    for shift in (0..35).step_by(7) {
        let byte = number(&mut bytes, 1).ok_or(BROKEN)?;
        length |= (byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    if length > BLOCK_BYTES_MAX {
        return Err(BadArchive("a block is too long"));
    }
    let start = out.len();
    let end = start + length;
    let mut last_offset = 0;
    while !bytes.is_empty() {
        let left = end - out.len();
        match piece(&mut bytes, last_offset).ok_or(BROKEN)? {
            Piece::Literal(length) => {
                let (own, rest) = bytes.split_at_checked(length).ok_or(BROKEN)?;
                if length > left {
                    return Err(BROKEN);
                }
                out.extend_from_slice(own);
                bytes = rest;
            }
            Piece::Copy { offset, length } => {
                if offset == 0 || offset > out.len() - start || length > left {
                    return Err(BROKEN);
                }
                last_offset = offset;
                let mut from = out.len() - offset;
                // What is copied may begin before its own end.
                let mut left = length;
                while left > 0 {
                    let some = left.min(out.len() - from);
                    out.extend_from_within(from..from + some);
                    from += some;
                    left -= some;
                }
            }
        }
    }
    if out.len() == end { Ok(()) } else { Err(BROKEN) }
}

/// What an archive begins with.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(BEGINNING);
}

/// Appends frames that hold `bytes`.
pub(crate) fn pack(bytes: &[u8], out: &mut Vec<u8>) {
    for block in bytes.chunks(WRITTEN_BYTES) {
        let at = out.len();
        out.extend_from_slice(&[COMPRESSED, 0, 0, 0]);
        out.extend_from_slice(&checksum(block).to_le_bytes());
        compress(block, out);
        if out.len() - at - 8 >= block.len() {
            out[at] = PLAIN;
            out.truncate(at + 8);
            out.extend_from_slice(block);
        }
        let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX).to_le_bytes();
        out[at + 1..at + 4].copy_from_slice(&length[..3]);
    }
}

/// Places that are remembered, as a power of two.
const PLACES_LOG: u32 = 13;

/// Compresses a block of at most 64 KiB: each piece of four bytes that was seen lately is a copy.
fn compress(block: &[u8], out: &mut Vec<u8>) {
    let mut length = block.len();
    while length >= 0x80 {
        out.push(lowest(length) | 0x80);
        length >>= 7;
    }
    out.push(lowest(length));
    let mut places = [0_u16; 1 << PLACES_LOG];
    let four = |at: usize| block.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    let (mut at, mut unwritten) = (0, 0);
    while let Some(own) = four(at) {
        let place = &mut places[(own.wrapping_mul(0x1e35_a7bd) >> (32 - PLACES_LOG)) as usize];
        let seen = usize::from(*place);
        let narrow = |number| u16::try_from(number).expect("a block is at most 64 KiB");
        *place = narrow(at);
        if seen >= at || four(seen) != Some(own) {
            // The longer nothing is found, the less is looked at.
            at += 1 + (at - unwritten) / 32;
            continue;
        }
        literal(&block[unwritten..at], out);
        let same = block[seen + 4..].iter().zip(&block[at + 4..]).take_while(|(a, b)| a == b);
        let mut left = 4 + same.count();
        let offset = narrow(at - seen);
        at += left;
        unwritten = at;
        while left > 0 {
            let some = left.min(64);
            out.push(lowest(some - 1) << 2 | 2);
            out.extend_from_slice(&offset.to_le_bytes());
            left -= some;
        }
    }
    literal(&block[unwritten..], out);
}

/// The lowest byte of a number.
fn lowest(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

fn literal(bytes: &[u8], out: &mut Vec<u8>) {
    let Some(length) = bytes.len().checked_sub(1) else { return };
    match length {
        ..60 => out.push(lowest(length) << 2),
        60..256 => out.extend_from_slice(&[60 << 2, lowest(length)]),
        _ => out.extend_from_slice(&[61 << 2, lowest(length), lowest(length >> 8)]),
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, BadArchive> {
        let mut unpacker = Unpacker::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(1000) {
            unpacker.push(piece);
            while unpacker.next(&mut out)? {}
        }
        if unpacker.len() > 0 { Err(BadArchive("more is missing")) } else { Ok(out) }
    }

    #[test]
    fn what_is_packed_comes_back() {
        let check = |content: &[u8], packed_max: usize| {
            let mut packed = Vec::new();
            begin(&mut packed);
            pack(content, &mut packed);
            assert_eq!(unpacked(&packed).as_deref(), Ok(content));
            assert!(packed.len() <= packed_max, "{} bytes", packed.len());
        };
        check(b"", 10);
        check(b"hello", 10 + 8 + 5);
        check(&vec![7; 300_000], 20_000);
        check("one, two, three, ".repeat(9_000).as_bytes(), 10_000);
        let noise: Vec<u8> =
            (0..100_000_u32).map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()[0]).collect();
        check(&noise, 100_000 + 30);
    }

    /// Copies that go as far back as the one before, as nats-server writes them.
    #[test]
    fn copies_repeat_their_distance() {
        // "ab", four bytes from two back; "x"; four, then 260 bytes from as far back.
        let block = b"\xe3\x02\x04ab\x01\x02\x00x\x01\x00\x15\x00\x54";
        let mut out = Vec::new();
        let length = 2 + 4 + 1 + 4 + (0x54 + 8);
        let mut own = vec![lowest(length)];
        own.extend_from_slice(&block[2..]);
        unpack(&own, &mut out).unwrap();
        assert_eq!(&out[..11], b"abababxbxbx");
        assert_eq!(out.len(), length);
    }

    #[test]
    fn checksums_are_those_of_others() {
        // The sum of the standard's example, turned and moved.
        let crc = 0xe306_9283_u32;
        assert_eq!(checksum(b"123456789"), crc.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    proptest! {
        #[test]
        fn anything_is_unpacked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut out = Vec::new();
            let _ = unpack(&bytes, &mut out);
            prop_assert!(out.len() <= BLOCK_BYTES_MAX);
            let _ = unpacked(&[BEGINNING, &bytes].concat());
        }

        #[test]
        fn everything_is_packed(bytes in prop::collection::vec(0_u8..4, 0..2000)) {
            let mut packed = Vec::new();
            begin(&mut packed);
            pack(&bytes, &mut packed);
            prop_assert_eq!(unpacked(&packed), Ok(bytes));
        }
    }
}
