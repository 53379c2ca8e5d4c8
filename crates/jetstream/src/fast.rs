//! Fast batches that have begun. They are of this process: who goes on with one after a restart, or after the disk
//! has refused something, is told that it is not known.

use std::collections::VecDeque;

use hashbrown::HashMap;
use watershed_base::Tick;
use watershed_wire::jetstream::fast::Gap;

use crate::limits::{FAST_BATCHES_MAX, FAST_BATCHES_OF_STREAM_MAX, FAST_FLOW_MAX};
use crate::publishes::Waiting;
use crate::state::StreamKey;

/// A fast batch.
#[derive(Debug)]
pub(crate) struct FastBatch {
    pub(crate) gap: Gap,
    /// Number of its last message that came, or was missed.
    pub(crate) last: u64,
    /// Sequence of the last one that was stored, in the stream.
    pub(crate) stored: u64,
    /// Whether it is not known yet what becomes of the last one. Those behind it wait.
    pub(crate) undecided: bool,
    /// Whether that one is the end of it.
    pub(crate) ends: bool,
    /// Whether nobody may go on with it: it is only kept until what is undecided is decided.
    pub(crate) over: bool,
    pub(crate) waiting: VecDeque<Waiting>,
    /// When it is given up, unless another message comes.
    pub(crate) until: Tick,
    /// Number of the message that was acknowledged last.
    acked: u64,
    /// How many messages later the next one is.
    messages: u64,
    /// The most that the client wants that to be.
    flow: u64,
}

impl FastBatch {
    /// The acknowledgement to repeat: which message, and how many later the next one is.
    pub(crate) fn told(&self) -> (u64, u64) {
        (self.acked, self.messages)
    }

    /// What is to be acknowledged now that all up to `last` is decided, where that many batches share
    /// the stream.
    pub(crate) fn acknowledge(&mut self, batches: usize) -> Option<(u64, u64)> {
        let steps = (self.last - self.acked) / self.messages;
        if steps == 0 {
            return None;
        }
        self.acked += steps * self.messages;
        let most = share(self.flow, batches);
        self.messages = if self.messages < most {
            (self.messages * 2).min(most)
        } else {
            (self.messages / 2).max(most)
        };
        Some(self.told())
    }
}

/// How often a client is acknowledged at most, where that many batches share the stream.
fn share(flow: u64, batches: usize) -> u64 {
    flow.min(FAST_FLOW_MAX / batches.max(1) as u64).max(1)
}

type OfStream = HashMap<Box<[u8]>, FastBatch, foldhash::fast::FixedState>;

/// All fast batches that have begun.
#[derive(Debug, Default)]
pub(crate) struct FastBatches {
    of: HashMap<StreamKey, OfStream, foldhash::fast::FixedState>,
    len: usize,
    /// Those of which something that waited can be stored now.
    pub(crate) ready: VecDeque<(StreamKey, Box<[u8]>)>,
}

impl FastBatches {
    pub(crate) fn get(&mut self, key: StreamKey, id: &[u8]) -> Option<&mut FastBatch> {
        self.of.get_mut(&key)?.get_mut(id)
    }

    /// Batches of a stream.
    pub(crate) fn count(&self, key: StreamKey) -> usize {
        self.of.get(&key).map_or(0, OfStream::len)
    }

    /// Begins a batch, if there is room for one more. The first of a stream need not find out how fast it may be.
    pub(crate) fn begin(&mut self, key: StreamKey, id: &[u8], gap: Gap, flow: u64) -> bool {
        let before = self.count(key);
        if before >= FAST_BATCHES_OF_STREAM_MAX || self.len >= FAST_BATCHES_MAX {
            return false;
        }
        let batch = FastBatch {
            gap,
            last: 0,
            stored: 0,
            undecided: false,
            ends: false,
            over: false,
            waiting: VecDeque::new(),
            until: Tick(0),
            acked: 0,
            messages: if before == 0 { share(flow, 1) } else { 1 },
            flow,
        };
        self.of.entry(key).or_default().insert(id.into(), batch);
        self.len += 1;
        true
    }

    pub(crate) fn remove(&mut self, key: StreamKey, id: &[u8]) -> Option<FastBatch> {
        let own = self.of.get_mut(&key)?;
        let batch = own.remove(id)?;
        self.len -= 1;
        if own.is_empty() {
            self.of.remove(&key);
        }
        Some(batch)
    }

    /// Ends those batches of a stream for which `which` says so. Gives back what waited in them, and when the first of
    /// the others is given up.
    pub(crate) fn end(
        &mut self,
        key: StreamKey,
        which: impl Fn(&[u8], &FastBatch) -> bool,
    ) -> (Vec<Waiting>, Option<Tick>) {
        let (mut left, mut next): (Vec<Waiting>, Option<Tick>) = (Vec::new(), None);
        let Some(own) = self.of.get_mut(&key) else { return (left, next) };
        let before = own.len();
        own.retain(|id, batch| {
            if !which(id, batch) {
                next = Some(next.map_or(batch.until, |next| next.min(batch.until)));
                return true;
            }
            left.extend(batch.waiting.drain(..));
            batch.over = true;
            batch.undecided
        });
        self.len -= before - own.len();
        if own.is_empty() {
            self.of.remove(&key);
        }
        (left, next)
    }

    /// A stream is gone, with all that was decided about it.
    pub(crate) fn forget(&mut self, key: StreamKey) -> Vec<Waiting> {
        let own = self.of.remove(&key).unwrap_or_default();
        self.len -= own.len();
        own.into_values().flat_map(|batch| batch.waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is acknowledged at each of these numbers, where that many batches share the stream.
    fn told(flow: u64, batches: usize, numbers: &[u64]) -> Vec<Option<(u64, u64)>> {
        let (mut all, key) = (FastBatches::default(), StreamKey::at(0));
        for other in 1..batches {
            all.begin(key, &other.to_be_bytes(), Gap::Ok, 10);
        }
        all.begin(key, b"a", Gap::Ok, flow);
        let batch = all.get(key, b"a").unwrap();
        let each = numbers.iter().map(|number| {
            batch.last = *number;
            batch.acknowledge(batches)
        });
        each.collect()
    }

    #[test]
    fn the_first_batch_is_fast_and_others_become_so() {
        assert_eq!(told(2, 1, &[1, 2, 3, 4]), [None, Some((2, 2)), None, Some((4, 2))]);
        assert_eq!(told(9999, 1, &[499, 1200]), [None, Some((1000, 500))]);
        let found = told(9999, 2, &[1, 2, 3, 7, 15, 31, 63, 127, 255, 511]);
        let last = [Some((127, 128)), Some((255, 250)), Some((505, 250))];
        assert_eq!(found[0..4], [Some((1, 2)), None, Some((3, 4)), Some((7, 8))]);
        assert_eq!(found[7..], last);
        assert_eq!(told(10, 900, &[1, 2]), [Some((1, 1)), Some((2, 1))]);
    }

    #[test]
    fn many_batches_slow_one_down() {
        let (mut all, key) = (FastBatches::default(), StreamKey::at(0));
        all.begin(key, b"a", Gap::Ok, 500);
        let batch = all.get(key, b"a").unwrap();
        let mut flows = Vec::new();
        for _ in 0..6 {
            batch.last += batch.messages;
            flows.extend(batch.acknowledge(21).map(|(_, messages)| messages));
        }
        assert_eq!(flows, [250, 125, 62, 31, 23, 23]);
    }

    #[test]
    fn a_batch_is_kept_while_one_of_its_messages_is_undecided() {
        let (mut all, key) = (FastBatches::default(), StreamKey::at(0));
        for id in [b"a", b"b"] {
            assert!(all.begin(key, id, Gap::Ok, 5));
        }
        all.get(key, b"a").unwrap().undecided = true;
        all.end(key, |_, _| true);
        assert!(all.get(key, b"a").unwrap().over && all.get(key, b"b").is_none());
        assert!(all.remove(key, b"a").is_some());
        assert_eq!((all.len, all.of.len()), (0, 0));
    }
}
