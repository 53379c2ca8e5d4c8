//! Where a migration is, and what it may do next.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use watershed_wire::jetstream::call::Call;

use super::super::task::{Comparison, Ids, Stop};
use super::clearing::Clearing;
use super::search::Search;
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
    /// The sequence of a message has to be known.
    Find(Find),
    Compare(Comparison),
    /// It has to be known whether a message id is stored twice among these.
    Ids(Ids),
    /// This time passes, and something else with it: this number, which has to change now and then.
    Nap(Duration, u64),
    Done,
}

/// A message that is looked for.
#[derive(Debug)]
pub(super) enum Find {
    /// The last one that this stream has of a filter.
    Newest { stream: String, filter: String },
    /// The first one.
    Oldest { stream: String, filter: String },
    /// The first one that `stream` has from a sequence on, and that `filter` takes.
    Next { stream: String, from: u64, filter: String },
    /// The one that this stream has at this sequence.
    At(String, u64),
    /// The last one of a copy.
    Copied { stream: String },
    /// The first one of a copy from a sequence on, on the way to where something is.
    Place { stream: String, from: u64 },
}

impl Find {
    pub(super) fn request(&self) -> Request {
        let (stream, body) = match self {
            Self::Newest { stream, filter } => (stream, json!({"last_by_subj": filter})),
            Self::Oldest { stream, filter } => (stream, json!({"seq": 1, "next_by_subj": filter})),
            Self::Next { stream, from, filter } => {
                (stream, json!({"seq": from, "next_by_subj": filter}))
            }
            Self::At(stream, sequence) => (stream, json!({"seq": sequence})),
            Self::Copied { stream } => (stream, json!({"last_by_subj": ">"})),
            Self::Place { stream, from } => (stream, json!({"seq": from, "next_by_subj": ">"})),
        };
        Request::new(Call::MessageGet(stream), &body)
    }
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
    /// What is being removed from a work queue, as its consumer has done it.
    pub(super) clearing: Clearing,
    /// Where a copy has what its origin has from a sequence on.
    pub(super) located: BTreeMap<(String, u64), u64>,
    pub(super) search: Option<Search>,
    /// Whether no message id is stored twice.
    pub(super) ids_differ: bool,
    /// Whether the copy was told where to count from.
    pub(super) counted: bool,
    pub(super) comparisons: u32,
    /// Calls whose answers were lost, one after the other.
    pub(super) calls: u32,
    pub(super) pauses: u32,
    /// The last call, and how often it was made.
    pub(super) repeated: (Option<Request>, u32),
    /// How often it was tried in vain to give the stream its subjects back.
    pub(super) give_backs: u32,
    /// For how long nothing has come of a wait, and what it waited for.
    pub(super) idle: (Duration, u64),
    /// Whether this run has changed anything.
    pub(super) begun: bool,
    /// Whether publishers have no stream until it goes on.
    pub(super) between: bool,
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
    /// The same, after a while.
    GiveBackLater(Request, Box<Stop>),
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
            clearing: Clearing::default(),
            located: BTreeMap::new(),
            search: None,
            ids_differ: false,
            counted: false,
            comparisons: 0,
            calls: 0,
            pauses: 0,
            repeated: (None, 0),
            give_backs: 0,
            idle: (Duration::ZERO, 0),
            begun: false,
            between: false,
        }
    }
}
