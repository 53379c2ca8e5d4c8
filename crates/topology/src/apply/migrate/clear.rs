//! What the consumers of a work queue have done goes from its copy, too, and nothing else: not what was given
//! up after its last delivery, nor what a filter did not take when it came by.

use serde_json::json;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::Retention;

use super::clearing::{Clearing, Stage};
use super::hand_over::Way;
use super::state::{Find, Migration, Move};
use crate::call::Request;
use crate::migration::Side;

impl Migration {
    /// The next move that removes from a copy what a consumer with these filters has done before `start`, which is at
    /// `place` in the copy; `None` when that is all.
    pub(super) fn clear(
        &mut self,
        way: &Way<'_>,
        (origin, copy): (&Side, &Side),
        (name, filters): (&str, &[&str]),
        (start, place): (u64, u64),
    ) -> Option<Move> {
        let of = (way.copy.to_owned(), name.to_owned());
        if self.clearing.of != of {
            let copied = copy.copied.as_ref();
            let left = copied.and_then(|copied| copied.left.get(name)).copied();
            let left = left.unwrap_or_default();
            // A stream with limits has everything still. What its consumer has passed is done.
            let by_position = origin.info.config.retention == Retention::Limits;
            let renumbered = copied.is_some_and(|copied| copied.sources);
            let origin = renumbered.then(|| way.origin.to_owned());
            self.clearing = Clearing { of, left, origin, by_position, ..Clearing::default() };
        }
        while let Some(filter) = filters.get(self.clearing.filter).map(|&filter| filter.to_owned())
        {
            let next = |stream: &str, from| {
                let (stream, filter) = (stream.to_owned(), filter.clone());
                Move::Find(Find::Next { stream, from, filter })
            };
            let purge = |until: u64| {
                let body = json!({"filter": filter, "seq": until});
                Move::Call(Request::new(Call::StreamPurge(way.copy), &body))
            };
            match self.clearing.stage {
                Stage::All(first) if first < place => {
                    // Looked for once more: the answer may be lost.
                    self.clearing.stage = Stage::First;
                    return Some(purge(place));
                }
                Stage::First => return Some(next(way.copy, 1)),
                Stage::Survivor => return Some(next(way.origin, 1)),
                Stage::Purge(until) => match self.locate(way, copy, until.min(start)) {
                    Err(find) => return Some(Move::Find(find)),
                    Ok(until) => {
                        self.clearing.stage = Stage::Left;
                        // Nothing is before the first one.
                        if until > 1 {
                            return Some(purge(until));
                        }
                    }
                },
                Stage::Left => match self.locate(way, copy, self.clearing.left + 1) {
                    Err(find) => return Some(Move::Find(find)),
                    Ok(from) => self.clearing.stage = Stage::Next(from),
                },
                Stage::Next(from) if from < place => return Some(next(way.copy, from)),
                Stage::Check(sequence, before) if sequence < place => {
                    return Some(Move::Find(Find::At(way.origin.to_owned(), before)));
                }
                Stage::Remove(sequence) => {
                    self.clearing.stage = Stage::Next(sequence);
                    let body = json!({"seq": sequence, "no_erase": true});
                    return Some(Move::Call(Request::new(Call::MessageDelete(way.copy), &body)));
                }
                Stage::All(_) | Stage::Next(_) | Stage::Check(..) | Stage::Over => {
                    self.clearing.filter += 1;
                    self.clearing.stage = Stage::First;
                }
            }
        }
        None
    }
}
