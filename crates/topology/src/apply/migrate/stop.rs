//! Consumers on servers that pause none: they end at the stream that is parked, with their positions noted at its copy, and are
//! made again there; or where they were, if the stream goes on or gets its subjects back.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::CreateAction;
use watershed_wire::jetstream::stream::Retention;

use super::super::task::MOMENT;
use super::carry::goes_along;
use super::hand_over::Way;
use super::state::{Migration, Move};
use super::world::Consumers;
use crate::call::Request;
use crate::migration::{Copied, HOLD, Side, Stopped, carried, durable, hold, marked, position};
use crate::observe::ObservedConsumer;
use crate::plan::filters;

impl Migration {
    /// The next move of consumers from a parked stream to its copy.
    pub(super) fn carry_stopped(
        &mut self,
        way: &Way<'_>,
        (origin, copy, copied): (&Side, &Side, &Copied),
        there: &Consumers,
        carried: &Consumers,
    ) -> Move {
        let open: BTreeMap<&String, &ObservedConsumer> = durable(there)
            .filter(|(_, one)| goes_along(one, copied))
            .filter(|(name, _)| !carried.contains_key(*name) && !copied.stopped.contains_key(*name))
            .collect();
        if !open.is_empty() {
            return self.note(way, (origin, copy, copied), there, &open);
        }
        if let Some(name) = copied.stopped.keys().find(|name| {
            // Where everything is there already, another client has made it again.
            there.contains_key(*name) && !carried.contains_key(*name)
        }) {
            self.says = format!("ends {}/{name}", way.origin);
            let call = Call::ConsumerDelete { stream: way.origin, consumer: name };
            return Move::Call(Request::bare(call));
        }
        let next = copied.stopped.iter().find(|(name, _)| !carried.contains_key(*name));
        let Some((name, Stopped { config, start })) = next else { return Move::Done };
        let typed: ConsumerConfig = serde_json::from_value(config.clone()).unwrap_or_default();
        let filters = filters(&typed);
        self.carry_one(way, (origin, copy), (name, config, &filters), *start)
    }

    /// Writes down where consumers are, before they end.
    fn note(
        &mut self,
        way: &Way<'_>,
        (origin, copy, copied): (&Side, &Side, &Copied),
        there: &Consumers,
        open: &BTreeMap<&String, &ObservedConsumer>,
    ) -> Move {
        let outstanding: usize = open.values().map(|one| one.info.num_ack_pending).sum();
        // What is still to come keeps workers busy, however long one waits.
        let is_all_out = open.values().all(|one| one.info.num_pending == 0);
        if outstanding > 0 && is_all_out && !self.drain.is_zero() {
            self.drain = self.drain.saturating_sub(MOMENT);
            self.says = format!("waits for {outstanding} outstanding acknowledgements");
            let left = u64::try_from(self.drain.as_millis()).unwrap_or(u64::MAX);
            return Move::Nap(MOMENT, left);
        }
        if origin.info.config.retention == Retention::Interest && !there.contains_key(HOLD) {
            // Without a consumer, it would keep nothing to go back to.
            self.says = format!("holds what is in {}", way.origin);
            let action = CreateAction::Create;
            return Move::Call(Request::put_consumer(way.origin, HOLD, &hold(&[]), action));
        }
        self.says = format!("notes in {} where the consumers of {} are", way.copy, way.origin);
        let mut copied = copied.clone();
        for (name, one) in open {
            let stopped = Stopped { config: one.config.clone(), start: position(&one.info) };
            copied.stopped.insert((*name).clone(), stopped);
        }
        let config = marked(&copy.config, &copied);
        Move::Call(Request::new(Call::StreamUpdate(way.copy), &config))
    }

    /// The next move that makes the consumers of a stream again which ended there; `None` when all are.
    pub(super) fn restart(
        &mut self,
        stream: &str,
        side: &Side,
        copied: &Copied,
        there: &Consumers,
    ) -> Option<Move> {
        let mut ended = copied.stopped.iter().filter(|(name, _)| !there.contains_key(*name));
        let (name, Stopped { config, start }) = ended.next()?;
        self.says = format!("lets {stream}/{name} go on");
        let work_queue = side.info.config.retention == Retention::WorkQueue;
        let config: Json = carried(config, *start, work_queue);
        Some(Move::Call(Request::put_consumer(stream, name, &config, CreateAction::Create)))
    }
}
