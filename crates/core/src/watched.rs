//! What is told of connections, and asked of them, as plain data for whoever watches.

use std::sync::Arc;
use std::time::Duration;

use watershed_wire::time::UnixNanos;

use crate::session::{Counts, Key};

/// Which connections are meant by their state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Those that are there.
    #[default]
    Open,
    /// Those that were closed, of which the last ones are remembered.
    Closed,
    /// Both.
    Any,
}

/// What connections are sorted by. Numbers that only grow come with the largest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Number of the connection.
    #[default]
    Number,
    /// Number of subscriptions.
    Subscriptions,
    /// Bytes that wait for it.
    Pending,
    /// Messages that were delivered to it.
    MessagesTo,
    /// Messages that it published.
    MessagesFrom,
    /// Bytes that were delivered to it.
    BytesTo,
    /// Bytes that it published.
    BytesFrom,
    /// When it last did something, the last one first.
    Last,
    /// How long it has done nothing.
    Idle,
    /// How long it has been there.
    Uptime,
    /// How long an answer takes.
    RoundTrip,
    /// When it ended.
    Stop,
    /// Why it ended.
    Reason,
}

/// Which connections are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// By state.
    pub state: State,
    /// Order.
    pub sort: Sort,
    /// Only the one with this number.
    pub number: Option<u64>,
    /// Only those of this account.
    pub account: Option<String>,
    /// Only those of this user.
    pub user: Option<String>,
    /// Only those that listen to what this filter takes.
    pub subject: Option<String>,
    /// How many of the order are left out at its beginning.
    pub offset: usize,
    /// How many there are at most.
    pub limit: usize,
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionDetail {
    /// Filter.
    pub subject: String,
    /// Queue group, if any.
    pub queue: Option<String>,
    /// Id that the client gave it.
    pub sid: String,
    /// Messages delivered.
    pub delivered: u64,
    /// Deliveries after which it ends.
    pub max: Option<u64>,
    /// Number of its connection.
    pub number: u64,
    /// Account of its connection.
    pub account: String,
}

/// A connection, there or gone.
#[derive(Debug, Clone, Default)]
pub struct ConnectionDetail {
    /// Its number.
    pub number: u64,
    /// Address that it comes from.
    pub ip: String,
    /// Its port.
    pub port: u16,
    /// Whether it came by WebSocket.
    pub websocket: bool,
    /// When it began.
    pub start: UnixNanos,
    /// When it last did something.
    pub active: UnixNanos,
    /// Time that an answer took when it was last asked for one.
    pub round_trip: Option<Duration>,
    /// Bytes that wait for it.
    pub pending: usize,
    /// What it has sent, and what was sent to it.
    pub counts: Counts,
    /// Number of subscriptions.
    pub subscriptions: usize,
    /// Name that it gives itself.
    pub name: String,
    /// Language of its library.
    pub lang: String,
    /// Version of its library.
    pub version: String,
    /// User; empty for nobody in particular.
    pub user: String,
    /// The key that proves the user, if one does.
    pub key: Option<Arc<Key>>,
    /// Account; empty while it is not known who this is.
    pub account: String,
    /// When and why it ended.
    pub ended: Option<(UnixNanos, &'static str)>,
    /// Each subscription, if asked for.
    pub listens: Vec<SubscriptionDetail>,
}

/// What all connections have done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// What they have sent, and what was sent to them.
    pub counts: Counts,
    /// Connections that were closed because they did not read.
    pub slow_consumers: u64,
}

/// What an account does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountStatistics {
    /// Name.
    pub name: String,
    /// Connections now.
    pub connections: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// What its connections have sent, and what was sent to them.
    pub counts: Counts,
    /// Connections that were closed because they did not read.
    pub slow_consumers: u64,
}
