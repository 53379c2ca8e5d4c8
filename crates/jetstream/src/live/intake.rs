//! What a stream has accepted and the disk has not yet: publishes are decided on what will be true.

use std::collections::VecDeque;

use hashbrown::HashMap;
use watershed_wire::subject::{has_wildcard, matches};

/// Room for texts that is kept when nothing is on its way.
const TEXT_BYTES_KEPT: usize = 64 * 1024;

/// A message that was accepted and is not yet durable.
#[derive(Debug, Clone)]
struct Accepted {
    sequence: u64,
    weight: u32,
    /// Bytes of its subject, and of its message id behind that, 0 for none. Both are in the texts.
    subject_len: u32,
    id_len: u32,
}

impl Accepted {
    fn text_len(&self) -> usize {
        self.subject_len as usize + self.id_len as usize
    }
}

/// Accepted messages of one subject.
#[derive(Debug, Clone, Copy, Default)]
struct OfSubject {
    count: u64,
    last: u64,
}

type BySubject = HashMap<Box<[u8]>, OfSubject, foldhash::fast::FixedState>;

/// What a stream has accepted.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    /// Sequence that the last accepted message has.
    assigned: u64,
    /// Messages that are not yet durable, in order.
    inflight: VecDeque<Accepted>,
    /// Their subjects and ids, one behind the other: to allocate each is dearer than all else here.
    texts: Vec<u8>,
    /// How much of `texts` is of messages that are durable.
    texts_past: usize,
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
            texts: Vec::new(),
            texts_past: 0,
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
        self.texts.extend_from_slice(subject);
        self.texts.extend_from_slice(id);
        let [subject_len, id_len] =
            [subject, id].map(|text| u32::try_from(text.len()).expect("a message fits 32 bits"));
        self.inflight.push_back(Accepted { sequence, weight, subject_len, id_len });
        sequence
    }

    /// A message was stored. `last` is the last one that is.
    pub(crate) fn stored(&mut self, last: u64) {
        self.assigned = self.assigned.max(last);
        while self.inflight.front().is_some_and(|first| first.sequence <= last)
            && let Some(first) = self.inflight.pop_front()
        {
            self.weight -= u64::from(first.weight);
            let text = &self.texts[self.texts_past..][..first.text_len()];
            let (subject, id) = text.split_at(first.subject_len as usize);
            self.texts_past += text.len();
            if !id.is_empty() && self.ids.get(id) == Some(&first.sequence) {
                self.ids.remove(id);
            }
            if let Some(by_subject) = &mut self.by_subject
                && let Some(own) = by_subject.get_mut(subject)
            {
                own.count -= 1;
                if own.count == 0 {
                    by_subject.remove(subject);
                }
            }
        }
        self.give_back();
    }

    /// Gives back what nothing on its way needs any more.
    fn give_back(&mut self) {
        if self.inflight.is_empty() {
            self.by_subject = None;
            self.texts.clear();
            self.texts.shrink_to(TEXT_BYTES_KEPT);
            self.texts_past = 0;
        } else if self.texts_past > self.texts.len() / 2 {
            // Amortised: each byte is moved at most once for every byte that went.
            self.texts.drain(..self.texts_past);
            self.texts_past = 0;
        }
    }

    /// Sequences and subjects of what is on its way, the newest first.
    fn newest_first(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut end = self.texts.len();
        self.inflight.iter().rev().map(move |own| {
            end -= own.text_len();
            (own.sequence, &self.texts[end..][..own.subject_len as usize])
        })
    }

    /// The sequence under which a message with this id is on its way.
    pub(crate) fn find_id(&self, id: &[u8]) -> Option<u64> {
        self.ids.get(id).copied()
    }

    /// Id of the last message on its way; empty if it has none, `None` if nothing is.
    pub(crate) fn last_id(&self) -> Option<&[u8]> {
        let last = self.inflight.back()?;
        Some(&self.texts[self.texts.len() - last.id_len as usize..])
    }

    /// How many messages of a subject are on their way.
    pub(crate) fn count_of(&mut self, subject: &[u8]) -> u64 {
        self.of_subject(subject).count
    }

    /// Sequence of the last message on its way that a subject or filter takes.
    pub(crate) fn last_of(&mut self, filter: &[u8]) -> Option<u64> {
        if has_wildcard(filter) {
            let mut newest = self.newest_first();
            return newest.find(|(_, subject)| matches(filter, subject)).map(|own| own.0);
        }
        Some(self.of_subject(filter).last).filter(|last| *last > 0)
    }

    fn of_subject(&mut self, subject: &[u8]) -> OfSubject {
        if self.inflight.is_empty() {
            return OfSubject::default();
        }
        if self.by_subject.is_none() {
            let mut by_subject = BySubject::default();
            for (sequence, subject) in self.newest_first() {
                note(&mut by_subject, subject, sequence);
            }
            self.by_subject = Some(by_subject);
        }
        let own = self.by_subject.as_ref().and_then(|by_subject| by_subject.get(subject));
        own.copied().unwrap_or_default()
    }
}

fn note(by_subject: &mut BySubject, subject: &[u8], sequence: u64) {
    if let Some(own) = by_subject.get_mut(subject) {
        (own.count, own.last) = (own.count + 1, own.last.max(sequence));
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

    #[test]
    fn texts_of_what_is_stored_do_not_pile_up() {
        let mut intake = Intake::new(0);
        intake.accept(b"a", 1, b"1");
        for sequence in 2..10_000 {
            // Something is always on its way.
            let subject: &[u8] = if sequence % 2 == 0 { b"even" } else { b"odd" };
            intake.accept(subject, 1, sequence.to_string().as_bytes());
            intake.stored(sequence - 1);
            assert_eq!(intake.last_id(), Some(sequence.to_string().as_bytes()));
            assert_eq!(intake.find_id((sequence - 1).to_string().as_bytes()), None);
            assert_eq!(
                (intake.last_of(subject), intake.last_of(b">")),
                (Some(sequence), Some(sequence))
            );
            assert!(intake.texts.len() < 100, "{} bytes", intake.texts.len());
        }
    }
}
