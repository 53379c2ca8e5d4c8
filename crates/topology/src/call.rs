//! Calls to make: what a client is to send, as data.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use thiserror::Error;
use watershed_wire::jetstream::ApiError;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;

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

    /// The call without a body.
    pub fn bare(call: Call<'_>) -> Self {
        Self { subject: call.subject(), body: Vec::new() }
    }
}

/// What came back in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The server says no.
    #[error("the server answers: {0}")]
    Refused(ApiError),
    /// Nobody listens on the API's subjects.
    #[error(
        "JetStream does not answer: it is switched off, not ready yet, or not allowed for this user"
    )]
    NoJetStream,
    /// No answer came in time.
    #[error("timed out waiting for the answer to {0}")]
    Timeout(String),
    /// The connection is gone.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// An answer that says nothing this program understands.
    #[error("an answer that cannot be read: {0}")]
    Unreadable(String),
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
