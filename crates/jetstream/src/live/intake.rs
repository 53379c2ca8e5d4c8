//! What a stream has accepted and the disk has not yet: publishes are decided on what will be true.

use std::collections::VecDeque;

use hashbrown::HashMap;
use watershed_wire::subject::{has_wildcard, matches};

/// A message that was accepted and is not yet durable.
#[derive(Debug)]
struct Accepted {
    sequence: u64,
    subject: Box<[u8]>,
    weight: u32,
    /// Message id; empty for none.
    id: Box<[u8]>,
}

/// Accepted messages of one subject.
#[derive(Debug, Clone, Copy, Default)]
struct OfSubject {
    count: u64,
    last: u64,
}

type BySubject = HashMap<Box<[u8]>, OfSubject, foldhash::fast::FixedState>;

/// What a stream has accepted.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Sequence that the last accepted message has.
    assigned: u64,
    /// Messages that are not yet durable, in order.
    inflight: VecDeque<Accepted>,
    /// Their weights together.
    weight: u64,
    /// Sequences by message id.
    ids: HashMap<Box<[u8]>, u64, foldhash::fast::FixedState>,
    /// Made when somebody first asks, and kept for as long as anything is on its way.
    by_subject: Option<BySubject>,
}

impl Intake {
    /// Nothing on its way behind the sequence `last`.
    pub(crate) fn new(last: u64) -> Self {
        Self {
            assigned: last,
            inflight: VecDeque::new(),
            weight: 0,
            ids: HashMap::default(),
            by_subject: None,
        }
    }

    /// Sequence that the last accepted message has.
    pub(crate) fn assigned(&self) -> u64 {
        self.assigned
    }

    /// Messages on their way.
    pub(crate) fn len(&self) -> u64 {
        self.inflight.len() as u64
    }

    /// Their weights together.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// The next message gets this sequence, if it is above all others.
    pub(crate) fn assign_from(&mut self, sequence: u64) {
        self.assigned = self.assigned.max(sequence - 1);
    }

    /// A message is accepted. Says which sequence it has.
    pub(crate) fn accept(&mut self, subject: &[u8], weight: u32, id: &[u8]) -> u64 {
        self.assigned += 1;
        let sequence = self.assigned;
        if !id.is_empty() {
            self.ids.insert(id.into(), sequence);
        }
        if let Some(by_subject) = &mut self.by_subject {
            note(by_subject, subject, sequence);
        }
        self.weight += u64::from(weight);
        let (subject, id) = (subject.into(), id.into());
        self.inflight.push_back(Accepted { sequence, subject, weight, id });
        sequence
    }

    /// A message was stored. `last` is the last one that is.
    pub(crate) fn stored(&mut self, last: u64) {
        self.assigned = self.assigned.max(last);
        while self.inflight.front().is_some_and(|first| first.sequence <= last)
            && let Some(first) = self.inflight.pop_front()
        {
            self.weight -= u64::from(first.weight);
            if !first.id.is_empty() && self.ids.get(&first.id) == Some(&first.sequence) {
                self.ids.remove(&first.id);
            }
            if let Some(by_subject) = &mut self.by_subject
                && let Some(own) = by_subject.get_mut(&first.subject)
            {
                own.count -= 1;
                if own.count == 0 {
                    by_subject.remove(&first.subject);
                }
            }
        }
        if self.inflight.is_empty() {
            self.by_subject = None;
        }
    }

    /// The sequence under which a message with this id is on its way.
    pub(crate) fn find_id(&self, id: &[u8]) -> Option<u64> {
        self.ids.get(id).copied()
    }

    /// Id of the last message on its way; empty if it has none, `None` if nothing is.
    pub(crate) fn last_id(&self) -> Option<&[u8]> {
        self.inflight.back().map(|last| &*last.id)
    }

    /// How many messages of a subject are on their way.
    pub(crate) fn count_of(&mut self, subject: &[u8]) -> u64 {
        self.of_subject(subject).count
    }

    /// Sequence of the last message on its way that a subject or filter takes.
    pub(crate) fn last_of(&mut self, filter: &[u8]) -> Option<u64> {
        if has_wildcard(filter) {
            let mut newest = self.inflight.iter().rev();
            return newest.find(|own| matches(filter, &own.subject)).map(|own| own.sequence);
        }
        Some(self.of_subject(filter).last).filter(|last| *last > 0)
    }

    fn of_subject(&mut self, subject: &[u8]) -> OfSubject {
        if self.inflight.is_empty() {
            return OfSubject::default();
        }
        let by_subject = self.by_subject.get_or_insert_with(|| {
            let mut by_subject = BySubject::default();
            for accepted in &self.inflight {
                note(&mut by_subject, &accepted.subject, accepted.sequence);
            }
            by_subject
        });
        by_subject.get(subject).copied().unwrap_or_default()
    }
}

fn note(by_subject: &mut BySubject, subject: &[u8], sequence: u64) {
    if let Some(own) = by_subject.get_mut(subject) {
        (own.count, own.last) = (own.count + 1, sequence);
    } else {
        by_subject.insert(subject.into(), OfSubject { count: 1, last: sequence });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_counts_until_it_is_stored() {
        let mut intake = Intake::new(4);
        assert_eq!(intake.accept(b"a", 10, b"id"), 5);
        assert_eq!(intake.accept(b"b", 20, b""), 6);
        assert_eq!((intake.count_of(b"a"), intake.last_of(b"a")), (1, Some(5)));
        assert_eq!(intake.accept(b"a", 30, b""), 7);
        assert_eq!((intake.count_of(b"a"), intake.last_of(b"*")), (2, Some(7)));
        assert_eq!((intake.find_id(b"id"), intake.last_id()), (Some(5), Some(&b""[..])));
        intake.stored(5);
        assert_eq!((intake.count_of(b"a"), intake.last_of(b"a")), (1, Some(7)));
        assert_eq!((intake.find_id(b"id"), intake.len(), intake.weight()), (None, 2, 50));
        intake.stored(7);
        assert_eq!((intake.len(), intake.weight(), intake.last_id()), (0, 0, None));
        assert_eq!((intake.assigned(), intake.last_of(b"a")), (7, None));
    }
}
