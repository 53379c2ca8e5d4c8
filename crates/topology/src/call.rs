//! Calls to make: what a client is to send, as data.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use thiserror::Error;
use watershed_wire::jetstream::ApiError;
use watershed_wire::jetstream::call::{Call, PREFIX};
use watershed_wire::jetstream::consumer::CreateAction;
use watershed_wire::jetstream::error::{Coded, table};

/// A request to the JetStream API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Subject to send it to.
    pub subject: String,
    /// Body; empty or JSON.
    pub body: Vec<u8>,
}

impl Request {
    /// The call with this body.
    pub fn new(call: Call<'_>, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("configurations have no keys but texts");
        Self { subject: call.subject(), body }
    }

    /// Creates or updates a consumer. A single filter also goes into the subject, so that permissions
    /// can be limited to it.
    pub fn put_consumer(stream: &str, consumer: &str, config: &Json, action: CreateAction) -> Self {
        let filter = config.get("filter_subject").and_then(Json::as_str);
        let filter = filter.filter(|filter| !filter.is_empty());
        let call = Call::ConsumerCreateNamed { stream, consumer, filter };
        Self::new(call, &json!({"stream_name": stream, "config": config, "action": action}))
    }

    /// The call without a body.
    pub fn bare(call: Call<'_>) -> Self {
        Self { subject: call.subject(), body: Vec::new() }
    }
}

/// What came back in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The server says no.
    #[error("{}", refused(.0))]
    Refused(ApiError),
    /// The user may not do it.
    #[error(transparent)]
    Denied(Box<Denied>),
    /// Nobody listens on the API's subjects.
    #[error(
        "JetStream does not answer: it is switched off, not ready yet, or not enabled for this account"
    )]
    NoJetStream,
    /// No answer came in time to a message to this subject.
    #[error("{}", timed_out(.0))]
    Timeout(String),
    /// The connection is gone.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// The message is not one that can be sent to this server.
    #[error("cannot send: {0}")]
    Unsendable(String),
    /// An answer that says nothing this program understands.
    #[error("an answer that cannot be read: {0}")]
    Unreadable(String),
    /// A list was never the same long enough to be read.
    #[error(
        "the streams or consumers of this account change faster than they can be listed: try again"
    )]
    Unsettled,
}

/// What a user did without the permission for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{} may not {what} `{subject}`: connect as a user who may, or allow it where the server's users are \
     configured",
    who(.user.as_deref())
)]
pub struct Denied {
    /// What it was.
    pub what: Operation,
    /// Where.
    pub subject: String,
    /// Name of the user, if the connection has one.
    pub user: Option<String>,
}

/// What permissions are given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// To publish.
    Publish,
    /// To subscribe.
    Subscribe,
}

impl From<Denied> for CallError {
    fn from(denied: Denied) -> Self {
        Self::Denied(Box::new(denied))
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Publish => "publish to",
            Self::Subscribe => "subscribe to",
        })
    }
}

/// Errors by which a server says that JetStream is not there for now, or not at all.
const UNAVAILABLE: [Coded; 7] = [
    table::CLUSTER_NOT_ASSIGNED,
    table::CLUSTER_NOT_AVAIL,
    table::CLUSTER_NOT_LEADER,
    table::NOT_ENABLED_FOR_ACCOUNT,
    table::NOT_ENABLED,
    table::STREAM_OFFLINE,
    table::CONSUMER_OFFLINE,
];

impl CallError {
    /// Whether the server or its JetStream is not there: what was asked may well be possible later.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::NoJetStream | Self::Timeout(_) | Self::Connection(_) => true,
            Self::Refused(error) => UNAVAILABLE.iter().any(|known| known.code == error.err_code),
            Self::Denied(_) | Self::Unsendable(_) | Self::Unreadable(_) | Self::Unsettled => false,
        }
    }

    /// Whether the server or the account has no room for what was to be made.
    pub fn lacks_room(&self) -> bool {
        let lacking = [
            table::ACCOUNT_RESOURCES_EXCEEDED,
            table::INSUFFICIENT_RESOURCES,
            table::MEMORY_RESOURCES_EXCEEDED,
            table::STORAGE_RESOURCES_EXCEEDED,
        ];
        let is = |error: &ApiError| lacking.iter().any(|known| known.code == error.err_code);
        matches!(self, Self::Refused(error) if is(error))
    }
}

fn refused(error: &ApiError) -> String {
    if error.err_code == table::CLUSTER_NOT_AVAIL.code {
        return format!(
            "JetStream is not available: its cluster is without a leader ({})",
            error.err_code
        );
    }
    format!("the server answers: {error}")
}

fn timed_out(subject: &str) -> String {
    if subject.starts_with(PREFIX) {
        return format!(
            "JetStream does not answer: {subject} timed out (a cluster without a leader is silent)"
        );
    }
    format!("timed out waiting for the answer to {subject}")
}

fn who(user: Option<&str>) -> String {
    user.map_or_else(|| "this user".to_owned(), |user| format!("user `{user}`"))
}

impl CallError {
    /// Whether it is not known what the server did.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Connection(_))
    }

    /// Whether it is over by itself after a while: no leader now, or no answer among servers.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Refused(error) if error.err_code == table::CLUSTER_NOT_AVAIL.code)
    }

    /// Whether the server still clears away what was deleted just before.
    pub fn follows_a_delete(&self) -> bool {
        let codes = [table::STREAM_CREATE.code, table::STREAM_NAME_EXIST.code];
        matches!(self, Self::Refused(error) if codes.contains(&error.err_code))
    }

    /// Whether there is not enough room for what a stream sets aside.
    pub fn is_want_of_room(&self) -> bool {
        let codes = [
            table::INSUFFICIENT_RESOURCES.code,
            table::MEMORY_RESOURCES_EXCEEDED.code,
            table::STORAGE_RESOURCES_EXCEEDED.code,
            table::ACCOUNT_RESOURCES_EXCEEDED.code,
        ];
        matches!(self, Self::Refused(error) if codes.contains(&error.err_code))
    }

    /// Whether the account has as many streams as it may.
    pub fn is_one_stream_too_many(&self) -> bool {
        matches!(self, Self::Refused(error) if error.err_code == table::MAXIMUM_STREAMS_LIMIT.code)
    }

    /// Whether what is to be created is there, or what is to be changed is not.
    pub fn meets_another(&self) -> bool {
        let codes = [
            table::STREAM_NAME_EXIST.code,
            table::CONSUMER_ALREADY_EXISTS.code,
            table::CONSUMER_NAME_EXIST.code,
        ];
        let met = matches!(self, Self::Refused(error) if codes.contains(&error.err_code));
        met || self.is_absence()
    }

    /// Whether the server says that there is no such message.
    pub fn is_no_message(&self) -> bool {
        matches!(self, Self::Refused(error) if error.err_code == table::NO_MESSAGE_FOUND.code)
    }

    /// Whether the server says that there is no such stream or consumer.
    pub fn is_absence(&self) -> bool {
        let codes = [table::STREAM_NOT_FOUND.code, table::CONSUMER_NOT_FOUND.code];
        matches!(self, Self::Refused(error) if codes.contains(&error.err_code))
    }
}

/// Whether an answer is one, whatever it says.
pub fn check(body: &[u8]) -> Result<(), CallError> {
    answer::<Json>(body).map(|_| ())
}

/// Reads an answer.
pub fn answer<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    let unreadable = |error: serde_json::Error| CallError::Unreadable(error.to_string());
    let mut json: Json = serde_json::from_slice(body).map_err(unreadable)?;
    if let Some(error) = json.get_mut("error").map(Json::take) {
        return Err(CallError::Refused(serde_json::from_value(error).map_err(unreadable)?));
    }
    serde_json::from_value(json).map_err(unreadable)
}
