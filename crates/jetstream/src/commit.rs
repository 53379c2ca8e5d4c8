//! Rounds go to the disk and come back: what was durable is applied, and then it is told.

use watershed_base::Now;
use watershed_store::Record;
use watershed_store::journal::FRAME_BYTES;
use watershed_store::keeper::Job;
use watershed_wire::jetstream::account::{Reply, Success};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::json;

use crate::api::Purged;
use crate::checkpoint::CHECKPOINT_PER_TURN;
use crate::consumer_key::ConsumerKey;
use crate::garbage::Garbage;
use crate::jetstream::{JetStream, LocalChange, OwnedOwed, TimerKey};
use crate::live::{Dispatcher, Live};
use crate::network::Network;
use crate::output::{Completion, DiskOutput};
use crate::record::{Command, command_record, kind};
use crate::rounds::{Asked, Owed};
use crate::state::{Effects, Gone, Outcome, StreamKey};
use crate::tail::TailPlace;

/// What of durable rounds is applied in one turn, in messages that are stored, or events of
/// consumers that are kept: half a millisecond's work.
const COST_PER_TURN: usize = 512;

/// What an event takes in a record, about.
const BYTES_PER_EVENT: usize = 24;

impl JetStream {
    /// The shell reports what became of the disk's work.
    pub fn completed(&mut self, net: &mut impl Network, now: Now, done: Completion) {
        self.now = now;
        match done {
            Completion::Durable { round, room } => {
                self.ahead.durable(room);
                let waiting = self.rounds.owed();
                if let Some(applying) = self.rounds.durable(round) {
                    self.gather.durable(now.tick, applying.batch.owed(), waiting);
                    // Whoever is told reads what it is told of from the tail.
                    self.tail.push(applying.placed.round.clone());
                    self.apply_durable(net);
                }
            }
            Completion::Failed { full } => self.disk_refused(full),
            Completion::Full => {
                self.ahead.set_room(0);
                self.disk.refused(true);
            }
            Completion::Healed => {
                self.disk.healed();
                self.go_on_storing();
            }
            Completion::Placed { round } => {
                self.tail.placed(round);
                let first = self.tail.first_round();
                while let Some(log) = self.tail.next_outdated() {
                    if let Some(key) = self.state.by_log(log) {
                        self.state.streams[key.index()].trim_tail(first);
                    }
                }
            }
            Completion::Checkpointed { made } => {
                self.disk.end_checkpoint(made);
                self.checkpoint_if_due();
            }
            Completion::Kept(keeping) => {
                self.disk.keeps(keeping);
                self.go_on_storing();
                self.checkpoint_if_due();
            }
            Completion::Read { ticket, bytes } => self.read_done(net, ticket, bytes),
        }
    }

    /// Applies some of what is durable. Says whether there is more.
    pub(crate) fn apply_durable(&mut self, net: &mut impl Network) -> bool {
        if !self.write_checkpoint(CHECKPOINT_PER_TURN) {
            return true;
        }
        let Some(mut applying) = self.rounds.take_durable() else { return false };
        let round = applying.placed.round.clone();
        let number = round.number();
        let mut effects = std::mem::take(&mut self.effects);
        let mut cost = 0;
        while let Some((place, owed)) = applying.batch.record(applying.next)
            && cost < COST_PER_TURN
        {
            let record = Record::view(round.slice(place));
            effects.clear();
            self.state.apply(&record, Some(TailPlace { round: number, place }), &mut effects);
            effects.place(&record, place, &mut applying.placed);
            if effects.changes.first_of_round {
                self.tail.note(number, record.log);
            }
            if effects.changes.sealed {
                self.seal_later(record.log);
            }
            self.announce(net, &record, owed, &mut effects);
            applying.next += 1;
            cost += 1 + effects.work();
            if record.kind == kind::EVENTS {
                cost += record.body.len() / BYTES_PER_EVENT;
            }
        }
        self.effects = effects;
        if applying.batch.record(applying.next).is_some() {
            self.rounds.give_back(applying);
            return true;
        }
        self.journal_bytes += round.bytes().len() + FRAME_BYTES;
        if !applying.placed.dropped.is_empty() {
            self.free_space_soon();
        }
        self.outputs.push(DiskOutput::Keep(Job::Place(Box::new(applying.placed))));
        self.write_footers();
        for held in applying.batch.take_held() {
            Self::reply(net, held.account, &held.subject, b"", &held.payload);
        }
        self.ready.append(&mut self.settling);
        self.wake_waiting_followers();
        self.answer_calls(net);
        self.checkpoint_if_due();
        self.rounds.has_durable() || self.writing.is_some()
    }

    /// Applies a record that no journal keeps.
    pub(crate) fn apply_local(
        &mut self,
        net: &mut impl Network,
        record: &Record<'_>,
        owed: Owed<'_>,
    ) {
        if record.kind == kind::COPY {
            // It may let a message of its origin go, which is being written.
            self.write_checkpoint(usize::MAX);
        }
        // One inside another has effects of its own.
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        self.state.apply(record, None, &mut effects);
        let dropped = std::mem::take(&mut effects.changes.dropped);
        if !dropped.is_empty() {
            self.outputs.push(DiskOutput::Keep(Job::Drop(dropped)));
        }
        self.announce(net, record, owed, &mut effects);
        self.effects = effects;
    }

    /// Whether no journal keeps a change of a stream.
    fn is_local(&self, key: StreamKey, command: &Command) -> bool {
        let stream = self.state.stream(key);
        let in_memory = |name: &str| {
            let found = stream.consumers.find(name);
            found.map(|(_, consumer)| consumer.in_memory)
        };
        match command {
            Command::UpdateStream { .. } | Command::DeleteStream => false,
            _ if stream.is_memory() => true,
            Command::PutConsumer { config, .. } => {
                in_memory(&config.name).unwrap_or_else(|| stream.keeps_in_memory(config))
            }
            Command::PauseConsumer { name, .. }
            | Command::ResetConsumer { name, .. }
            | Command::DeleteConsumer { name } => in_memory(name).unwrap_or(false),
            _ => false,
        }
    }

    /// Accepts a change of a stream: a record, or done at once where no journal keeps it. Says
    /// whether there was room.
    pub(crate) fn submit(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        command: &Command,
        owed: Owed<'_>,
    ) -> bool {
        self.save_events_of(net, key);
        let log = self.state.stream(key).log.id();
        if self.is_local(key, command) {
            let body = command.encode();
            self.apply_local(net, &command_record(log, self.now.wall, &body), owed);
            return true;
        }
        self.journal(log, command, owed)
    }

    /// Goes on with a change that is done in slices.
    fn go_on(&mut self, net: &mut impl Network, key: StreamKey, command: Command, owed: Owed<'_>) {
        let stream = self.state.stream(key);
        if stream.is_memory() {
            // After the others had their turn.
            let change = LocalChange { log: stream.log.id(), command, owed: OwnedOwed::new(owed) };
            self.local.push(change);
            self.timers.set(TimerKey::Local, self.now.tick);
        } else if !self.submit(net, key, &command, owed) {
            self.refuse(net, owed, table::CLUSTER_NOT_AVAIL.into());
        }
    }

    /// Does the next slices of changes that no journal keeps.
    pub(crate) fn go_on_locally(&mut self, net: &mut impl Network) {
        for LocalChange { log, command, owed } in std::mem::take(&mut self.local) {
            if self.state.by_log(log).is_some() {
                let body = command.encode();
                let record = command_record(log, self.now.wall, &body);
                self.apply_local(net, &record, owed.borrow());
            } else {
                self.refuse(net, owed.borrow(), table::STREAM_NOT_FOUND.into());
            }
        }
    }

    /// Tells who is concerned what a record changed, and wakes them.
    fn announce(
        &mut self,
        net: &mut impl Network,
        record: &Record<'_>,
        owed: Owed<'_>,
        effects: &mut Effects,
    ) {
        let key = match effects.outcome {
            Outcome::Stored(key, _) => Some(key),
            _ => self.state.by_log(record.log),
        };
        match key {
            Some(key) => self.wake_consumers(key, effects),
            None => self.garbage.append(&mut effects.changes.garbage),
        }
        match std::mem::take(&mut effects.outcome) {
            Outcome::Nothing => {}
            Outcome::Stored(key, sequence) => {
                self.arrived(key, sequence);
                if let Some(expiry) = effects.expiry {
                    self.arm_expiry_by(net, key, expiry);
                }
                self.acknowledge_stored(net, key, record, owed);
                self.republish(net, key, record, effects.last_of_subject);
            }
            Outcome::Kept => {
                self.events_kept(record);
                Self::reply(net, owed.account, owed.subject, b"", b"");
            }
            Outcome::Created(key) => self.stream_created(net, key, owed),
            Outcome::Updated(key, subjects) => {
                for (index, name) in effects.ended.drain(..) {
                    self.consumer_removed(net, ConsumerKey::new(key, index), &name);
                }
                self.stream_updated(net, key, &subjects, owed);
            }
            Outcome::Deleted(gone) => self.stream_deleted(net, *gone, owed),
            Outcome::Purged(key, purged, more) => {
                if more
                    && let Some(Command::Purge { filter, until, end, .. }) =
                        Command::decode(record.body)
                {
                    let (stream, from) = (self.state.stream(key), until);
                    let until = stream.end_of_slice(filter.as_bytes(), from, end, stream.slice());
                    let next = Command::Purge { filter, from, until, end, before: purged };
                    let owed = self.let_others_go(owed);
                    self.go_on(net, key, next, owed);
                } else {
                    self.done(net, owed, &Purged { success: true, purged });
                }
            }
            Outcome::Expired(key, more) => self.expired(net, key, more),
            Outcome::Swept(key) => self.live(key).sweeping = false,
            Outcome::Put(key, index, existed) => {
                self.consumer_put(net, ConsumerKey::new(key, index), existed, owed);
            }
            Outcome::Paused(key, index) => {
                self.consumer_paused(net, ConsumerKey::new(key, index), owed);
            }
            Outcome::Reset(key, index) => {
                self.consumer_reset_done(net, ConsumerKey::new(key, index), owed);
            }
            Outcome::Removed(key, index) => {
                if let Some(Command::DeleteConsumer { name }) = Command::decode(record.body) {
                    self.consumer_removed(net, ConsumerKey::new(key, index), &name);
                }
                self.done(net, owed, &Success { success: true });
            }
            Outcome::Erased => self.done(net, owed, &Success { success: true }),
            Outcome::Refused(error) => self.refuse(net, owed, error),
            // It was made by this process.
            Outcome::Unknown => debug_assert!(false, "a record of ours is known"),
        }
        if let Some(key) = key {
            self.do_chores(net, key);
            self.arm_schedules(key);
        }
    }

    /// Consumers have something to deliver, or have lost something.
    fn wake_consumers(&mut self, key: StreamKey, effects: &mut Effects) {
        let Self { state, live, ready, following, garbage, .. } = self;
        garbage.append(&mut effects.changes.garbage);
        if let (Some(stream), Some(live)) = (state.streams.get(key.index()), live.get_mut(key)) {
            for group in effects.fed.drain(..) {
                live.fed(group, |index| {
                    ready.insert(ConsumerKey::new(key, index));
                });
            }
            if effects.changes.emptied {
                let all = live.dispatchers.iter_mut().flatten().map(Dispatcher::emptied);
                garbage.extend(all.map(Garbage::Outstanding));
            }
            for (index, sequence) in effects.changes.lost.drain(..) {
                if let Some(dispatcher) = live.dispatcher(index) {
                    dispatcher.lost(sequence);
                }
                // There may be room for another one.
                ready.insert(ConsumerKey::new(key, index));
            }
            if matches!(effects.outcome, Outcome::Stored(..)) {
                following.extend(&stream.followers);
            }
        }
        for (key, index, sequence) in effects.lost_elsewhere.drain(..) {
            let key = ConsumerKey::new(key, index);
            if let Some(dispatcher) = live.dispatcher(key) {
                dispatcher.lost(sequence);
                ready.insert(key);
            }
        }
    }

    /// What was on its way up to this message is stored.
    fn arrived(&mut self, key: StreamKey, sequence: u64) {
        let account = self.state.stream(key).account;
        let intake = &mut self.live(key).intake;
        let before = intake.weight();
        intake.stored(sequence);
        let bytes = before - intake.weight();
        self.work.arrived(account, bytes);
    }

    fn events_kept(&mut self, record: &Record<'_>) {
        let Some(key) = self.state.by_log(record.log) else { return };
        let name = std::str::from_utf8(record.key).unwrap_or_default();
        let Some((index, _)) = self.state.stream(key).consumers.find(name) else { return };
        if let Some(dispatcher) = self.live(key).dispatcher(index) {
            dispatcher.saved();
        }
    }

    fn stream_created(&mut self, net: &mut impl Network, key: StreamKey, owed: Owed<'_>) {
        self.start_stream(net, key);
        self.notice_created(net, key);
        let created = self.created(key);
        self.done(net, owed, &created);
    }

    /// A stream that is in the state begins to work.
    pub(crate) fn start_stream(&mut self, net: &mut impl Network, key: StreamKey) {
        let stream = self.state.stream(key);
        let live = Live::new(stream, self.now);
        for filter in &stream.config.subjects {
            net.capture(stream.account, filter.as_bytes(), key.into());
        }
        self.following.insert(key);
        self.following.extend(&stream.followers);
        self.live.insert(key, live);
        for place in self.consumers_of(key) {
            self.count(place, usize::MAX);
            self.start_consumer(place);
        }
        self.arm_expiry(net, key);
        self.do_chores(net, key);
        self.arm_schedules(key);
        self.compress_full_blocks(key);
    }

    pub(crate) fn consumers_of(&self, key: StreamKey) -> Vec<ConsumerKey> {
        let all = self.state.stream(key).consumers.iter();
        all.map(|(index, _)| ConsumerKey::new(key, index)).collect()
    }

    fn start_consumer(&mut self, key: ConsumerKey) {
        let stream = self.state.stream(key.stream);
        let target = &stream.consumers[key.index()].config.deliver_subject;
        if !target.is_empty() {
            let target = (stream.account, target.as_bytes().into());
            self.targets.entry(target).or_default().insert(key);
        }
        self.ready.insert(key);
    }

    fn stream_updated(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        old_subjects: &[String],
        owed: Owed<'_>,
    ) {
        let stream = self.state.stream(key);
        if *old_subjects != *stream.config.subjects {
            for filter in old_subjects {
                net.release(stream.account, filter.as_bytes(), key.into());
            }
            for filter in &stream.config.subjects {
                net.capture(stream.account, filter.as_bytes(), key.into());
            }
        }
        self.following.insert(key);
        if let Some(live) = self.live.get_mut(key) {
            live.configure(stream);
        }
        if !stream.config.allow_atomic {
            self.batches.forget(key);
        }
        if !self.state.stream(key).config.allow_batched {
            self.end_fast_of(key);
        }
        self.arm_expiry(net, key);
        self.compress_full_blocks(key);
        self.notice_updated(net, key);
        let info = self.stream_info(key);
        self.done(net, owed, &info);
    }

    fn stream_deleted(&mut self, net: &mut impl Network, gone: Gone, owed: Owed<'_>) {
        let Gone { key, stream } = gone;
        for (index, consumer) in stream.consumers.iter() {
            let target = consumer.config.deliver_subject.as_bytes();
            let place = ConsumerKey::new(key, index);
            self.forget_target(stream.account, target, place);
            self.end_requests(net, place, "Consumer Deleted");
            self.forget_counting(net, place);
        }
        for filter in &stream.config.subjects {
            net.release(stream.account, filter.as_bytes(), key.into());
        }
        self.notice_deleted(net, &stream);
        let coming = self.live.get(key).map_or(0, |live| live.intake.weight());
        self.work.arrived(stream.account, coming);
        let dispatchers = self.live.remove(key).into_iter().flat_map(|live| live.dispatchers);
        let outstanding = dispatchers.flatten().map(|own| own.outstanding);
        self.garbage.extend(outstanding.map(Garbage::Outstanding));
        self.batches.forget(key);
        self.forget_fast_of(key);
        self.unsaved.remove(&key);
        self.following.remove(&key);
        self.following_waits.remove(&key);
        self.timers.cancel(TimerKey::Expire(key));
        self.timers.cancel(TimerKey::Chores(key));
        self.done(net, owed, &Success { success: true });
    }

    fn consumer_put(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        existed: bool,
        owed: Owed<'_>,
    ) {
        let Self { state, live, now, .. } = self;
        let stream = &state.streams[key.stream.index()];
        let consumer = &stream.consumers[key.index()];
        let Some(live) = live.get_mut(key.stream) else { return };
        match live.dispatcher(key.index()) {
            Some(dispatcher) if existed => dispatcher.configure(&consumer.config),
            _ => live.put(key.index(), Dispatcher::new(consumer, stream.log.last(), *now)),
        }
        if existed {
            if live.dispatcher(key.index()).is_some_and(|own| own.is_rescheduling()) {
                self.rescheduling.insert(key);
            }
            // It may deliver elsewhere.
            for keys in self.targets.values_mut() {
                keys.remove(&key);
            }
            self.targets.retain(|_, keys| !keys.is_empty());
        }
        self.start_consumer(key);
        if !existed {
            self.notice_consumer_created(net, key);
        }
        self.tell_if_paused(net, key);
        if self.state.stream(key.stream).consumers[key.index()].is_counting() {
            self.count_later(key, owed);
        } else {
            self.tell_of_consumer(net, key, owed);
        }
    }

    /// A consumer is gone from the state: those who wait at it are told.
    fn consumer_removed(&mut self, net: &mut impl Network, key: ConsumerKey, name: &str) {
        for keys in self.targets.values_mut() {
            keys.remove(&key);
        }
        self.targets.retain(|_, keys| !keys.is_empty());
        self.end_requests(net, key, "Consumer Deleted");
        self.forget_counting(net, key);
        let outstanding = self.live(key.stream).end(key.index());
        self.garbage.push(Garbage::Outstanding(outstanding));
        self.notice_consumer_deleted(net, key.stream, name);
    }

    fn forget_target(
        &mut self,
        account: watershed_base::AccountId,
        target: &[u8],
        key: ConsumerKey,
    ) {
        if !target.is_empty()
            && let Some(keys) = self.targets.get_mut(&(account, target.into()))
        {
            keys.remove(&key);
        }
    }

    /// Everybody who waits at a consumer is told why no more comes.
    pub(crate) fn end_requests(&mut self, net: &mut impl Network, key: ConsumerKey, why: &str) {
        self.ready.remove(&key);
        self.held.remove(&key);
        self.settling.remove(&key);
        self.acknowledging.remove(&key);
        self.rescheduling.remove(&key);
        self.timers.cancel(TimerKey::Consumer(key));
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        let waiting = std::mem::take(&mut dispatcher.waiting);
        for request in waiting.into_requests() {
            Self::send_status(net, request.account, &request.reply, 409, why, &[]);
        }
    }

    /// Calls behind a change have their turn, now that it is made, or begun.
    pub(crate) fn let_others_go<'a>(&mut self, owed: Owed<'a>) -> Owed<'a> {
        let Asked::Change(call) = owed.asked else { return owed };
        if let Some(key) = self.calls.end_change(owed.account) {
            self.wake(key);
        }
        Owed { asked: Asked::Rest(call), ..owed }
    }

    /// A change was made: who asked for it is told what it made.
    pub(crate) fn done<T: serde::Serialize>(
        &mut self,
        net: &mut impl Network,
        owed: Owed<'_>,
        what: &T,
    ) {
        let owed = self.let_others_go(owed);
        if let Asked::Rest(call) = owed.asked {
            let reply = json::encode(&Reply::new(call.kind, Ok(what)));
            Self::reply(net, owed.account, owed.subject, b"", &reply);
            self.audit_remembered(net, owed.account, call.audit, &reply);
        }
    }

    /// What was asked for did not happen: who asked is told, unless any reply would confirm it.
    pub(crate) fn refuse(&mut self, net: &mut impl Network, owed: Owed<'_>, error: ApiError) {
        let owed = self.let_others_go(owed);
        match owed.asked {
            Asked::Nothing | Asked::Confirm => {}
            Asked::Publish | Asked::Fast => Self::refuse_publish(net, owed, error),
            Asked::Change(call) | Asked::Rest(call) => {
                self.work.failed(owed.account);
                let reply = json::encode(&Reply::<()>::new(call.kind, Err(error)));
                Self::reply(net, owed.account, owed.subject, b"", &reply);
                self.audit_remembered(net, owed.account, call.audit, &reply);
            }
        }
    }

    /// Lets the open round go, if the disk is free and nobody else is likely to join.
    pub(crate) fn close_round(&mut self, net: &mut impl Network) {
        if !self.rounds.wants_to_close() {
            return;
        }
        let owed = self.rounds.owed();
        if let Some(until) = self.gather.waits_until(self.now.tick, owed) {
            self.timers.set(TimerKey::Round, until);
            return;
        }
        self.timers.cancel(TimerKey::Round);
        // Events ride with a round that goes anyway.
        self.save_all_events(net);
        if let Some(round) = self.rounds.close() {
            self.gather.goes(self.now.tick, owed);
            self.ahead.goes();
            self.outputs.push(DiskOutput::Commit(round));
        }
    }
}
