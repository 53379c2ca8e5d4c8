//! What JetStream needs of the network below it. This is the whole of the way down.

use watershed_base::AccountId;
use watershed_wire::jetstream::client::ClientInfo;
use watershed_wire::op::Publish;

use crate::state::StreamKey;

/// Whether somebody took a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Nobody listens there.
    Nobody,
    /// Somebody does.
    Yes,
    /// Somebody does, and has much to read already.
    Congested,
}

/// A stream as the network knows it: the name of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Capture(pub u32);

impl From<StreamKey> for Capture {
    fn from(key: StreamKey) -> Self {
        Self(key.0)
    }
}

/// The network below.
pub trait Network {
    /// Sends a message to those who listen to `via` in an account. It keeps its own subject.
    fn send(&mut self, account: AccountId, via: &[u8], message: &Publish<'_>) -> Taken;

    /// Publishes a message of the server's own. Says which stream is to store it.
    fn publish(&mut self, account: AccountId, message: &Publish<'_>) -> Option<Capture>;

    /// Whether anybody listens to a subject.
    fn listens(&mut self, account: AccountId, subject: &[u8]) -> bool;

    /// Whether anybody listens to a subject, or a stream stores it.
    fn hears(&mut self, account: AccountId, subject: &[u8]) -> bool;

    /// Whether anybody listens to a subject by this very name, not by a wildcard.
    fn listens_by_name(&mut self, account: AccountId, subject: &[u8]) -> bool;

    /// Hands over what a valid filter takes, under this name. Captures of an account don't overlap.
    fn capture(&mut self, account: AccountId, filter: &[u8], capture: Capture);

    /// Ends a capture.
    fn release(&mut self, account: AccountId, filter: &[u8], capture: Capture);

    /// The account with this name, made if there is none.
    fn account(&mut self, name: &str) -> AccountId;

    /// Name of the server, as clients are told it.
    fn server_name(&self) -> &str;

    /// The client whose message is looked at, if it is one's.
    fn client(&self) -> Option<ClientInfo>;
}
