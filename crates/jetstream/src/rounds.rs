//! The open round, the one being committed, and who waits for them.

use std::collections::VecDeque;
use std::ops::Range;

use watershed_store::{Place, Record, Round, RoundBuilder};

use watershed_base::AccountId;
use watershed_store::keeper::Placed;
use watershed_wire::jetstream::fast::is_fast;

use crate::told::AuditId;

/// What a client asked for when a reply is owed to it: failures are said in its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nobody asked.
    Nothing,
    /// To store a message.
    Publish,
    /// To store a message of a fast batch. Its reply subject says which.
    Fast,
    /// To confirm an acknowledgement. Any reply at all confirms it.
    Confirm,
    /// A change, by a call. Calls behind it wait for it.
    Change(Called),
    /// The rest of a change that is done in slices. Calls behind it do not wait for all of them.
    Rest(Called),
}

impl Asked {
    /// Whether a message was to be stored.
    pub(crate) fn is_publish(self) -> bool {
        matches!(self, Self::Publish | Self::Fast)
    }
}

/// A call that is answered when a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Called {
    /// Type of its response.
    pub(crate) kind: &'static str,
    /// Who made it.
    pub(crate) audit: AuditId,
}

/// A reply that is owed when a record is durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owed<'a> {
    /// Account in which to reply.
    pub(crate) account: AccountId,
    /// Subject to reply to; empty for nobody.
    pub(crate) subject: &'a [u8],
    /// What was asked for.
    pub(crate) asked: Asked,
}

impl Owed<'_> {
    /// Nothing is owed to anybody.
    pub(crate) const NOTHING: Self =
        Owed { account: AccountId(0), subject: b"", asked: Asked::Nothing };
}

impl<'a> Owed<'a> {
    /// What is owed to who published a message with this reply subject, to a stream that acknowledges or does not.
    pub(crate) fn to_publisher(account: AccountId, reply: Option<&'a [u8]>, no_ack: bool) -> Self {
        let subject = reply.unwrap_or_default();
        if is_fast(subject) {
            return Owed { account, subject, asked: Asked::Fast };
        }
        Owed { account, subject: if no_ack { b"" } else { subject }, asked: Asked::Publish }
    }
}

/// A record of a round, and the reply that is owed for it.
#[derive(Debug)]
struct Work {
    place: Place,
    account: AccountId,
    subject: Range<u32>,
    asked: Asked,
}

/// A reply that says nothing new but must not be sent before a round is applied: what it tells
/// follows from records in it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) account: AccountId,
    pub(crate) subject: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) asked: Asked,
}

/// A round with the work that it brings.
#[derive(Debug)]
pub(crate) struct Batch {
    work: Vec<Work>,
    /// Reply subjects, one behind the other.
    subjects: Vec<u8>,
    held: Vec<Held>,
    /// Records for which somebody waits.
    owed: usize,
    /// Records for which a call waits.
    calls: Vec<usize>,
}

impl Batch {
    fn new() -> Self {
        Self {
            work: Vec::new(),
            subjects: Vec::new(),
            held: Vec::new(),
            owed: 0,
            calls: Vec::new(),
        }
    }

    /// How many replies are owed for its records.
    pub(crate) fn owed(&self) -> usize {
        self.owed
    }

    /// What is owed to calls for its records.
    pub(crate) fn calls(&self) -> impl Iterator<Item = Owed<'_>> {
        self.calls.iter().filter_map(|index| Some(self.record(*index)?.1))
    }

    /// The place of a record, and what is owed for it.
    pub(crate) fn record(&self, index: usize) -> Option<(Place, Owed<'_>)> {
        let work = self.work.get(index)?;
        let subject = &self.subjects[work.subject.start as usize..work.subject.end as usize];
        Some((work.place, Owed { account: work.account, subject, asked: work.asked }))
    }

    /// Replies to send when all of the round was applied.
    pub(crate) fn take_held(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.held)
    }
}

/// A round that is durable, and how far it has been applied.
#[derive(Debug)]
pub(crate) struct Applying {
    pub(crate) batch: Batch,
    /// The first of its records that is not applied.
    pub(crate) next: usize,
    /// What the records before that mean for the block files.
    pub(crate) placed: Placed,
}

/// What the disk has refused, and who is still to hear of it.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// Whether a round was refused, and those before it are not all applied.
    pub(crate) round: bool,
    /// Publishes of such rounds, and how many of each have been answered.
    pub(crate) publishes: VecDeque<(Batch, usize)>,
}

/// Gathers records into rounds, of which one at a time is on its way to the disk.
#[derive(Debug)]
pub(crate) struct Rounds {
    builder: RoundBuilder,
    open: Batch,
    committing: Option<(Round, Batch)>,
    /// Rounds that are durable and not applied, in their order: two at most, as none goes to the disk
    /// before the last one is begun to be applied.
    durable: VecDeque<Applying>,
}

impl Rounds {
    /// Rounds from `next` on.
    pub(crate) fn new(next: u64) -> Self {
        let builder = RoundBuilder::new(next);
        let (open, durable) = (Batch::new(), VecDeque::new());
        Self { builder, open, committing: None, durable }
    }

    /// Whether a record with this many bytes of content can be added now.
    pub(crate) fn has_room(&self, content_bytes: usize) -> bool {
        self.builder.has_room(content_bytes)
    }

    /// Bytes that wait to be committed or are being committed.
    pub(crate) fn bytes_waiting(&self) -> usize {
        let committing = self.committing.as_ref().map_or(0, |(round, _)| round.bytes().len());
        self.builder.len() + committing
    }

    /// How many replies are owed for records of the open round.
    pub(crate) fn owed(&self) -> usize {
        self.open.owed
    }

    /// Adds a record, and the reply that is owed when it is durable.
    pub(crate) fn push(&mut self, record: &Record<'_>, owed: Owed<'_>) {
        let place = self.builder.push(record);
        let narrow = |length: usize| u32::try_from(length).expect("a round's replies fit 32 bits");
        let start = narrow(self.open.subjects.len());
        self.open.subjects.extend_from_slice(owed.subject);
        let subject = start..narrow(self.open.subjects.len());
        self.open.owed += usize::from(!owed.subject.is_empty());
        let (account, asked) = (owed.account, owed.asked);
        if matches!(asked, Asked::Change(_) | Asked::Rest(_)) {
            self.open.calls.push(self.open.work.len());
        }
        self.open.work.push(Work { place, account, subject, asked });
    }

    /// The reply that is owed for the last record was sent.
    pub(crate) fn paid(&mut self) {
        if let Some(work) = self.open.work.last_mut() {
            self.open.owed -= usize::from(!work.subject.is_empty());
            self.open.subjects.truncate(work.subject.start as usize);
            (work.subject, work.asked) = (0..0, Asked::Nothing);
        }
    }

    /// Holds a reply until everything that was added so far is durable. Gives it back if nothing
    /// is waiting.
    pub(crate) fn hold(&mut self, held: Held) -> Option<Held> {
        let batch = if !self.builder.is_empty() {
            &mut self.open
        } else if let Some((_, batch)) = &mut self.committing {
            batch
        } else if let Some(applying) = self.durable.back_mut() {
            &mut applying.batch
        } else {
            return Some(held);
        };
        batch.held.push(held);
        None
    }

    /// The last round that holds what was added so far; a round before the next one if all of it was
    /// applied.
    pub(crate) fn last_open(&self) -> u64 {
        self.builder.number() - u64::from(self.builder.is_empty())
    }

    /// The last round that was applied.
    pub(crate) fn applied(&self) -> u64 {
        let waiting = usize::from(self.committing.is_some()) + self.durable.len();
        self.builder.number() - 1 - waiting as u64
    }

    /// Whether nothing waits to be applied.
    pub(crate) fn is_settled(&self) -> bool {
        self.committing.is_none() && self.durable.is_empty() && self.builder.is_empty()
    }

    /// Whether a round would be committed now.
    pub(crate) fn wants_to_close(&self) -> bool {
        self.committing.is_none() && self.durable.len() < 2 && !self.builder.is_empty()
    }

    /// The round to commit now, if there is one and no other is being committed.
    pub(crate) fn close(&mut self) -> Option<Round> {
        if !self.wants_to_close() {
            return None;
        }
        let next = RoundBuilder::new(self.builder.number() + 1);
        let round = std::mem::replace(&mut self.builder, next).close();
        let batch = std::mem::replace(&mut self.open, Batch::new());
        self.committing = Some((round.clone(), batch));
        Some(round)
    }

    /// The round that was being committed is durable: it is to be applied behind those that are.
    pub(crate) fn durable(&mut self, number: u64) -> Option<&Applying> {
        let (round, batch) = self.committing.take()?;
        assert_eq!(round.number(), number, "one round is committed at a time");
        self.durable.push_back(Applying { batch, next: 0, placed: Placed::new(round) });
        self.durable.back()
    }

    /// The oldest round that is durable and not applied. What is not applied of it is given back.
    pub(crate) fn take_durable(&mut self) -> Option<Applying> {
        self.durable.pop_front()
    }

    /// Takes back a round of which some is still to be applied.
    pub(crate) fn give_back(&mut self, applying: Applying) {
        self.durable.push_front(applying);
    }

    /// Whether some of a round is applied, and some is not.
    pub(crate) fn is_between(&self) -> bool {
        self.durable.front().is_some_and(|applying| applying.next > 0)
    }

    /// Whether any round is durable and not applied.
    pub(crate) fn has_durable(&self) -> bool {
        !self.durable.is_empty()
    }

    /// A round could not be written. Everything that waits, waits in vain; the next round has its
    /// number.
    pub(crate) fn fail(&mut self) -> Vec<Batch> {
        let number = self.applied() + 1;
        self.builder = RoundBuilder::new(number);
        let committing = self.committing.take().map(|(_, batch)| batch);
        let open = std::mem::replace(&mut self.open, Batch::new());
        committing.into_iter().chain([open]).collect()
    }
}
