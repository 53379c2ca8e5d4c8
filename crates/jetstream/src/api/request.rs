//! What handlers are given, and what they decide.

use serde::Serialize;
use watershed_base::AccountId;
use watershed_store::LogId;
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::error::ApiError;
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::stream::StreamInfo;

use crate::jetstream::Work;
use crate::record::Command;
use crate::state::StreamKey;
use crate::told::Caller;

/// Schema of a reply to `CONSUMER.RESET`.
pub(crate) const RESET: &str = "consumer_reset_response";

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) account: AccountId,
    pub(crate) reply: &'a [u8],
    pub(crate) body: &'a [u8],
    /// Who made it, where that is asked for.
    pub(crate) caller: Option<&'a Caller>,
}

/// What a handler decided.
pub(crate) enum Answer {
    /// This.
    Reply(Vec<u8>),
    /// An error, in this reply.
    Refuse(Vec<u8>),
    /// A new stream with this log: answered when it is applied, by a response of this type.
    Create(LogId, &'static str, Command),
    /// A change of a stream, likewise.
    Change(StreamKey, &'static str, Command),
    /// It is found when a search is done.
    Search(StreamKey, Work),
    /// Nothing yet, or nothing at all.
    Later,
}

impl Answer {
    /// An error, beside a result without content, which nats-server adds to those of some calls.
    pub(crate) fn refuse_beside<T: Serialize>(kind: &str, result: T, error: ApiError) -> Self {
        let mut reply = Reply::new(kind, Ok(result));
        reply.error = Some(error);
        Self::Refuse(json::encode(&reply))
    }
}

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
