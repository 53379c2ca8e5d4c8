//! What a server and an account allow of what is valid.

use super::super::consumer::ConsumerConfig;
use super::super::error::table;
use super::super::stream::{Storage, StreamConfig};
use super::Violation;
use super::stream::invalid;
use crate::time::go_duration;

/// Bounds of an account's streams and consumers: the account's own and those of the server, under
/// the names that nats.conf has for them. `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Streams.
    pub max_streams: Option<u64>,
    /// Consumers of one stream.
    pub max_consumers: Option<u64>,
    /// `max_ack_pending` of a consumer; what is unlimited is not held to it.
    pub max_ack_pending: Option<i64>,
    /// Whether a stream must say how large it may become.
    pub max_bytes_required: bool,
    /// `max_bytes` of a stream on disk.
    pub disk_max_stream_bytes: Option<u64>,
    /// `max_bytes` of a stream in memory.
    pub memory_max_stream_bytes: Option<u64>,
    /// `max_batch` of a consumer.
    pub max_request_batch: Option<i64>,
    /// `duplicate_window` of a stream, in nanoseconds.
    pub duplicate_window: Option<i64>,
}

impl Bounds {
    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        Self {
            max_streams: least(self.max_streams, other.max_streams),
            max_consumers: least(self.max_consumers, other.max_consumers),
            max_ack_pending: least(self.max_ack_pending, other.max_ack_pending),
            max_bytes_required: self.max_bytes_required || other.max_bytes_required,
            disk_max_stream_bytes: least(self.disk_max_stream_bytes, other.disk_max_stream_bytes),
            memory_max_stream_bytes: least(
                self.memory_max_stream_bytes,
                other.memory_max_stream_bytes,
            ),
            max_request_batch: least(self.max_request_batch, other.max_request_batch),
            duplicate_window: least(self.duplicate_window, other.duplicate_window),
        }
    }
}

/// The bounds that a stream breaks; `config` was filled.
pub fn stream_within(config: &StreamConfig, bounds: &Bounds) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Some(limit) = bounds.duplicate_window
        && config.duplicate_window > limit
    {
        let text = format!(
            "duplicates window can not be larger then server limit of {}",
            go_duration(limit)
        );
        found.push(invalid("duplicate_window", text));
    }
    let above = |value: i64, limit: Option<u64>| {
        u64::try_from(value).is_ok_and(|value| limit.is_some_and(|limit| value > limit))
    };
    if above(config.max_consumers, bounds.max_consumers) {
        found.push(Violation::new("max_consumers", table::MAXIMUM_CONSUMERS_LIMIT));
    }
    if bounds.max_bytes_required && config.max_bytes <= 0 {
        found.push(Violation::new("max_bytes", table::STREAM_MAX_BYTES_REQUIRED));
    }
    let limit = match config.storage {
        Storage::File => bounds.disk_max_stream_bytes,
        Storage::Memory => bounds.memory_max_stream_bytes,
    };
    if above(config.max_bytes, limit) {
        found.push(Violation::new("max_bytes", table::STREAM_MAX_STREAM_BYTES_EXCEEDED));
    }
    found
}

/// The bounds that a consumer breaks; `config` was filled.
pub fn consumer_within(config: &ConsumerConfig, bounds: &Bounds) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Some(limit) = bounds.max_ack_pending
        && config.max_ack_pending > limit
    {
        let error = table::CONSUMER_MAX_PENDING_ACK_EXCESS.with(limit);
        found.push(Violation::new("max_ack_pending", error));
    }
    if let Some(limit) = bounds.max_request_batch
        && config.max_batch > limit
    {
        let error = table::CONSUMER_MAX_REQUEST_BATCH_EXCEEDED.with(limit);
        found.push(Violation::new("max_batch", error));
    }
    found
}
