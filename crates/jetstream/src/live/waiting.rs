//! Requests that hold credit at a pull consumer.

use std::collections::VecDeque;

use watershed_base::{AccountId, Tick};
use watershed_wire::jetstream::pull::PullRequest;

/// A client that waits for messages.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) account: AccountId,
    pub(crate) reply: Box<[u8]>,
    /// With priorities: lower ones are served first.
    pub(crate) priority: i64,
    /// With overflow: how many messages must be pending, or how many outstanding.
    min_pending: u64,
    min_outstanding: u64,
    /// Id of the pinned client that it is from, if it is.
    pin: Box<str>,
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
            priority: pull.priority,
            min_pending: positive(pull.min_pending).unwrap_or(0),
            min_outstanding: positive(pull.min_ack_pending).unwrap_or(0),
            pin: pull.id.as_str().into(),
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

    /// Whether a consumer with so much to do is to serve it (overflow).
    fn is_wanted(&self, pending: u64, outstanding: u64) -> bool {
        let (min_pending, min_outstanding) = (self.min_pending, self.min_outstanding);
        (min_pending == 0 && min_outstanding == 0)
            || (min_pending > 0 && pending >= min_pending)
            || (min_outstanding > 0 && outstanding >= min_outstanding)
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

    /// Takes a request behind those with the same priority.
    pub(crate) fn push(&mut self, request: Request) {
        let behind = self.0.iter().rposition(|own| own.priority <= request.priority);
        self.0.insert(behind.map_or(0, |last| last + 1), request);
    }

    /// Brings the first request to the front that a consumer with so much to do is to serve. Says
    /// whether there is one.
    pub(crate) fn choose_overflow(&mut self, pending: u64, outstanding: u64) -> bool {
        let found = self.0.iter().position(|own| own.is_wanted(pending, outstanding));
        self.bring_forward(found)
    }

    /// Brings the first request of the pinned client to the front; of any client if none is. Says
    /// whether there is one. Those of clients that were pinned once are taken out.
    pub(crate) fn choose_pinned(&mut self, pinned: Option<&str>) -> (Vec<Request>, bool) {
        let is_wrong = |own: &Request| !own.pin.is_empty() && Some(&*own.pin) != pinned;
        let mut wrong = Vec::new();
        if self.0.iter().any(is_wrong) {
            let (gone, left) = std::mem::take(&mut self.0).into_iter().partition(is_wrong);
            self.0 = left;
            wrong = gone.into();
        }
        let found = match pinned {
            None => (!self.0.is_empty()).then_some(0),
            Some(id) => self.0.iter().position(|own| *own.pin == *id),
        };
        (wrong, self.bring_forward(found))
    }

    fn bring_forward(&mut self, found: Option<usize>) -> bool {
        let chosen = found.and_then(|index| self.0.remove(index));
        let any = chosen.is_some();
        if let Some(request) = chosen {
            self.0.push_front(request);
        }
        any
    }

    /// The first request is from the client that was just pinned.
    pub(crate) fn pin_front(&mut self, id: &str) {
        if let Some(request) = self.0.front_mut() {
            request.pin = id.into();
        }
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
            self.push(request);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue of requests, by the subject that each is to be answered on.
    fn queue(requests: &[(&str, &str)]) -> Waiting {
        let mut all = Waiting::default();
        for (reply, body) in requests {
            let pull = PullRequest::parse(body.as_bytes()).unwrap();
            all.push(Request::new(AccountId::at(1), reply.as_bytes(), Tick(0), 0, &pull));
        }
        all
    }

    fn names(waiting: &Waiting) -> String {
        waiting.0.iter().map(|own| String::from_utf8_lossy(&own.reply).into_owned()).collect()
    }

    #[test]
    fn lower_priorities_are_served_first_and_equal_ones_in_turn() {
        let mut all = queue(&[
            ("a", r#"{"batch":2,"priority":3}"#),
            ("b", r#"{"batch":2,"priority":1}"#),
            ("c", r#"{"batch":1,"priority":1}"#),
            ("d", r#"{"batch":1}"#),
        ]);
        let mut served = String::new();
        while let Some(front) = all.front() {
            served.push_str(&String::from_utf8_lossy(&front.reply));
            all.served(1, Tick(0));
        }
        assert_eq!(served, "dbcbaa");
    }

    #[test]
    fn overflow_is_served_when_there_is_much_to_do() {
        let requests = [
            ("a", r#"{"min_pending":3}"#),
            ("b", r#"{"min_ack_pending":2}"#),
            ("c", r#"{"min_pending":5,"min_ack_pending":4}"#),
        ];
        for (pending, outstanding, expected) in [
            (2, 1, None),
            (3, 0, Some("abc")),
            (1, 2, Some("bac")),
            (3, 2, Some("abc")),
            (2, 4, Some("bac")),
        ] {
            let mut all = queue(&requests);
            let any = all.choose_overflow(pending, outstanding);
            assert_eq!(any.then(|| names(&all)).as_deref(), expected, "{pending} {outstanding}");
        }
        let mut all = queue(&[requests[0], requests[2], ("d", "{}")]);
        assert!(all.choose_overflow(0, 0));
        assert_eq!(names(&all), "dac");
    }

    #[test]
    fn only_the_pinned_client_is_served_and_those_pinned_before_have_to_ask_again() {
        let requests = [("a", "{}"), ("b", r#"{"id":"x"}"#), ("c", r#"{"id":"y"}"#), ("d", "{}")];
        for (pinned, wrong, left, found) in [
            (None, "bc", "ad", true),
            (Some("y"), "b", "cad", true),
            (Some("z"), "bc", "ad", false),
        ] {
            let mut all = queue(&requests);
            let (gone, any) = all.choose_pinned(pinned);
            assert_eq!((names(&Waiting(gone.into())), any), (wrong.to_owned(), found));
            assert_eq!(names(&all), left);
        }
        let mut all = queue(&requests[..1]);
        all.choose_pinned(None);
        all.pin_front("x");
        assert!(all.choose_pinned(Some("x")).1);
    }
}
