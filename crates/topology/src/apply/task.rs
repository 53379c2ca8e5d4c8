//! What a run wants done, what comes of it, and how it ends before its time.

use std::time::Duration;

use thiserror::Error;
use watershed_wire::subject::matches;

use crate::call::{CallError, Request};
use crate::plan::Target;

/// Time until it is looked whether something has come about, where somebody waits for it.
pub(super) const NAP: Duration = Duration::from_millis(10);

/// Time between two looks at what takes a while.
pub(super) const MOMENT: Duration = Duration::from_millis(50);

/// Time until what passes by itself is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// How often that is done: ten seconds.
pub(super) const PAUSES_MAX: u32 = 40;

/// How often it is looked for what another run is making again right now: two seconds.
pub(super) const LOOKS_MAX: u32 = 8;

/// How often a call is made whose answer was lost, or that met somebody else's.
pub(super) const CALLS_MAX: u32 = 3;

/// What a run wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Send this, and wait for the answer: [`Event::Answer`].
    Call(Request),
    /// Let this time pass: [`Event::Passed`].
    Pause(Duration),
    /// Back this stream up, with its messages and the positions of its consumers: [`Event::BackedUp`].
    BackUp(String),
    /// Make this stream what its backup says: [`Event::PutBack`].
    PutBack(String),
    /// Find out whether a copy has what its origin has: [`Event::Compared`].
    Compare(Comparison),
    /// Find out whether a message id is stored twice: [`Event::Ids`].
    Ids(Ids),
}

/// Messages whose ids are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// Stream that has them.
    pub stream: String,
    /// Their subjects; none: all.
    pub filters: Vec<String>,
}

/// A message id that is stored twice. A copy by sources would have the first message only.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "has messages with the same id (`{id}` at {first} and {second}), of which this server would copy only the first one; \
     nats-server 2.12 and later copy all. Purge one of them, if that may go, or recreate the stream"
)]
pub struct Repeated {
    /// The id.
    pub id: String,
    /// Sequence of the first message.
    pub first: u64,
    /// Sequence of another one.
    pub second: u64,
}

/// Two streams, and which of their messages are compared: subjects, headers, payloads and times of all that the origin
/// has between two sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Stream that was copied.
    pub origin: String,
    /// Its copy.
    pub copy: String,
    /// First sequence.
    pub first: u64,
    /// Last sequence.
    pub last: u64,
    /// Subjects of those that the copy has to have; none: all.
    pub filters: Vec<String>,
    /// In a copy by sources: from where on it has them, at sequences and with times of its own.
    pub from: Option<u64>,
    /// Whether both may be read by `DIRECT.GET`: each is in one place, so that whoever answers knows
    /// all of it.
    pub in_batches: bool,
    /// Whether publishers have no stream until it is known: what differs is not waited for then.
    pub publishers_wait: bool,
}

impl Comparison {
    /// Whether the copy has to have messages of this subject.
    pub fn takes(&self, subject: &[u8]) -> bool {
        is_among(&self.filters, subject)
    }
}

impl Ids {
    /// Whether messages of this subject are looked at.
    pub fn takes(&self, subject: &[u8]) -> bool {
        is_among(&self.filters, subject)
    }
}

fn is_among(filters: &[String], subject: &[u8]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| matches(filter.as_bytes(), subject))
}

/// What came of a [`Task`].
#[derive(Debug)]
pub enum Event<'a> {
    /// The answer to a call.
    Answer(Result<&'a [u8], CallError>),
    /// The time is over.
    Passed,
    /// There is a complete backup, or why there is none.
    BackedUp(Result<(), String>),
    /// The stream is back, or why it is not.
    PutBack(Result<(), String>),
    /// They are alike, or where they differ.
    Compared(Result<(), CompareError>),
    /// A message id that is stored twice, if any is.
    Ids(Result<Option<Repeated>, CallError>),
}

/// Why a run ended before its time.
#[derive(Debug, Error)]
#[error("cannot {action} {kind} `{target}`{}", after.as_deref().unwrap_or_default())]
pub struct Halt {
    /// What was to be done.
    pub action: &'static str,
    /// To a stream or a consumer.
    pub kind: &'static str,
    /// Which one.
    pub target: Target,
    /// How many steps were done before.
    pub done: usize,
    /// Where that leaves the asset, if not as it was.
    pub after: Option<String>,
    /// What happened.
    pub source: Cause,
}

/// Why two streams are not known to be alike.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompareError {
    /// They could not be read.
    #[error(transparent)]
    Call(#[from] CallError),
    /// They differ here.
    #[error("message {0} is not in the copy as it is in its origin")]
    Differs(u64),
    /// The copy is by sources, and does without this one.
    #[error(
        "message {0} is not in the copy: its id `{1}` was stored before, and this server copies only the first one"
    )]
    Repeats(u64, String),
}

/// What ends a run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Cause {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The asset is not what the plan was made for.
    #[error("{0}; plan again")]
    Changed(String),
    /// It could not be backed up.
    #[error("it cannot be backed up: {0}")]
    Backup(String),
    /// The server cannot do it with what the asset is.
    #[error("{0}")]
    Unfit(String),
    /// Its copy is not what it should be.
    #[error("{0}")]
    Unlike(CompareError),
    /// Nothing came of what it waited for.
    #[error("nothing came of this for too long: {0}")]
    Stuck(String),
}

/// Why a step ends without being done, and where that leaves its asset.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) cause: Cause,
    pub(super) after: Option<String>,
}

impl Stop {
    /// With where it leaves the asset.
    pub(super) fn leaving(self, after: impl Into<String>) -> Self {
        Self { after: Some(after.into()), ..self }
    }
}

impl<C: Into<Cause>> From<C> for Stop {
    fn from(cause: C) -> Self {
        Self { cause: cause.into(), after: None }
    }
}
