//! What a durable round means.

use watershed_store::blocks::Placement;
use watershed_store::{LogId, Record, Round};
use watershed_wire::jetstream::account::{Reply, Success};
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::publish::PubAck;
use watershed_wire::jetstream::stream::PurgeRequest;
use watershed_wire::jetstream::stream::Retention;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig, change, json};
use watershed_wire::subject;
use watershed_wire::time::UnixNanos;

use super::command::{Command, command_record, kind};
use super::rounds::Batch;
use super::tail::TailPlace;
use super::{JetStream, Owed};
use crate::account::AccountId;
use crate::api::{Created, Purged, check_origins};
use crate::consumer::{Consumer, ConsumerKey, Event, decode_events};
use crate::engine::Engine;
use crate::now::Now;
use crate::output::{Completion, Output, Placed};
use crate::stream::{Effects, Stream, StreamKey};
use crate::timer::TimerKey;

impl Engine {
    /// The shell reports what became of the disk's work.
    pub fn completed(&mut self, now: Now, done: Completion) {
        self.now = now;
        match done {
            Completion::Durable { round } => {
                if let Some((round, batch)) = self.jetstream.rounds.durable(round) {
                    let jetstream = &mut self.jetstream;
                    jetstream.gather.durable(now.tick, batch.owed(), jetstream.rounds.owed());
                    self.apply_round(now, &round, batch);
                }
            }
            Completion::Failed { .. } => self.disk_failed(),
            Completion::Placed { round } => {
                self.jetstream.tail.placed(round);
                let first = self.jetstream.tail.first_round();
                for (_, stream) in &mut self.jetstream.streams {
                    stream.trim_tail(first);
                }
            }
            Completion::Checkpointed => self.jetstream.checkpointing = false,
            Completion::Read { ticket, bytes } => self.read_done(ticket, bytes),
        }
    }

    fn apply_round(&mut self, now: Now, round: &Round, mut batch: Batch) {
        let number = round.number();
        let mut placed = Placed::new(round.clone());
        for (place, owed) in batch.work() {
            let record = Record::view(round.slice(place));
            if record.kind == kind::EVENTS {
                // Applied when they happened; now somebody may be told.
                self.reply(owed.account, owed.subject, b"", b"");
                continue;
            }
            self.apply(now, &record, TailPlace { round: number, place }, owed, &mut placed);
        }
        self.finish_round(placed);
        for held in batch.take_held() {
            self.reply(held.account, &held.subject, b"", &held.payload);
        }
        self.wake_waiting_followers();
        self.checkpoint_if_due(number);
    }

    /// Applies the rounds of a journal that was opened.
    pub(super) fn replay(&mut self, now: Now, round: &Round) {
        let number = round.number();
        let mut placed = Placed::new(round.clone());
        let nobody = Owed { account: AccountId(0), subject: b"" };
        for (place, record) in round.records() {
            if record.kind == kind::EVENTS {
                self.replay_events(now, &record, &mut placed);
                continue;
            }
            self.apply(now, &record, TailPlace { round: number, place }, nobody, &mut placed);
        }
        self.finish_round(placed);
    }

    fn replay_events(&mut self, now: Now, record: &Record<'_>, placed: &mut Placed) {
        let Some(stream) = self.jetstream.by_log.get(&record.log).copied() else { return };
        let name = std::str::from_utf8(record.key).unwrap_or_default();
        let held = &self.jetstream.streams[stream.0 as usize];
        let Some(key) = held.consumers.get(name).copied() else { return };
        for event in decode_events(record.body).unwrap_or_default() {
            let done = match event {
                Event::AckedAll { sequence } => {
                    self.jetstream.consumers[key.0 as usize].outstanding.up_to(sequence)
                }
                Event::Delivered { sequence, .. } | Event::Acked { sequence } => vec![sequence],
                Event::GivenUp { .. } | Event::Retry { .. } => Vec::new(),
            };
            if !self.jetstream.consumers[key.0 as usize].apply(now, event) {
                continue;
            }
            for sequence in done {
                let log = &self.jetstream.streams[stream.0 as usize].log;
                if let Some(subject) = log.key_of(sequence).map(|key| key.name().to_vec()) {
                    let dropped = self.remove_done(stream, sequence, &subject);
                    placed.dropped.extend(dropped.into_iter().map(|block| (record.log, block)));
                }
            }
        }
    }

    fn finish_round(&mut self, placed: Placed) {
        self.jetstream.journal_bytes += placed.round.bytes().len();
        self.jetstream.tail.push(placed.round.clone());
        self.outputs.push(Output::Place(Box::new(placed)));
    }

    fn apply(
        &mut self,
        now: Now,
        record: &Record<'_>,
        at: TailPlace,
        owed: Owed<'_>,
        placed: &mut Placed,
    ) {
        if matches!(record.kind, kind::MESSAGE | kind::COPY) {
            self.apply_message(now, record, at, owed, placed);
            return;
        }
        // The checksum was right, so it is a command of ours; one that is not known is from a
        // newer version, which the store's format would have refused.
        let Some(command) = Command::decode(record.body) else { return };
        let mut effects = Effects::default();
        let answer = self.apply_command(now, record, command, &mut effects);
        let dropped = effects.dropped.into_iter().map(|block| (record.log, block));
        placed.dropped.extend(dropped);
        self.reply(owed.account, owed.subject, b"", &answer);
    }

    fn apply_message(
        &mut self,
        now: Now,
        record: &Record<'_>,
        at: TailPlace,
        owed: Owed<'_>,
        placed: &mut Placed,
    ) {
        let Some(key) = self.jetstream.by_log.get(&record.log).copied() else {
            // Deleted by a command that came before it.
            let error = Some(table::STREAM_NOT_FOUND.into());
            let ack = PubAck { error, ..PubAck::default() };
            self.reply(owed.account, owed.subject, b"", &json::encode(&ack));
            return;
        };
        if record.kind == kind::COPY {
            self.before_copy(key, record.sequence, placed);
        }
        let stream = &mut self.jetstream.streams[key.0 as usize];
        let mut effects = stream.append(record, at.place.length, Some(at));
        if let Some(appended) = effects.appended.take() {
            let position = appended.position;
            placed.placements.push(Placement { log: record.log, position, place: at.place });
            placed.sealed.extend(appended.sealed.map(|sealed| (record.log, sealed)));
        }
        self.after_append(now, key, record, &mut effects);
        placed.dropped.extend(effects.dropped.into_iter().map(|block| (record.log, block)));
        if record.kind == kind::COPY {
            placed.dropped.extend(self.copied(key, record));
        }
        self.acknowledge_stored(key, record.sequence, owed);
    }

    /// What follows from a message that was just appended, wherever it is kept: consumers hear of
    /// it, it goes if nobody wants it, and it is seen to that it goes in time.
    pub(super) fn after_append(
        &mut self,
        now: Now,
        key: StreamKey,
        record: &Record<'_>,
        effects: &mut Effects,
    ) {
        self.tell_consumers(key, effects);
        self.stored(key, record.sequence, record.key);
        if self.nobody_is_interested(key, record.sequence, record.key) {
            let stream = &mut self.jetstream.streams[key.0 as usize];
            stream.remove(record.sequence, effects);
        }
        if effects.sooner {
            self.expire(now, key);
        } else {
            self.arm_expiry(now, key);
        }
    }

    fn apply_command(
        &mut self,
        now: Now,
        record: &Record<'_>,
        command: Command,
        effects: &mut Effects,
    ) -> Vec<u8> {
        let log = record.log;
        self.jetstream.making.applied(log, &command);
        let answer = match command {
            Command::CreateStream { account, config } => {
                let created = self.create_stream(&account, *config, log, UnixNanos(record.time));
                json::encode(&Reply::new("stream_create_response", created))
            }
            Command::UpdateStream { config } => {
                let updated = self.update_stream(now, log, *config, effects);
                json::encode(&Reply::new("stream_update_response", updated))
            }
            Command::DeleteStream => {
                let deleted = self.delete_stream(log, effects);
                json::encode(&Reply::new("stream_delete_response", deleted))
            }
            Command::Purge { request } => {
                let purged = self.purge_stream(log, &request, effects);
                json::encode(&Reply::new("stream_purge_response", purged))
            }
            Command::PutConsumer { config } => {
                let created = self.put_consumer(now, log, *config, UnixNanos(record.time), effects);
                json::encode(&Reply::new("consumer_create_response", created))
            }
            Command::DeleteConsumer { name } => {
                let deleted = self.delete_consumer(log, &name, effects);
                json::encode(&Reply::new("consumer_delete_response", deleted))
            }
            Command::DeleteMessage { sequence } => {
                let deleted = self.delete_message(log, sequence, effects);
                json::encode(&Reply::new("stream_msg_delete_response", deleted))
            }
        };
        if let Some(key) = self.jetstream.by_log.get(&log).copied() {
            self.tell_consumers(key, effects);
        }
        answer
    }

    fn create_stream(
        &mut self,
        account: &str,
        config: StreamConfig,
        log: LogId,
        created: UnixNanos,
    ) -> Result<Created, ApiError> {
        let account = self.account(account);
        self.jetstream.last_log = self.jetstream.last_log.max(log.0);
        // Two requests in one round may want the same: the first one has it.
        if self.jetstream.stream(account, &config.name).is_some() {
            return Err(table::STREAM_NAME_EXIST.into());
        }
        if self.overlaps_another(account, &config) {
            return Err(table::STREAM_SUBJECT_OVERLAP.into());
        }
        check_origins(&self.jetstream, account, &config)?;
        let block_bytes = self.jetstream.block_bytes();
        let stream = Stream::new(account, config, created, log, block_bytes);
        let key = self.add_stream(stream);
        Ok(Created { info: self.stream_info(key), did_create: true })
    }

    /// Puts a stream into every table.
    pub(super) fn add_stream(&mut self, stream: Stream) -> StreamKey {
        let (account, log) = (stream.account, stream.log.id());
        let name = stream.config.name.clone();
        let subjects = stream.config.subjects.clone();
        let index = self.jetstream.streams.insert(stream);
        let key = StreamKey(u32::try_from(index).expect("streams fit 32 bits"));
        self.jetstream.by_name.insert((account, name), key);
        self.jetstream.by_log.insert(log, key);
        for filter in &subjects {
            self.accounts[account.0 as usize].router.insert_stream(filter.as_bytes(), key);
        }
        self.jetstream.link(key);
        key
    }

    fn update_stream(
        &mut self,
        now: Now,
        log: LogId,
        config: StreamConfig,
        effects: &mut Effects,
    ) -> Result<watershed_wire::jetstream::stream::StreamInfo, ApiError> {
        let key = self.stream_of(log)?;
        let account = self.jetstream.streams[key.0 as usize].account;
        if self.overlaps_another(account, &config) {
            return Err(table::STREAM_SUBJECT_OVERLAP.into());
        }
        check_origins(&self.jetstream, account, &config)?;
        let existing = &self.jetstream.streams[key.0 as usize].config;
        if let Some(error) = change::refuse_stream(existing, &config) {
            return Err(error);
        }
        self.jetstream.unlink(key);
        let stream = &mut self.jetstream.streams[key.0 as usize];
        let router = &mut self.accounts[account.0 as usize].router;
        for filter in &stream.config.subjects {
            router.remove_stream(filter.as_bytes(), key);
        }
        for filter in &config.subjects {
            router.insert_stream(filter.as_bytes(), key);
        }
        stream.configure(config);
        stream.enforce_limits(None, effects);
        self.jetstream.link(key);
        self.arm_expiry(now, key);
        Ok(self.stream_info(key))
    }

    fn delete_stream(&mut self, log: LogId, effects: &mut Effects) -> Result<Success, ApiError> {
        let key = self.stream_of(log)?;
        let names: Vec<String> =
            self.jetstream.streams[key.0 as usize].consumers.keys().cloned().collect();
        for name in names {
            self.end_consumer(key, &name, "Consumer Deleted");
        }
        self.jetstream.unlink(key);
        let stream = self.jetstream.streams.remove(key.0 as usize);
        self.jetstream.by_log.remove(&log);
        let router = &mut self.accounts[stream.account.0 as usize].router;
        for filter in &stream.config.subjects {
            router.remove_stream(filter.as_bytes(), key);
        }
        self.jetstream.by_name.remove(&(stream.account, stream.config.name));
        self.cancel_timer(TimerKey::Expire(key));
        effects.dropped.extend(stream.log.block_numbers());
        Ok(Success { success: true })
    }

    fn purge_stream(
        &mut self,
        log: LogId,
        request: &PurgeRequest,
        effects: &mut Effects,
    ) -> Result<Purged, ApiError> {
        let key = self.stream_of(log)?;
        let purged = self.jetstream.streams[key.0 as usize].purge(request, effects);
        Ok(Purged { success: true, purged })
    }

    fn delete_message(
        &mut self,
        log: LogId,
        sequence: u64,
        effects: &mut Effects,
    ) -> Result<Success, ApiError> {
        let key = self.stream_of(log)?;
        if self.jetstream.streams[key.0 as usize].remove(sequence, effects) {
            return Ok(Success { success: true });
        }
        Err(table::STREAM_MSG_DELETE_FAILED.with("no message found"))
    }

    fn put_consumer(
        &mut self,
        now: Now,
        log: LogId,
        config: ConsumerConfig,
        created: UnixNanos,
        effects: &mut Effects,
    ) -> Result<ConsumerInfo, ApiError> {
        let stream_key = self.stream_of(log)?;
        // Two requests in one round may contradict each other: the first one is right.
        self.check_neighbours(stream_key, &config)?;
        let stream = &mut self.jetstream.streams[stream_key.0 as usize];
        if let Some(key) = stream.consumers.get(&config.name)
            && let old = &self.jetstream.consumers[key.0 as usize].config
            && let Some(error) = change::refuse_consumer(old, &config)
        {
            return Err(error);
        }
        let key = if let Some(key) = stream.consumers.get(&config.name).copied() {
            let consumer = &mut self.jetstream.consumers[key.0 as usize];
            consumer.config = config;
            consumer.count_backlog(&stream.log);
            // It may want less than before.
            self.drop_uninteresting(stream_key, effects);
            key
        } else {
            let name = config.name.clone();
            let consumer = Consumer::new(stream_key, config, created, &stream.log);
            let index = self.jetstream.consumers.insert(consumer);
            let key = ConsumerKey(u32::try_from(index).expect("consumers fit 32 bits"));
            stream.consumers.insert(name, key);
            key
        };
        self.wake(key);
        Ok(self.consumer_info(key, now))
    }

    fn delete_consumer(
        &mut self,
        log: LogId,
        name: &str,
        effects: &mut Effects,
    ) -> Result<Success, ApiError> {
        let stream_key = self.stream_of(log)?;
        if !self.end_consumer(stream_key, name, "Consumer Deleted") {
            return Err(table::CONSUMER_NOT_FOUND.into());
        }
        self.drop_uninteresting(stream_key, effects);
        Ok(Success { success: true })
    }

    /// Takes a consumer out of every table, and tells those who wait at it.
    fn end_consumer(&mut self, stream: StreamKey, name: &str, why: &str) -> bool {
        let held = &mut self.jetstream.streams[stream.0 as usize];
        let Some(key) = held.consumers.remove(name) else { return false };
        let mut consumer = self.jetstream.consumers.remove(key.0 as usize);
        self.jetstream.ready.remove(&key);
        self.jetstream.held.remove(&key);
        self.jetstream.forget_unsaved(key);
        self.cancel_timer(TimerKey::Consumer(key));
        while let Some(request) = consumer.waiting.pop() {
            self.send_status(request.account, &request.reply, 409, why, &[]);
        }
        true
    }

    /// A message was stored: consumers that want it have something to do.
    fn stored(&mut self, stream: StreamKey, sequence: u64, subject: &[u8]) {
        let JetStream { streams, consumers, ready, following, .. } = &mut self.jetstream;
        following.extend(&streams[stream.0 as usize].followers);
        for key in streams[stream.0 as usize].consumers.values() {
            if consumers[key.0 as usize].stored(sequence, subject) {
                ready.insert(*key);
            }
        }
    }

    /// Whether a message of an interest stream is kept by nobody.
    fn nobody_is_interested(&self, stream: StreamKey, sequence: u64, subject: &[u8]) -> bool {
        let stream = &self.jetstream.streams[stream.0 as usize];
        stream.config.retention == Retention::Interest
            && !self.jetstream.is_awaited(stream, sequence, subject)
            && !stream
                .consumers
                .values()
                .any(|key| self.jetstream.consumers[key.0 as usize].wants(subject))
    }

    /// Removes from an interest stream what no consumer needs any more.
    fn drop_uninteresting(&mut self, key: StreamKey, effects: &mut Effects) {
        let jetstream = &mut self.jetstream;
        let stream = &jetstream.streams[key.0 as usize];
        if stream.config.retention != Retention::Interest {
            return;
        }
        let mut next = stream.log.next(stream.log.first());
        while let Some(sequence) = next {
            let stream = &jetstream.streams[key.0 as usize];
            let subject = stream.log.key_of(sequence).map(|key| key.name().to_vec());
            let subject = subject.unwrap_or_default();
            let stream = &jetstream.streams[key.0 as usize];
            let mut all = stream.consumers.values();
            let needed = jetstream.is_awaited(stream, sequence, &subject)
                || all.any(|key| jetstream.consumers[key.0 as usize].needs(sequence, &subject));
            let stream = &mut jetstream.streams[key.0 as usize];
            if !needed {
                stream.remove(sequence, effects);
            }
            next = stream.log.next(sequence + 1);
        }
    }

    /// Applies a command to something that the journal does not keep.
    pub(crate) fn apply_unjournaled(&mut self, log: LogId, command: Command) -> Vec<u8> {
        let mut effects = Effects::default();
        let body = Vec::new();
        let record = command_record(log, self.now.wall, &body);
        self.apply_command(self.now, &record, command, &mut effects)
    }

    /// Nobody has been at a consumer for longer than it waits.
    pub(crate) fn abandon(&mut self, key: ConsumerKey) {
        let now = self.now.tick;
        let consumer = &mut self.jetstream.consumers[key.0 as usize];
        // Until the command is durable it is not given again at every look.
        consumer.idle_since = Some(now);
        let name = consumer.config.name.clone();
        let stream = &self.jetstream.streams[consumer.stream.0 as usize];
        let (log, memory) = (stream.log.id(), stream.is_memory());
        let command = Command::DeleteConsumer { name };
        if memory {
            self.apply_unjournaled(log, command);
            return;
        }
        let nobody = Owed { account: AccountId(0), subject: b"" };
        // Without room it is tried again at the next deadline.
        let _ = self.jetstream.command(log, self.now.wall, &command, nobody);
    }

    fn stream_of(&self, log: LogId) -> Result<StreamKey, ApiError> {
        self.jetstream.by_log.get(&log).copied().ok_or_else(|| table::STREAM_NOT_FOUND.into())
    }

    /// Whether another stream of the account takes a subject that `config` takes.
    pub(crate) fn overlaps_another(&self, account: AccountId, config: &StreamConfig) -> bool {
        let others = self.jetstream.streams_of(account);
        others.filter(|other| other.config.name != config.name).any(|other| {
            let pairs = other.config.subjects.iter().flat_map(|theirs| {
                config.subjects.iter().map(move |ours| (ours.as_bytes(), theirs.as_bytes()))
            });
            pairs.into_iter().any(|(ours, theirs)| subject::overlaps(ours, theirs))
        })
    }

    /// Sees to it that messages go when they are too old.
    pub(crate) fn arm_expiry(&mut self, now: Now, key: StreamKey) {
        let stream = &self.jetstream.streams[key.0 as usize];
        if stream.expires() && !self.has_timer(TimerKey::Expire(key)) {
            self.expire(now, key);
        }
    }

    /// Removes what is too old, and comes back when the next one is.
    pub(crate) fn expire(&mut self, now: Now, key: StreamKey) {
        let Some(stream) = self.jetstream.streams.get_mut(key.0 as usize) else { return };
        let mut effects = Effects::default();
        let log = stream.log.id();
        if let Some(remaining) = stream.expire(now.wall, &mut effects) {
            self.set_timer(TimerKey::Expire(key), now.tick.after(remaining));
        }
        self.tell_consumers(key, &effects);
        self.drop_blocks(log, effects.dropped);
    }

    /// Has blocks removed that went outside of a round.
    pub(crate) fn drop_blocks(&mut self, log: LogId, dropped: Vec<u32>) {
        if !dropped.is_empty() {
            let blocks = dropped.into_iter().map(|block| (log, block)).collect();
            self.outputs.push(Output::Drop(blocks));
        }
    }

    /// Forgets all streams, as a restart would, until [`Engine::restore`] brings them back. Core NATS
    /// goes on.
    pub fn suspend(&mut self) {
        let keys: Vec<StreamKey> = self.jetstream.by_name.values().copied().collect();
        for key in keys {
            let stream = &self.jetstream.streams[key.0 as usize];
            let (account, subjects) = (stream.account, stream.config.subjects.clone());
            let names: Vec<String> = stream.consumers.keys().cloned().collect();
            for name in names {
                self.end_consumer(key, &name, "Server Shutdown");
            }
            let router = &mut self.accounts[account.0 as usize].router;
            for filter in &subjects {
                router.remove_stream(filter.as_bytes(), key);
            }
            self.cancel_timer(TimerKey::Expire(key));
        }
        self.cancel_timer(TimerKey::Events);
        self.jetstream = JetStream::new(self.jetstream.settings);
        self.jetstream.rounds.fail();
    }

    /// The journal takes no more rounds: everybody who waits is told that it was in vain.
    fn disk_failed(&mut self) {
        let error: ApiError = table::CLUSTER_NOT_AVAIL.into();
        let payload = json::encode(&PubAck { error: Some(error), ..PubAck::default() });
        for mut batch in self.jetstream.rounds.fail() {
            for (_, owed) in batch.work() {
                self.reply(owed.account, owed.subject, b"", &payload);
            }
            for held in batch.take_held() {
                self.reply(held.account, &held.subject, b"", &payload);
            }
        }
    }
}
