//! Requests that hold credit at a pull consumer.

use std::collections::VecDeque;

use watershed_base::{AccountId, Tick};
use watershed_wire::jetstream::pull::PullRequest;

/// A client that waits for messages.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) account: AccountId,
    pub(crate) reply: Box<[u8]>,
    /// Messages that it may still get.
    pub(crate) batch: u64,
    /// Bytes that it may still get, if it bounds them.
    pub(crate) bytes: Option<u64>,
    /// Whether it leaves when there is nothing at the moment. With a time to wait it waits for the
    /// first message.
    pub(crate) no_wait: bool,
    /// The moment: what was accepted up to this sequence, it is to get.
    pub(crate) accepted: u64,
    /// Whether it has got anything.
    pub(crate) served: bool,
    /// When it leaves.
    pub(crate) expires: Option<Tick>,
    /// Time between heartbeats in nanoseconds, and when the next one is due.
    pub(crate) heartbeat: Option<(u64, Tick)>,
}

impl Request {
    pub(crate) fn new(
        account: AccountId,
        reply: &[u8],
        now: Tick,
        accepted: u64,
        pull: &PullRequest,
    ) -> Self {
        let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
        let after = |nanos: u64| Tick(now.0.saturating_add(nanos));
        Self {
            account,
            reply: reply.into(),
            batch: positive(pull.batch).unwrap_or(1),
            bytes: positive(pull.max_bytes),
            no_wait: pull.no_wait,
            accepted,
            served: false,
            expires: positive(pull.expires).map(after),
            heartbeat: positive(pull.idle_heartbeat).map(|every| (every, after(every))),
        }
    }

    /// What it did not get, as statuses say it.
    pub(crate) fn left(&self) -> [(&'static str, u64); 2] {
        [("Nats-Pending-Messages", self.batch), ("Nats-Pending-Bytes", self.bytes.unwrap_or(0))]
    }

    /// Whether it waits for nothing that is still to come.
    fn leaves_now(&self) -> bool {
        self.no_wait && (self.served || self.expires.is_none())
    }

    fn deadline(&self) -> Option<Tick> {
        let heartbeat = self.heartbeat.map(|(_, next)| next);
        self.expires.into_iter().chain(heartbeat).min()
    }
}

/// The requests of a consumer, served in turn.
#[derive(Debug, Default)]
pub(crate) struct Waiting(VecDeque<Request>);

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, request: Request) {
        self.0.push_back(request);
    }

    pub(crate) fn front(&self) -> Option<&Request> {
        self.0.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Request> {
        self.0.pop_front()
    }

    /// The first request got a message of this many bytes; the next one is served next.
    pub(crate) fn served(&mut self, bytes: u64, now: Tick) {
        let Some(mut request) = self.0.pop_front() else { return };
        request.batch -= 1;
        request.served = true;
        request.bytes = request.bytes.map(|left| left.saturating_sub(bytes));
        request.heartbeat = request.heartbeat.map(|(every, _)| (every, Tick(now.0 + every)));
        if request.batch > 0 {
            self.0.push_back(request);
        }
    }

    /// All requests, in turn.
    pub(crate) fn into_requests(self) -> impl Iterator<Item = Request> {
        self.0.into_iter()
    }

    /// Reply subjects of all requests.
    pub(crate) fn replies(&self) -> Vec<(AccountId, Box<[u8]>)> {
        self.0.iter().map(|request| (request.account, request.reply.clone())).collect()
    }

    /// Takes the requests that do not wait, of those for which nothing is on its way behind `last`.
    pub(crate) fn impatient(&mut self, last: u64) -> Vec<Request> {
        let leaves = |request: &Request| request.leaves_now() && request.accepted <= last;
        if !self.0.iter().any(leaves) {
            return Vec::new();
        }
        let (gone, left) = std::mem::take(&mut self.0).into_iter().partition(leaves);
        self.0 = left;
        let gone: VecDeque<_> = gone;
        gone.into()
    }

    /// Whether a request waits for what is on its way.
    pub(crate) fn any_no_wait(&self) -> bool {
        self.0.iter().any(Request::leaves_now)
    }

    /// Forgets a request whose client is gone.
    pub(crate) fn forget(&mut self, reply: &[u8]) {
        self.0.retain(|request| *request.reply != *reply);
    }

    /// Takes the requests that no longer wait.
    pub(crate) fn expired(&mut self, now: Tick) -> Vec<Request> {
        let (gone, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|request| request.expires.is_some_and(|expires| expires <= now));
        self.0 = left;
        let gone: VecDeque<_> = gone;
        gone.into()
    }

    /// Reply subjects to which a heartbeat is due.
    pub(crate) fn heartbeats(&mut self, now: Tick) -> Vec<(AccountId, Box<[u8]>)> {
        let mut due = Vec::new();
        for request in &mut self.0 {
            if let Some((every, next)) = &mut request.heartbeat
                && *next <= now
            {
                *next = Tick(now.0.saturating_add(*every));
                due.push((request.account, request.reply.clone()));
            }
        }
        due
    }

    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.0.iter().filter_map(Request::deadline).min()
    }
}
