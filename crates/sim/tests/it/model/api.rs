//! What a client says to a server and hears from it: requests, answers, and everything that the API
//! shows of a stream.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use watershed_wire::jetstream::ack::AckSubject;
use watershed_wire::time::UnixNanos;

use super::consumer::{AckPolicy, ConsumerRules, ConsumerView, Delivery, Said, Start};
use super::operation::Operation;
use super::stream::{RENAMED, Retention, Rules, Stream, Told};

/// Whatever answers requests.
pub(crate) trait Server {
    /// Sends a request and waits for its answer. `None` if there is none.
    fn ask(&mut self, subject: &str, body: &str) -> Option<String>;
}

/// What the API shows of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamView {
    rules: Rules,
    first: u64,
    last: u64,
    bytes: u64,
    subjects: u64,
    deleted: u64,
    /// Subject, header block, payload and time by sequence.
    messages: BTreeMap<u64, (String, String, String, String)>,
    pub(crate) consumers: BTreeMap<String, ConsumerView>,
}

impl StreamView {
    /// Whether it holds a message.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        self.messages.contains_key(&sequence)
    }

    /// What it should show.
    pub(crate) fn of(stream: &Stream) -> Self {
        let messages = stream.messages.iter().map(|(sequence, message)| {
            let (subject, payload) = (message.subject.clone(), message.payload.clone());
            let time = UnixNanos(message.time).to_string();
            (*sequence, (subject, message.header.clone(), payload, time))
        });
        let consumers =
            stream.consumers.iter().map(|(name, consumer)| (name.clone(), consumer.view(stream)));
        let count = stream.messages.len() as u64;
        let between = if count == 0 { 0 } else { stream.last - stream.first() + 1 };
        Self {
            rules: stream.rules.clone(),
            first: if stream.last == 0 { 0 } else { stream.first() },
            last: stream.last,
            bytes: stream.bytes(),
            subjects: stream.subjects() as u64,
            deleted: between - count,
            messages: messages.collect(),
            consumers: consumers.collect(),
        }
    }

    /// What a server shows; `None` if the stream is not there.
    pub(crate) fn seen(server: &mut impl Server, name: &str) -> Result<Option<Self>, String> {
        let info = ask(server, &format!("$JS.API.STREAM.INFO.{name}"), "")?;
        match code(&info) {
            Some(10059) => return Ok(None),
            Some(_) => return Err(format!("{name}: {info}")),
            None => {}
        }
        let state = &info["state"];
        let number = |field: &str| state[field].as_u64().unwrap_or(0);
        let mut messages = BTreeMap::new();
        for sequence in number("first_seq").max(1)..=number("last_seq") {
            let subject = format!("$JS.API.STREAM.MSG.GET.{name}");
            let answer = ask(server, &subject, &format!("{{\"seq\":{sequence}}}"))?;
            match code(&answer) {
                Some(10037) => continue,
                Some(_) => return Err(format!("{name} {sequence}: {answer}")),
                None => {}
            }
            let message = &answer["message"];
            let text = |field: &str| message[field].as_str().unwrap_or_default().to_owned();
            let decoded = |field: &str| {
                let bytes = BASE64_STANDARD.decode(text(field)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let shown = (text("subject"), decoded("hdrs"), decoded("data"), text("time"));
            messages.insert(sequence, shown);
        }
        if messages.len() as u64 != number("messages") {
            return Err(format!("{name}: {} messages can be read, and {state}", messages.len()));
        }
        let list = ask(server, &format!("$JS.API.CONSUMER.LIST.{name}"), "")?;
        let all = list["consumers"].as_array().ok_or_else(|| format!("{name}: {list}"))?;
        let consumers = all.iter().map(|info| {
            (info["name"].as_str().unwrap_or_default().to_owned(), consumer_view(info))
        });
        Ok(Some(Self {
            rules: rules(&info["config"]),
            first: number("first_seq"),
            last: number("last_seq"),
            bytes: number("bytes"),
            subjects: number("num_subjects"),
            deleted: number("num_deleted"),
            messages,
            consumers: consumers.collect(),
        }))
    }

    /// The same without times, which two servers cannot have in common, and without a consumer's
    /// place in its stream, which nats-server counts otherwise: see `docs/differences.md`.
    pub(crate) fn comparable(mut self) -> Self {
        for message in self.messages.values_mut() {
            message.3.clear();
        }
        for consumer in self.consumers.values_mut() {
            consumer.delivered.1 = 0;
            consumer.floor = (0, 0);
        }
        if self.last == 0 {
            self.first = 0;
        }
        self
    }

    /// Where it differs from what it should be.
    pub(crate) fn differs(&self, right: &Self) -> String {
        let mut out = String::new();
        if self.rules != right.rules {
            let _ = writeln!(out, "{:?}, not {:?}", self.rules, right.rules);
        }
        let fields = |view: &Self| (view.first, view.last, view.bytes, view.subjects, view.deleted);
        if fields(self) != fields(right) {
            let (own, right) = (fields(self), fields(right));
            let _ = writeln!(out, "first, last, bytes, subjects, deleted: {own:?}, not {right:?}");
        }
        let keys = self.messages.keys().chain(right.messages.keys());
        for key in keys.collect::<std::collections::BTreeSet<_>>() {
            let (own, right) = (self.messages.get(key), right.messages.get(key));
            if own != right {
                let _ = writeln!(out, "message {key}: {own:?}, not {right:?}");
            }
        }
        let keys = self.consumers.keys().chain(right.consumers.keys());
        for key in keys.collect::<std::collections::BTreeSet<_>>() {
            let (own, right) = (self.consumers.get(key), right.consumers.get(key));
            if own != right {
                let _ = writeln!(out, "consumer {key}: {own:?}, not {right:?}");
            }
        }
        out
    }
}

/// A stream's configuration, of what the model knows.
fn rules(config: &Value) -> Rules {
    let limit = |field: &str| config[field].as_u64().unwrap_or(0);
    let nanos = |field: &str| config[field].as_i64().unwrap_or(0);
    let named = |own: &Retention| config["retention"] == own.name();
    Rules {
        retention: Retention::EVERY.into_iter().find(named).unwrap_or(Retention::Limits),
        max_msgs: limit("max_msgs"),
        max_bytes: limit("max_bytes"),
        max_age: nanos("max_age"),
        max_per_subject: limit("max_msgs_per_subject"),
        discard_new: config["discard"] == "new",
        window: nanos("duplicate_window"),
        renames: config["subject_transform"].is_object(),
        is_async: config["persist_mode"] == "async",
        counts: config["allow_msg_counter"] == true,
    }
}

/// A consumer's configuration, of what the model knows.
fn consumer_rules(config: &Value) -> ConsumerRules {
    let ack = match config["ack_policy"].as_str() {
        Some("explicit") => AckPolicy::Explicit,
        Some("all") => AckPolicy::All,
        _ => AckPolicy::None,
    };
    let acks = ack != AckPolicy::None;
    let limit = |field: &str| config[field].as_u64().filter(|_| acks).unwrap_or(0);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let several = config["filter_subjects"].as_array().into_iter().flatten();
    ConsumerRules {
        ack,
        wait: config["ack_wait"].as_i64().filter(|_| acks).unwrap_or(0),
        max_deliver: limit("max_deliver"),
        start: match config["deliver_policy"].as_str() {
            Some("new") => Start::New,
            Some("last") => Start::Last,
            Some("last_per_subject") => Start::LastPerSubject,
            _ => Start::All,
        },
        max_ack_pending: limit("max_ack_pending"),
        filters: text(&config["filter_subject"])
            .into_iter()
            .chain(several.filter_map(text))
            .collect(),
        push: config["deliver_subject"].is_string(),
    }
}

/// What a reply about a consumer shows.
fn consumer_view(info: &Value) -> ConsumerView {
    let pair = |field: &str| {
        let number = |part: &str| info[field][part].as_u64().unwrap_or(0);
        (number("consumer_seq"), number("stream_seq"))
    };
    let number = |field: &str| info[field].as_u64().unwrap_or(0);
    let paused_until = info["config"]["pause_until"].as_str().map(UnixNanos::parse);
    ConsumerView {
        rules: consumer_rules(&info["config"]),
        paused_until: paused_until.and_then(Result::ok).map_or(0, |until| until.0),
        delivered: pair("delivered"),
        floor: pair("ack_floor"),
        ack_pending: number("num_ack_pending"),
        redelivered: number("num_redelivered"),
        pending: number("num_pending"),
    }
    .leaving_the_start_open()
}

fn ask(server: &mut impl Server, subject: &str, body: &str) -> Result<Value, String> {
    let answer = server.ask(subject, body).ok_or_else(|| format!("{subject}: no answer"))?;
    serde_json::from_str(&answer).map_err(|error| format!("{subject}: {error}: {answer}"))
}

/// The code of an error that a reply tells.
pub(crate) fn code(reply: &Value) -> Option<u64> {
    let error = reply.get("error")?;
    Some(error["err_code"].as_u64().or(error["code"].as_u64()).unwrap_or(0))
}

/// What a publisher is told.
pub(crate) fn told(reply: &Value) -> Told {
    let sequence = reply["seq"].as_u64().unwrap_or(0);
    match code(reply) {
        Some(code) => Told::Refused(code),
        None if reply["duplicate"] == true => Told::Duplicate(sequence),
        None => Told::Stored(sequence),
    }
}

/// A delivery, if a message is one.
pub(crate) fn delivery(subject: &str, reply: Option<&str>, payload: &str) -> Option<Delivery> {
    let reply = reply?;
    let ack = AckSubject::parse(reply.as_bytes())?;
    Some(Delivery {
        stream: ack.stream.to_owned(),
        consumer: ack.consumer.to_owned(),
        subject: subject.to_owned(),
        payload: payload.to_owned(),
        count: ack.deliveries,
        sequence: ack.stream_seq,
        consumer_seq: ack.consumer_seq,
        reply: reply.to_owned(),
    })
}

/// Where a push consumer delivers.
fn target(stream: &str, consumer: &str) -> String {
    format!("d.{stream}.{consumer}")
}

/// An operation as bytes, answered to `reply` where it is answered at all.
pub(crate) fn encode(operation: &Operation, stream: &str, reply: &str) -> String {
    let frame = |subject: &str, reply: &str, body: &str| {
        format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len())
    };
    let api = |call: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        frame(&format!("$JS.API.{call}"), reply, &body)
    };
    match operation {
        Operation::CreateStream(rules) => {
            api(&format!("STREAM.CREATE.{stream}"), &stream_config(stream, rules))
        }
        Operation::UpdateStream(rules) => {
            api(&format!("STREAM.UPDATE.{stream}"), &stream_config(stream, rules))
        }
        Operation::DeleteStream => api(&format!("STREAM.DELETE.{stream}"), &Value::Null),
        Operation::Purge { filter, before, keep } => {
            let mut body = json!({});
            if let Some(filter) = filter {
                body["filter"] = filter.as_str().into();
            }
            for (name, value) in [("seq", *before), ("keep", *keep)] {
                if value > 0 {
                    body[name] = value.into();
                }
            }
            api(&format!("STREAM.PURGE.{stream}"), &body)
        }
        Operation::DeleteMessage(sequence) => {
            api(&format!("STREAM.MSG.DELETE.{stream}"), &json!({ "seq": sequence }))
        }
        Operation::PutConsumer(name, rules) => {
            let config = consumer_config(stream, name, rules);
            let body = json!({ "stream_name": stream, "config": config });
            api(&format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &body)
        }
        Operation::DeleteConsumer(name) => {
            api(&format!("CONSUMER.DELETE.{stream}.{name}"), &Value::Null)
        }
        Operation::PauseConsumer(name, until) => {
            let body = match until {
                0 => Value::Null,
                until => json!({ "pause_until": UnixNanos(*until).to_string() }),
            };
            api(&format!("CONSUMER.PAUSE.{stream}.{name}"), &body)
        }
        Operation::ResetConsumer(name, sequence) => {
            api(&format!("CONSUMER.RESET.{stream}.{name}"), &json!({ "seq": sequence }))
        }
        Operation::Publish(publish) => {
            let (header, payload) = (publish.header(), &publish.payload);
            let reply = &publish.answered_to(reply);
            if header.is_empty() {
                return frame(&publish.subject, reply, payload);
            }
            let (subject, length) = (&publish.subject, header.len());
            let total = length + payload.len();
            format!("HPUB {subject} {reply} {length} {total}\r\n{header}{payload}\r\n")
        }
        Operation::Pull { consumer, batch, expires } => {
            let body = match expires {
                0 => json!({ "batch": batch, "no_wait": true }),
                expires => json!({ "batch": batch, "expires": expires }),
            };
            api(&format!("CONSUMER.MSG.NEXT.{stream}.{consumer}"), &body)
        }
        Operation::Answer { delivery, said, confirm } => {
            frame(&delivery.reply, if *confirm { reply } else { "" }, &answer(said))
        }
        Operation::Wait(_) => String::new(),
    }
}

/// What is said to a delivery, in NATS's words.
fn answer(said: &Said) -> String {
    match said {
        Said::Ack => "+ACK".to_owned(),
        Said::Term => "+TERM".to_owned(),
        Said::Progress => "+WPI".to_owned(),
        Said::Nak(0) => "-NAK".to_owned(),
        Said::Nak(delay) => format!("-NAK {{\"delay\":{delay}}}"),
    }
}

fn stream_config(name: &str, rules: &Rules) -> Value {
    let limit = |limit: u64| if limit == 0 { json!(-1) } else { json!(limit) };
    let mut config = json!({
        "name": name,
        "subjects": [format!("{name}.>")],
        "retention": rules.retention.name(),
        "max_msgs": limit(rules.max_msgs),
        "max_bytes": limit(rules.max_bytes),
        "max_age": rules.max_age,
        "max_msgs_per_subject": limit(rules.max_per_subject),
        "discard": if rules.discard_new { "new" } else { "old" },
        "duplicate_window": rules.window,
        "allow_rollup_hdrs": true,
        "allow_batched": true,
        "allow_msg_ttl": true,
        "storage": "file",
        "compression": if name == "B" { "s2" } else { "none" },
    });
    if rules.renames {
        let [src, dest] = RENAMED.map(|token| format!("{name}.{token}"));
        config["subject_transform"] = json!({"src": src, "dest": dest});
    }
    if rules.is_async {
        config["persist_mode"] = "async".into();
    }
    if rules.counts {
        config["allow_msg_counter"] = true.into();
        config["allow_msg_ttl"] = false.into();
    }
    config
}

fn consumer_config(stream: &str, name: &str, rules: &ConsumerRules) -> Value {
    let mut config = json!({
        "durable_name": name,
        "ack_policy": match rules.ack {
            AckPolicy::Explicit => "explicit",
            AckPolicy::All => "all",
            AckPolicy::None => "none",
        },
        "deliver_policy": match rules.start {
            Start::All => "all",
            Start::New => "new",
            Start::Last => "last",
            Start::LastPerSubject => "last_per_subject",
        },
    });
    if rules.ack != AckPolicy::None {
        config["ack_wait"] = rules.wait.into();
        config["max_deliver"] =
            if rules.max_deliver == 0 { json!(-1) } else { json!(rules.max_deliver) };
        config["max_ack_pending"] = rules.max_ack_pending.into();
    }
    match rules.filters.as_slice() {
        [] => {}
        [one] => config["filter_subject"] = one.as_str().into(),
        several => config["filter_subjects"] = json!(several),
    }
    if rules.push {
        config["deliver_subject"] = target(stream, name).into();
    }
    config
}
