//! What is still to be done to a stream: work that was too much for the record that caused it.

use std::collections::VecDeque;

use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_u64};

/// What is still to be done to a stream, by records that come later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Messages that `filter` takes go, before the sequence `end`.
    Purge { filter: Vec<u8>, end: u64 },
    /// Messages from `next` on are looked at for whether they are kept. Of what nobody needs, what
    /// nobody has finished with either stays if `spares_untaken`.
    Keep { next: u64, spares_untaken: bool },
}

/// Appends what [`restore`] reads.
pub(super) fn checkpoint(chores: &VecDeque<Chore>, out: &mut Vec<u8>) {
    put_count(out, chores.len());
    for chore in chores {
        match chore {
            Chore::Purge { filter, end } => {
                out.push(1);
                put_counted(out, filter);
                put_u64(out, *end);
            }
            Chore::Keep { next, spares_untaken } => {
                out.push(if *spares_untaken { 3 } else { 2 });
                put_u64(out, *next);
            }
        }
    }
}

/// Reads chores, in their order.
pub(super) fn restore(reader: &mut Reader<'_>) -> Result<VecDeque<Chore>, BadState> {
    let read = |reader: &mut Reader<'_>| {
        Ok(match reader.u8()? {
            1 => Chore::Purge { filter: reader.counted()?.to_vec(), end: reader.u64()? },
            kind @ (2 | 3) => Chore::Keep { next: reader.u64()?, spares_untaken: kind == 3 },
            _ => return Err(BadState),
        })
    };
    (0..reader.count(1)?).map(|_| read(reader)).collect()
}
