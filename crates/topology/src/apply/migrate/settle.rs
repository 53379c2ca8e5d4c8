//! The end of a hand-over of some subjects: what went is taken from where it was, as that stream and its consumers go on
//! without it.

use serde_json::json;
use watershed_wire::jetstream::call::Call;

use super::super::request;
use super::super::task::{Cause, Stop};
use super::hand_over::Way;
use super::state::{Find, Migration, Move};
use crate::call::Request;
use crate::migration::{Copied, HOLD, is_paused_by_us, marked, park_subject, settled};
use crate::plan::Target;

impl Migration {
    /// The next move; done when nothing is left of it.
    pub(super) fn settle(&mut self, way: &Way<'_>) -> Result<Move, Stop> {
        let (Some(origin), Some(copy)) = self.world.sides() else {
            return Err(Cause::Changed("it is gone since".into()).into());
        };
        let (origin, copy) = (origin.clone(), copy.clone());
        let (Some(copied), Some(note)) = (&copy.copied, &origin.parked) else {
            return Ok(Move::Done);
        };
        let Some(last) = copied.last.filter(|_| note.partly) else { return Ok(Move::Done) };
        if !copied.clears {
            self.says = format!("notes in {} that it is complete", way.copy);
            let copied = Copied { clears: true, ..copied.clone() };
            let config = marked(&copy.config, &copied);
            return Ok(Move::Call(Request::new(Call::StreamUpdate(way.copy), &config)));
        }
        for filter in &copied.moves {
            let Some(oldest) = self.world.oldest.get(filter).copied() else {
                let (stream, filter) = (way.origin.to_owned(), filter.clone());
                return Ok(Move::Find(Find::Oldest { stream, filter }));
            };
            if (1..=last.origin).contains(&oldest) {
                self.says = format!("removes from {} what {} has", way.origin, way.copy);
                let body = json!({"filter": filter, "seq": last.origin + 1});
                return Ok(Move::Call(Request::new(Call::StreamPurge(way.origin), &body)));
            }
        }
        if origin.info.config.subjects == [park_subject(way.origin)] {
            // Nothing goes on there.
            return Ok(Move::Done);
        }
        let Some((there, _)) = self.world.consumers.clone() else { return Ok(Move::Consumers) };
        if let Some(next) = self.restart(way.origin, &origin, copied, &there) {
            return Ok(next);
        }
        if there.contains_key(HOLD) {
            self.says = format!("no longer holds what is in {}", way.origin);
            let call = Call::ConsumerDelete { stream: way.origin, consumer: HOLD };
            return Ok(Move::Call(Request::bare(call)));
        }
        let paused = there.iter().find(|(_, one)| one.info.paused && is_paused_by_us(&one.info));
        if let Some((consumer, _)) = paused {
            self.says = format!("lets {}/{consumer} go on", way.origin);
            return Ok(Move::Call(request::unpause(&Target::consumer(way.origin, consumer))));
        }
        self.says = format!("{} goes on without what it handed over", way.origin);
        let config = settled(&origin.config, note);
        Ok(Move::Call(Request::new(Call::StreamUpdate(way.origin), &config)))
    }
}
