//! nats-py: durations are seconds, a consumer acknowledges explicitly unless it is told otherwise.

use watershed_topology::diagnostic::{Diagnostic, Severity};
use watershed_topology::model::StreamKind;
use watershed_topology::schema::{CONSUMER, KEY_VALUE, OBJECT_STORE, STREAM};
use watershed_topology::source::SourceMap;

use super::{Arguments, entries, find, taken};
use crate::code::declared::{ConsumerCall, Naming, Of, StreamCall, Verb, What};
use crate::code::evaluate::is_client;
use crate::code::fields::{Library, Unit};
use crate::code::handler::never_acknowledges;
use crate::code::machine::Seen;
use crate::code::value::{Entry, Value};

const NATS_PY: Library =
    Library { name: "nats-py", unit: Unit::Seconds, refuses: true, called: &[("#0", "name")] };

/// The same for buckets, whose fields have other names.
const BUCKETS: Library =
    Library { called: &[("replicas", "num_replicas"), ("direct", "allow_direct")], ..NATS_PY };

/// Whether a call of this name may declare something.
pub(in crate::code) fn wants(name: &str) -> bool {
    matches!(
        name,
        "add_stream"
            | "update_stream"
            | "add_consumer"
            | "subscribe"
            | "pull_subscribe"
            | "subscriber"
            | "pull_subscribe_bind"
            | "subscribe_bind"
            | "create_key_value"
            | "create_object_store"
            | "publish"
            | "publish_async"
            | "delete_stream"
            | "purge_stream"
    )
}

/// The order of the arguments of `subscribe`.
const SUBSCRIBE: &[&str] = &[
    "subject",
    "queue",
    "cb",
    "durable",
    "stream",
    "config",
    "manual_ack",
    "ordered_consumer",
    "idle_heartbeat",
    "flow_control",
    "pending_msgs_limit",
    "pending_bytes_limit",
    "deliver_policy",
    "headers_only",
    "inactive_threshold",
];

/// Arguments that only JetStream has.
const OWN: &[&str] = &[
    "durable",
    "stream",
    "config",
    "manual_ack",
    "ordered_consumer",
    "idle_heartbeat",
    "flow_control",
    "deliver_policy",
];

/// What a call declares.
pub(in crate::code) fn declared(sources: &SourceMap, seen: &Seen) -> Vec<What> {
    let method = seen.callee.last().unwrap_or_default();
    let given = &seen.arguments;
    match method {
        "add_stream" => vec![stream(sources, seen, Verb::Add)],
        "update_stream" => vec![stream(sources, seen, Verb::Update)],
        "add_consumer" => vec![consumer(sources, seen)],
        "create_key_value" => vec![bucket(sources, seen, true)],
        "create_object_store" => vec![bucket(sources, seen, false)],
        "pull_subscribe" => {
            pulls(sources, &Arguments::new(given, &["subject", "durable", "stream", "config"]))
        }
        "subscribe" => {
            let arguments = Arguments::new(given, SUBSCRIBE);
            if is_jetstream(seen) || arguments.any(OWN) {
                return pushes(sources, &arguments, seen);
            }
            Vec::new()
        }
        "subscriber" => {
            streamed(sources, &Arguments::new(given, &["subject", "queue"])).into_iter().collect()
        }
        "delete_stream" | "purge_stream" => {
            let name = Naming::of(Arguments::new(given, &["name"]).get("name"));
            vec![What::Deletes(name, method == "delete_stream")]
        }
        "pull_subscribe_bind" | "subscribe_bind" => {
            let arguments = Arguments::new(given, &["consumer", "stream"]);
            let name = arguments.get("durable").or(arguments.get("consumer"));
            match (Naming::of(arguments.get("stream")), Naming::of(name)) {
                (Naming::Known(stream), Naming::Known(name)) => vec![What::Reads(stream, name)],
                _ => Vec::new(),
            }
        }
        "publish" | "publish_async" => {
            let arguments = Arguments::new(given, &["subject"]);
            let client = seen.callee.base().is_some_and(is_client);
            match arguments.get("subject") {
                Some(subject) if client => {
                    vec![What::Publishes(subject.clone(), is_jetstream(seen))]
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// Whether a call is one of a JetStream context, by its name or by what made it.
fn is_jetstream(seen: &Seen) -> bool {
    let Some(base) = seen.callee.base() else { return false };
    let name = base.last().unwrap_or_default().to_lowercase();
    name.trim_matches('_') == "js" || name.contains("jetstream") || name.ends_with("_js")
}

/// A configuration that is given as `config`, or as arguments, or as both.
fn configured(arguments: &Arguments<'_>) -> (Vec<Entry>, Option<Value>) {
    let (mut all, mut open) = arguments.get("config").map(entries).unwrap_or_default();
    let (others, more) = arguments.others();
    for one in others {
        all.retain(|entry| entry.name != one.name);
        all.push(one);
    }
    open = open.or_else(|| more.cloned());
    (all, open)
}

fn stream(sources: &SourceMap, seen: &Seen, verb: Verb) -> What {
    let arguments = Arguments::new(&seen.arguments, &["config"]);
    let (entries, open) = configured(&arguments);
    let name = find(&entries, "name").or_else(|| find(&entries, "#0")).or(open.as_ref());
    let name = Naming::of(name);
    let others = &["name", "#0", "template_owner"];
    let taken = taken(sources, &NATS_PY, &entries, open.as_ref(), STREAM, others);
    What::Stream(StreamCall { name, kind: StreamKind::Stream, taken, verb })
}

fn bucket(sources: &SourceMap, seen: &Seen, values: bool) -> What {
    let order: &[&str] = if values { &["config"] } else { &["bucket", "config"] };
    let arguments = Arguments::new(&seen.arguments, order);
    let (entries, open) = configured(&arguments);
    let name = arguments.get("bucket").or_else(|| find(&entries, "bucket"));
    let name = Naming::of(name.or_else(|| find(&entries, "#0")).or(open.as_ref()));
    let table = if values { KEY_VALUE } else { OBJECT_STORE };
    let mut taken = taken(sources, &BUCKETS, &entries, open.as_ref(), table, &["bucket", "#0"]);
    let json = &mut taken.fields.json;
    if values {
        json.entry("allow_direct").or_insert(false.into());
        json.insert("allow_msg_ttl".into(), true.into());
    }
    let kind = if values { StreamKind::KeyValue } else { StreamKind::ObjectStore };
    What::Stream(StreamCall { name, kind, taken, verb: Verb::Add })
}

/// What is read of a consumer, with what the library sends of its own.
fn settings(
    sources: &SourceMap,
    entries: &[Entry],
    open: Option<&Value>,
) -> crate::code::fields::Taken {
    let others = &["name", "durable_name", "#0"];
    let mut taken = taken(sources, &NATS_PY, entries, open, CONSUMER, others);
    taken.fields.json.entry("ack_policy").or_insert("explicit".into());
    taken
}

fn consumer(sources: &SourceMap, seen: &Seen) -> What {
    let arguments = Arguments::new(&seen.arguments, &["stream", "config", "timeout"]);
    let (entries, open) = configured(&arguments);
    let name = find(&entries, "durable_name").or_else(|| find(&entries, "name"));
    let name = Naming::of(name.or(open.as_ref()));
    let taken = settings(sources, &entries, open.as_ref());
    let stream = Of::Named(Naming::of(arguments.get("stream")));
    What::Consumer(ConsumerCall { stream, name, taken, push: None, binds: false })
}

/// Fields that `subscribe` and `pull_subscribe` set in the configuration that they are given.
fn put(entries: &mut Vec<Entry>, name: &str, value: &Value) {
    entries.retain(|entry| *entry.name != *name);
    entries.push(Entry { name: name.into(), name_span: value.span, value: value.clone() });
}

/// The stream that is named, or the one that stores the subject.
fn stream_of(arguments: &Arguments<'_>) -> Of {
    match (arguments.get("stream"), arguments.get("subject").and_then(Value::text)) {
        (None, Some(subject)) => Of::Storing(vec![subject.to_owned()]),
        (stream, _) => Of::Named(Naming::of(stream.or(arguments.get("subject")))),
    }
}

fn pulls(sources: &SourceMap, arguments: &Arguments<'_>) -> Vec<What> {
    let (mut all, open) = arguments.get("config").map(entries).unwrap_or_default();
    if let Some(subject) = arguments.get("subject")
        && find(&all, "filter_subjects").is_none()
    {
        put(&mut all, "filter_subject", subject);
    }
    let name = Naming::of(arguments.get("durable"));
    let taken = settings(sources, &all, open.as_ref());
    let stream = stream_of(arguments);
    let call = ConsumerCall { stream, name, taken, push: Some(false), binds: true };
    vec![What::Consumer(call)]
}

fn pushes(sources: &SourceMap, arguments: &Arguments<'_>, seen: &Seen) -> Vec<What> {
    if arguments.is_true("ordered_consumer") {
        return Vec::new();
    }
    let (queue, durable) = (arguments.get("queue"), arguments.get("durable"));
    if let Some(found) = refused(queue, durable, seen) {
        return vec![What::Said(found)];
    }
    let (mut all, open) = arguments.get("config").map(entries).unwrap_or_default();
    let own = find(&all, "durable_name").cloned();
    let mut out = Vec::new();
    out.extend(looked_up(queue, own.as_ref(), seen).map(What::Said));
    if let Some(subject) = arguments.get("subject")
        && find(&all, "filter_subjects").is_none()
    {
        put(&mut all, "filter_subject", subject);
    }
    if let Some(queue) = queue
        && find(&all, "deliver_group").is_none()
    {
        put(&mut all, "deliver_group", queue);
    }
    for name in ["headers_only", "deliver_policy", "inactive_threshold", "idle_heartbeat"] {
        if let Some(value) = arguments.get(name) {
            put(&mut all, name, value);
        }
    }
    // Whatever the configuration says, this is what the argument says.
    all.retain(|entry| &*entry.name != "flow_control");
    if let Some(value) = arguments.get("flow_control") {
        put(&mut all, "flow_control", value);
    }
    // The configuration's own name counts where there is one.
    let name = Naming::of(own.as_ref().or(durable).or(queue));
    let taken = settings(sources, &all, open.as_ref());
    let stream = stream_of(arguments);
    out.push(What::Consumer(ConsumerCall { stream, name, taken, push: Some(true), binds: true }));
    // Without `manual_ack` the library acknowledges when a callback returns.
    let callback = arguments.get("cb").filter(|_| arguments.is_true("manual_ack"));
    if callback.is_some_and(|callback| never_acknowledges(sources, callback)) {
        let name = Naming::of(own.as_ref().or(durable).or(queue));
        out.push(What::Silent(stream_of(arguments), name));
    }
    out
}

/// A subscriber of FastStream, which hands it over to this library. Of a stream, it is a consumer.
fn streamed(sources: &SourceMap, arguments: &Arguments<'_>) -> Option<What> {
    let stream = arguments.get("stream")?;
    let own = stream.made().and_then(|made| made.get("name").or(made.get("#0")));
    let (mut all, open) = arguments.get("config").map(entries).unwrap_or_default();
    let durable = find(&all, "durable_name").cloned();
    let pull = arguments.get("pull_sub").is_some();
    let queue = arguments.get("queue").filter(|_| !pull);
    let name = arguments.get("durable").or(durable.as_ref()).or(queue).cloned();
    for (field, value) in [("filter_subject", arguments.get("subject")), ("deliver_group", queue)] {
        if let Some(value) = value {
            put(&mut all, field, value);
        }
    }
    let taken = settings(sources, &all, open.as_ref());
    let stream = Of::Named(Naming::of(own.or(Some(stream))));
    let name = Naming::of(name.as_ref());
    Some(What::Consumer(ConsumerCall { stream, name, taken, push: Some(!pull), binds: true }))
}

/// A queue group and another durable name, which the library refuses.
fn refused(queue: Option<&Value>, durable: Option<&Value>, seen: &Seen) -> Option<Diagnostic> {
    let (queue, durable) = (queue?.text()?, durable?.text()?);
    if queue == durable {
        return None;
    }
    let message = format!(
        "nats-py takes the queue group `{queue}` for the durable name too, and refuses another one beside it: `{durable}`"
    );
    let found = Diagnostic::new("I020", Severity::Error, seen.span, message);
    Some(found.fix(format!("write `queue=\"{durable}\"`, or leave `durable` out")))
}

/// A queue group, and another durable name in the configuration: the library looks for a consumer
/// that is called like the group, and makes the other one again for each client.
fn looked_up(queue: Option<&Value>, own: Option<&Value>, seen: &Seen) -> Option<Diagnostic> {
    let (queue, own) = (queue?.text()?, own?.text()?);
    if queue == own {
        return None;
    }
    let message = format!(
        "nats-py looks for a consumer `{queue}`, as the queue group is called, and makes `{own}` again: a second client is refused with 10013"
    );
    let found = Diagnostic::new("I020", Severity::Error, seen.span, message);
    Some(found.fix(format!("write `queue=\"{own}\"`")))
}
