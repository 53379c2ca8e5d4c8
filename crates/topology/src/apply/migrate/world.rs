//! What the server has of a migration.

use std::collections::BTreeMap;

use super::search::Found;
use crate::migration::Side;
use crate::observe::ObservedConsumer;

pub(super) type Consumers = BTreeMap<String, ObservedConsumer>;

/// Both streams, and what was asked about them beyond that since they were looked at.
#[derive(Debug)]
pub(super) struct World {
    pub(super) stream: Option<Side>,
    /// Name of the stream that it comes from in the end: its copy in transit, or what it was before.
    pub(super) source: String,
    pub(super) transit: Option<Side>,
    /// Consumers of the origin and of its copy.
    pub(super) consumers: Option<(Consumers, Consumers)>,
    /// Sequence of the last message that the origin still has of each filter that was asked for.
    pub(super) newest: BTreeMap<String, u64>,
    /// The same of the first one.
    pub(super) oldest: BTreeMap<String, u64>,
    /// The last message that the copy has, or what stands for none, if it was asked for.
    pub(super) newest_copied: Option<Found>,
}

impl World {
    pub(super) fn new(source: String) -> Self {
        let (newest, oldest) = (BTreeMap::new(), BTreeMap::new());
        Self {
            stream: None,
            source,
            transit: None,
            consumers: None,
            newest,
            oldest,
            newest_copied: None,
        }
    }

    /// Forgets what was asked about both streams, as they were looked at again.
    pub(super) fn looked(&mut self) {
        self.consumers = None;
        self.newest.clear();
        self.oldest.clear();
        self.newest_copied = None;
    }

    /// Whether the way back to the stream's name has begun.
    fn returns(&self) -> bool {
        match &self.stream {
            Some(stream) => stream.copied.is_some(),
            None => true,
        }
    }

    /// The names of the origin and its copy by now.
    pub(super) fn pair(&self, name: &str) -> (String, String) {
        let (name, source) = (name.to_owned(), self.source.clone());
        if self.returns() { (source, name) } else { (name, source) }
    }

    /// The origin and its copy.
    pub(super) fn sides(&self) -> (Option<&Side>, Option<&Side>) {
        let (stream, transit) = (self.stream.as_ref(), self.transit.as_ref());
        if self.returns() { (transit, stream) } else { (stream, transit) }
    }
}
