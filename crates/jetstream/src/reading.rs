//! Records that are on their way from the disk, and who waits for them.

use watershed_base::AccountId;
use watershed_store::LogId;
use watershed_store::log::Position;

use crate::batch_reads::Batch;
use crate::consumer_key::ConsumerKey;
use crate::firing::Firing;
use crate::state::StreamKey;
use crate::uncounted::{Uncounted, Wanted};

/// Schema of a reply to `STREAM.MSG.GET`.
pub(crate) const MESSAGE_GET: &str = "stream_msg_get_response";

/// What a client is told of a message that is there and cannot be read.
pub(crate) const DAMAGED: &str = "message is damaged on disk";

/// Who waits for a record to be read, and in which form.
#[derive(Debug)]
pub(crate) enum Reading {
    /// A client.
    Client {
        /// Account to reply in.
        account: AccountId,
        /// Subject to reply to.
        reply: Vec<u8>,
        /// How.
        form: Form,
        /// Log of the message.
        log: LogId,
        /// Its sequence.
        sequence: u64,
        /// Where it is.
        position: Position,
    },
    /// A stream that is to copy it, and what lies behind it.
    Follower {
        /// The stream.
        stream: StreamKey,
        /// Which of its origins.
        index: usize,
        /// Log of the origin.
        log: LogId,
        /// Block that is read.
        block: u32,
        /// Where.
        offset: u32,
    },
    /// What waits for the value of a counter.
    Counter {
        /// What is to be counted.
        waiting: Box<Uncounted>,
        /// The message.
        wanted: Wanted,
    },
    /// A schedule whose time has come.
    Schedule {
        /// The schedule.
        firing: Box<Firing>,
        /// The message that is read for it.
        sequence: u64,
        /// Where it is.
        position: Position,
    },
    /// A batch of messages that a client reads, and what lies behind it.
    Batch {
        /// The batch.
        batch: Box<Batch>,
        /// The message.
        sequence: u64,
        /// Block that is read.
        block: u32,
        /// Where.
        offset: u32,
    },
    /// A snapshot that is to have it, and what lies behind it.
    Snapshot {
        /// The snapshot.
        id: String,
        /// Log of the stream.
        log: LogId,
        /// Block that is read.
        block: u32,
        /// Where.
        offset: u32,
    },
    /// A consumer that is to deliver it, and what lies behind it.
    Consumer {
        /// The consumer.
        consumer: ConsumerKey,
        /// Log of its stream.
        log: LogId,
        /// Block that is read.
        block: u32,
        /// Where.
        offset: u32,
    },
}

/// How a message is sent to who asked for it.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// As JSON, in base64.
    Api,
    /// As it was published, with headers that say where it is from.
    Direct {
        /// Name of the stream.
        stream: String,
        /// Whether there are headers at all.
        headers: bool,
    },
}
