//! A consumer as its documentation describes it. It does not foresee what is delivered when: it says of
//! each delivery whether it may be.

use std::collections::BTreeMap;

use super::matches;
use super::stream::Stream;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckPolicy {
    Explicit,
    All,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    All,
    New,
    Last,
    LastPerSubject,
}

/// A consumer's configuration. A limit of 0 is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerRules {
    pub(crate) ack: AckPolicy,
    pub(crate) wait: i64,
    pub(crate) max_deliver: u64,
    pub(crate) start: Start,
    pub(crate) max_ack_pending: u64,
    pub(crate) filters: Vec<String>,
    /// Whether it delivers to whoever listens, rather than to whoever asks.
    pub(crate) push: bool,
}

/// A message as a client got it.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) stream: String,
    pub(crate) consumer: String,
    pub(crate) subject: String,
    pub(crate) payload: String,
    pub(crate) count: u64,
    pub(crate) sequence: u64,
    pub(crate) consumer_seq: u64,
    /// Where to answer.
    pub(crate) reply: String,
}

/// What a client says to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Ack,
    Term,
    Progress,
    /// Again, after so many nanoseconds.
    Nak(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outstanding {
    consumer_seq: u64,
    deliveries: u64,
    /// When it was delivered last, or a client last said something to it.
    since: i64,
    /// From when on it may be delivered again.
    due: i64,
    /// From when on it must be: later where it is not known what of a client's words was kept.
    overdue: i64,
    /// The same, if a client said so.
    retry_at: Option<i64>,
    /// Whether it was due before its consumer got other rules: it is looked at when somebody asks.
    rests: bool,
    /// What else the number of deliveries may be, where that cannot be seen.
    or_deliveries: Option<u64>,
    /// What else the retry may be, where that cannot be seen.
    or_retry_at: Vec<Option<i64>>,
}

impl Outstanding {
    fn counts(&self, deliveries: u64) -> bool {
        self.deliveries == deliveries || self.or_deliveries == Some(deliveries)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consumer {
    pub(crate) rules: ConsumerRules,
    /// Nothing is delivered before this time; 0 if that was never said.
    pub(crate) paused_until: i64,
    /// The next sequence that was never delivered.
    pub(crate) cursor: u64,
    /// What was the last of each subject when the consumer began, by sequence. What the filters take
    /// of it is delivered first.
    pub(crate) lasts: BTreeMap<u64, String>,
    /// Sequence before which it has delivered what it will of them.
    passed: u64,
    /// The stream's next sequence when it began, if it begins with the last of each subject; or 0.
    end: u64,
    pub(crate) outstanding: BTreeMap<u64, Outstanding>,
    /// Whether a purge is under way, of which a part may have been done.
    pub(crate) loses: bool,
    deliveries: u64,
    delivered: u64,
    /// The sequence before the first one.
    before: u64,
}

/// What a reply about a consumer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerView {
    pub(crate) rules: ConsumerRules,
    pub(crate) paused_until: i64,
    /// In the consumer's count, and in the stream's.
    pub(crate) delivered: (u64, u64),
    pub(crate) floor: (u64, u64),
    pub(crate) ack_pending: u64,
    pub(crate) redelivered: u64,
    pub(crate) pending: u64,
}

impl ConsumerView {
    /// Where a consumer of the last messages begins follows from those that are still there.
    pub(crate) fn leaving_the_start_open(mut self) -> Self {
        if self.rules.start == Start::LastPerSubject && self.delivered.0 == 0 {
            (self.delivered.1, self.floor.1) = (0, 0);
        }
        self
    }
}

impl Consumer {
    pub(crate) fn new(rules: ConsumerRules, stream: &Stream) -> Self {
        let end = stream.last + 1;
        let last_of = |subject: &str| stream.of_subject(subject).next_back();
        let subjects = stream.messages.values().map(|message| message.subject.as_str());
        let lasts = subjects.filter_map(|own| Some((last_of(own)?, own.to_owned())));
        let lasts: BTreeMap<u64, String> = lasts.collect();
        let wanted =
            || lasts.iter().filter(|(_, subject)| takes(&rules, subject)).map(|(own, _)| *own);
        let cursor = match rules.start {
            Start::All => stream.first(),
            Start::New | Start::LastPerSubject => end,
            Start::Last => wanted().next_back().unwrap_or(end),
        };
        let lists = rules.start == Start::LastPerSubject;
        let first = wanted().next().filter(|_| lists).unwrap_or(cursor);
        let lasts = if lists { lasts } else { BTreeMap::new() };
        let before = first.max(1) - 1;
        let outstanding = BTreeMap::new();
        let (loses, deliveries, delivered, passed) = (false, 0, before, 0);
        let end = if lists { end } else { 0 };
        Self {
            rules,
            paused_until: 0,
            cursor,
            lasts,
            passed,
            end,
            outstanding,
            loses,
            deliveries,
            delivered,
            before,
        }
    }

    /// Goes on from a sequence, as if nothing had been delivered.
    pub(crate) fn reset(&mut self, sequence: u64) {
        self.cursor = sequence;
        self.before = sequence - 1;
        self.delivered = self.before;
        self.deliveries = 0;
        self.outstanding.clear();
    }

    /// The lasts of their subjects that it has yet to deliver.
    fn ahead(&self, stream: &Stream) -> impl DoubleEndedIterator<Item = u64> {
        let wanted = self
            .lasts
            .iter()
            .filter(|(own, subject)| stream.messages.contains_key(own) && self.wants(subject));
        wanted.map(|(sequence, _)| *sequence)
    }

    /// A message that it should deliver before this one.
    pub(crate) fn skipped(&self, sequence: u64, stream: &Stream) -> Option<u64> {
        let is_last = self.lasts.contains_key(&sequence);
        let last = self.ahead(stream).next().filter(|own| !is_last || *own < sequence);
        let mut behind = stream.messages.range(self.cursor.min(sequence)..sequence);
        let behind = behind
            .find(|(own, message)| **own >= self.cursor && self.wants(&message.subject))
            .map(|(own, _)| *own);
        last.or(behind)
    }

    /// Where it may be: which of the lasts it has yet to look at, and what comes behind them. What no
    /// filter takes it may have passed over, or not. Of what they do not take, the last ones are those
    /// that are left.
    pub(crate) fn positions(&self, stream: &Stream) -> Vec<(BTreeMap<u64, String>, u64)> {
        let mut lasts: BTreeMap<u64, String> = BTreeMap::new();
        if !self.lasts.is_empty() || self.cursor == self.end {
            let left = stream.messages.range(self.passed..self.end.max(self.passed));
            let others: BTreeMap<&str, u64> = left
                .map(|(sequence, message)| (message.subject.as_str(), *sequence))
                .filter(|(subject, _)| !self.wants(subject))
                .collect();
            lasts.extend(
                others.into_iter().map(|(subject, sequence)| (sequence, subject.to_owned())),
            );
            let own = self.lasts.iter().filter(|(_, subject)| self.wants(subject));
            lasts.extend(own.map(|(sequence, subject)| (*sequence, subject.clone())));
        }
        let mut all = vec![(lasts, self.cursor)];
        if self.ahead(stream).next().is_none() {
            all.push((BTreeMap::new(), self.cursor));
            let passed = stream.messages.range(self.cursor..);
            let passed = passed.take_while(|(_, message)| !self.wants(&message.subject));
            all.extend(passed.map(|(sequence, _)| (BTreeMap::new(), sequence + 1)));
        }
        all
    }

    pub(crate) fn wants(&self, subject: &str) -> bool {
        takes(&self.rules, subject)
    }

    /// Whether it has yet to finish with a message.
    pub(crate) fn needs(&self, sequence: u64, subject: &str) -> bool {
        (sequence >= self.cursor && self.wants(subject))
            || (self.lasts.contains_key(&sequence) && self.wants(subject))
            || self.outstanding.contains_key(&sequence)
    }

    pub(crate) fn has_delivered(&self, sequence: u64, stream: &Stream) -> bool {
        let mut ahead = self.lasts.keys().filter(|own| stream.messages.contains_key(own));
        sequence < self.cursor && ahead.next().is_none_or(|first| sequence < *first)
    }

    pub(crate) fn is_full(&self) -> bool {
        let max = self.rules.max_ack_pending;
        self.rules.ack != AckPolicy::None && max > 0 && self.outstanding.len() as u64 >= max
    }

    pub(crate) fn is_paused(&self, now: i64) -> bool {
        self.paused_until > now
    }

    fn is_exhausted(&self, deliveries: u64) -> bool {
        self.rules.max_deliver > 0 && deliveries >= self.rules.max_deliver
    }

    pub(crate) fn has_due(&self, now: i64) -> bool {
        let mut all = self.outstanding.values();
        all.any(|own| own.overdue <= now && !self.is_exhausted(own.deliveries))
    }

    /// Messages that it has yet to deliver for the first time.
    pub(crate) fn pending(&self, stream: &Stream) -> u64 {
        let behind = stream.messages.range(self.cursor..);
        let behind = behind.filter(|(_, message)| self.wants(&message.subject)).count();
        (behind + self.ahead(stream).count()) as u64
    }

    /// A client got a message: `exists` says whether the stream still has it, `skipped` which one
    /// should have come before. Says whether the consumer has finished with it.
    pub(crate) fn take(
        &mut self,
        now: i64,
        delivery: &Delivery,
        subject: &str,
        exists: bool,
        skipped: Option<u64>,
    ) -> Result<bool, String> {
        let sequence = delivery.sequence;
        if delivery.consumer_seq != self.deliveries + 1 {
            return Err(format!("it should be delivery {} of the consumer", self.deliveries + 1));
        }
        if self.is_paused(now) {
            return Err("the consumer is paused".into());
        }
        let known = self.outstanding.get(&sequence);
        if delivery.count > 1 {
            let before = delivery.count - 1;
            match known {
                None if exists => return Err("it is not outstanding".into()),
                Some(known) if !known.counts(before) || known.due > now => {
                    return Err(format!(
                        "delivered {} times, and due {} ns later",
                        known.deliveries,
                        known.due - now
                    ));
                }
                _ if self.is_exhausted(before) => return Err("delivered too often".into()),
                _ => {}
            }
        } else if self.is_full() && !self.loses {
            return Err("more than max_ack_pending".into());
        } else if let Some(earlier) = skipped.filter(|_| !self.loses) {
            return Err(format!("{earlier} should come before"));
        } else if !self.wants(subject) {
            return Err("no filter takes it".into());
        } else if self.lasts.contains_key(&sequence) {
            self.passed = sequence + 1;
            self.lasts = self.lasts.split_off(&self.passed);
        } else if sequence < self.cursor {
            return Err("it was delivered before".into());
        } else {
            self.lasts.clear();
            self.cursor = sequence + 1;
        }
        let known = self.outstanding.get(&sequence);
        let consumer_seq = known.map_or(delivery.consumer_seq, |known| known.consumer_seq);
        self.deliveries = delivery.consumer_seq;
        if delivery.count == 1 {
            // Where a consumer of the last messages begins may come before where it was to begin.
            let begins = self.rules.start == Start::LastPerSubject && delivery.consumer_seq == 1;
            self.delivered = if begins { sequence } else { self.delivered.max(sequence) };
        }
        if self.rules.ack != AckPolicy::None && exists {
            let due = now + self.rules.wait;
            let deliveries = delivery.count;
            let (since, overdue, retry_at) = (now, due, None);
            let outstanding = Outstanding {
                consumer_seq,
                deliveries,
                since,
                due,
                overdue,
                retry_at,
                rests: false,
                or_deliveries: None,
                or_retry_at: Vec::new(),
            };
            self.outstanding.insert(sequence, outstanding);
        }
        Ok(exists && self.rules.ack == AckPolicy::None)
    }

    /// A client says something. Says with which messages the consumer has finished; with one that was
    /// given up before, if it is still kept and so `late`.
    pub(crate) fn hear(&mut self, now: i64, sequence: u64, said: Said, late: bool) -> Vec<u64> {
        let wait = self.rules.wait;
        match said {
            Said::Progress | Said::Nak(_) => {
                let Some(own) = self.outstanding.get_mut(&sequence) else { return Vec::new() };
                (own.since, own.rests) = (now, false);
                if let Said::Nak(delay) = said {
                    own.due = now + delay;
                    own.retry_at = Some(own.due);
                } else {
                    own.due = now + wait;
                }
                own.overdue = own.due;
                Vec::new()
            }
            Said::Ack | Said::Term => match self.rules.ack {
                AckPolicy::None => Vec::new(),
                AckPolicy::Explicit => {
                    let known = self.outstanding.remove(&sequence).is_some();
                    if known || late { vec![sequence] } else { Vec::new() }
                }
                AckPolicy::All => {
                    let left = self.outstanding.split_off(&(sequence + 1));
                    std::mem::replace(&mut self.outstanding, left).into_keys().collect()
                }
            },
        }
    }

    pub(crate) fn give_up(&mut self, now: i64, sequence: u64) -> Result<(), String> {
        let known = self.outstanding.remove(&sequence).ok_or("given up, and not outstanding")?;
        if known.due > now || !self.is_exhausted(known.deliveries) {
            return Err("given up too early".into());
        }
        Ok(())
    }

    /// Whether it should have given a message up, with nobody asking.
    pub(crate) fn has_overdue(&self, now: i64) -> bool {
        let mut all = self.outstanding.values();
        all.any(|own| {
            let waits = own.overdue > now || own.rests || own.retry_at.is_some();
            !waits && self.is_exhausted(own.deliveries)
        })
    }

    /// It has other rules: deliveries under way get its times.
    pub(crate) fn configure(&mut self, now: i64, rules: ConsumerRules) {
        let longer = (rules.wait - self.rules.wait).max(0);
        self.rules = rules;
        for own in self.outstanding.values_mut() {
            if own.overdue <= now {
                own.rests = true;
            } else if own.due <= now {
                own.overdue = (own.overdue + longer).max(own.since + self.rules.wait);
            } else {
                let open = own.overdue - own.due;
                own.due = own.since + self.rules.wait;
                own.overdue = own.due + open;
            }
        }
    }

    /// What is outstanding has all of its time again.
    pub(crate) fn restarted(&mut self, now: i64) {
        for own in self.outstanding.values_mut() {
            (own.since, own.rests) = (now, false);
            let wait = self.rules.wait;
            let due = |retry: Option<i64>| retry.map_or(now + wait, |at| at.max(now));
            let first = due(own.retry_at);
            let all = || own.or_retry_at.iter().map(|retry| due(*retry));
            let overdue = all().fold(first, i64::max);
            (own.due, own.overdue) = (all().fold(first, i64::min), overdue);
        }
    }

    /// What is outstanding may still have the time that it had in `other`.
    pub(crate) fn may_go_on_from(&mut self, other: &Self) {
        for (sequence, own) in &mut self.outstanding {
            if let Some(other) = other.outstanding.get(sequence) {
                own.since = own.since.min(other.since);
                own.due = own.due.min(other.due);
                own.overdue = own.overdue.max(other.overdue);
                own.rests |= other.rests;
            }
        }
    }

    /// It is not known what of a client's words was kept: what is due may be so now, or later.
    pub(crate) fn doubt(&mut self, other: &Self) {
        for (sequence, own) in &mut self.outstanding {
            if let Some(other) = other.outstanding.get(sequence) {
                own.due = own.due.min(other.due);
                if own.retry_at != other.retry_at {
                    own.or_retry_at.push(other.retry_at);
                }
                if own.deliveries != other.deliveries {
                    own.or_deliveries = Some(other.deliveries);
                }
                own.overdue = own.overdue.max(other.overdue);
            }
        }
    }

    pub(crate) fn view(&self, stream: &Stream) -> ConsumerView {
        let floor = match self.outstanding.keys().next() {
            None => (self.deliveries, self.delivered),
            Some(first) => {
                let lowest = self.outstanding.values().map(|own| own.consumer_seq).min();
                let before = self.before.min(first - 1);
                (lowest.unwrap_or(1) - 1, (first - 1).max(before))
            }
        };
        let redelivered = self.outstanding.values().filter(|own| own.deliveries > 1).count();
        ConsumerView {
            rules: self.rules.clone(),
            paused_until: self.paused_until,
            delivered: (self.deliveries, self.delivered),
            floor,
            ack_pending: self.outstanding.len() as u64,
            redelivered: redelivered as u64,
            pending: self.pending(stream),
        }
        .leaving_the_start_open()
    }
}

fn takes(rules: &ConsumerRules, subject: &str) -> bool {
    rules.filters.is_empty() || rules.filters.iter().any(|filter| matches(filter, subject))
}
