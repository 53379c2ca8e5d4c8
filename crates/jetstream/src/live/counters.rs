//! The last values of a stream's counters, as far as they are known: of all messages that are on their
//! way, and of those that were stored or read lately.

use hashbrown::HashMap;
use watershed_store::Record;
use watershed_store::log::Position;
use watershed_wire::jetstream::counter::{Broken, Counter};

use super::intake::Intake;
use crate::state::{Stored, Stream};
use crate::tail::Tail;

/// Memory that values of a stream take which are stored, about.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What an entry takes beside its value and its subject.
const ENTRY_BYTES: usize = 64;

#[derive(Debug, Clone)]
struct Known {
    /// Sequence of the message that has it.
    sequence: u64,
    counter: Result<Counter, Broken>,
}

impl Known {
    fn len(&self) -> usize {
        ENTRY_BYTES + self.counter.as_ref().map_or(0, Counter::len)
    }
}

/// Values by subject.
#[derive(Debug)]
pub(crate) struct Counters {
    of: HashMap<Box<[u8]>, Known, foldhash::fast::FixedState>,
    bytes: usize,
    bytes_max: usize,
}

/// Why a value is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The message that should have it has none.
    Broken,
    /// The message with this sequence is to be read.
    Unread(u64, Position),
}

impl Counters {
    /// Values of a stream.
    pub(crate) fn new() -> Self {
        Self { of: HashMap::default(), bytes: 0, bytes_max: BYTES_MAX }
    }

    /// Values that something needs all at once.
    pub(crate) fn unbounded() -> Self {
        Self { bytes_max: usize::MAX, ..Self::new() }
    }

    /// The value of `subject`, if it is here or among `others`; 0 if it has no message.
    pub(crate) fn last(
        &self,
        others: Option<&Self>,
        stream: &Stream,
        intake: &mut Intake,
        tail: &Tail,
        subject: &[u8],
    ) -> Result<Counter, Unknown> {
        let last = intake.last_of(subject).or_else(|| stream.last_stored(subject));
        let Some(sequence) = last else { return Ok(Counter::default()) };
        let known = [Some(self), others]
            .into_iter()
            .flatten()
            .find_map(|own| own.of.get(subject).filter(|known| known.sequence == sequence));
        if let Some(known) = known {
            return known.counter.clone().map_err(|Broken| Unknown::Broken);
        }
        match stream.stored(sequence, tail) {
            Some(Stored::Memory(bytes)) => {
                let record = Record::view(bytes);
                Counter::read(record.head, record.body).map_err(|Broken| Unknown::Broken)
            }
            Some(Stored::Disk(position)) => Err(Unknown::Unread(sequence, position)),
            None => Err(Unknown::Broken),
        }
    }

    /// The message with this sequence has the value. What is behind the sequence `durable` is on its way:
    /// its values are kept.
    pub(crate) fn put(
        &mut self,
        subject: &[u8],
        sequence: u64,
        counter: Result<Counter, Broken>,
        durable: u64,
    ) {
        if self.bytes > self.bytes_max {
            self.of.retain(|_, known| known.sequence > durable);
            self.bytes = self.of.iter().map(|(subject, known)| subject.len() + known.len()).sum();
        }
        let known = Known { sequence, counter };
        match self.of.get_mut(subject) {
            // It was read while another one came.
            Some(before) if before.sequence > sequence.max(durable) => {}
            Some(before) => {
                self.bytes += known.len();
                self.bytes -= std::mem::replace(before, known).len();
            }
            None => {
                self.bytes += subject.len() + known.len();
                self.of.insert(subject.into(), known);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_stored_make_room() {
        let mut counters = Counters::new();
        for sequence in 1..100_000 {
            let subject = sequence.to_string();
            counters.put(
                subject.as_bytes(),
                sequence,
                Ok(Counter::default()),
                sequence.saturating_sub(10),
            );
            assert!(counters.bytes < BYTES_MAX + 1000);
        }
        assert!((99_990..100_000).all(|own| counters.of.contains_key(own.to_string().as_bytes())));
        let sum: usize = counters.of.iter().map(|(subject, own)| subject.len() + own.len()).sum();
        assert_eq!(counters.bytes, sum);
    }
}
