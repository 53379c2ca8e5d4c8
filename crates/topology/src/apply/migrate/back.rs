//! The way back: what was handed over in part becomes what it was, while its origin is there.

use watershed_wire::jetstream::call::Call;

use super::super::request;
use super::super::task::{Cause, NAP, Stop};
use super::state::{Find, Migration, Move};
use crate::call::Request;
use crate::migration::{HOLD, Side, is_paused_by_us, merging, parked, unparked};
use crate::plan::{Step, Target, Work};

impl Migration {
    /// The next move back.
    pub(super) fn back(&mut self, step: &Step) -> Result<Move, Stop> {
        let name = step.target.stream.clone();
        let source = self.world.source.clone();
        let (stream, transit) = (self.world.stream.clone(), self.world.transit.clone());
        let renamed = matches!(&step.work, Work::Back { from: Some(_) });
        let (origin_name, origin, copy_name, copy) =
            if renamed { (source, transit, name, stream) } else { (name, stream, source, transit) };
        let Some(origin) = origin.filter(|origin| origin.copied.is_none()) else {
            return Err(Cause::Changed(format!(
                "`{origin_name}` is not what it was any more: go on with `--migrate`"
            ))
            .into());
        };
        let waits = |copy: &Side| copy.parked.is_some() || copy.follows();
        self.between = origin.parked.is_some() && copy.as_ref().is_none_or(waits);
        let Some(copy) = copy else { return Ok(self.as_before(&origin_name, &origin)) };
        let copied = copy.copied.clone().filter(|copied| copied.of == origin_name);
        let Some(copied) = copied else {
            return Err(Cause::Changed(format!("`{copy_name}` is somebody else's")).into());
        };
        if copied.clears {
            return Err(Cause::Changed(format!(
                "`{origin_name}` may have lost what went already: go on with `--migrate`"
            ))
            .into());
        }
        let Some(last) = copied.last.filter(|_| !copy.follows()) else {
            if origin.parked.is_some() {
                return Ok(self.as_before(&origin_name, &origin));
            }
            self.says = format!("deletes {copy_name}");
            return Ok(Move::Call(Request::bare(Call::StreamDelete(&copy_name))));
        };
        if copy.parked.is_none() {
            self.says = format!("parks {copy_name}: publishers move back to {origin_name}");
            self.between = true;
            let config = parked(&copy.config, &copy_name);
            return Ok(Move::Call(Request::new(Call::StreamUpdate(&copy_name), &config)));
        }
        let own = copy.info.state.last_seq > last.copy;
        if origin.parked.is_none() {
            // What it got of its own is kept there, too, until somebody drops it.
            if own || !self.begun {
                return Ok(self.as_before(&origin_name, &origin));
            }
            self.says = format!("deletes {copy_name}");
            return Ok(Move::Call(Request::bare(Call::StreamDelete(&copy_name))));
        }
        if own {
            let source = origin.info.sources.iter().find(|source| source.name == copy_name);
            let Some(source) = source else {
                self.says = format!("moves what {copy_name} got back to {origin_name}");
                let config = merging(&origin.config, &copy_name, last.copy + 1);
                return Ok(Move::Call(Request::new(Call::StreamUpdate(&origin_name), &config)));
            };
            let newest = match self.newest_merged(&origin_name, &origin, &copied.moves) {
                Ok(newest) => newest,
                Err(find) => return Ok(Move::Find(find)),
            };
            let moved = newest > last.origin;
            if source.lag > 0 || source.active < 0 || !moved {
                return Ok(Move::Nap(NAP, origin.info.state.last_seq));
            }
        }
        if !copied.stopped.is_empty() {
            let Some((there, _)) = self.world.consumers.clone() else { return Ok(Move::Consumers) };
            if let Some(next) = self.restart(&origin_name, &origin, &copied, &there) {
                return Ok(next);
            }
        }
        Ok(self.as_before(&origin_name, &origin))
    }

    /// Sequence of the last message of the stream that may be one of those that are moved back; or what is to be looked
    /// for first.
    fn newest_merged(&self, name: &str, origin: &Side, moves: &[String]) -> Result<u64, Find> {
        if moves.is_empty() {
            return Ok(origin.info.state.last_seq);
        }
        // A stream that goes on with other subjects gets messages of those, too.
        let mut newest = 0;
        for filter in moves {
            let Some(found) = self.world.newest.get(filter) else {
                return Err(Find::Newest { stream: name.to_owned(), filter: filter.clone() });
            };
            newest = newest.max(*found);
        }
        Ok(newest)
    }

    /// Gives a stream its subjects back, and lets its consumers go on.
    fn as_before(&mut self, name: &str, origin: &Side) -> Move {
        if let Some(note) = &origin.parked {
            self.says = format!("publishers are with {name}");
            let config = unparked(&origin.config, note);
            return Move::Call(Request::new(Call::StreamUpdate(name), &config));
        }
        let Some((consumers, _)) = &self.world.consumers else { return Move::Consumers };
        if consumers.contains_key(HOLD) {
            self.says = format!("no longer holds what is in {name}");
            return Move::Call(Request::bare(Call::ConsumerDelete {
                stream: name,
                consumer: HOLD,
            }));
        }
        let paused =
            consumers.iter().find(|(_, one)| one.info.paused && is_paused_by_us(&one.info));
        let Some((consumer, _)) = paused else { return Move::Done };
        self.says = format!("lets {name}/{consumer} go on");
        Move::Call(request::unpause(&Target::consumer(name, consumer)))
    }
}
