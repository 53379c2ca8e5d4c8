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
use crate::observe::ObservedConsumer;
use crate::plan::filters;

impl Migration {
    /// The next move that removes from a copy what a consumer has done before `start`; `None` when that is
    /// all.
    pub(super) fn clear(
        &mut self,
        way: &Way<'_>,
        (origin, copy): (&Side, &Side),
        (name, one): (&str, &ObservedConsumer),
        start: u64,
    ) -> Option<Move> {
        let of = (way.copy.to_owned(), name.to_owned());
        if self.clearing.of != of {
            let left = copy.copied.as_ref().and_then(|copied| copied.left.get(name)).copied();
            let left = left.unwrap_or_default();
            // A stream with limits has everything still. What its consumer has passed is done.
            let by_position = origin.info.config.retention == Retention::Limits;
            self.clearing = Clearing { of, left, by_position, ..Clearing::default() };
        }
        let filters = filters(&one.info.config);
        while let Some(filter) = filters.get(self.clearing.filter).map(|&filter| filter.to_owned())
        {
            let next = |stream: &str, from| {
                let stream = stream.to_owned();
                Move::Find(Find::Next { stream, from, filter: filter.clone() })
            };
            let purge = |until: u64| {
                let body = json!({"filter": filter, "seq": until});
                Move::Call(Request::new(Call::StreamPurge(way.copy), &body))
            };
            let clearing = &mut self.clearing;
            match clearing.stage {
                Stage::All(first) if first < start => {
                    // Looked for once more: the answer may be lost.
                    clearing.stage = Stage::First;
                    return Some(purge(start));
                }
                Stage::First => return Some(next(way.copy, 1)),
                Stage::Survivor => return Some(next(way.origin, 1)),
                Stage::Purge(until) => {
                    clearing.stage = Stage::Next(clearing.left + 1);
                    return Some(purge(until.min(start)));
                }
                Stage::Next(from) if from < start => return Some(next(way.copy, from)),
                Stage::Check(sequence) if sequence < start => {
                    return Some(Move::Find(Find::At(way.origin.to_owned(), sequence)));
                }
                Stage::Remove(sequence) => {
                    clearing.stage = Stage::Next(sequence);
                    let body = json!({"seq": sequence, "no_erase": true});
                    return Some(Move::Call(Request::new(Call::MessageDelete(way.copy), &body)));
                }
                Stage::All(_) | Stage::Next(_) | Stage::Check(_) | Stage::Over => {
                    (clearing.filter, clearing.stage) = (clearing.filter + 1, Stage::First);
                }
            }
        }
        None
    }
}
