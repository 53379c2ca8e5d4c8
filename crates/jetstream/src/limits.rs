//! Bounds on what is held for clients.

use std::time::Duration;

/// Bytes of records that wait for the disk above which publishers are held back.
pub const ROUND_BYTES_WAITING_MAX: usize = 64 * 1024 * 1024;

/// Bytes of rounds that are not in their blocks yet above which publishers are held back.
pub const TAIL_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of rounds after which a checkpoint lets the journal be used again.
pub const JOURNAL_BYTES_PER_CHECKPOINT: usize = 32 * 1024 * 1024;

/// The same while the disk is full: there is little that can be used meanwhile.
pub const JOURNAL_BYTES_PER_CHECKPOINT_SHORT: usize = 64 * 1024;

/// Bytes of requests to the API that wait for their turn. More are refused.
pub const CALL_BYTES_WAITING_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a batch of messages after which it ends, if who asks for it sets no bound.
pub const BATCH_GET_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Subjects of which a batch can have the last message.
pub const BATCH_SUBJECTS_MAX: usize = 1024;

/// Batches that keep a piece of a block at a time. The others wait.
pub const BATCHES_READING_MAX: usize = 16;

/// Bytes of publishes that wait until the message is found that they expect. More are refused.
pub const PUBLISH_BYTES_WAITING_MAX: usize = 16 * 1024 * 1024;

/// Messages of an atomic batch, as on nats-server.
pub const BATCH_MESSAGES_MAX: usize = 1_000;

/// Longest id of an atomic batch in bytes, as on nats-server.
pub const BATCH_ID_BYTES_MAX: usize = 64;

/// Atomic batches of a stream that have not come to their end, as on nats-server.
pub const BATCHES_OF_STREAM_MAX: usize = 50;

/// Those of all streams, as on nats-server.
pub const BATCHES_MAX: usize = 1_000;

/// Bytes that they hold together. More are refused.
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Time without another message after which a batch is given up, as on nats-server.
pub const BATCH_IDLE_MAX: Duration = Duration::from_secs(10);

/// Fast batches of a stream that have not come to their end, as on nats-server.
pub const FAST_BATCHES_OF_STREAM_MAX: usize = 1_000;

/// Those of all streams, as on nats-server.
pub const FAST_BATCHES_MAX: usize = 50_000;

/// Messages between two acknowledgements of a fast batch, of all batches of a stream together, as on
/// nats-server.
pub const FAST_FLOW_MAX: u64 = 500;

/// Bytes of advisories that wait for their turn. More are left out.
pub const NOTICE_BYTES_WAITING_MAX: usize = 16 * 1024 * 1024;

/// Names in one reply of `STREAM.NAMES`.
pub const NAMES_PER_PAGE: usize = 1024;

/// Streams in one reply of `STREAM.LIST`.
pub const STREAMS_PER_PAGE: usize = 256;

/// Subjects in one reply of `STREAM.INFO`.
pub const SUBJECTS_PER_PAGE: usize = 100_000;

/// Missing sequences that a reply of `STREAM.INFO` lists.
pub const DELETED_DETAILS_MAX: usize = 100_000;

/// Messages that one record of a larger change removes or looks at, where each has a subject of its
/// own: about a microsecond each.
pub const SLICE_MESSAGES_MIN: u64 = 256;

/// The same where many share a subject: about a tenth of that.
pub const SLICE_MESSAGES_MAX: u64 = 8192;

/// Bytes of a consumer's events at which they become a record, which is applied at one go.
pub const EVENT_BYTES_PER_RECORD: usize = 8 * 1024;

/// Deliveries of a consumer that get another time in one turn.
pub const RESCHEDULED_PER_TURN: usize = 1024;

/// Messages that the events of one record finish, of acknowledgements that finish many.
pub const FINISHED_PER_RECORD: u64 = 512;

/// Bytes of a consumer's events that wait where no record can take them. No more is delivered then.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Longest time until something that depends on the wall clock is checked again: the clock may jump, and
/// deadlines do not.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_mins(1);
