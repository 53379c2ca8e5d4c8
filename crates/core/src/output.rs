//! What the core asks its shell to do with connections.

use watershed_wire::handshake::Connect;

use crate::system::Question;

/// A connection. Never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Place in the core's table, for the shell's tables too.
    pub slot: u32,
    /// Number of the connection since the start; clients know it as their `client_id`.
    pub number: u64,
}

/// A request to the shell.
#[derive(Debug)]
pub enum Output {
    /// Bytes wait in the outbox of this connection.
    Flush(ConnId),
    /// Find out who this is, and call [`crate::Core::authenticated`].
    Authenticate {
        /// Connection that waits.
        conn: ConnId,
        /// What it says of itself, with its secret.
        connect: Box<Connect>,
        /// What it was given to sign; empty for nothing.
        nonce: String,
    },
    /// Write what is in the outbox, as far as the peer takes it at once, and close.
    Close {
        /// Connection to close.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Answer a question about the server, by a publish to [`Question::reply`].
    Answer(Box<Question>),
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
    /// It took nothing of what waited for it for too long.
    WriteDeadline,
    /// The user's time, or that of the account, is over.
    Expired,
    /// Who issued the credential has taken it back.
    Revoked,
    /// Too many connections of one account.
    AccountConnections,
    /// A user of the system account wanted it.
    Kicked,
    /// The server stops.
    Shutdown,
}

impl CloseReason {
    /// Whether it took too little of what waited for it.
    pub fn is_slow(self) -> bool {
        matches!(self, Self::SlowConsumer | Self::WriteDeadline)
    }

    /// As nats-server's monitoring and events have it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Protocol => "Protocol Violation",
            Self::Payload => "Maximum Message Payload Exceeded",
            Self::Authentication => "Authentication Failure",
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::Stale => "Stale Connection",
            Self::SlowConsumer => "Slow Consumer (Pending Bytes)",
            Self::WriteDeadline => "Slow Consumer (Write Deadline)",
            Self::Expired => "Authentication Expired",
            Self::Revoked => "Credentials Revoked",
            Self::AccountConnections => "Maximum Account Connections Exceeded",
            Self::Kicked => "Kicked",
            Self::Shutdown => "Server Shutdown",
        }
    }

    /// For logs.
    pub fn text(self) -> &'static str {
        match self {
            Self::Protocol => "protocol violation",
            Self::Payload => "maximum payload violation",
            Self::Authentication => "authentication failure",
            Self::AuthenticationTimeout => "authentication timeout",
            Self::Stale => "stale connection",
            Self::SlowConsumer => "slow consumer",
            Self::WriteDeadline => "slow consumer: write deadline",
            Self::Expired => "authentication expired",
            Self::Revoked => "credentials revoked",
            Self::AccountConnections => "maximum account connections exceeded",
            Self::Kicked => "kicked",
            Self::Shutdown => "server shutdown",
        }
    }
}

/// What to do with the connection whose operation was just received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Read no further operation until [`crate::Core::authenticated`] was called.
    Wait,
    /// Somebody it publishes to can't keep up: hold it back a moment.
    Stall,
    /// The connection ends; there will be an [`Output::Close`].
    Close,
}
