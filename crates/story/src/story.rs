//! What a file of stories says.

use watershed_topology::model::ConsumerName;
use watershed_topology::source::Spanned;

/// The stories of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stories {
    /// The topology that they are about, as a path from the file; `None` for that of its folder.
    pub topology: Option<Spanned<String>>,
    /// In their order.
    pub stories: Vec<Story>,
}

/// One story: it begins with the topology, just applied, and nothing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What it says, in a sentence.
    pub name: Spanned<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens, or that must be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Somebody publishes.
    Publish(Publish),
    /// From now on a worker takes what a consumer delivers.
    Worker {
        /// Consumer.
        consumer: Spanned<ConsumerName>,
        /// What it says of each delivery, in order; the last answer is that of all further ones.
        answers: Vec<Answer>,
    },
    /// A worker takes nothing more.
    Stop {
        /// Its consumer.
        consumer: Spanned<ConsumerName>,
    },
    /// Time passes.
    Advance {
        /// Nanoseconds.
        time: Spanned<i64>,
    },
    /// The server stops, and starts again on what is on its disk.
    Restart,
    /// Somebody purges a stream.
    Purge {
        /// Stream or bucket.
        stream: Spanned<String>,
        /// Only messages of this filter.
        subject: Option<String>,
    },
    /// What must be true now.
    Expect {
        /// All of it.
        facts: Vec<Fact>,
    },
}

/// A message that somebody publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Subject.
    pub subject: Spanned<String>,
    /// Payload.
    pub payload: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// How often.
    pub times: u64,
    /// As which user of the topology; `None` for somebody who may do everything.
    pub user: Option<Spanned<String>>,
    /// What must come of it.
    pub expect: Spanned<Outcome>,
}

/// What comes of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A stream has it.
    Stored,
    /// A stream had one of the same id.
    Duplicate,
    /// The stream refuses it with this error code.
    Refused(u16),
    /// No stream stores it.
    Nobody,
    /// The user may not.
    Denied,
}

/// What a worker says of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// Again, as workers of `watershed work` say it: after this time, in nanoseconds, or after the consumer's
    /// `backoff`; at the last delivery it becomes a dead letter.
    Retry(Option<i64>),
    /// It can't be done; it becomes a dead letter, where the consumer has a stream for them.
    Reject,
    /// A plain `-NAK`, which comes again at once or after this time, in nanoseconds.
    Nak(Option<i64>),
    /// A plain `+TERM`.
    Term,
    /// Nothing. The worker goes on to the next one.
    Silence,
    /// Nothing, and the worker takes no more.
    Crash,
}

/// A number that must be true of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which number.
    pub what: What,
    /// What it must be.
    pub expected: Spanned<Expected>,
}

/// A number that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Messages that a stream or bucket has.
    Messages(Spanned<String>),
    /// Deliveries of a consumer to the workers of the story.
    Delivered(Spanned<ConsumerName>),
    /// Deliveries that those workers said were done.
    Done(Spanned<ConsumerName>),
    /// Messages of a consumer that nobody has acknowledged, delivered or not.
    Unprocessed(Spanned<ConsumerName>),
    /// Messages of a consumer that were given up.
    Dead(Spanned<ConsumerName>),
}

/// What a number must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub number: u64,
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// The same.
    Equal,
    /// As much, or more.
    AtLeast,
    /// As much, or less.
    AtMost,
}

impl Expected {
    /// Whether `number` is what is expected.
    pub fn holds(self, number: u64) -> bool {
        match self.compare {
            Compare::Equal => number == self.number,
            Compare::AtLeast => number >= self.number,
            Compare::AtMost => number <= self.number,
        }
    }

    /// Whether `number` is more than may ever be.
    pub(crate) fn is_exceeded_by(self, number: u64) -> bool {
        self.compare != Compare::AtLeast && number > self.number
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.compare {
            Compare::Equal => write!(f, "{}", self.number),
            Compare::AtLeast => write!(f, "{} or more", self.number),
            Compare::AtMost => write!(f, "{} or less", self.number),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stored => f.write_str("stored"),
            Self::Duplicate => f.write_str("a duplicate"),
            Self::Refused(code) => write!(f, "refused with error {code}"),
            Self::Nobody => f.write_str("stored by no stream"),
            Self::Denied => f.write_str("denied"),
        }
    }
}
