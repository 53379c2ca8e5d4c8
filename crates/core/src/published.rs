//! What a publish means above the core, as data.

use watershed_base::AccountId;
use watershed_wire::op::Publish;

use crate::router::Capture;

/// What became of a message that was published, as far as the core goes.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Account of the publisher.
    pub account: AccountId,
    /// Whether anybody took it.
    pub anybody: bool,
    /// Whether somebody who took it has much to read.
    pub congested: bool,
    /// Who wants to store it.
    pub capture: Option<Capture>,
    /// Whether it is addressed to an API of the server's (`$JS.…`).
    pub api: bool,
    /// Whether there are [`Hop`]s to take.
    pub passed: bool,
}

/// A message that was published in one account and has arrived in another.
#[derive(Debug)]
pub struct Hop {
    /// Account that it has arrived in.
    pub account: AccountId,
    /// Its subject there.
    pub subject: Box<[u8]>,
    /// Where a reply is expected there.
    pub reply: Option<Box<[u8]>>,
    /// Its header block there.
    pub header: Box<[u8]>,
    /// Who wants to store it.
    pub capture: Option<Capture>,
    /// Whether it is addressed to an API of the server's.
    pub api: bool,
    /// Whether anybody took it. What stands above the core adds its own word.
    pub anybody: bool,
    /// Whether the reply subject stands for somebody who waits in another account.
    pub(crate) asked: bool,
    /// The hop that it came over, unless it came from the publisher.
    pub(crate) from: Option<usize>,
}

impl Hop {
    /// The message as it arrived; its payload is the original's.
    pub fn message<'a>(&'a self, payload: &'a [u8]) -> Publish<'a> {
        Publish {
            subject: &self.subject,
            reply: self.reply.as_deref(),
            header: &self.header,
            payload,
            has_header: !self.header.is_empty(),
        }
    }
}
