//! Parity: 512 bytes that let any 512 bytes side by side be mended.
//!
//! Bytes stand in columns, by their offset modulo 512. A column with its byte of parity comes to one
//! and the same value under exclusive or, and not to zero: else the parity of a few bytes would be
//! those bytes once more, and be taken for them. What damages no more than a sector hits each column once, so the rest of each
//! column says what was there. Which sector it was, the checksum says: a CRC is linear, so what
//! mending a sector does to it follows from the bytes that change and from their distance to the end.

use std::ops::Range;

use crate::checksum::{effect, moved};

/// Bytes of a sector of a disk, and of a parity.
pub(crate) const SECTOR_BYTES: usize = 512;

/// Columns that are summed at once.
const LANES: usize = 64;

/// Rows that are gone through for all columns before the next ones.
const ROWS: usize = 32;

/// What each column comes to.
const SUM: u8 = 0xa5;

type Columns = [u8; SECTOR_BYTES];

/// What the columns of `bytes` lack.
fn columns(bytes: &[u8]) -> Columns {
    let mut sums = [SUM; SECTOR_BYTES];
    let (rows, rest) = bytes.as_chunks::<SECTOR_BYTES>();
    // Rows that stay in the first cache, some columns of them at a time in registers.
    for rows in rows.chunks(ROWS) {
        for (index, sums) in sums.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let mut own = *sums;
            for row in rows {
                let lanes = &row.as_chunks::<LANES>().0[index];
                own.iter_mut().zip(lanes).for_each(|(sum, byte)| *sum ^= byte);
            }
            *sums = own;
        }
    }
    sums.iter_mut().zip(rest).for_each(|(sum, byte)| *sum ^= byte);
    sums
}

/// The parity of `bytes`, which is to stand right behind them.
pub(crate) fn parity(bytes: &[u8]) -> Columns {
    let mut sums = columns(bytes);
    sums.rotate_left(bytes.len() % SECTOR_BYTES);
    sums
}

/// Mends `bytes`, data with their parity behind them, of which one sector is damaged. Sectors begin
/// at `boundary`, less than one sector in, and at each multiple behind it. The data in `covered` have
/// a checksum that differs from what it should be by `wrong`. Says whether that explains it; nothing
/// is changed otherwise.
pub(crate) fn mend(bytes: &mut [u8], boundary: usize, covered: Range<usize>, wrong: u64) -> bool {
    let change = columns(bytes);
    let changed = change.iter().filter(|byte| **byte != 0).count();
    let ends = |begin: usize| begin..(begin + SECTOR_BYTES).min(bytes.len());
    let behind = (boundary..bytes.len()).step_by(SECTOR_BYTES).map(ends);
    let sectors: Vec<Range<usize>> =
        std::iter::once(0..boundary.min(bytes.len())).chain(behind).collect();
    let mut full: Option<u64> = None;
    for sector in sectors.into_iter().rev() {
        let hit = sector.start.max(covered.start)..sector.end.min(covered.end);
        if hit.is_empty() {
            continue;
        }
        let at = |position: usize| change[position % SECTOR_BYTES];
        let alone = || effect(hit.clone().map(at));
        let found = if hit.len() == SECTOR_BYTES {
            // The same bytes as in the sector behind it, one sector further from the end.
            *full.insert(match full {
                Some(behind) => moved(behind, SECTOR_BYTES),
                None => moved(alone(), covered.end - hit.end),
            })
        } else {
            moved(alone(), covered.end - hit.end)
        };
        // Nothing outside the sector is wrong.
        let inside = || sector.clone().filter(|position| at(*position) != 0).count() == changed;
        if found == wrong && inside() {
            for position in sector {
                bytes[position] ^= change[position % SECTOR_BYTES];
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checksum::checksum;

    proptest! {
        #[test]
        fn any_sector_is_mended(
            data in proptest::collection::vec(any::<u8>(), 1..4000),
            noise in proptest::collection::vec(any::<u8>(), SECTOR_BYTES),
            zeroes: bool,
            boundary in 0..SECTOR_BYTES,
            which: prop::sample::Index,
        ) {
            let mut whole = data.clone();
            whole.extend_from_slice(&parity(&data));
            let mut sectors: Vec<Range<usize>> = Vec::new();
            let mut begin = 0;
            let mut end = if boundary == 0 { SECTOR_BYTES } else { boundary };
            while begin < whole.len() {
                sectors.push(begin..end.min(whole.len()));
                (begin, end) = (end, end + SECTOR_BYTES);
            }
            let hit = which.get(&sectors).clone();
            let mut damaged = whole.clone();
            for (byte, noise) in damaged[hit].iter_mut().zip(&noise) {
                *byte = if zeroes { 0 } else { *noise };
            }
            let wrong = checksum(&[&data]) ^ checksum(&[&damaged[..data.len()]]);
            if wrong != 0 {
                prop_assert!(mend(&mut damaged, boundary, 0..data.len(), wrong));
                prop_assert_eq!(damaged, whole);
            }
        }

        #[test]
        fn more_than_a_sector_is_left_alone(data in proptest::collection::vec(any::<u8>(), 2000..4000)) {
            let mut damaged = data.clone();
            damaged.extend_from_slice(&parity(&data));
            damaged[100] ^= 1;
            damaged[1800] ^= 1;
            let before = damaged.clone();
            let wrong = checksum(&[&data]) ^ checksum(&[&damaged[..data.len()]]);
            prop_assert!(!mend(&mut damaged, 0, 0..data.len(), wrong));
            prop_assert_eq!(damaged, before);
        }
    }
}
