//! Where a message goes, told to whoever it asks to be told (ADR-41): `Nats-Trace-Dest`, and `Nats-Trace-Only` for a
//! message that goes nowhere.
//!
//! What becomes of a message happens in one turn, but for storing it: a stream answers when it is on disk. That answer
//! comes to a subject of the trace's own, and goes on from there to whoever waits for it.

use serde_json::{Map, Value, json};
use watershed_base::AccountId;
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::ident::unique_id;
use watershed_wire::jetstream::asked::Traced;
use watershed_wire::jetstream::publish::TRACE_DESTINATION;
use watershed_wire::op::Publish;
use watershed_wire::subject::is_literal;

use crate::clients::{Clients, Taken};
use crate::core::Core;
use crate::router::{Matched, SubKey};
use crate::system::server;
use crate::traces::{STORED, Trace, Waiting};

/// What a message says of a trace that another account may not have.
pub(crate) const DISABLED: &[u8] = b"trace disabled";

impl Core {
    /// What is published from now on in this turn is traced. `from` is its subject before it was mapped.
    pub(crate) fn begin_trace(
        &mut self,
        slot: usize,
        message: &Publish<'_>,
        asked: Traced<'_>,
        from: Option<&[u8]>,
    ) {
        self.traces.current = None;
        // Nobody is told there; one that goes nowhere goes nowhere all the same, as on nats-server.
        if !asked.only && !is_literal(asked.destination) {
            return;
        }
        let session = &self.clients.sessions[slot];
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut came = json!({
            "type": "in", "ts": self.now.wall, "kind": 0, "cid": session.id.number,
            "acc": self.account_name(session.account), "subj": text(from.unwrap_or(message.subject)),
        });
        named(&mut came, &session.about.name);
        let mut events = vec![came];
        if from.is_some() {
            let to = text(message.subject);
            events.push(json!({"type": "sm", "ts": self.now.wall, "to": to}));
        }
        let length = message.header.len() + message.payload.len();
        self.traces.current = Some(Box::new(Trace {
            account: session.account,
            destination: asked.destination.into(),
            only: asked.only,
            request: json!({"header": fields(message.header), "msgsize": length}),
            events,
            bytes: message.header.len(),
        }));
    }

    /// Whether the message of this turn is traced, and goes nowhere.
    pub fn traces_only(&self) -> bool {
        self.traces.current.as_ref().is_some_and(|trace| trace.only)
    }

    /// Whether the message of this turn is traced.
    #[inline]
    pub fn is_traced(&self) -> bool {
        self.traces.is_on()
    }

    /// The message of this turn did not get in.
    pub(crate) fn trace_refused(&mut self, why: &str) {
        if let Some(trace) = &mut self.traces.current {
            trace.events[0]["error"] = why.into();
        }
        self.end_trace();
    }

    /// The message of this turn passes on to another account.
    pub(crate) fn trace_passed(&mut self, kind: &str, to: AccountId, from: &[u8], subject: &[u8]) {
        let account = self.account_name(to).to_owned();
        let mut event = json!({
            "type": kind, "ts": self.now.wall, "acc": account, "to": String::from_utf8_lossy(subject),
        });
        if kind == "si" {
            event["from"] = String::from_utf8_lossy(from).into();
        }
        self.trace(event);
    }

    /// The server's own API is asked.
    pub(crate) fn trace_api(&mut self, subject: &[u8]) {
        let subject = String::from_utf8_lossy(subject);
        let system = self.settings.system_account.clone();
        self.trace(json!({
            "type": "si", "ts": self.now.wall, "acc": system, "from": subject, "to": subject,
        }));
    }

    fn trace(&mut self, event: Value) {
        if let Some(trace) = &mut self.traces.current {
            trace.events.push(event);
        }
    }

    /// A stream stores the message of this turn and answers later: where to. To the publisher, if nothing is traced or
    /// too many traces wait.
    pub fn trace_stored(
        &mut self,
        stream: &str,
        subject: &[u8],
        reply: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        self.trace_stream(stream, subject);
        if !self.traces.has_room() {
            return None;
        }
        let trace = *self.traces.current.take()?;
        let answer = [STORED, unique_id(self.secrets.next()).as_bytes()].concat();
        self.traces.wait(&answer, Waiting { trace, reply: reply.map(Into::into) });
        Some(answer)
    }

    /// A stream takes the message of this turn, and says nothing of it.
    pub fn trace_stream(&mut self, stream: &str, subject: &[u8]) {
        let subject = String::from_utf8_lossy(subject);
        self.trace(
            json!({"type": "js", "ts": self.now.wall, "stream": stream, "subject": subject}),
        );
    }

    /// A stream has answered: the trace is told, and the answer goes on.
    pub(crate) fn stored(&mut self, answer: &[u8], message: &Publish<'_>) -> Taken {
        let Some(Waiting { mut trace, reply }) = self.traces.answered(answer) else {
            return Taken::Nobody;
        };
        let said: Value = serde_json::from_slice(message.payload).unwrap_or_default();
        if let (Some(error), Some(event)) =
            (said["error"]["description"].as_str(), trace.events.last_mut())
        {
            event["error"] = error.into();
        }
        let account = trace.account;
        self.tell_trace(trace);
        let Some(reply) = reply else { return Taken::Yes };
        self.send(account, &reply, &Publish { subject: &reply, ..*message })
    }

    /// All that becomes of the message of this turn has happened, but for what a stream answers.
    pub fn end_trace(&mut self) {
        if let Some(trace) = self.traces.current.take() {
            self.tell_trace(*trace);
        }
    }

    fn tell_trace(&mut self, trace: Trace) {
        let Trace { account, destination, request, events, .. } = trace;
        if !is_literal(&destination) {
            return;
        }
        let server = server(&self.settings.info, self.now.wall);
        let told = json!({"server": server, "request": request, "events": events}).to_string();
        let message = Publish {
            subject: &destination,
            reply: None,
            header: b"",
            payload: told.as_bytes(),
            has_header: false,
        };
        self.send(account, &destination, &message);
    }
}

/// Delivers a message to all of `matched`, one of each group, and tells the trace who gets it.
pub(crate) fn deliver_traced(
    clients: &mut Clients,
    trace: &mut Trace,
    matched: &Matched,
    choose: &mut impl FnMut(usize) -> usize,
    from: Option<usize>,
    message: &Publish<'_>,
) -> Taken {
    let only = trace.only;
    let now = trace.events[0]["ts"].clone();
    let mut all = Taken::Nobody;
    let mut deliver = |clients: &mut Clients, key: SubKey| {
        let taken = if only { Taken::Yes } else { clients.deliver(key, from, message) };
        if taken != Taken::Nobody {
            trace.events.push(egress(clients, key, &now));
        }
        all = all.max(taken);
        taken != Taken::Nobody
    };
    for key in &matched.plain {
        deliver(clients, *key);
    }
    for group in &matched.groups {
        let (before, after) = group.members.split_at(choose(group.members.len()));
        let _ = after.iter().chain(before).any(|key| deliver(clients, *key));
    }
    all
}

/// That a subscription gets a message.
fn egress(clients: &Clients, key: SubKey, now: &Value) -> Value {
    let subscription = &clients.subscriptions[key as usize];
    let session = &clients.sessions[subscription.slot];
    let mut event = json!({
        "type": "eg", "ts": now, "kind": 0, "cid": session.id.number,
        "sub": String::from_utf8_lossy(&subscription.filter),
    });
    named(&mut event, &session.about.name);
    if let Some(queue) = &subscription.queue {
        event["queue"] = String::from_utf8_lossy(queue).into();
    }
    event
}

fn named(event: &mut Value, name: &str) {
    if !name.is_empty() {
        event["name"] = name.into();
    }
}

/// The fields of a header block: names, and the values of each.
fn fields(header: &[u8]) -> Value {
    let mut all = Map::new();
    for (name, value) in HeaderBlock(header).fields() {
        let value = String::from_utf8_lossy(value).into_owned();
        let values = all.entry(String::from_utf8_lossy(name)).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value.into());
        }
    }
    Value::Object(all)
}

/// A header block without what asks for a trace. Another account may not tell it: it gets [`DISABLED`] instead.
pub(crate) fn untraced(header: &[u8]) -> Vec<u8> {
    let mut block = HeaderWriter::new();
    let kept = |name: &[u8]| name != TRACE_DESTINATION.as_bytes();
    for (name, value) in HeaderBlock(header).fields().filter(|(name, _)| kept(name)) {
        block.field(&String::from_utf8_lossy(name), value);
    }
    block.finish()
}
