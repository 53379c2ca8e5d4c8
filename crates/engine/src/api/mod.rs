//! The JetStream API: which request goes to which handler, and how it is answered.

mod account;
mod consumer;
mod message;
mod origin;
mod stream;
mod user;

use serde::Serialize;
use watershed_store::LogId;
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::stream::StreamInfo;
use watershed_wire::op::Publish;

use self::consumer::Named;
pub(crate) use self::message::Reading;
pub(crate) use self::origin::check_origins;
pub(crate) use self::user::USER_INFO;
use crate::account::AccountId;
use crate::engine::Engine;
use crate::jetstream::Owed;
use crate::jetstream::command::Command;
use crate::now::Now;

/// Result of `STREAM.CREATE`.
#[derive(Debug, Serialize)]
pub(crate) struct Created {
    #[serde(flatten)]
    pub(crate) info: StreamInfo,
    pub(crate) did_create: bool,
}

/// Result of `STREAM.PURGE`.
#[derive(Debug, Serialize)]
pub(crate) struct Purged {
    pub(crate) success: bool,
    pub(crate) purged: u64,
}

/// What a handler decided.
enum Answer {
    /// This, as soon as all that it tells is durable.
    Reply(Vec<u8>),
    /// A change: answered when it is applied.
    Change(LogId, Command),
    /// Nothing yet, or nothing at all.
    Later,
}

/// A request.
struct Request<'a> {
    now: Now,
    account: AccountId,
    reply: &'a [u8],
    body: &'a [u8],
}

impl Engine {
    /// A message to one of JetStream's own subjects. Says whether anything of JetStream listens
    /// there: what names no call is heard and not answered, as nats-server does.
    pub(crate) fn jetstream_call(
        &mut self,
        now: Now,
        account: AccountId,
        message: &Publish<'_>,
    ) -> bool {
        if self.jetstream.settings.is_none() {
            return false;
        }
        let Ok(subject) = std::str::from_utf8(message.subject) else { return false };
        if subject.starts_with("$JS.ACK.") {
            return self.acknowledge_delivery(account, message);
        }
        if subject.starts_with("$JS.FC.") {
            self.flow_answered(account, subject);
            return true;
        }
        if !subject.starts_with("$JS.API.") {
            return false;
        }
        let Some(call) = Call::parse(subject) else { return true };
        if !self.jetstream.rounds.works() {
            let error = Reply::<()>::new("error", Err(table::CLUSTER_NOT_AVAIL.into()));
            self.reply(account, message.reply.unwrap_or_default(), b"", &json::encode(&error));
            return true;
        }
        if !self.accounts[account.0 as usize].store.enabled {
            let error = table::NOT_ENABLED_FOR_ACCOUNT.into();
            let error = Reply::<()>::new("error", Err(error));
            self.reply(account, message.reply.unwrap_or_default(), b"", &json::encode(&error));
            return true;
        }
        let reply = message.reply.unwrap_or_default();
        let request = Request { now, account, reply, body: message.payload };
        self.jetstream.api_calls += 1;
        let owed = Owed { account, subject: reply };
        match self.answer(&request, call) {
            None => return false,
            Some(Answer::Reply(payload)) => self.reply_when(false, owed, payload),
            Some(Answer::Change(log, command)) => {
                match self.jetstream.command(log, now.wall, &command, owed) {
                    Ok(()) => self.jetstream.asked_for(log, account, &command),
                    Err(error) => {
                        let reply = Reply::<()>::new("error", Err(error));
                        self.reply(account, owed.subject, b"", &json::encode(&reply));
                    }
                }
            }
            Some(Answer::Later) => {}
        }
        true
    }

    /// `None` where nobody listens: direct gets of a stream that does not allow them.
    fn answer(&mut self, request: &Request<'_>, call: Call<'_>) -> Option<Answer> {
        match call {
            Call::AccountInfo => Some(self.account_info(request)),
            Call::StreamNames => Some(self.stream_names(request)),
            Call::StreamList => Some(self.stream_list(request)),
            Call::StreamCreate(name) => Some(self.stream_create(request, name)),
            Call::StreamUpdate(name) => Some(self.stream_update(request, name)),
            Call::StreamInfo(name) => Some(self.stream_info_call(request, name)),
            Call::StreamDelete(name) => Some(self.stream_delete(request, name)),
            Call::StreamPurge(name) => Some(self.stream_purge(request, name)),
            Call::MessageGet(name) => Some(self.message_get(request, name)),
            Call::MessageDelete(name) => Some(self.message_delete(request, name)),
            Call::DirectGet(name) => self.direct_get(request, name),
            Call::DirectGetLast { stream, subject } => {
                self.direct_get_last(request, stream, subject)
            }
            Call::ConsumerCreate(stream) => {
                let named = Named { stream, consumer: None, filter: None, durable: false };
                Some(self.consumer_create(request, named))
            }
            Call::ConsumerCreateNamed { stream, consumer, filter } => {
                let named = Named { stream, consumer: Some(consumer), filter, durable: false };
                Some(self.consumer_create(request, named))
            }
            Call::ConsumerCreateDurable { stream, consumer } => {
                let consumer = Some(consumer);
                let named = Named { stream, consumer, filter: None, durable: true };
                Some(self.consumer_create(request, named))
            }
            Call::ConsumerNames(stream) => Some(self.consumer_names(request, stream)),
            Call::ConsumerList(stream) => Some(self.consumer_list(request, stream)),
            Call::ConsumerInfo { stream, consumer } => {
                Some(self.consumer_info_call(request, stream, consumer))
            }
            Call::ConsumerDelete { stream, consumer } => {
                Some(self.consumer_delete(request, stream, consumer))
            }
            Call::ConsumerNext { stream, consumer } => {
                self.consumer_next(request, stream, consumer)
            }
        }
    }

    /// An error in place of a result.
    fn refuse_call(&mut self, kind: &str, error: impl Into<ApiError>) -> Answer {
        self.jetstream.api_errors += 1;
        Answer::Reply(json::encode(&Reply::<()>::new(kind, Err(error.into()))))
    }

    /// The stream, or the answer that there is none.
    fn stream_or<'a>(
        &mut self,
        request: &Request<'_>,
        kind: &str,
        name: &'a str,
    ) -> Result<(crate::stream::StreamKey, &'a str), Answer> {
        match self.jetstream.stream(request.account, name) {
            Some((key, _)) => Ok((key, name)),
            None => Err(self.refuse_call(kind, table::STREAM_NOT_FOUND)),
        }
    }
}
