//! What a record means.

use std::ops::Range;

use watershed_store::{LogId, Record};
use watershed_wire::jetstream::consumer::ConsumerConfig;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::stream::{Retention, StreamConfig};
use watershed_wire::time::UnixNanos;

use super::chore::{Chore, Goes};
use super::consumer::{Consumer, Finished};
use super::effects::{Effects, Gone, Outcome};
use super::key::StreamKey;
use super::origins::{copied_from, origins};
use super::retention::{Budget, chore_of_change};
use super::stream::Stream;
use super::tables::State;
use crate::record::{Command, Event, decode_events, kind};
use crate::tail::TailPlace;
use watershed_archive::Position;

impl State {
    /// Applies a record. `at` is where the tail has it; `None` for what no journal keeps. What it
    /// changed is added to `effects`, which are clear.
    pub(crate) fn apply(
        &mut self,
        record: &Record<'_>,
        at: Option<TailPlace>,
        effects: &mut Effects,
    ) {
        match record.kind {
            kind::MESSAGE | kind::COPY => self.apply_message(record, at, effects),
            kind::EVENTS => self.apply_events(record, effects),
            kind::COMMAND => match Command::decode(record.body) {
                Some(command) => self.apply_command(record, command, effects),
                None => effects.outcome = Outcome::Unknown,
            },
            _ => effects.outcome = Outcome::Unknown,
        }
        if let Some(key) = self.by_log(record.log) {
            self.count_usage(key);
        }
    }

    fn apply_message(&mut self, record: &Record<'_>, at: Option<TailPlace>, effects: &mut Effects) {
        let Some(key) = self.by_log(record.log) else {
            // Deleted by a command that came before it.
            effects.outcome = Outcome::Refused(table::STREAM_NOT_FOUND.into());
            return;
        };
        let stream = &mut self.streams[key.index()];
        if record.kind == kind::COPY {
            // What a mirror's origin left out is left out here too.
            stream.skip_to(record.sequence);
        }
        if stream.config.republish.is_some() {
            effects.last_of_subject = stream.last_stored(record.key).unwrap_or(0);
        }
        let length = at.map_or(0, |at| at.place.length);
        let rollup = stream.append(record, length, at, &mut effects.changes);
        effects.expiry = stream.expiry(record.sequence, record.time);
        let Stream { consumers, log, .. } = stream;
        consumers.stored(record.sequence, log, record.key, &mut effects.fed);
        if let Some(rollup) = rollup {
            stream.roll_up(record, rollup, &mut effects.changes);
        }
        stream.advance_schedule(record, &mut effects.changes);
        let unwanted =
            stream.config.retention == Retention::Interest && !self.is_needed(key, record.sequence);
        let stream = &mut self.streams[key.index()];
        if unwanted {
            // What nobody waits for needs no room.
            stream.remove(record.sequence, &mut effects.changes);
        } else {
            stream.make_room(record.key, &mut effects.changes);
        }
        effects.outcome = Outcome::Stored(key, record.sequence);
        if record.kind == kind::COPY {
            self.copied(key, record, effects);
        }
    }

    /// A copy is stored: the origin need not keep the message for this follower.
    fn copied(&mut self, key: StreamKey, record: &Record<'_>, effects: &mut Effects) {
        let stream = self.stream(key);
        let Some((index, sequence)) = copied_from(&stream.origins, record.head, record.sequence)
        else {
            return;
        };
        let (account, name) = (stream.account, stream.origins[index].name.clone());
        let time = UnixNanos(record.time);
        let origin = self.find(account, &name).map(|(origin, _)| origin);
        let both = origin.and_then(|origin| self.streams.get2_mut(key.index(), origin.index()));
        let Some((own, of)) = both else {
            self.streams[key.index()].origins[index].copied(None, sequence, time);
            return;
        };
        own.origins[index].copied(Some(&of.log), sequence, time);
        let Some(origin) = origin else { return };
        if self.stream(origin).config.retention == Retention::Limits
            || self.is_needed(origin, sequence)
        {
            return;
        }
        // Consumers of the origin are another stream's.
        let own_lost = std::mem::take(&mut effects.changes.lost);
        self.streams[origin.index()].remove(sequence, &mut effects.changes);
        self.count_usage(origin);
        let lost = std::mem::replace(&mut effects.changes.lost, own_lost);
        effects.lost_elsewhere.extend(lost.into_iter().map(|(index, at)| (origin, index, at)));
    }

    /// Whether anybody has yet to take a message of a stream that keeps messages for those who do.
    /// One that is gone is left as it is.
    fn is_needed(&self, key: StreamKey, sequence: u64) -> bool {
        let stream = self.stream(key);
        let Some(subject) = stream.log.key_of(sequence) else { return true };
        stream.consumers.need(sequence, subject)
            || self.is_awaited(stream, sequence, subject.name())
    }

    fn apply_events(&mut self, record: &Record<'_>, effects: &mut Effects) {
        effects.outcome = Outcome::Kept;
        let Some(key) = self.by_log(record.log) else { return };
        let name = std::str::from_utf8(record.key).unwrap_or_default();
        let Some((index, _)) = self.stream(key).consumers.find(name) else { return };
        for event in decode_events(record.body) {
            let Ok(event) = event else {
                effects.outcome = Outcome::Unknown;
                return;
            };
            self.apply_event(key, index, UnixNanos(record.time), event, effects);
        }
    }

    fn apply_event(
        &mut self,
        key: StreamKey,
        index: usize,
        time: UnixNanos,
        event: Event,
        effects: &mut Effects,
    ) {
        let stream = &mut self.streams[key.index()];
        let mut subject = None;
        if let Event::Delivered { sequence, .. } = event {
            subject = stream.log.key_id_of(sequence);
            if subject.is_none() {
                effects.changes.lost.push((index, sequence));
            }
        }
        match stream.consumers.apply(index, time, event, subject, &stream.log) {
            Finished::Nothing => {}
            Finished::One(sequence) => self.finish(key, sequence, effects),
            Finished::Many(sequences) => {
                effects.finished += sequences.len() as u64;
                for sequence in sequences {
                    self.finish(key, sequence, effects);
                }
            }
        }
    }

    /// A consumer has finished with a message: it goes, if that is what its stream is for.
    fn finish(&mut self, key: StreamKey, sequence: u64, effects: &mut Effects) {
        let stream = self.stream(key);
        if stream.config.retention == Retention::Limits {
            return;
        }
        let Some(subject) = stream.log.key_of(sequence) else { return };
        let needed = match stream.config.retention {
            Retention::WorkQueue => self.is_awaited(stream, sequence, subject.name()),
            _ => self.is_needed(key, sequence),
        };
        if !needed {
            self.streams[key.index()].remove(sequence, &mut effects.changes);
        }
    }

    fn apply_command(&mut self, record: &Record<'_>, command: Command, effects: &mut Effects) {
        let (log, time) = (record.log, UnixNanos(record.time));
        let outcome = match command {
            Command::CreateStream { account, config } => {
                self.create_stream(&account, *config, log, time)
            }
            Command::UpdateStream { config } => {
                self.update_stream(log, *config, UnixNanos(record.time), effects)
            }
            Command::DeleteStream => self.delete_stream(log, effects),
            Command::Purge { filter, from, until, end, before } => {
                let purged = self.purge(log, filter.as_bytes(), from..until, effects);
                purged
                    .map(|key| Outcome::Purged(key, before + effects.changes.removed, until < end))
            }
            Command::Expire { now, until, limit } => self.expire(log, now, until, limit, effects),
            Command::Sweep { limit } => self.sweep(log, limit, effects),
            Command::PutConsumer { config, cursor } => {
                self.put_consumer(log, *config, cursor, time)
            }
            Command::PauseConsumer { name, until, level } => {
                self.pause_consumer(log, &name, until, level)
            }
            Command::ResetConsumer { name, sequence } => {
                self.reset_consumer(log, &name, sequence, effects)
            }
            Command::DeleteConsumer { name } => self.delete_consumer(log, &name, effects),
            Command::RestoreConsumer { config, created, position } => {
                self.restore_consumer(log, *config, created, &position)
            }
            Command::FinishRestore { config, created, last, last_time } => {
                self.finish_restore(log, *config, created, (last, last_time))
            }
            Command::DeleteMessage { sequence } => self.delete_message(log, sequence, effects),
        };
        effects.outcome = outcome.unwrap_or_else(Outcome::Refused);
    }

    fn create_stream(
        &mut self,
        account: &str,
        config: StreamConfig,
        log: LogId,
        created: UnixNanos,
    ) -> Result<Outcome, ApiError> {
        let Some(account) = self.accounts.number(account) else {
            return Err(table::NOT_ENABLED_FOR_ACCOUNT.into());
        };
        if self.find(account, &config.name).is_some() {
            return Err(table::STREAM_NAME_EXIST.into());
        }
        let stream = Stream::new(account, config, created, log, self.block_bytes);
        Ok(Outcome::Created(self.insert(stream)))
    }

    fn update_stream(
        &mut self,
        log: LogId,
        config: StreamConfig,
        time: UnixNanos,
        effects: &mut Effects,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        self.unlink(key);
        let stream = &mut self.streams[key.index()];
        stream.origins = origins(&config, &stream.origins, &mut stream.places);
        let old = std::mem::replace(&mut stream.config, config);
        if stream.config.retention != old.retention {
            // What they have finished with would decide what is stored, and no record says it.
            effects.ended = stream.consumers.remove_in_memory(&mut effects.changes.garbage);
        }
        stream.chores.extend(chore_of_change(&old, &stream.config));
        if stream.config.duplicate_window > old.duplicate_window {
            stream.dedup.lengthen(time, old.duplicate_window);
        }
        // The reply shows what is left; a large stream loses the rest in later slices.
        let slice = stream.slice();
        self.link(key);
        self.do_chores(key, &mut Budget(slice), effects);
        Ok(Outcome::Updated(key, old.subjects))
    }

    fn delete_stream(&mut self, log: LogId, effects: &mut Effects) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        let mut stream = self.take(key);
        stream.discard(&mut effects.changes);
        Ok(Outcome::Deleted(Box::new(Gone { key, stream })))
    }

    fn purge(
        &mut self,
        log: LogId,
        filter: &[u8],
        range: Range<u64>,
        effects: &mut Effects,
    ) -> Result<StreamKey, ApiError> {
        let key = self.known(log)?;
        let stream = &mut self.streams[key.index()];
        stream.remove_slice(filter, range.start, range.end, &mut effects.changes);
        Ok(key)
    }

    fn expire(
        &mut self,
        log: LogId,
        now: UnixNanos,
        until: u64,
        limit: u64,
        effects: &mut Effects,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        let stream = &mut self.streams[key.index()];
        let more = stream.expire(now, until, &mut Budget(limit), &mut effects.changes);
        Ok(Outcome::Expired(key, more))
    }

    fn sweep(
        &mut self,
        log: LogId,
        limit: u64,
        effects: &mut Effects,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        self.do_chores(key, &mut Budget(limit), effects);
        Ok(Outcome::Swept(key))
    }

    /// Does as much of what is still to be done to a stream as `budget` allows.
    fn do_chores(&mut self, key: StreamKey, budget: &mut Budget, effects: &mut Effects) {
        self.streams[key.index()].enforce_size(budget, &mut effects.changes);
        while let Some(chore) = self.streams[key.index()].chores.pop_front() {
            let rest = match chore {
                Chore::Purge { filter, end } => {
                    let stream = &mut self.streams[key.index()];
                    let all = stream.remove_matching(&filter, end, budget, &mut effects.changes);
                    (!all).then_some(Chore::Purge { filter, end })
                }
                Chore::Keep { next, goes } => {
                    let left = self.keep_from(key, next, goes, budget, effects);
                    left.map(|next| Chore::Keep { next, goes })
                }
            };
            if let Some(rest) = rest {
                self.streams[key.index()].chores.push_front(rest);
                break;
            }
        }
    }

    /// Looks at messages from `next` on for whether they are kept, see [`Chore::Keep`]. Says from
    /// where on messages are left to look at, if any are.
    fn keep_from(
        &mut self,
        key: StreamKey,
        next: u64,
        goes: Goes,
        budget: &mut Budget,
        effects: &mut Effects,
    ) -> Option<u64> {
        let mut next = self.stream(key).log.next(next);
        while let Some(sequence) = next {
            if !budget.take() {
                return Some(sequence);
            }
            let stream = self.stream(key);
            let max = u64::try_from(stream.config.max_msgs_per_subject).ok().filter(|max| *max > 0);
            let subject = stream.log.key_of(sequence);
            let over = max.is_some_and(|max| subject.is_some_and(|key| key.count() > max));
            let goes_unneeded = stream.config.retention == Retention::Interest
                && subject.is_some_and(|subject| match goes {
                    Goes::Excess => false,
                    Goes::Finished => stream.consumers.take(subject.name()),
                    Goes::Unneeded => true,
                });
            let unwanted = goes_unneeded && !self.is_needed(key, sequence);
            if over {
                self.streams[key.index()].keep_replaced(sequence);
            }
            if over || unwanted {
                self.streams[key.index()].remove(sequence, &mut effects.changes);
            }
            next = self.stream(key).log.next(sequence + 1);
        }
        None
    }

    fn put_consumer(
        &mut self,
        log: LogId,
        config: ConsumerConfig,
        cursor: Option<u64>,
        created: UnixNanos,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        let stream = &mut self.streams[key.index()];
        if let Some((index, consumer)) = stream.consumers.find(&config.name) {
            let fewer = consumer.config.filters() != config.filters();
            stream.consumers.configure(index, config, cursor, &stream.log);
            if fewer && stream.config.retention == Retention::Interest {
                stream.chores.push_back(Chore::Keep { next: 1, goes: Goes::Unneeded });
            }
            return Ok(Outcome::Put(key, index, true));
        }
        let in_memory = stream.keeps_in_memory(&config);
        let mut consumer = Consumer::new(config, created, cursor, &stream.log);
        consumer.in_memory = in_memory;
        let index = stream.consumers.insert(consumer, &stream.log);
        let index = index.ok_or(table::CONSUMER_NAME_EXIST)?;
        Ok(Outcome::Put(key, index, false))
    }

    fn pause_consumer(
        &mut self,
        log: LogId,
        name: &str,
        until: Option<UnixNanos>,
        level: u32,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        let consumers = &mut self.streams[key.index()].consumers;
        let index = consumers.pause(name, until, level).ok_or(table::CONSUMER_NOT_FOUND)?;
        Ok(Outcome::Paused(key, index))
    }

    fn reset_consumer(
        &mut self,
        log: LogId,
        name: &str,
        sequence: u64,
        effects: &mut Effects,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        let stream = &mut self.streams[key.index()];
        let garbage = &mut effects.changes.garbage;
        let index = stream.consumers.reset(name, sequence, &stream.log, garbage);
        let index = index.ok_or(table::CONSUMER_NOT_FOUND)?;
        if stream.config.retention == Retention::Interest {
            // What it has passed over, it needs no longer.
            stream.chores.push_back(Chore::Keep { next: 1, goes: Goes::Unneeded });
        }
        Ok(Outcome::Reset(key, index))
    }

    fn delete_consumer(
        &mut self,
        log: LogId,
        name: &str,
        effects: &mut Effects,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        let stream = &mut self.streams[key.index()];
        let removed = stream.consumers.remove(name, &mut effects.changes.garbage);
        let index = removed.ok_or(table::CONSUMER_NOT_FOUND)?;
        if stream.config.retention == Retention::Interest {
            stream.chores.push_back(Chore::Keep { next: 1, goes: Goes::Unneeded });
        }
        Ok(Outcome::Removed(key, index))
    }

    fn restore_consumer(
        &mut self,
        log: LogId,
        config: ConsumerConfig,
        created: UnixNanos,
        position: &Position,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        let stream = &mut self.streams[key.index()];
        let consumer = Consumer::at(config, created, position, &stream.log);
        stream.consumers.insert(consumer, &stream.log).ok_or(table::CONSUMER_NAME_EXIST)?;
        Ok(Outcome::Nothing)
    }

    fn finish_restore(
        &mut self,
        log: LogId,
        config: StreamConfig,
        created: UnixNanos,
        (last, last_time): (u64, UnixNanos),
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        if self.find(self.stream(key).account, &config.name).is_some() {
            return Err(table::STREAM_NAME_EXIST_RESTORE_FAILED.into());
        }
        let mut stream = self.take(key);
        stream.skip_to(last + 1);
        stream.last_time = last_time;
        stream.origins = origins(&config, &[], &mut stream.places);
        stream.created = created;
        let old = std::mem::replace(&mut stream.config, config);
        stream.chores.extend(chore_of_change(&old, &stream.config));
        Ok(Outcome::Created(self.insert(stream)))
    }

    fn delete_message(
        &mut self,
        log: LogId,
        sequence: u64,
        effects: &mut Effects,
    ) -> Result<Outcome, ApiError> {
        let key = self.known(log)?;
        if self.streams[key.index()].remove(sequence, &mut effects.changes) {
            return Ok(Outcome::Erased);
        }
        Err(table::STREAM_MSG_DELETE_FAILED.with("no message found"))
    }

    fn known(&self, log: LogId) -> Result<StreamKey, ApiError> {
        self.by_log(log).ok_or_else(|| table::STREAM_NOT_FOUND.into())
    }
}
