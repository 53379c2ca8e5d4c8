//! The start of a segment: what it is, and whose.

use crate::checksum::{Flipped, checksum, flipped_bit};
use crate::format::{FORMAT, Origin};
use crate::record::{u32_at, u64_at};

/// What the names of segments end with.
pub(crate) const SEGMENT_SUFFIX: &str = ".wj";

const MAGIC: &[u8; 8] = b"WSegment";
const CRC_AT: usize = 32;

/// What a segment says of itself. Only whoever lost the file `FORMAT` needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u32,
    pub(crate) length: u64,
    pub(crate) origin: Origin,
}

impl SegmentHeader {
    /// Bytes before the first round.
    pub(crate) const BYTES: usize = 40;

    pub(crate) fn new(length: u64, origin: Origin) -> Self {
        Self { version: FORMAT, length, origin }
    }

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..CRC_AT].copy_from_slice(&self.origin.0.to_le_bytes());
        let crc = checksum(&[&bytes[..CRC_AT]]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads what [`SegmentHeader::encode`] made, with one wrong bit repaired. The version may be any.
    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let mut bytes = *bytes;
        let (stored, computed) = (u64_at(&bytes, CRC_AT), checksum(&[&bytes[..CRC_AT]]));
        if stored != computed
            && let Flipped::Data { byte, mask } = flipped_bit(CRC_AT, stored, computed)?
        {
            bytes[byte] ^= mask;
        }
        let origin = Origin(u64_at(&bytes, 24));
        let header = Self { version: u32_at(&bytes, 8), length: u64_at(&bytes, 16), origin };
        (bytes[..8] == *MAGIC).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_a_wrong_bit() {
        let header = SegmentHeader::new(1 << 20, Origin(77));
        for bit in 0..SegmentHeader::BYTES * 8 {
            let mut bytes = header.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&bytes), Some(header), "bit {bit}");
        }
        assert_eq!(SegmentHeader::decode(&[0; SegmentHeader::BYTES]), None);
    }
}
