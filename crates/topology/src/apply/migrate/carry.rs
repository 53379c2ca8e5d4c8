//! The consumers of a stream go on at its copy: they are paused, finish what they have, and are created there
//! behind what they had finished.

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
fn goes_along(one: &ObservedConsumer, copied: &Copied) -> bool {
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
        let Some(last) = copied.last else {
            return Err(
                Cause::Changed(format!("`{}` was promoted by somebody else", way.copy)).into()
            );
        };
        let Some((there, carried_already)) = &self.world.consumers else {
            return Ok(Move::Consumers);
        };
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
        Ok(self.carry_one(way, (origin, copy), (&name, &one), last.copy))
    }

    fn carry_one(
        &mut self,
        way: &Way<'_>,
        (origin, copy): (&Side, &Side),
        (name, one): (&str, &ObservedConsumer),
        last: u64,
    ) -> Move {
        // What comes after the last message of the origin is new, whatever its sequence there would be.
        let start = position(&one.info).min(last + 1);
        let work_queue = copy.info.config.retention == Retention::WorkQueue;
        if work_queue
            && copy.info.state.first_seq < start
            && let Some(next) = self.clear(way, (origin, copy), (name, one), start)
        {
            self.says = format!("removes from {} what {name} has done", way.copy);
            return next;
        }
        self.says = format!("lets {name} go on at {}", way.copy);
        let mut config = carried(&one.config, start, work_queue);
        let claims =
            copy.copied.as_ref().map(|copied| copied.claims.as_slice()).unwrap_or_default();
        config = narrowed(&config, &filters(&one.info.config), claims);
        if way.part.is_some_and(|part| part.consumers.iter().any(|own| own == name))
            && let Some(owner) = way.owner()
        {
            config = owned(&config, owner);
        }
        if !is_theirs(one)
            && let Some(config) = config.as_object_mut()
        {
            config.remove("pause_until");
        }
        Move::Call(Request::put_consumer(way.copy, name, &config, CreateAction::Create))
    }
}
