//! Making a stream out of an archive: its messages go into a hidden stream as they come, which takes
//! its name when all of it is there. What is not finished goes, at the next start at the latest.

use watershed_archive::{BadArchive, Entry, Message, Next};
use watershed_base::AccountId;
use watershed_store::Record;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::consumer::ConsumerConfig;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::stream::{Discard, Retention};
use watershed_wire::limits::SEQUENCE_MAX;
use watershed_wire::op::Publish;
use watershed_wire::subject;
use watershed_wire::time::UnixNanos;

use crate::api::{Answer, Request};
use crate::jetstream::{JetStream, TimerKey};
use crate::network::Network;
use crate::record::{Command, kind};
use crate::restores::Restore;
use crate::rounds::Owed;
use crate::snapshot::{LOOK, PATIENCE};
use crate::told::Begun;

const CREATE: &str = "stream_create_response";

/// Parts of an archive that are looked at in one turn.
const PARTS_PER_TURN: usize = 64;

/// Messages that are stored in one turn.
const MESSAGES_PER_TURN: usize = 256;

/// Sequences whose messages one record removes.
const PURGED_PER_RECORD: u64 = 4096;

/// Records that remove what stands before the first message. One removes the rest.
const PURGES_MAX: u64 = 10_000;

/// Why an archive is not read on.
struct Unread(String);

impl From<BadArchive> for Unread {
    fn from(bad: BadArchive) -> Self {
        Self(bad.to_string())
    }
}

/// Where a message of a restore went.
enum Stored {
    Yes,
    /// It is tried again: there is no room yet.
    Wait,
    No(String),
}

impl JetStream {
    /// A stream is to be made out of an archive, under this name. Says whether there was room.
    pub(crate) fn begin_restore(
        &mut self,
        account: AccountId,
        id: String,
        config: StreamConfig,
        begun: Option<Begun>,
    ) -> bool {
        let log = self.next_log();
        let hidden = hidden(&config, log.0);
        let name = self.state.accounts.name(account).to_owned();
        let command = Command::CreateStream { account: name, config: Box::new(hidden) };
        if !self.journal(log, &command, Owed::NOTHING) {
            return false;
        }
        let mut own = Restore::new(account, log, config, self.now.tick);
        own.begun = begun;
        self.restores.insert(id, own);
        self.timers.set(TimerKey::Archives, self.now.tick.after(LOOK));
        true
    }

    /// A piece of an archive: `<stream>.<id>`. Says whether anybody waits for it.
    pub(crate) fn restore_piece(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        named: &str,
        message: &Publish<'_>,
    ) -> bool {
        let Some((_, id)) = named.split_once('.') else { return false };
        let now = self.now.tick;
        let own = self.restores.get_mut(id).filter(|own| own.account == account);
        let Some(own) = own.filter(|own| own.ended.is_none()) else { return false };
        own.bytes += message.payload.len() as u64;
        let reply = message.reply.unwrap_or_default();
        if reply.is_empty() {
            self.fail_restore(net, id, "a piece without a reply subject");
        } else if message.payload.is_empty() {
            own.heard = now;
            own.ended = Some(reply.to_vec());
        } else if !own.push(message.payload, reply, now) {
            self.fail_restore(net, id, "pieces come faster than they are answered");
        }
        true
    }

    /// Goes on with the restores. Says whether there is more to do at once.
    pub(crate) fn restore_some(&mut self, net: &mut impl Network) -> bool {
        let ids: Vec<String> = self.restores.keys().cloned().collect();
        let mut more = false;
        for id in ids {
            let Some(mut own) = self.restores.remove(&id) else { continue };
            let went = self.advance_restore(net, &id, &mut own);
            self.restores.insert(id.clone(), own);
            match went {
                Ok(again) => more |= again,
                Err(why) => self.fail_restore(net, &id, &why),
            }
        }
        more
    }

    /// Goes on with one. Says whether there is more to do at once.
    fn advance_restore(
        &mut self,
        net: &mut impl Network,
        id: &str,
        own: &mut Restore,
    ) -> Result<bool, String> {
        // Before it is there, and while the disk is behind, everything waits.
        if own.ending || self.state.by_log(own.log).is_none() || self.is_behind() {
            return Ok(false);
        }
        if own.reader.is_in_block() && !self.store_messages(net, own)? {
            return Ok(true);
        }
        for _ in 0..PARTS_PER_TURN {
            match own.reader.advance().map_err(|bad| bad.to_string())? {
                Next::Again => {}
                Next::Messages => {
                    if !self.store_messages(net, own)? {
                        return Ok(true);
                    }
                }
                Next::More => {
                    for answer in own.answers.drain(..) {
                        Self::reply(net, own.account, &answer, b"", b"");
                    }
                    if own.ended.is_some() {
                        self.finish_restore(net, id, own)?;
                    }
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Stores what is in a block as far as it came. Says whether that is all of it.
    fn store_messages(
        &mut self,
        net: &mut impl Network,
        own: &mut Restore,
    ) -> Result<bool, String> {
        let mut reader = std::mem::take(&mut own.reader);
        let mut count = 0;
        let all = reader.entries(|entry| {
            count += 1;
            if count > MESSAGES_PER_TURN {
                return Ok(false);
            }
            match self.store_entry(net, own, entry) {
                Stored::Yes => Ok(true),
                Stored::Wait => Ok(false),
                Stored::No(why) => Err(Unread(why)),
            }
        });
        own.reader = reader;
        all.map_err(|Unread(why)| why)
    }

    fn store_entry(
        &mut self,
        net: &mut impl Network,
        own: &mut Restore,
        entry: &Entry<'_>,
    ) -> Stored {
        let sequence = match *entry {
            Entry::Message(message) => return self.store_message(net, own, &message),
            Entry::Empty(sequence, time) => {
                own.last_time = own.last_time.max(time);
                sequence
            }
            Entry::Gone(sequence) => sequence,
        };
        if sequence > SEQUENCE_MAX {
            return Stored::No("a sequence is too high".to_owned());
        }
        own.used = own.used.max(sequence);
        if matches!(entry, Entry::Gone(_)) && sequence <= own.last {
            return self.submit_restored(net, own, &Command::DeleteMessage { sequence });
        }
        Stored::Yes
    }

    fn submit_restored(
        &mut self,
        net: &mut impl Network,
        own: &Restore,
        command: &Command,
    ) -> Stored {
        let Some(key) = self.state.by_log(own.log) else { return Stored::Wait };
        if self.submit(net, key, command, Owed::NOTHING) { Stored::Yes } else { Stored::Wait }
    }

    fn store_message(
        &mut self,
        net: &mut impl Network,
        own: &mut Restore,
        message: &Message<'_>,
    ) -> Stored {
        let refused = |why: &str| Stored::No(why.to_owned());
        let Message { sequence, time, subject, header, payload } = *message;
        let record = Record {
            log: own.log,
            kind: kind::COPY,
            sequence,
            time,
            key: subject,
            head: header,
            body: payload,
        };
        if sequence <= own.last || sequence > SEQUENCE_MAX {
            return refused("sequences are not in order");
        }
        let valid = header.is_empty() || HeaderBlock(header).is_well_formed();
        if !subject::is_literal(subject) || !valid || !record.fits() {
            return refused("a message is not valid");
        }
        let Some(key) = self.state.by_log(own.log) else { return Stored::Wait };
        let stream = self.state.stream(key);
        let memory = stream.is_memory();
        let weight = stream.weigh(subject, header, payload);
        let room = self.room(own.account, own.config.storage);
        if room.server_full || u64::from(weight) > room.account {
            return refused("resource limits exceeded for account");
        }
        if !memory && !self.takes_messages() {
            return refused("insufficient resources");
        }
        if !memory && !self.rounds.has_room(subject.len() + header.len() + payload.len()) {
            return Stored::Wait;
        }
        self.work.accepted(own.account, u64::from(weight));
        let intake = &mut self.live(key).intake;
        intake.assign_from(sequence);
        intake.accept(subject, weight, b"");
        if memory {
            self.apply_local(net, &record, Owed::NOTHING);
        } else {
            self.rounds.push(&record, Owed::NOTHING);
        }
        if own.first == 0 {
            own.first = sequence;
        }
        own.last = sequence;
        own.last_time = own.last_time.max(time);
        own.used = own.used.max(sequence);
        Stored::Yes
    }

    /// All of an archive came: what is left is put in order, and the end waits for its turn.
    fn finish_restore(
        &mut self,
        net: &mut impl Network,
        id: &str,
        own: &mut Restore,
    ) -> Result<(), String> {
        if !own.reader.is_complete() {
            return Err("the archive is not complete".to_owned());
        }
        let full = |stored| match stored {
            Stored::Yes => Ok(()),
            Stored::Wait => Err("insufficient resources".to_owned()),
            Stored::No(why) => Err(why),
        };
        own.last_time = own.last_time.max(own.reader.last_time());
        if let Some((first, last)) = own.reader.index().filter(|(first, last)| *first <= last + 1) {
            own.used = own.used.max(last).max(first.saturating_sub(1));
            self.purge_restored(net, own, first).map_or(Ok(()), full)?;
        }
        let bounds = self.bounds(own.account);
        for (name, parts) in own.reader.take_consumers() {
            let Some(config) = parts.config else {
                return Err(format!("error restoring consumer [{name:?}]: no configuration"));
            };
            let told = |error: ApiError| {
                format!("error restoring consumer [{name:?}]: {}", error.description)
            };
            let config = serde_json::to_vec(&config).unwrap_or_default();
            let mut config: ConsumerConfig = json::decode(&config).map_err(told)?;
            Self::check_consumer(&own.config, &mut config, &bounds).map_err(told)?;
            let created = parts.created.unwrap_or(self.now.wall);
            let position = parts.position.unwrap_or_default();
            let config = Box::new(config);
            full(self.submit_restored(
                net,
                own,
                &Command::RestoreConsumer { config, created, position },
            ))?;
        }
        let reply = own.ended.clone().unwrap_or_default();
        let subject = format!("$JS.SNAPSHOT.RESTORE.{}.{id}", own.config.name);
        let message = Publish {
            subject: subject.as_bytes(),
            reply: Some(&reply),
            header: b"",
            payload: b"",
            has_header: false,
        };
        own.ending = true;
        if self.calls.push(own.account, &subject, &message, None, self.rounds.last_open()) {
            Ok(())
        } else {
            Err("insufficient resources".to_owned())
        }
    }

    /// What stands before the first message goes, in slices.
    fn purge_restored(
        &mut self,
        net: &mut impl Network,
        own: &Restore,
        first: u64,
    ) -> Option<Stored> {
        if own.first == 0 || first <= own.first {
            return None;
        }
        let mut until = own.first;
        for count in 0.. {
            until = if count == PURGES_MAX { first } else { first.min(until + PURGED_PER_RECORD) };
            let filter = ">".to_owned();
            let command = Command::Purge { filter, from: 0, until, end: until, before: 0 };
            match self.submit_restored(net, own, &command) {
                Stored::Yes if until < first => {}
                last => return Some(last),
            }
        }
        None
    }

    /// The turn of a restore's end has come: `<stream>.<id>`.
    pub(crate) fn end_restore(&mut self, request: &Request<'_>, named: &str) -> Answer {
        let id = named.split_once('.').map_or("", |(_, id)| id);
        let Some(own) = self.restores.remove(id) else {
            let error = table::STREAM_RESTORE.with("it was given up");
            return Answer::Refuse(json::encode(&Reply::<()>::new(CREATE, Err(error))));
        };
        let name = &own.config.name;
        let exists = self.state.find(own.account, name).is_some();
        let error = if exists {
            Some(table::STREAM_NAME_EXIST_RESTORE_FAILED.into())
        } else {
            self.check_resources(request, &own.config).err()
        };
        if let Some(error) = error {
            self.clear_restore(&own);
            return Answer::Refuse(json::encode(&Reply::<()>::new(CREATE, Err(error))));
        }
        let created = own.reader.created().unwrap_or(self.now.wall);
        if let Some(begun) = own.begun {
            self.restored.insert(own.log, (begun, own.bytes));
        }
        let config = Box::new(own.config);
        let (last, last_time) = (own.used, UnixNanos(own.last_time));
        let command = Command::FinishRestore { config, created, last, last_time };
        Answer::Create(own.log, CREATE, command)
    }

    /// A restore is given up.
    fn fail_restore(&mut self, net: &mut impl Network, id: &str, why: &str) {
        let Some(mut own) = self.restores.remove(id) else { return };
        self.clear_restore(&own);
        let error = table::STREAM_RESTORE.with(why);
        let payload = json::encode(&Reply::<()>::new(CREATE, Err(error)));
        let reply = own.answers.pop_front().or(own.ended).unwrap_or_default();
        Self::reply(net, own.account, &reply, b"", &payload);
    }

    /// The hidden stream of a restore goes.
    fn clear_restore(&mut self, own: &Restore) {
        if !self.journal(own.log, &Command::DeleteStream, Owed::NOTHING) {
            self.restores_left.push(own.log);
        }
    }

    /// Nothing that was on its way comes: restores begin anew.
    pub(crate) fn restores_failed(&mut self, net: &mut impl Network) {
        self.restored.clear();
        let ids: Vec<String> = self.restores.keys().cloned().collect();
        for id in ids {
            self.fail_restore(net, &id, "insufficient resources");
        }
    }

    /// Looks at who keeps snapshots and restores waiting.
    pub(crate) fn look_at_archives(&mut self, net: &mut impl Network) {
        let snapshots = self.look_at_snapshots(net);
        let now = self.now.tick;
        let stalled = self.restores.iter().filter(|(_, own)| {
            own.ended.is_none() && own.answers.is_empty() && own.heard.after(PATIENCE) <= now
        });
        for id in stalled.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.fail_restore(net, &id, "it is stalled");
        }
        for log in std::mem::take(&mut self.restores_left) {
            let known = self.state.by_log(log).is_some();
            if known && !self.journal(log, &Command::DeleteStream, Owed::NOTHING) {
                self.restores_left.push(log);
            }
        }
        let restores = !self.restores.is_empty() || !self.restores_left.is_empty();
        if let Some(pause) = snapshots.or(restores.then_some(LOOK)) {
            self.timers.set(TimerKey::Archives, now.after(pause));
        }
    }

    /// What a restore left that did not end goes.
    pub(crate) fn clear_hidden(&mut self) {
        let hidden = self.state.streams.iter().filter(|(_, stream)| stream.is_hidden());
        self.restores_left = hidden.map(|(_, stream)| stream.log.id()).collect();
        if !self.restores_left.is_empty() {
            self.timers.set(TimerKey::Archives, self.now.tick);
        }
    }
}

/// A stream that keeps whatever comes, and that no name finds: no name has a space.
fn hidden(config: &StreamConfig, log: u32) -> StreamConfig {
    StreamConfig {
        name: format!("{} {log}", config.name),
        subjects: Vec::new(),
        mirror: None,
        sources: Vec::new(),
        retention: Retention::Limits,
        discard: Discard::Old,
        discard_new_per_subject: false,
        max_msgs: -1,
        max_bytes: -1,
        max_age: 0,
        max_msgs_per_subject: -1,
        sealed: false,
        ..config.clone()
    }
}
