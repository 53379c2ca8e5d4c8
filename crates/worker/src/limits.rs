//! Bounds of a worker.

use std::time::Duration;

/// Longest time that a handler works on one message, where nothing else is said.
pub const HANDLER_TIMEOUT: Duration = Duration::from_mins(5);

/// Longest time that a worker takes to end, where nothing else is said.
pub const DRAIN: Duration = Duration::from_secs(30);

/// How often progress is acknowledged within the time after which the server delivers again.
pub const PROGRESS_PER_WAIT: u32 = 3;

/// Shortest time between two acknowledgements of progress.
pub const PROGRESS_MIN: Duration = Duration::from_millis(20);

/// How long a worker tries to have an acknowledgement confirmed.
pub const ACK_PATIENCE: Duration = Duration::from_mins(2);

/// How long a request for messages waits at the server.
pub const PULL_EXPIRES: Duration = Duration::from_secs(30);

/// Silence after which the server says that a request still waits.
pub const PULL_HEARTBEAT: Duration = Duration::from_secs(5);

/// As many messages are fetched ahead as are handled in this time. Beyond, one that was fetched would
/// wait while another worker is idle.
pub const AHEAD: Duration = Duration::from_millis(200);

/// Most messages that are fetched ahead where nothing else is said.
pub const AHEAD_MAX: u64 = 1_000;

/// Most messages that are done with and whose acknowledgement is not confirmed, beyond which no more are
/// asked for.
pub const UNCONFIRMED_MAX: u64 = 1_000;

/// Most messages that one worker holds of a consumer.
pub const HELD_MAX: u64 = 10_000;

/// Bytes of the text that says why a message was given up.
pub const WHY_MAX: usize = 1024;

/// How long a worker looks for a consumer that has gone, before it ends.
pub const GONE_PATIENCE: Duration = Duration::from_mins(1);
