//! Requests to a pull consumer, and the statuses that answer them.

use serde::{Deserialize, Serialize};

/// Body of `CONSUMER.MSG.NEXT`. Empty, it asks for one message; a bare number asks for that many, and
/// any other text that is no object for one, as nats-server reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PullRequest {
    /// Messages; 0 is 1.
    pub batch: i64,
    /// Nanoseconds to wait; 0 for as long as the client listens.
    pub expires: i64,
    /// Most bytes.
    pub max_bytes: i64,
    /// Whether to answer at once.
    pub no_wait: bool,
    /// Silence after which to say that the request still waits, in nanoseconds.
    pub idle_heartbeat: i64,
    /// Priority group.
    pub group: String,
    /// Only if at least this many are pending.
    pub min_pending: i64,
    /// Only if at least this many are delivered and not acknowledged.
    pub min_ack_pending: i64,
    /// Id of a pinned client.
    pub id: String,
    /// Lower is first.
    pub priority: i64,
    /// Whether the body was an object.
    #[serde(skip)]
    pub is_object: bool,
}

/// Why a request is none. A status shows it behind `Bad Request - `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullRequestError {
    /// An object that is not JSON, or has values of another kind.
    #[error("{0}")]
    Json(String),
    /// A priority that there is not.
    #[error("Priority must be between 0 and 9")]
    Priority,
}

impl PullRequest {
    /// Parses a body. What cannot be negative is not afterwards.
    pub fn parse(body: &[u8]) -> Result<Self, PullRequestError> {
        let body = body.trim_ascii();
        if body.is_empty() {
            return Ok(Self { batch: 1, ..Self::default() });
        }
        if !body.starts_with(b"{") {
            let number = std::str::from_utf8(body).ok().and_then(|text| text.parse().ok());
            return Ok(Self { batch: number.unwrap_or(1).max(1), ..Self::default() });
        }
        let mut request: Self =
            super::json::object(body).map_err(|error| PullRequestError::Json(error.to_string()))?;
        if !(0..=9).contains(&request.priority) {
            return Err(PullRequestError::Priority);
        }
        request.is_object = true;
        request.batch = request.batch.max(1);
        request.max_bytes = request.max_bytes.max(0);
        request.idle_heartbeat = request.idle_heartbeat.max(0);
        if request.expires < 0 {
            // It is over already.
            request.expires = 1;
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let batch = |body: &str| PullRequest::parse(body.as_bytes()).map(|request| request.batch);
        assert_eq!(batch(""), Ok(1));
        assert_eq!(batch("10"), Ok(10));
        assert_eq!(batch(r#"{"batch":5,"expires":1000}"#), Ok(5));
        assert_eq!(batch("{}"), Ok(1));
        // async-nats writes what it was not told as null.
        assert_eq!(batch(r#"{"batch":5,"max_bytes":null,"group":null}"#), Ok(5));
        assert_eq!((batch("x"), batch("-5"), batch("1e400")), (Ok(1), Ok(1), Ok(1)));
        assert!(batch("{x").is_err());
        assert_eq!(batch(r#"{"priority":10}"#), Err(PullRequestError::Priority));
    }
}
