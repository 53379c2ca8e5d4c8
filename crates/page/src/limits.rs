//! Bounds of what the page does and holds.

use std::time::Duration;

/// Users that may be connected at once.
pub(crate) const SESSIONS_MAX: usize = 16;
/// A user's connection is closed when nothing was asked for so long.
pub(crate) const SESSION_IDLE: Duration = Duration::from_mins(1);
/// Attempts to connect that may be under way at once.
pub(crate) const LOGINS_MAX: usize = 2;
/// Wait after a refused attempt, before the next one.
pub(crate) const REFUSED_WAIT: Duration = Duration::from_millis(300);

/// Those who may watch at once.
pub(crate) const VIEWERS_MAX: usize = 32;
/// Longest time in which a viewer must take an event.
pub(crate) const TAKE_WAIT: Duration = Duration::from_secs(10);
/// A viewer asks anew after so long.
pub(crate) const WATCH_MAX: Duration = Duration::from_secs(50);
/// Time after which a viewer asks anew.
pub(crate) const RETRY: Duration = Duration::from_millis(300);

/// Shortest pause between two looks at an account.
pub(crate) const PAUSE_MIN: Duration = Duration::from_secs(1);
/// How many times as long as a look the pause behind it is, where the look took long.
pub(crate) const PAUSE_FACTOR: u32 = 4;
/// Looks that nobody sees, before they end.
pub(crate) const UNSEEN_MAX: u32 = 3;
/// Time between two comparisons with what is declared.
pub(crate) const DRIFT_PAUSE: Duration = Duration::from_secs(5);

/// Requests for messages and the like that may be under way at once.
pub(crate) const READS_MAX: usize = 8;
/// Longest time of one of them.
pub(crate) const READ_WAIT: Duration = Duration::from_secs(10);
/// Messages in one answer.
pub(crate) const MESSAGES_MAX: u64 = 20;
/// Bytes of a payload that are shown.
pub(crate) const SHOWN_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a payload that is not text.
pub(crate) const SHOWN_BINARY_MAX: usize = 1024;
/// Headers of a message that are shown, and bytes of the value of each.
pub(crate) const SHOWN_HEADERS_MAX: usize = 64;
/// Bytes of a header's name or value that are shown.
pub(crate) const SHOWN_HEADER_BYTES_MAX: usize = 1024;
/// Connections in one answer.
pub(crate) const CONNECTIONS_MAX: usize = 256;
/// Messages of a stream of dead letters that are looked through.
pub(crate) const DEAD_MAX: usize = 500;
/// Dead letters that are counted at one look.
pub(crate) const DEAD_COUNTED: usize = 200;

/// Bytes of a request to publish.
pub(crate) const PUBLISH_BYTES_MAX: usize = 1024 * 1024;

const _: () =
    assert!(WATCH_MAX.as_secs() < 60, "monitoring closes every connection after a minute");
