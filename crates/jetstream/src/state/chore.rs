//! What is still to be done to a stream: work that was too much for the record that caused it.

use std::collections::VecDeque;

use watershed_store::bytes::{BadState, Reader, put_count, put_counted, put_u64};

/// What is still to be done to a stream, by records that come later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Messages that `filter` takes go, before the sequence `end`.
    Purge { filter: Vec<u8>, end: u64 },
    /// Messages from `next` on are looked at for whether they are kept.
    Keep { next: u64, goes: Goes },
}

/// Which messages a look at a stream lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    /// What is beyond the limit of its subject.
    Excess,
    /// That, and what nobody needs any more. What no consumer ever took stays.
    Finished,
    /// That, and whatever nobody needs.
    Unneeded,
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
            Chore::Keep { next, goes } => {
                out.push(match goes {
                    Goes::Unneeded => 2,
                    Goes::Finished => 3,
                    Goes::Excess => 4,
                });
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
            2 => Chore::Keep { next: reader.u64()?, goes: Goes::Unneeded },
            3 => Chore::Keep { next: reader.u64()?, goes: Goes::Finished },
            4 => Chore::Keep { next: reader.u64()?, goes: Goes::Excess },
            _ => return Err(BadState),
        })
    };
    (0..reader.count(1)?).map(|_| read(reader)).collect()
}
