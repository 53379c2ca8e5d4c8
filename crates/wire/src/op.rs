//! The operations of the client protocol, in both directions, borrowed from the bytes they came in.

/// What a client says to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// `CONNECT {json}`: the JSON text, unparsed. See [`crate::handshake::Connect`].
    Connect(&'a [u8]),
    /// `PUB` or `HPUB`.
    Publish(Publish<'a>),
    /// `SUB filter [queue] sid`. The filter is not validated here: an invalid one is answered, not
    /// a reason to close.
    Subscribe {
        /// Subject with wildcards, as sent.
        filter: &'a [u8],
        /// Queue group.
        queue: Option<&'a [u8]>,
        /// Subscription id, any word without spaces.
        sid: &'a [u8],
    },
    /// `UNSUB sid [max]`.
    Unsubscribe {
        /// Subscription id.
        sid: &'a [u8],
        /// Deliveries, counted from the subscription's start, after which it ends by itself.
        max: Option<u64>,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// A line that a server sends, echoed by a client (`+OK`, `INFO`): accepted and without effect.
    Ignored,
}

/// A message on its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Subject, not validated: one with an empty token matches nothing.
    pub subject: &'a [u8],
    /// Where an answer is expected.
    pub reply: Option<&'a [u8]>,
    /// Header block with its closing blank line; empty for `PUB`.
    pub header: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
    /// Whether the frame was an `HPUB`; an `HPUB` may carry an empty block.
    pub has_header: bool,
}

/// What a server says to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerOp<'a> {
    /// `INFO {json}`: the JSON text, unparsed. See [`crate::handshake::Info`].
    Info(&'a [u8]),
    /// `MSG` or `HMSG`.
    Message {
        /// Subject that the message was published to.
        subject: &'a [u8],
        /// Subscription id it is delivered to.
        sid: &'a [u8],
        /// Where an answer is expected.
        reply: Option<&'a [u8]>,
        /// Header block with its closing blank line; empty for `MSG`.
        header: &'a [u8],
        /// Payload.
        payload: &'a [u8],
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`.
    Ok,
    /// `-ERR 'text'`: the text without its quotes.
    Err(&'a [u8]),
}
