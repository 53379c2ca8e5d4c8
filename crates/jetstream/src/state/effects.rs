//! What applying a record changed, for whoever tells clients, wakes consumers and moves bytes.

use watershed_store::blocks::Placement;
use watershed_store::keeper::Placed;
use watershed_store::{Place, Record};
use watershed_wire::jetstream::error::ApiError;

use super::changes::Changes;
use super::key::StreamKey;

/// What became of a record.
#[derive(Debug, Default)]
pub(crate) enum Outcome {
    /// Nothing that anybody waits for.
    #[default]
    Nothing,
    /// A message is stored under this sequence.
    Stored(StreamKey, u64),
    /// Events of a consumer are kept.
    Kept,
    /// A stream is there.
    Created(StreamKey),
    /// A stream has another configuration; these were its subjects.
    Updated(StreamKey, Vec<String>),
    /// A stream is gone.
    Deleted(Box<Gone>),
    /// Messages were purged: how many, with those of earlier slices, and whether there are more.
    Purged(StreamKey, u64, bool),
    /// Messages that were too old went; whether there are more.
    Expired(StreamKey, bool),
    /// A part of a stream's chores was done.
    Swept(StreamKey),
    /// A consumer is there, and whether it was before.
    Put(StreamKey, usize, bool),
    /// A consumer is paused, or goes on.
    Paused(StreamKey, usize),
    /// A consumer goes on from another place.
    Reset(StreamKey, usize),
    /// A consumer is gone; its place may be given to another one.
    Removed(StreamKey, usize),
    /// A message was deleted.
    Erased,
    /// It changed nothing.
    Refused(ApiError),
    /// It is of a kind that this version does not know.
    Unknown,
}

/// A stream that is gone.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) key: StreamKey,
    pub(crate) stream: super::stream::Stream,
}

/// What applying a record changed.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) outcome: Outcome,
    pub(crate) changes: Changes,
    /// Groups of consumers of the stream that have something to deliver.
    pub(crate) fed: Vec<usize>,
    /// Consumers of other streams that have lost a message, and which.
    pub(crate) lost_elsewhere: Vec<(StreamKey, usize, u64)>,
    /// Consumers of the stream that went with its old configuration.
    pub(crate) ended: Vec<(usize, String)>,
    /// Messages that were finished by an acknowledgement of many.
    pub(crate) finished: u64,
    /// The last sequence of its subject before the message that was stored, where it is published again.
    pub(crate) last_of_subject: u64,
    /// When the message that was stored expires.
    pub(crate) expiry: Option<i64>,
}

impl Effects {
    /// Forgets everything, and keeps the room for it.
    pub(crate) fn clear(&mut self) {
        self.outcome = Outcome::Nothing;
        self.changes.clear();
        self.fed.clear();
        self.lost_elsewhere.clear();
        self.ended.clear();
        self.finished = 0;
        self.expiry = None;
        self.last_of_subject = 0;
    }

    /// How much was done beside what a record of its length stands for: about as many messages as
    /// are stored meanwhile.
    pub(crate) fn work(&self) -> usize {
        usize::try_from(self.changes.removed + self.finished / 8).unwrap_or(usize::MAX)
    }

    /// Hands over what a record, which stands at `place` of its round, changed in the block files.
    pub(crate) fn place(&mut self, record: &Record<'_>, place: Place, placed: &mut Placed) {
        if let Some(position) = self.changes.placement.take() {
            placed.placements.push(Placement { log: record.log, position, place });
        }
        placed.dropped.append(&mut self.changes.dropped);
    }
}
