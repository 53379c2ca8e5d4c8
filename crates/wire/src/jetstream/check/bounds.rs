//! What a server and an account allow of what is valid.

use super::super::consumer::ConsumerConfig;
use super::super::error::table;
use super::super::stream::{Storage, StreamConfig};
use super::Violation;
use crate::time::go_duration;

/// Bounds of an account's streams and consumers: the account's own and those of the server, under
/// the names that nats.conf has for them. `None` is no bound, nor is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Streams.
    pub max_streams: Option<i64>,
    /// Consumers of one stream.
    pub max_consumers: Option<i64>,
    /// `max_ack_pending` of a consumer; what is unlimited is not held to it.
    pub max_ack_pending: Option<i64>,
    /// Whether a stream must say how large it may become.
    pub max_bytes_required: bool,
    /// `max_bytes` of a stream on disk.
    pub disk_max_stream_bytes: Option<i64>,
    /// `max_bytes` of a stream in memory.
    pub memory_max_stream_bytes: Option<i64>,
    /// `max_batch` of a consumer.
    pub max_request_batch: Option<i64>,
    /// `duplicate_window` of a stream, in nanoseconds.
    pub duplicate_window: Option<i64>,
}

/// Other names that nats.conf has for an account's bounds and limits.
const ALIASES: &[(&str, &str)] = &[
    ("streams", "max_streams"),
    ("consumers", "max_consumers"),
    ("max_stream_bytes", "max_bytes_required"),
    ("max_bytes", "max_bytes_required"),
    ("store_max_stream_bytes", "disk_max_stream_bytes"),
    ("mem_max_stream_bytes", "memory_max_stream_bytes"),
    ("max_store", "max_file"),
    ("max_disk", "max_file"),
    ("store", "max_file"),
    ("disk", "max_file"),
    ("max_mem", "max_memory"),
    ("mem", "max_memory"),
    ("memory", "max_memory"),
];

/// The one name of what nats.conf has several for, in an account's `jetstream` block.
pub fn account_limit(key: &str) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == key);
    alias.map_or(key, |(_, name)| name)
}

impl Bounds {
    /// The bounds that are numbers, by name.
    pub fn numbers(&self) -> [(&'static str, Option<i64>); 7] {
        [
            ("max_streams", self.max_streams),
            ("max_consumers", self.max_consumers),
            ("max_ack_pending", self.max_ack_pending),
            ("disk_max_stream_bytes", self.disk_max_stream_bytes),
            ("memory_max_stream_bytes", self.memory_max_stream_bytes),
            ("max_request_batch", self.max_request_batch),
            ("duplicate_window", self.duplicate_window),
        ]
    }

    /// The bound with this name, if it is one that is a number.
    pub fn number_mut(&mut self, name: &str) -> Option<&mut Option<i64>> {
        Some(match name {
            "max_streams" => &mut self.max_streams,
            "max_consumers" => &mut self.max_consumers,
            "max_ack_pending" => &mut self.max_ack_pending,
            "disk_max_stream_bytes" => &mut self.disk_max_stream_bytes,
            "memory_max_stream_bytes" => &mut self.memory_max_stream_bytes,
            "max_request_batch" => &mut self.max_request_batch,
            "duplicate_window" => &mut self.duplicate_window,
            _ => return None,
        })
    }

    /// What both allow.
    pub fn and(mut self, other: Self) -> Self {
        self.max_bytes_required |= other.max_bytes_required;
        for (name, theirs) in other.numbers() {
            if let Some(own) = self.number_mut(name) {
                let both = own.iter().copied().chain(theirs);
                // What bounds nothing is only what it is shown as.
                *own = both.min_by_key(|bound| (*bound <= 0, *bound));
            }
        }
        self
    }
}

/// A bound that bounds anything.
pub(super) fn real(bound: Option<i64>) -> Option<i64> {
    bound.filter(|bound| *bound > 0)
}

/// Whether there are as many as a bound allows.
pub fn reached(count: usize, bound: Option<i64>) -> bool {
    real(bound).is_some_and(|bound| i64::try_from(count).unwrap_or(i64::MAX) >= bound)
}

/// The bounds that a stream breaks; `config` was filled.
pub fn stream_within(config: &StreamConfig, bounds: &Bounds) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Some(limit) = real(bounds.duplicate_window)
        && config.duplicate_window > limit
    {
        let text = format!(
            "duplicates window can not be larger then server limit of {}",
            go_duration(limit)
        );
        found.push(Violation::invalid("duplicate_window", text));
    }
    let above = |value: i64, limit: Option<i64>| real(limit).is_some_and(|limit| value > limit);
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
    if let Some(limit) = real(bounds.max_ack_pending)
        && config.max_ack_pending > limit
    {
        let error = table::CONSUMER_MAX_PENDING_ACK_EXCESS.with(limit);
        found.push(Violation::new("max_ack_pending", error));
    }
    if let Some(limit) = real(bounds.max_request_batch)
        && config.max_batch > limit
    {
        let error = table::CONSUMER_MAX_REQUEST_BATCH_EXCEEDED.with(limit);
        found.push(Violation::new("max_batch", error));
    }
    found
}
