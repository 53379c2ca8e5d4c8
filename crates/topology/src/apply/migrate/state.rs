//! Where a migration is, and what it may do next.

use std::time::Duration;

use super::super::task::{Comparison, Stop};
use super::world::{Consumers, World};
use crate::call::Request;
use crate::migration::transit_name;
use crate::observe::ConsumerListing;
use crate::plan::{Step, Work};

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Move {
    /// Everything is looked at again after it.
    Call(Request),
    /// The consumers of both streams have to be known.
    Consumers,
    /// The sequence of the last message that this stream has.
    Newest(String),
    Compare(Comparison),
    /// This time passes, and something else with it: this number, which has to change now and then.
    Nap(Duration, u64),
    Done,
}

/// A stream on its way.
#[derive(Debug)]
pub(in crate::apply) struct Migration {
    pub(super) world: World,
    pub(super) phase: Phase,
    /// What it is doing, for people.
    pub(super) says: String,
    /// Messages that were compared, by origin: up to this sequence.
    pub(super) compared: (String, u64),
    /// How long consumers may still take to acknowledge what they have.
    pub(super) drain: Duration,
    /// What removed from a work queue what was done.
    pub(super) purged: Vec<Request>,
    pub(super) comparisons: u32,
    /// Calls whose answers were lost, one after the other.
    pub(super) calls: u32,
    pub(super) pauses: u32,
    /// For how long nothing has come of a wait, and what it waited for.
    pub(super) idle: (Duration, u64),
    /// Whether this run has changed anything.
    pub(super) begun: bool,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The stream is looked at.
    Stream,
    /// Its copy is.
    Transit,
    /// The consumers of both are.
    Consumers {
        listing: ConsumerListing,
        of_origin: Option<Consumers>,
    },
    Move(Move),
    /// A while, and then all is looked at again.
    Pause,
    /// The stream gets its subjects back, because of this.
    GiveBack(Request, Box<Stop>),
}

impl Migration {
    /// Its consumers are given the time `drain` to acknowledge what they have.
    pub(in crate::apply) fn new(step: &Step, drain: Duration) -> Self {
        let from = match &step.work {
            Work::Migrate { from, .. } | Work::Back { from } => from.clone(),
            _ => None,
        };
        let source = from.unwrap_or_else(|| transit_name(&step.target.stream));
        Self {
            world: World::new(source),
            phase: Phase::Stream,
            says: String::new(),
            compared: (String::new(), 0),
            drain,
            purged: Vec::new(),
            comparisons: 0,
            calls: 0,
            pauses: 0,
            idle: (Duration::ZERO, 0),
            begun: false,
        }
    }
}
