//! What passes between accounts: messages that are exported to another, and requests that another
//! answers.
//!
//! As in nats-server, what came from another account does not pass on to a third one as a message; a
//! request may. What a consumer delivers stays in its account, but for what was asked for through an
//! imported service.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use watershed_wire::header::HeaderWriter;
use watershed_wire::ident::short_id;
use watershed_wire::op::Publish;
use watershed_wire::subject::transform::Transform;

use crate::account::AccountId;
use crate::delivery::{Published, Taken};
use crate::engine::Engine;
use crate::limits::{PASSED_REPLIES_MAX, PASSES_MAX};
use crate::now::{Now, Tick};

/// Begins the subjects on which replies come back from another account.
const REPLY: &[u8] = b"_R_.";

/// Header that says from which account a request comes.
const REQUEST_INFO: &str = "Nats-Request-Info";

/// How long a reply from another account is waited for; nats-server's own is as long.
const REPLY_WAIT: Duration = Duration::from_mins(2);

/// What leaves an account for another one.
#[derive(Debug, Clone)]
struct Passage {
    /// Subjects here, and what they become there.
    transform: Transform,
    to: AccountId,
    /// Whether a request may have more than one reply.
    many: bool,
}

/// What passes out of an account.
#[derive(Debug, Default)]
pub(crate) struct Passages {
    /// Messages that others have imported.
    messages: Vec<Passage>,
    /// Requests that others answer.
    requests: Vec<Passage>,
}

/// Who waits for a reply.
#[derive(Debug, Clone)]
struct Waiting {
    /// Account that was asked: nobody else's reply counts.
    asked: AccountId,
    account: AccountId,
    reply: Box<[u8]>,
    many: bool,
    until: Tick,
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

    fn expect(&mut self, subject: Vec<u8>, waiting: Waiting, now: Tick) {
        self.tidy(now);
        let subject = subject.into_boxed_slice();
        self.order.push_back(subject.clone());
        self.waiting.insert(subject, waiting);
    }

    /// Who waits for what somebody in `account` replies on this subject.
    fn find(&self, account: AccountId, subject: &[u8], now: Tick) -> Option<&Waiting> {
        let waiting = self.waiting.get(subject)?;
        (waiting.asked == account && waiting.until > now).then_some(waiting)
    }

    /// The same; not any more, if it is the only reply.
    fn take(&mut self, account: AccountId, subject: &[u8], now: Tick) -> Option<Waiting> {
        let waiting = self.find(account, subject, now)?.clone();
        if !waiting.many {
            self.waiting.remove(subject);
        }
        Some(waiting)
    }
}

impl Engine {
    /// Lets messages of `from` arrive in `to`, under other subjects.
    pub fn pass_messages(&mut self, from: AccountId, to: AccountId, transform: Transform) {
        let passage = Passage { transform, to, many: false };
        self.accounts[from.0 as usize].passages.messages.push(passage);
        self.shares = true;
    }

    /// Lets requests of `from` be answered in `to`; `many` if there may be more than one reply.
    pub fn pass_requests(
        &mut self,
        from: AccountId,
        to: AccountId,
        transform: Transform,
        many: bool,
    ) {
        let passage = Passage { transform, to, many };
        self.accounts[from.0 as usize].passages.requests.push(passage);
        self.shares = true;
    }

    /// Passes on what was published in `account`. Says whether anybody took it. Most servers have
    /// nothing to pass on, and a publish pays for nothing but the question.
    #[cold]
    #[inline(never)]
    pub(crate) fn pass_on(
        &mut self,
        now: Now,
        account: AccountId,
        message: &Publish<'_>,
    ) -> Published {
        if message.subject.starts_with(REPLY) {
            let Some(waiting) = self.replies.take(account, message.subject, now.tick) else {
                return Published::NOWHERE;
            };
            let reply = Publish { subject: &waiting.reply, reply: None, ..*message };
            return self.publish_once(now, waiting.account, &reply);
        }
        let passages = &self.accounts[account.0 as usize].passages;
        let matching = passages.messages.iter();
        let matching = matching
            .filter_map(|passage| Some((passage.to, passage.transform.apply(message.subject)?)));
        let matching: Vec<_> = matching.collect();
        let mut published = Published::NOWHERE;
        for (to, subject) in matching {
            let message = Publish { subject: &subject, ..*message };
            published = published.and(self.publish_once(now, to, &message));
        }
        published.and(self.ask_elsewhere(now, account, message, 0))
    }

    /// Sends a request to who answers it in another account.
    fn ask_elsewhere(
        &mut self,
        now: Now,
        account: AccountId,
        message: &Publish<'_>,
        depth: usize,
    ) -> Published {
        let mut published = Published::NOWHERE;
        if depth == PASSES_MAX {
            return published;
        }
        let passages = &self.accounts[account.0 as usize].passages;
        let matching = passages.requests.iter();
        let matching = matching.filter_map(|passage| {
            Some((passage.to, passage.many, passage.transform.apply(message.subject)?))
        });
        let matching: Vec<_> = matching.collect();
        for (to, many, subject) in matching {
            let mut header = HeaderWriter::extending(message.header);
            let info = serde_json::json!({"acc": self.accounts[account.0 as usize].name});
            header.field(REQUEST_INFO, info.to_string().as_bytes());
            let header = header.finish();
            let reply = message.reply.map(|reply| {
                let ids = [self.random.next(), self.random.next()].map(short_id);
                let subject = [REPLY, ids[0].as_bytes(), b".", ids[1].as_bytes()].concat();
                let until = now.tick.after(REPLY_WAIT);
                let waiting = Waiting { asked: to, account, reply: reply.into(), many, until };
                self.replies.expect(subject.clone(), waiting, now.tick);
                subject
            });
            let request = Publish {
                subject: &subject,
                reply: reply.as_deref(),
                header: &header,
                has_header: true,
                payload: message.payload,
            };
            let own =
                request.subject.starts_with(b"$JS.") && self.jetstream_call(now, to, &request);
            let own = Published { anybody: own, ..Published::NOWHERE };
            let here = self.publish_once(now, to, &request);
            let asked = own.and(here).and(self.ask_elsewhere(now, to, &request, depth + 1));
            if !asked.anybody
                && let Some(reply) = &reply
            {
                // Who asked is told that nobody is there, and not that nobody answered.
                self.replies.take(to, reply, now.tick);
            }
            published = published.and(asked);
        }
        published
    }

    /// Whether a subject stands for one in another account, on which somebody listens. `None` if it
    /// stands for none.
    pub(crate) fn has_listener_elsewhere(
        &mut self,
        account: AccountId,
        subject: &[u8],
    ) -> Option<bool> {
        if !subject.starts_with(REPLY) {
            return None;
        }
        let waiting = self.replies.find(account, subject, self.now.tick)?.clone();
        Some(self.has_listener(waiting.account, &waiting.reply))
    }

    /// Sends a message to who waits for it in another account, if `via` stands for somebody there.
    pub(crate) fn send_elsewhere(
        &mut self,
        account: AccountId,
        via: &[u8],
        message: &Publish<'_>,
    ) -> Option<Taken> {
        if !via.starts_with(REPLY) {
            return None;
        }
        let waiting = self.replies.take(account, via, self.now.tick)?;
        // A reply has the subject on which it was waited for; a stored message keeps its own.
        let own = message.subject == via;
        let subject = if own { &waiting.reply } else { message.subject };
        let message = Publish { subject, ..*message };
        Some(self.send_via(waiting.account, &waiting.reply, &message))
    }
}
