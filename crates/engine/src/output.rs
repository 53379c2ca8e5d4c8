//! What the engine asks its shell to do.

use watershed_store::blocks::Placement;
use watershed_store::checkpoint::Checkpoint;
use watershed_store::log::Sealed;
use watershed_store::{LogId, Round};
use watershed_wire::handshake::Connect;

/// A connection. Never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Place in the engine's table, for the shell's tables too.
    pub slot: u32,
    /// Number of the connection since the start; clients know it as their `client_id`.
    pub number: u64,
}

/// A request to the shell.
#[derive(Debug)]
pub enum Output {
    /// Make this round durable, and say so. There is at most one at a time.
    Commit(Round),
    /// Write these records into their blocks, and say so. No hurry: the round is durable.
    Place(Box<Placed>),
    /// Make everything durable that was placed so far, then keep this state and let the journal go.
    Checkpoint(Checkpoint),
    /// Remove these blocks, after all that was placed so far.
    Drop(Vec<(LogId, u32)>),
    /// Read from a block.
    Read {
        /// Names the read in its completion.
        ticket: u64,
        /// Log that the block belongs to.
        log: LogId,
        /// Number of the block.
        block: u32,
        /// Where to start.
        offset: u32,
        /// Bytes to read; less where the block ends.
        length: usize,
    },
    /// Bytes wait in the outbox of this connection.
    Flush(ConnId),
    /// Find out who this is, and call [`crate::Engine::authenticated`].
    Authenticate {
        /// Connection that waits.
        conn: ConnId,
        /// What it says of itself, with its secret.
        connect: Box<Connect>,
    },
    /// Write what is in the outbox, as far as the peer takes it at once, and close.
    Close {
        /// Connection to close.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer's bytes were not the protocol.
    Protocol,
    /// A message above the limit.
    Payload,
    /// The credential was wrong or missing.
    Authentication,
    /// No credential in time.
    AuthenticationTimeout,
    /// Pings went unanswered.
    Stale,
    /// Too many bytes waited for it.
    SlowConsumer,
    /// A limit on subscriptions.
    Subscriptions,
    /// The server stops.
    Shutdown,
}

impl CloseReason {
    /// For logs and monitoring.
    pub fn text(self) -> &'static str {
        match self {
            Self::Protocol => "protocol violation",
            Self::Payload => "maximum payload violation",
            Self::Authentication => "authentication failure",
            Self::AuthenticationTimeout => "authentication timeout",
            Self::Stale => "stale connection",
            Self::SlowConsumer => "slow consumer",
            Self::Subscriptions => "maximum subscriptions exceeded",
            Self::Shutdown => "server shutdown",
        }
    }
}

/// What to do with the connection whose operation was just received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Read no further operation until [`crate::Engine::authenticated`] was called.
    Wait,
    /// Somebody it publishes to can't keep up: hold it back a moment.
    Stall,
    /// The connection ends; there will be an [`Output::Close`].
    Close,
}

/// What applying a round means for the block files.
#[derive(Debug)]
pub struct Placed {
    /// The round.
    pub round: Round,
    /// Where its records go.
    pub placements: Vec<Placement>,
    /// Blocks that became full.
    pub sealed: Vec<(LogId, Sealed)>,
    /// Blocks that hold nothing any more; to be removed after all else.
    pub dropped: Vec<(LogId, u32)>,
}

impl Placed {
    /// Nothing yet of `round`.
    pub(crate) fn new(round: Round) -> Self {
        Self { round, placements: Vec::new(), sealed: Vec::new(), dropped: Vec::new() }
    }
}

/// What the shell reports of the disk.
#[derive(Debug)]
pub enum Completion {
    /// A round is durable.
    Durable {
        /// Its number.
        round: u64,
    },
    /// A round could not be made durable; no later one will be.
    Failed {
        /// What the system says, for people.
        reason: String,
    },
    /// The records of a round, and of all before it, are in their blocks.
    Placed {
        /// Its number.
        round: u64,
    },
    /// A checkpoint is durable, or could not be made.
    Checkpointed,
    /// Part of a block was read.
    Read {
        /// Which read.
        ticket: u64,
        /// The bytes, as they are on disk; `None` if they can't be read.
        bytes: Option<Vec<u8>>,
    },
}
