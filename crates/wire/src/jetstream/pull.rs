//! Requests to a pull consumer, and the statuses that answer them.

use serde::{Deserialize, Serialize};

/// Body of `CONSUMER.MSG.NEXT`. Empty, it asks for one message; a bare number asks for so many.
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
    /// Only if so many are pending.
    pub min_pending: i64,
    /// Only if so many are delivered and not acknowledged.
    pub min_ack_pending: i64,
    /// Id of a pinned client.
    pub id: String,
    /// Lower is first.
    pub priority: i64,
}

/// A body is neither empty, nor a number, nor a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PullRequestError(String);

impl PullRequest {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, PullRequestError> {
        let body = body.trim_ascii();
        if body.is_empty() {
            return Ok(Self { batch: 1, ..Self::default() });
        }
        let error = |error: serde_json::Error| PullRequestError(error.to_string());
        if !body.starts_with(b"{") {
            let batch: i64 = serde_json::from_slice(body).map_err(error)?;
            return Ok(Self { batch: batch.max(1), ..Self::default() });
        }
        let mut request: Self = super::json::object(body).map_err(error)?;
        request.batch = request.batch.max(1);
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
        assert!(batch("x").is_err());
    }
}
