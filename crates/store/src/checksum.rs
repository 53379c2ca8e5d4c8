//! A 64-bit CRC, and finding the one bit that it says is wrong.
//!
//! CRC-64/NVME (NVM Express specification; reflected polynomial 0x9a6c9329ac4bc9b5). A CRC is
//! linear: what a flipped bit does to it depends on the bit's place alone. So the difference between
//! the checksum that is stored and the one that is computed names the bit, if it was one bit.

use crc64fast_nvme::Digest;

/// Reflected polynomial.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// Checksum of some parts, one after the other.
pub(crate) fn checksum(parts: &[&[u8]]) -> u64 {
    let mut digest = Digest::new();
    for part in parts {
        digest.write(part);
    }
    digest.sum64()
}

/// A bit that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flipped {
    /// In the checked bytes: index of the byte, and the bit as a mask.
    Data { byte: usize, mask: u8 },
    /// In the stored checksum itself.
    Checksum,
}

/// The one bit whose flip explains why `length` bytes have the checksum `computed` where `stored`
/// was expected. `None` if no single bit does.
pub(crate) fn flipped_bit(length: usize, stored: u64, computed: u64) -> Option<Flipped> {
    let difference = stored ^ computed;
    if difference.is_power_of_two() {
        return Some(Flipped::Checksum);
    }
    // What a flip of each bit of the last byte does; one byte earlier, the same passes through one
    // more step of the division.
    let mut effects = [0_u64; 8];
    for (bit, effect) in effects.iter_mut().enumerate() {
        *effect = TABLE[1 << bit];
    }
    for byte in (0..length).rev() {
        if let Some(bit) = effects.iter().position(|effect| *effect == difference) {
            return Some(Flipped::Data { byte, mask: 1 << bit });
        }
        for effect in &mut effects {
            *effect = step(*effect);
        }
    }
    None
}

/// What a change of some bytes does to their checksum: the bytes are those to change, each with what
/// is changed in it.
pub(crate) fn effect(change: impl Iterator<Item = u8>) -> u64 {
    change.fold(0, |effect, byte| step(effect ^ u64::from(byte)))
}

/// The same effect where so many more bytes follow.
pub(crate) fn moved(effect: u64, bytes: usize) -> u64 {
    (0..bytes).fold(effect, |effect, _| step(effect))
}

/// One byte further.
fn step(effect: u64) -> u64 {
    TABLE[usize::from(effect.to_le_bytes()[0])] ^ (effect >> 8)
}

/// The division of each byte.
static TABLE: [u64; 256] = table();

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_value_is_the_published_one() {
        assert_eq!(checksum(&[b"1234", b"56789"]), 0xae8b_1486_0a79_9888);
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_found(bytes in proptest::collection::vec(any::<u8>(), 1..300), place: prop::sample::Index, bit in 0..8_u32) {
            let stored = checksum(&[&bytes]);
            let byte = place.index(bytes.len());
            let mut damaged = bytes.clone();
            damaged[byte] ^= 1_u8 << bit;
            let found = flipped_bit(damaged.len(), stored, checksum(&[&damaged]));
            prop_assert_eq!(found, Some(Flipped::Data { byte, mask: 1_u8 << bit }));
        }

        #[test]
        fn more_damage_is_not_taken_for_one_bit(bytes in proptest::collection::vec(any::<u8>(), 2..300), at: prop::sample::Index) {
            let stored = checksum(&[&bytes]);
            let byte = at.index(bytes.len() - 1);
            let mut damaged = bytes.clone();
            damaged[byte] ^= 0x81;
            damaged[byte + 1] ^= 0x10;
            prop_assert_eq!(flipped_bit(damaged.len(), stored, checksum(&[&damaged])), None);
        }
    }
}
