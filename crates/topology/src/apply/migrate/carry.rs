//! The consumers of a stream go on at its copy: they are paused, finish what they have, and are created there
//! behind what they had finished.

use serde_json::Value as Json;
use watershed_wire::jetstream::consumer::CreateAction;
use watershed_wire::jetstream::stream::Retention;
use watershed_wire::subject::overlaps;

use super::super::request;
use super::super::task::{Cause, MOMENT, Stop};
use super::hand_over::Way;
use super::state::{Migration, Move};
use crate::call::Request;
use crate::migration::{
    Copied, Side, carried, durable, is_paused_by_us, narrowed, owned, pause_from, position,
};
use crate::observe::ObservedConsumer;
use crate::plan::{Target, filters};

/// What must be left of a pause, or it is made longer: ten minutes.
const PAUSE_LEFT: i64 = 600_000_000_000;

/// Whether somebody else has paused it.
fn is_theirs(one: &ObservedConsumer) -> bool {
    one.info.paused && !is_paused_by_us(&one.info)
}

/// Whether it takes any of the subjects that go.
pub(super) fn goes_along(one: &ObservedConsumer, copied: &Copied) -> bool {
    let takes = |subject: &String| {
        let mut own = filters(&one.info.config).into_iter();
        own.any(|filter| overlaps(filter.as_bytes(), subject.as_bytes()))
    };
    copied.claims.is_empty() || copied.claims.iter().any(takes)
}

impl Migration {
    /// The next move of consumers from a parked stream to its copy.
    pub(super) fn carry(
        &mut self,
        way: &Way<'_>,
        origin: &Side,
        copy: &Side,
        copied: &Copied,
    ) -> Result<Move, Stop> {
        let Some((there, carried_already)) = &self.world.consumers else {
            return Ok(Move::Consumers);
        };
        if way.means.stops || !copied.stopped.is_empty() {
            let (there, carried) = (there.clone(), carried_already.clone());
            return Ok(self.carry_stopped(way, (origin, copy, copied), &there, &carried));
        }
        if copied.last.is_none() {
            return Err(
                Cause::Changed(format!("`{}` was promoted by somebody else", way.copy)).into()
            );
        }
        let open: Vec<(String, ObservedConsumer)> = durable(there)
            .filter(|(_, one)| goes_along(one, copied))
            .filter(|(name, _)| !carried_already.contains_key(*name))
            .map(|(name, one)| (name.clone(), one.clone()))
            .collect();
        if open.is_empty() {
            return Ok(Move::Done);
        }
        for (consumer, one) in &open {
            // Who was paused by somebody else stays so.
            if !is_theirs(one) && one.info.pause_remaining < PAUSE_LEFT {
                self.says = format!("pauses {}/{consumer}", way.origin);
                let target = Target::consumer(way.origin, consumer);
                return Ok(Move::Call(request::pause(&target, pause_from(origin.info.ts))));
            }
        }
        let outstanding: usize = open.iter().map(|(_, one)| one.info.num_ack_pending).sum();
        if outstanding > 0 && !self.drain.is_zero() {
            self.drain = self.drain.saturating_sub(MOMENT);
            self.says = format!("waits for {outstanding} outstanding acknowledgements");
            // It has its own end.
            let left = u64::try_from(self.drain.as_millis()).unwrap_or(u64::MAX);
            return Ok(Move::Nap(MOMENT, left));
        }
        let Some((name, one)) = open.into_iter().next() else { return Ok(Move::Done) };
        let mut config = one.config.clone();
        if !is_theirs(&one)
            && let Some(config) = config.as_object_mut()
        {
            config.remove("pause_until");
        }
        let (filters, start) = (filters(&one.info.config), position(&one.info));
        Ok(self.carry_one(way, (origin, copy), (&name, &config, &filters), start))
    }

    /// A consumer, so configured and with these filters, goes on at the copy where it has what the origin has from `start`
    /// on.
    pub(super) fn carry_one(
        &mut self,
        way: &Way<'_>,
        (origin, copy): (&Side, &Side),
        (name, config, filters): (&str, &Json, &[&str]),
        start: u64,
    ) -> Move {
        let place = match self.locate(way, copy, start) {
            Ok(place) => place,
            Err(find) => return Move::Find(find),
        };
        let work_queue = copy.info.config.retention == Retention::WorkQueue;
        if work_queue
            && copy.info.state.first_seq < place
            && let Some(next) = self.clear(way, (origin, copy), (name, filters), (start, place))
        {
            self.says = format!("removes from {} what {name} has done", way.copy);
            return next;
        }
        self.says = format!("lets {name} go on at {}", way.copy);
        let mut config = carried(config, place, work_queue);
        let claims =
            copy.copied.as_ref().map(|copied| copied.claims.as_slice()).unwrap_or_default();
        config = narrowed(&config, filters, claims);
        if way.part.is_some_and(|part| part.consumers.iter().any(|own| own == name))
            && let Some(owner) = way.owner()
        {
            config = owned(&config, owner);
        }
        Move::Call(Request::put_consumer(way.copy, name, &config, CreateAction::Create))
    }
}
