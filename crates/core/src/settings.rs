//! What a core is told at its start. Some of it may change while it runs, see [`crate::Changeable`].

use std::time::Duration;

use watershed_wire::handshake::Info;
use watershed_wire::limits::PAYLOAD_BYTES_MAX;

use crate::limits::{FILTER_TOKENS_MAX, OUTBOX_BYTES_MAX, SUBSCRIPTIONS_MAX};
use crate::system::SYSTEM_ACCOUNT;

/// What a core is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every client is told first; the core fills in what differs by connection.
    pub info: Info,
    /// Time between pings.
    pub ping_interval: Duration,
    /// Pings that may go unanswered.
    pub ping_max: u32,
    /// Time in which a client must show its credential.
    pub auth_timeout: Duration,
    /// Seed of choices that need no secrecy.
    pub seed: u64,
    /// Key of what nobody may guess: random, and never told.
    pub key: [u64; 2],
    /// What one connection may take.
    pub most: Most,
    /// Account whose users may ask about the server.
    pub system_account: String,
    /// Whether they may ask for the JWTs of accounts, and change them.
    pub keeps_claims: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            info: Info {
                max_payload: PAYLOAD_BYTES_MAX,
                headers: true,
                proto: 1,
                ..Info::default()
            },
            ping_interval: Duration::from_mins(2),
            ping_max: 2,
            auth_timeout: Duration::from_secs(2),
            seed: 0,
            key: [0; 2],
            most: Most::default(),
            system_account: SYSTEM_ACCOUNT.to_owned(),
            keeps_claims: false,
        }
    }
}

/// What one connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Bytes that wait for it, before it counts as a slow consumer and is closed.
    pub pending_bytes: usize,
    /// Time in which it must take something of what waits.
    pub write_deadline: Duration,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Tokens of what it subscribes to.
    pub tokens: usize,
}

impl Default for Most {
    fn default() -> Self {
        Self {
            pending_bytes: OUTBOX_BYTES_MAX,
            // As nats-server.
            write_deadline: Duration::from_secs(10),
            subscriptions: SUBSCRIPTIONS_MAX,
            tokens: FILTER_TOKENS_MAX,
        }
    }
}
