//! The JetStream API: which request goes to which handler, and how it is answered.

mod account;
mod archive;
mod consumer;
mod message;
mod origin;
mod overlap;
mod pause;
mod pin;
mod request;
mod reset;
mod stream;
mod unbuilt;

use std::borrow::Cow;

use watershed_base::{AccountId, Now};
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::asked::refused_level;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::create::Named;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::unbuilt::Unbuilt;
use watershed_wire::limits::SEQUENCE_MAX;
use watershed_wire::op::Publish;

pub(crate) use self::request::{Answer, Purged, RESET, Request};
use crate::consumer_key::ConsumerKey;
use crate::jetstream::JetStream;
use crate::network::Network;
use crate::record::Command;
use crate::rounds::{Asked, Called, Owed};

/// The subject of a call without the domain that it may name.
fn plain_subject<'a>(subject: &'a str, domain: &str) -> Cow<'a, str> {
    let call = subject.strip_prefix("$JS.").filter(|_| !domain.is_empty());
    let call = call.and_then(|rest| rest.strip_prefix(domain)?.strip_prefix(".API."));
    call.map_or(subject.into(), |call| format!("$JS.API.{call}").into())
}

impl JetStream {
    /// A message to one of JetStream's own subjects. Says whether anything of JetStream listens
    /// there: what names no call is heard and not answered, as nats-server does.
    pub fn call(
        &mut self,
        net: &mut impl Network,
        now: Now,
        account: AccountId,
        message: &Publish<'_>,
    ) -> bool {
        self.now = now;
        if self.settings.is_none() {
            return false;
        }
        let Ok(subject) = std::str::from_utf8(message.subject) else { return false };
        if subject.starts_with("$JS.ACK.") {
            return self.acknowledge_delivery(net, account, message);
        }
        if subject.starts_with("$JS.FC.") {
            self.flow_answered(net, account, subject, message.header);
            return true;
        }
        if let Some(named) = subject.strip_prefix("$JS.SNAPSHOT.ACK.") {
            self.snapshot_answered(named);
            return true;
        }
        if let Some(named) = subject.strip_prefix("$JS.SNAPSHOT.RESTORE.") {
            return self.restore_piece(net, account, named, message);
        }
        let plain = plain_subject(subject, &self.domain);
        let (subject, message) = (&*plain, &Publish { subject: plain.as_bytes(), ..*message });
        if !subject.starts_with("$JS.API.") {
            return false;
        }
        let reply = message.reply.unwrap_or_default();
        let Some(call) = Call::parse(subject) else {
            if let Some(unbuilt) = Unbuilt::parse(subject) {
                self.answer_error(net, account, reply, unbuilt.kind, unbuilt.error());
            }
            return true;
        };
        if let Some(error) = refused_level(HeaderBlock(message.header)) {
            self.answer_error(net, account, reply, "error", error);
            return true;
        }
        if !self.store_of(account).enabled {
            let error = table::NOT_ENABLED_FOR_ACCOUNT.into();
            self.answer_error(net, account, reply, "error", error);
            return true;
        }
        let request = Request { account, reply, body: message.payload, caller: None };
        match call {
            Call::ConsumerNext { stream, consumer } => {
                self.consumer_next(net, &request, stream, consumer)
            }
            Call::DirectGet(name) => {
                let Some(key) = self.direct_stream(&request, name) else { return false };
                self.wait_or_call(net, &request, subject, message, |own| {
                    own.waits_for_get(key, request.body)
                });
                true
            }
            Call::DirectGetLast { stream, subject: wanted } => {
                let Some(key) = self.direct_stream(&request, stream) else { return false };
                self.wait_or_call(net, &request, subject, message, |own| {
                    own.live(key).intake.last_of(wanted.as_bytes()).is_some()
                });
                true
            }
            _ => {
                let caller = Self::caller(net, account, call);
                let request = Request { caller: caller.as_deref(), ..request };
                // What consumers have decided is told too, so it must become true first.
                self.save_all_events(net);
                self.wait_or_call(net, &request, subject, message, |own| {
                    own.is_acknowledging(account)
                        || !own.calls.is_free(account, own.rounds.is_settled())
                });
                true
            }
        }
    }

    /// Answers a call now, or when everything that was accepted so far is applied.
    fn wait_or_call(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        subject: &str,
        message: &Publish<'_>,
        waits: impl FnOnce(&mut Self) -> bool,
    ) {
        if !waits(self) {
            self.answer(net, request, subject);
            return;
        }
        let after = self.rounds.last_open();
        let caller = request.caller.map(|caller| Box::new(caller.clone()));
        if !self.calls.push(request.account, subject, message, caller, after) {
            let error = table::CLUSTER_NOT_AVAIL.into();
            self.answer_error(net, request.account, request.reply, "error", error);
        }
    }

    /// Answers the calls whose turn it is.
    pub(crate) fn answer_calls(&mut self, net: &mut impl Network) {
        for account in self.calls.accounts() {
            while !self.is_acknowledging(account)
                && let Some(call) = self.calls.next(account, self.rounds.applied())
            {
                let caller = call.caller.as_deref();
                let request = Request { account, reply: &call.reply, body: &call.body, caller };
                self.answer(net, &request, &call.subject);
            }
        }
    }

    pub(crate) fn answer(&mut self, net: &mut impl Network, request: &Request<'_>, subject: &str) {
        let account = request.account;
        let answer = if let Some(named) = subject.strip_prefix("$JS.SNAPSHOT.RESTORE.") {
            self.end_restore(request, named)
        } else {
            let Some(call) = Call::parse(subject) else { return };
            let answer = self.handle(net, request, call);
            // What asks for a message is not counted, nor is a call that comes again.
            if !matches!(answer, Answer::Search(..) | Answer::Later) && !is_direct(call) {
                self.work.called(account);
            }
            answer
        };
        match answer {
            Answer::Refuse(payload) => {
                self.work.failed(account);
                Self::reply(net, account, request.reply, b"", &payload);
                self.audit(net, account, request.caller, subject, request.body, &payload);
            }
            Answer::Reply(payload) => {
                Self::reply(net, account, request.reply, b"", &payload);
                self.audit(net, account, request.caller, subject, request.body, &payload);
            }
            Answer::Create(log, kind, command) => {
                let audit = self.remember_caller(request.caller, subject, request.body);
                let asked = Asked::Change(Called { kind, audit });
                let owed = Owed { account, subject: request.reply, asked };
                self.calls.begin_change(account);
                if !self.journal(log, &command, owed) {
                    self.refuse(net, owed, table::CLUSTER_NOT_AVAIL.into());
                }
            }
            Answer::Change(key, kind, command) => {
                let audit = self.remember_caller(request.caller, subject, request.body);
                let asked = Asked::Change(Called { kind, audit });
                let owed = Owed { account, subject: request.reply, asked };
                self.calls.begin_change(account);
                let held = match &command {
                    Command::PutConsumer { config, .. } => Some(&config.name),
                    Command::ResetConsumer { name, .. } => Some(name),
                    _ => None,
                };
                let consumers = &self.state.stream(key).consumers;
                if let Some((index, _)) = held.and_then(|name| consumers.find(name)) {
                    self.calls.hold_up(account, ConsumerKey::new(key, index));
                }
                if !self.submit(net, key, &command, owed) {
                    self.refuse(net, owed, table::CLUSTER_NOT_AVAIL.into());
                } else if matches!(command, Command::UpdateStream { .. }) {
                    self.live(key).updating = true;
                } else if let Command::Purge { filter, until, .. } = &command
                    && filter == ">"
                {
                    // What comes behind it counts on from there.
                    let next = (*until).clamp(1, SEQUENCE_MAX + 1);
                    self.live(key).intake.assign_from(next);
                }
            }
            Answer::Search(key, work) => self.search_later(net, request, subject, key, work),
            Answer::Later => {}
        }
    }

    fn handle(&mut self, net: &mut impl Network, request: &Request<'_>, call: Call<'_>) -> Answer {
        match call {
            Call::AccountInfo => self.account_info(request),
            Call::StreamNames => self.stream_names(request),
            Call::StreamList => self.stream_list(request),
            Call::StreamCreate(name) => self.stream_create(request, name),
            Call::StreamUpdate(name) => self.stream_update(net, request, name),
            Call::StreamInfo(name) => self.stream_info_call(net, request, name),
            Call::StreamDelete(name) => self.stream_delete(request, name),
            Call::StreamPurge(name) => self.stream_purge(request, name),
            Call::StreamSnapshot(name) => self.stream_snapshot(net, request, name),
            Call::StreamRestore(name) => self.stream_restore(net, request, name),
            Call::MessageGet(name) => self.message_get(net, request, name),
            Call::MessageDelete(name) => self.message_delete(request, name),
            Call::DirectGet(name) => self.direct_get(net, request, name),
            Call::DirectGetLast { stream, subject } => {
                self.direct_get_last(net, request, stream, subject)
            }
            Call::ConsumerCreate(stream)
            | Call::ConsumerCreateNamed { stream, .. }
            | Call::ConsumerCreateDurable { stream, .. } => {
                let named = Named::by(call).unwrap_or_default();
                self.consumer_create(net, request, stream, named)
            }
            Call::ConsumerNames(stream) => self.consumer_names(request, stream),
            Call::ConsumerList(stream) => self.consumer_list(net, request, stream),
            Call::ConsumerInfo { stream, consumer } => {
                self.consumer_info_call(net, request, stream, consumer)
            }
            Call::ConsumerDelete { stream, consumer } => {
                self.consumer_delete(request, stream, consumer)
            }
            Call::ConsumerPause { stream, consumer } => {
                self.consumer_pause(request, stream, consumer)
            }
            Call::ConsumerReset { stream, consumer } => {
                self.consumer_reset(request, stream, consumer)
            }
            Call::ConsumerUnpin { stream, consumer } => {
                self.consumer_unpin(net, request, stream, consumer)
            }
            Call::ConsumerNext { .. } => Answer::Later,
        }
    }

    /// An error in place of a result.
    fn refuse_call(kind: &str, error: impl Into<ApiError>) -> Answer {
        Answer::Refuse(json::encode(&Reply::<()>::new(kind, Err(error.into()))))
    }

    pub(crate) fn answer_error(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        reply: &[u8],
        kind: &str,
        error: ApiError,
    ) {
        self.work.called(account);
        self.work.failed(account);
        let payload = json::encode(&Reply::<()>::new(kind, Err(error)));
        Self::reply(net, account, reply, b"", &payload);
    }
}

/// Whether a call is answered with a message as it is.
fn is_direct(call: Call<'_>) -> bool {
    matches!(call, Call::DirectGet(_) | Call::DirectGetLast { .. })
}
