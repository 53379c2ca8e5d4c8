//! What passes between accounts: messages that are exported to another, and requests that another
//! answers.
//!
//! As in nats-server, what came from another account does not pass on to a third one as a message; a
//! request may. What JetStream sends passes on where messages do, so a push consumer may deliver to another account.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use watershed_base::{AccountId, Tick};
use watershed_wire::subject::intersection;
use watershed_wire::subject::transform::Transform;

use crate::limits::PASSED_REPLIES_MAX;

/// Begins the subjects on which replies come back from another account.
pub(crate) const REPLY: &[u8] = b"_R_.";

/// Header that says from which account a request comes.
pub(crate) const REQUEST_INFO: &str = "Nats-Request-Info";

/// How long a reply from another account is waited for; nats-server's own is as long.
pub(crate) const REPLY_WAIT: Duration = Duration::from_mins(2);

/// What leaves an account for another one.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    /// Subjects here, and what they become there.
    pub(crate) transform: Transform,
    pub(crate) to: AccountId,
    /// Whether a request may have more than one reply.
    pub(crate) many: bool,
}

impl Passage {
    /// Whether anything of it arrives under a subject that `filter` takes.
    pub(crate) fn may_reach(&self, filter: &str) -> bool {
        let there = self.transform.image(self.transform.source());
        there.is_some_and(|there| intersection(&there, filter).is_some())
    }
}

/// What passes out of an account.
#[derive(Debug, Default)]
pub(crate) struct Passages {
    /// Messages that others have imported.
    pub(crate) messages: Vec<Passage>,
    /// Requests that others answer.
    pub(crate) requests: Vec<Passage>,
}

impl Passages {
    /// Where a message arrives that is sent to `subject`, and under which subject.
    pub(crate) fn importers(&self, subject: &[u8]) -> Vec<(AccountId, Vec<u8>)> {
        let arrives = |passage: &Passage| Some((passage.to, passage.transform.carry(subject)?));
        self.messages.iter().filter_map(arrives).collect()
    }
}

/// Who waits for a reply.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    /// Account that was asked: nobody else's reply counts.
    pub(crate) asked: AccountId,
    pub(crate) account: AccountId,
    pub(crate) reply: Box<[u8]>,
    pub(crate) many: bool,
    pub(crate) until: Tick,
}

/// Replies that are to come from other accounts, by the subject that stands for them there.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    waiting: BTreeMap<Box<[u8]>, Waiting>,
    /// In the order in which they end.
    order: VecDeque<Box<[u8]>>,
}

impl Replies {
    /// Forgets what nobody waits for any more, and the oldest where there are too many.
    fn tidy(&mut self, now: Tick) {
        while let Some(first) = self.order.front() {
            let ended = self.waiting.get(first).is_none_or(|waiting| waiting.until <= now);
            if !ended && self.waiting.len() < PASSED_REPLIES_MAX {
                break;
            }
            if let Some(first) = self.order.pop_front() {
                self.waiting.remove(&first);
            }
        }
        // Those that came are still listed behind one that has not.
        if self.order.len() > 2 * PASSED_REPLIES_MAX {
            self.order.retain(|subject| self.waiting.contains_key(subject));
        }
    }

    pub(crate) fn expect(&mut self, subject: Vec<u8>, waiting: Waiting, now: Tick) {
        self.tidy(now);
        let subject = subject.into_boxed_slice();
        self.order.push_back(subject.clone());
        self.waiting.insert(subject, waiting);
    }

    /// Who waits for what somebody in `account` replies on this subject.
    pub(crate) fn find(&self, account: AccountId, subject: &[u8], now: Tick) -> Option<&Waiting> {
        let waiting = self.waiting.get(subject)?;
        (waiting.asked == account && waiting.until > now).then_some(waiting)
    }

    /// The same; not any more, if it is the only reply.
    pub(crate) fn take(
        &mut self,
        account: AccountId,
        subject: &[u8],
        now: Tick,
    ) -> Option<Waiting> {
        let waiting = self.find(account, subject, now)?.clone();
        if !waiting.many {
            self.waiting.remove(subject);
        }
        Some(waiting)
    }
}
