//! From a published message to the outboxes of those who listen, and to what is above.
//!
//! What a publish means above the core is said as data: the capture that stores it, whether an API is
//! addressed, and the same for each account that the message passes on to.

use watershed_base::{AccountId, Now};
use watershed_wire::encode;
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::ident::unique_id;
use watershed_wire::jetstream::asked::traced;
use watershed_wire::jetstream::publish::TRACE_DESTINATION;
use watershed_wire::op::Publish;
use watershed_wire::subject;

use crate::clients::Taken;
use crate::core::Core;
use crate::limits::PASSES_MAX;
use crate::output::{CloseReason, ConnId, Flow, Output};
use crate::passage::{REPLY, REPLY_WAIT, REQUEST_INFO, Waiting};
use crate::published::{Hop, Published};
use crate::router::Capture;
use crate::system::{About, Question};
use crate::trace::{DISABLED, deliver_traced, untraced};
use crate::user::{USER_INFO, describe};

/// Whether a subject will come again.
#[derive(Clone, Copy)]
enum Lookup<'a> {
    /// It will: that of the message.
    Remembered,
    /// It will not: this one.
    Once(&'a [u8]),
}

impl Core {
    /// A client publishes. `Err` if nothing is to be done above.
    #[inline]
    pub fn publish(
        &mut self,
        now: Now,
        conn: ConnId,
        message: &Publish<'_>,
    ) -> Result<Published, Flow> {
        let slot = self.ready_slot(now, conn)?;
        let session = &mut self.clients.sessions[slot];
        session.counts.in_msgs += 1;
        let length = message.header.len() + message.payload.len();
        session.counts.in_bytes += length as u64;
        if message.has_header && !session.options.headers {
            self.close(slot, CloseReason::Protocol);
            return Err(Flow::Close);
        }
        if session.bounds.payload.is_some_and(|most| length > most) {
            self.refuse(slot, "Maximum Payload Violation", CloseReason::Payload);
            return Err(Flow::Close);
        }
        if session.options.pedantic && !subject::is_literal(message.subject) {
            // nats-server says so, and delivers all the same.
            self.clients.send(slot, |out| encode::error(out, "Invalid Publish Subject"));
        }
        if message.has_header
            && let Some(asked) = traced(HeaderBlock(message.header))
        {
            let from = self.mapped_from.take();
            self.begin_trace(slot, message, asked, from.as_deref());
        }
        let session = &mut self.clients.sessions[slot];
        if !session.may_publish(message.subject, now.tick) {
            let subject = String::from_utf8_lossy(message.subject);
            let text = format!("Permissions Violation for Publish to \"{subject}\"");
            self.clients.send(slot, |out| encode::error(out, &text));
            self.trace_refused(&text);
            self.close_overflowed();
            return Err(Flow::Continue);
        }
        let account = session.account;
        if session.options.verbose {
            self.acknowledge(slot);
        }
        let (taken, capture) = self.route(account, Some(slot), message, Lookup::Remembered);
        let mut published = Published {
            account,
            anybody: taken != Taken::Nobody || capture.is_some(),
            congested: taken == Taken::Congested,
            capture,
            api: false,
            passed: false,
        };
        // The server's own subjects are few, and begin alike.
        if message.subject.first() == Some(&b'$') {
            published.api = is_api(message.subject);
            if published.api {
                self.trace_api(message.subject);
            }
        }
        if self.traces_only() {
            // It is not delivered, and the publisher is not told that nobody listens.
            (published.api, published.anybody) = (false, true);
        } else if message.subject.first() == Some(&b'$') {
            published.anybody |= self.answer_user(slot, message);
            published.anybody |= self.ask_shell(account, message);
        }
        if self.shares {
            self.pass_on(account, message);
            published.passed = !self.hops.is_empty();
        }
        Ok(published)
    }

    /// The subject that a message has which a client publishes to `subject`, if it is another one.
    #[inline]
    pub fn mapped(&mut self, now: Now, conn: ConnId, subject: &[u8]) -> Option<Vec<u8>> {
        if self.maps { self.map(now, conn, subject) } else { None }
    }

    #[cold]
    fn map(&mut self, now: Now, conn: ConnId, subject: &[u8]) -> Option<Vec<u8>> {
        let slot = self.ready_slot(now, conn).ok()?;
        let account = self.clients.sessions[slot].account;
        let to = self.accounts[account.index()].mappings.carry(subject, &mut self.random);
        self.mapped_from = to.as_ref().map(|_| subject.to_vec());
        to
    }

    /// The publisher's subscription to the reply subject is told that nobody listens (ADR-22), if it
    /// asked to be. To be called where neither the core nor anything above took a message.
    pub fn nobody_took(&mut self, conn: ConnId, message: &Publish<'_>) {
        let (Some(slot), Some(reply)) = (self.clients.slot(conn), message.reply) else { return };
        if !self.clients.sessions[slot].options.no_responders {
            return;
        }
        let mut header = HeaderWriter::with_status(503, "");
        header.field("Nats-Subject", message.subject);
        let header = header.finish();
        let account = self.clients.sessions[slot].account;
        let message = Publish {
            subject: reply,
            reply: None,
            header: &header,
            payload: b"",
            has_header: true,
        };
        let Self { accounts, clients, .. } = self;
        let matched = accounts[account.index()].router.matched(reply);
        let members = matched.groups.iter().flat_map(|group| &group.members);
        let own = matched
            .plain
            .iter()
            .chain(members)
            .copied()
            .find(|key| clients.subscriptions[*key as usize].slot == slot);
        if let Some(key) = own {
            clients.deliver(key, None, &message);
        }
        self.after_delivery();
    }

    /// Takes the messages that passed on to other accounts with the last publish.
    pub fn take_hops(&mut self) -> Vec<Hop> {
        std::mem::take(&mut self.hops)
    }

    /// Ends what [`Core::take_hops`] began, when what is above has had its word on each. Says
    /// whether anybody took the message in another account.
    pub fn end_hops(&mut self, now: Now, mut hops: Vec<Hop>) -> bool {
        let mut anybody = false;
        for index in (0..hops.len()).rev() {
            let hop = &hops[index];
            let (taken, from) = (hop.anybody, hop.from);
            if !taken
                && hop.asked
                && let Some(reply) = &hop.reply
            {
                // Who asked is told that nobody is there, and not that nobody answered.
                self.replies.take(hop.account, reply, now.tick);
            }
            match from {
                Some(from) => hops[from].anybody |= taken,
                None => anybody |= taken,
            }
        }
        hops.clear();
        self.hops = hops;
        anybody
    }

    /// What is above sends a message to those who listen to `via` in an account. It keeps its own
    /// subject.
    pub fn send(&mut self, account: AccountId, via: &[u8], message: &Publish<'_>) -> Taken {
        if self.traces.awaits(via) {
            return self.stored(via, message);
        }
        if via.starts_with(REPLY)
            && let Some(waiting) = self.replies.take(account, via, self.now.tick)
        {
            // A reply has the subject on which it was waited for; a stored message keeps its own.
            let own = message.subject == via;
            let subject = if own { &waiting.reply } else { message.subject };
            let message = Publish { subject, ..*message };
            return self.send(waiting.account, &waiting.reply, &message);
        }
        let here = self.route(account, None, message, Lookup::Once(via)).0;
        if self.shares { here.max(self.send_elsewhere(account, via, message)) } else { here }
    }

    /// Sends to those in other accounts that import what is sent to `via`.
    #[cold]
    fn send_elsewhere(&mut self, account: AccountId, via: &[u8], message: &Publish<'_>) -> Taken {
        let mut taken = Taken::Nobody;
        for (to, there) in self.accounts[account.index()].passages.importers(via) {
            // A stored message keeps its own subject.
            let subject = if message.subject == via { &there } else { message.subject };
            let message = Publish { subject, ..*message };
            taken = taken.max(self.route(to, None, &message, Lookup::Once(&there)).0);
        }
        taken
    }

    /// What is above publishes a message of its own. Says who wants to store it.
    pub fn publish_own(&mut self, account: AccountId, message: &Publish<'_>) -> Option<Capture> {
        self.route(account, None, message, Lookup::Remembered).1
    }

    /// Whether anybody listens to a subject.
    pub fn listens(&mut self, account: AccountId, subject: &[u8]) -> bool {
        if self.traces.awaits(subject) {
            return true;
        }
        if subject.starts_with(REPLY)
            && let Some(waiting) = self.replies.find(account, subject, self.now.tick)
        {
            let (account, reply) = (waiting.account, waiting.reply.clone());
            return self.listens(account, &reply);
        }
        if !self.accounts[account.index()].router.matched_once(subject).is_empty() {
            return true;
        }
        let importers = self.accounts[account.index()].passages.importers(subject);
        let mut importers = importers.into_iter();
        importers
            .any(|(to, there)| !self.accounts[to.index()].router.matched_once(&there).is_empty())
    }

    /// What is sent in other accounts and reaches those who listen to a valid `filter` in this one: the account,
    /// and a filter there.
    pub fn reached_from(&self, account: AccountId, filter: &[u8]) -> Vec<(AccountId, String)> {
        if !self.shares {
            return Vec::new();
        }
        let Ok(filter) = str::from_utf8(filter) else { return Vec::new() };
        let mut found = Vec::new();
        for (index, other) in (0..).zip(&self.accounts) {
            let to_here = other.passages.messages.iter().filter(|passage| passage.to == account);
            let reaching = to_here.filter(|passage| passage.may_reach(filter));
            let from = AccountId(index);
            found.extend(reaching.map(|passage| (from, passage.transform.source().to_owned())));
        }
        found
    }

    /// Whether anybody listens to a subject, or wants to store what is sent there.
    pub fn hears(&mut self, account: AccountId, subject: &[u8]) -> bool {
        let matched = self.accounts[account.index()].router.matched_once(subject);
        matched.capture.is_some() || !matched.is_empty()
    }

    /// Whether anybody listens to a subject by this very name, not by a wildcard.
    pub fn listens_by_name(&mut self, account: AccountId, subject: &[u8]) -> bool {
        if subject.starts_with(REPLY)
            && let Some(waiting) = self.replies.find(account, subject, self.now.tick)
        {
            let (account, reply) = (waiting.account, waiting.reply.clone());
            return self.listens_by_name(account, &reply);
        }
        let matched = self.accounts[account.index()].router.matched_once(subject);
        let members = matched.groups.iter().flat_map(|group| &group.members);
        let mut all = matched.plain.iter().chain(members);
        all.any(|key| self.clients.filter_of(*key) == Some(subject))
    }

    /// Delivers a message to everybody who listens in `account`. Says who wants to store it.
    #[inline]
    fn route(
        &mut self,
        account: AccountId,
        from: Option<usize>,
        message: &Publish<'_>,
        lookup: Lookup<'_>,
    ) -> (Taken, Option<Capture>) {
        let Self { accounts, clients, random, now, traces, .. } = self;
        clients.now = now.tick;
        let router = &mut accounts[account.index()].router;
        let matched = match lookup {
            Lookup::Remembered => router.matched(message.subject),
            Lookup::Once(via) => router.matched_once(via),
        };
        let capture = matched.capture;
        if matched.is_empty() {
            return (Taken::Nobody, capture);
        }
        let mut choose = |count| random.below(count);
        let taken = match traces.take() {
            None => clients.deliver_all(matched, &mut choose, from, message),
            Some(mut trace) => {
                let taken =
                    deliver_traced(clients, &mut trace, matched, &mut choose, from, message);
                traces.put_back(Some(trace));
                taken
            }
        };
        self.after_delivery();
        (taken, capture)
    }

    /// Ends subscriptions that have had their last message, and connections with too much to read.
    fn after_delivery(&mut self) {
        while let Some(key) = self.clients.take_ended() {
            self.drop_subscription(key);
        }
        self.close_overflowed();
    }

    /// Answers who a client is, if that is what it asks.
    fn answer_user(&mut self, slot: usize, message: &Publish<'_>) -> bool {
        if message.subject != USER_INFO {
            return false;
        }
        let session = &self.clients.sessions[slot];
        let account = session.account;
        let name = &self.accounts[account.index()].name;
        let body = describe(&self.settings.info, self.now, name, session);
        if let Some(reply) = message.reply {
            let answer = Publish {
                subject: reply,
                reply: None,
                header: b"",
                payload: &body,
                has_header: false,
            };
            self.send(account, reply, &answer);
        }
        true
    }

    /// Hands a question to the shell, if that is what is asked: about the server by a user of the system account, about
    /// their own account by others.
    fn ask_shell(&mut self, account: AccountId, message: &Publish<'_>) -> bool {
        let Some(reply) = message.reply else { return false };
        let name = &self.accounts[account.index()].name;
        let asked = if *name == self.settings.system_account {
            About::of(message.subject, self.settings.info.server_id.as_bytes())
        } else {
            About::of_own(message.subject).map(|about| (about, Some(name.as_bytes().into())))
        };
        let Some((about, of)) = asked else { return false };
        if matches!(about, About::Claims(_)) && !self.settings.keeps_claims {
            return false;
        }
        let (reply, payload) = (reply.into(), message.payload.into());
        let question = Question { about, of, account, reply, payload };
        self.clients.outputs.push(Output::Answer(Box::new(question)));
        true
    }

    /// Passes on what was published in `account`. Most servers have nothing to pass on, and a
    /// publish pays for nothing but the question.
    #[cold]
    #[inline(never)]
    fn pass_on(&mut self, account: AccountId, message: &Publish<'_>) {
        if message.subject.starts_with(REPLY) {
            let Some(waiting) = self.replies.take(account, message.subject, self.now.tick) else {
                return;
            };
            let reply = Publish { subject: &waiting.reply, reply: None, ..*message };
            self.arrive(waiting.account, &reply, None);
            return;
        }
        for (to, subject) in self.accounts[account.index()].passages.importers(message.subject) {
            self.trace_passed("se", to, message.subject, &subject);
            let message = Publish { subject: &subject, ..*message };
            self.arrive(to, &message, None);
        }
        self.ask_elsewhere(account, message, None, 0);
    }

    /// A message arrives in another account.
    fn arrive(&mut self, to: AccountId, message: &Publish<'_>, from: Option<usize>) -> usize {
        if self.traces_only() {
            return self.hops.len();
        }
        let trace = self.traces.take();
        let (taken, capture) = self.route(to, None, message, Lookup::Once(message.subject));
        self.traces.put_back(trace);
        self.hops.push(Hop {
            account: to,
            subject: message.subject.into(),
            reply: message.reply.map(Into::into),
            header: message.header.into(),
            capture,
            api: false,
            anybody: taken != Taken::Nobody || capture.is_some(),
            asked: false,
            from,
        });
        self.hops.len() - 1
    }

    /// Sends a request to who answers it in another account.
    fn ask_elsewhere(
        &mut self,
        account: AccountId,
        message: &Publish<'_>,
        from: Option<usize>,
        depth: usize,
    ) {
        if depth == PASSES_MAX {
            return;
        }
        let passages = &self.accounts[account.index()].passages;
        let matching = passages.requests.iter();
        let matching = matching.filter_map(|passage| {
            Some((passage.to, passage.many, passage.transform.carry(message.subject)?))
        });
        let matching: Vec<_> = matching.collect();
        for (to, many, subject) in matching {
            let mappings = &self.accounts[to.index()].mappings;
            let subject = mappings.carry(&subject, &mut self.random).unwrap_or(subject);
            let traced = self.is_traced();
            self.trace_passed("si", to, message.subject, &subject);
            if self.traces_only() {
                continue;
            }
            let without = if traced { untraced(message.header) } else { Vec::new() };
            let mut header =
                HeaderWriter::extending(if traced { &without } else { message.header });
            let info = serde_json::json!({"acc": self.accounts[account.index()].name});
            header.field(REQUEST_INFO, info.to_string().as_bytes());
            if traced {
                header.field(TRACE_DESTINATION, DISABLED);
            }
            let header = header.finish();
            let reply = message.reply.map(|reply| {
                let subject = [REPLY, unique_id(self.secrets.next()).as_bytes()].concat();
                let now = self.now.tick;
                let until = now.after(REPLY_WAIT);
                let waiting = Waiting { asked: to, account, reply: reply.into(), many, until };
                self.replies.expect(subject.clone(), waiting, now);
                subject
            });
            let request = Publish {
                subject: &subject,
                reply: reply.as_deref(),
                header: &header,
                has_header: true,
                payload: message.payload,
            };
            let index = self.arrive(to, &request, from);
            (self.hops[index].api, self.hops[index].asked) = (is_api(&subject), true);
            self.ask_elsewhere(to, &request, Some(index), depth + 1);
        }
    }
}

/// Whether a subject is one of JetStream's own.
fn is_api(subject: &[u8]) -> bool {
    subject.starts_with(b"$JS.")
}
