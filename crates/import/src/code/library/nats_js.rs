//! @nats-io/jetstream, kv and obj, and the `nats` of before: fields have the API's names, durations
//! are nanoseconds.

use watershed_topology::model::StreamKind;
use watershed_topology::schema::{CONSUMER, KEY_VALUE, OBJECT_STORE, STREAM};
use watershed_topology::source::SourceMap;

use super::{entries, find, taken};
use crate::code::declared::{ConsumerCall, Naming, Of, StreamCall, Verb, What};
use crate::code::evaluate::is_client;
use crate::code::fields::{Library, Taken, Unit};
use crate::code::machine::Seen;
use crate::code::value::{Entry, Given, Value, What as Held};

const NATS_JS: Library =
    Library { name: "nats.js", unit: Unit::Nanoseconds, refuses: false, called: &[] };

/// The same for buckets, whose durations are milliseconds.
const BUCKETS: Library = Library {
    unit: Unit::Milliseconds,
    called: &[
        ("replicas", "num_replicas"),
        ("maxValueSize", "max_value_size"),
        ("maxBucketSize", "max_bytes"),
        ("markerTTL", "limit_marker_ttl"),
    ],
    ..NATS_JS
};

/// The same for object stores.
const OBJECTS: Library = Library { called: &[("replicas", "num_replicas")], ..NATS_JS };

/// Methods of the options of the `nats` of before, and the fields that they set.
const OPTIONS: &[(&str, &str)] = &[
    ("durable", "durable_name"),
    ("consumerName", "name"),
    ("deliverTo", "deliver_subject"),
    ("deliverGroup", "deliver_group"),
    ("queue", "deliver_group"),
    ("description", "description"),
    ("maxDeliver", "max_deliver"),
    ("maxAckPending", "max_ack_pending"),
    ("maxWaiting", "max_waiting"),
    ("filterSubject", "filter_subject"),
    ("sample", "sample_freq"),
    ("limit", "rate_limit_bps"),
    ("numReplicas", "num_replicas"),
];

/// Those that take milliseconds.
const TIMES: &[(&str, &str)] = &[
    ("ackWait", "ack_wait"),
    ("idleHeartbeat", "idle_heartbeat"),
    ("inactiveEphemeralThreshold", "inactive_threshold"),
    ("maxPullRequestExpires", "max_expires"),
];

/// Those without a value, and what they set.
const SWITCHES: &[(&str, &str, &str)] = &[
    ("ackExplicit", "ack_policy", "explicit"),
    ("ackAll", "ack_policy", "all"),
    ("ackNone", "ack_policy", "none"),
    ("deliverAll", "deliver_policy", "all"),
    ("deliverNew", "deliver_policy", "new"),
    ("deliverLast", "deliver_policy", "last"),
    ("deliverLastPerSubject", "deliver_policy", "last_per_subject"),
    ("replayInstantly", "replay_policy", "instant"),
    ("replayOriginal", "replay_policy", "original"),
    ("flowControl", "flow_control", ""),
    ("headersOnly", "headers_only", ""),
    ("memory", "mem_storage", ""),
];

/// Parts of the names that people give to what makes object stores; `obj` is one by itself.
const OBJECT_STORES: &[&str] = &["objm", "objectstore", "objstore", "objmanager"];

/// Whether a call of this name may declare something.
pub(in crate::code) fn wants(name: &str) -> bool {
    matches!(
        name,
        "add"
            | "update"
            | "get"
            | "create"
            | "kv"
            | "os"
            | "publish"
            | "subscribe"
            | "pullSubscribe"
            | "delete"
            | "purge"
    )
}

/// What a call declares.
pub(in crate::code) fn declared(sources: &SourceMap, seen: &Seen) -> Vec<What> {
    let method = seen.callee.last().unwrap_or_default();
    let Some(base) = seen.callee.base() else { return Vec::new() };
    let on = base.last().unwrap_or_default();
    let given = |at: usize| seen.arguments.get(at).map(|one| &one.value);
    match (on, method) {
        ("streams", "add") => given(0).map(|one| stream(sources, one)).into_iter().collect(),
        ("streams", "update") => changed(sources, seen).into_iter().collect(),
        ("streams", "delete" | "purge") => {
            vec![What::Deletes(Naming::of(given(0)), method == "delete")]
        }
        ("consumers", "add") => consumer(sources, &seen.arguments, 1).into_iter().collect(),
        ("consumers", "update") => consumer(sources, &seen.arguments, 2).into_iter().collect(),
        ("consumers", "get") => match (Naming::of(given(0)), Naming::of(given(1))) {
            (Naming::Known(stream), Naming::Known(name)) => vec![What::Reads(stream, name)],
            _ => Vec::new(),
        },
        // The first argument is a name.
        (_, "create") if given(0).is_some_and(|one| one.made().is_some()) => Vec::new(),
        (_, "create") if is_bucket(base, &["kv"], "kv") => vec![bucket(sources, seen, true)],
        (_, "create") if is_bucket(base, OBJECT_STORES, "obj") => {
            vec![bucket(sources, seen, false)]
        }
        ("views", "kv") => vec![bucket(sources, seen, true)],
        ("views", "os") => vec![bucket(sources, seen, false)],
        (_, "publish") if is_client(base) => {
            let js = is_jetstream(base);
            given(0).map(|subject| What::Publishes(subject.clone(), js)).into_iter().collect()
        }
        (_, "subscribe" | "pullSubscribe") => {
            subscribed(sources, seen, base, method == "pullSubscribe")
        }
        _ => Vec::new(),
    }
}

/// Whether something makes buckets: a `new Kvm(nc)`, or a name that says so.
fn is_bucket(value: &Value, parts: &[&str], whole: &str) -> bool {
    let name = value.last().unwrap_or_default().to_lowercase().replace('_', "");
    name == whole || parts.iter().any(|part| name.contains(part))
}

fn is_jetstream(value: &Value) -> bool {
    let name = value.last().unwrap_or_default().to_lowercase();
    name.trim_matches('_') == "js" || name.contains("jetstream") || name == "jsclient"
}

fn stream(sources: &SourceMap, config: &Value) -> What {
    let (all, open) = entries(config);
    let name = Naming::of(find(&all, "name").or(open.as_ref()));
    let taken = taken(sources, &NATS_JS, &all, open.as_ref(), STREAM, &["name"]);
    What::Stream(StreamCall { name, kind: StreamKind::Stream, taken, verb: Verb::Add })
}

/// An update says what changes: the library adds the rest.
fn changed(sources: &SourceMap, seen: &Seen) -> Option<What> {
    let [first, rest @ ..] = seen.arguments.as_slice() else { return None };
    let config = &rest.first().unwrap_or(first).value;
    let (all, open) = entries(config);
    let own = find(&all, "name").or(open.as_ref());
    let name = Naming::of(if rest.is_empty() { own } else { Some(&first.value) });
    let taken = taken(sources, &NATS_JS, &all, open.as_ref(), STREAM, &["name"]);
    Some(What::Stream(StreamCall { name, kind: StreamKind::Stream, taken, verb: Verb::Change }))
}

fn consumer(sources: &SourceMap, given: &[Given], at: usize) -> Option<What> {
    let (stream, config) = (given.first()?, &given.get(at)?.value);
    let (all, open) = entries(config);
    let own = find(&all, "durable_name").or_else(|| find(&all, "name")).or(open.as_ref());
    let name = if at == 2 { given.get(1).map(|one| &one.value) } else { own };
    let others = &["name", "durable_name"];
    let taken = taken(sources, &NATS_JS, &all, open.as_ref(), CONSUMER, others);
    let stream = Of::Named(Naming::of(Some(&stream.value)));
    let name = Naming::of(name);
    Some(What::Consumer(ConsumerCall { stream, name, taken, push: None, binds: at == 2 }))
}

fn bucket(sources: &SourceMap, seen: &Seen, values: bool) -> What {
    let given = |at: usize| seen.arguments.get(at).map(|one| &one.value);
    let (mut all, open) = given(1).map(entries).unwrap_or_default();
    let others = ["codec", "timeout", "streamName", "bindOnly", "allowBatched"];
    all.retain(|entry| !others.contains(&&*entry.name));
    let (library, table) = if values { (&BUCKETS, KEY_VALUE) } else { (&OBJECTS, OBJECT_STORE) };
    let mut taken = taken(sources, library, &all, open.as_ref(), table, &[]);
    if values {
        taken.fields.json.insert("deny_delete".into(), false.into());
    }
    let kind = if values { StreamKind::KeyValue } else { StreamKind::ObjectStore };
    What::Stream(StreamCall { name: Naming::of(given(0)), kind, taken, verb: Verb::Put })
}

/// A subscription of the `nats` of before.
fn subscribed(sources: &SourceMap, seen: &Seen, base: &Value, pull: bool) -> Vec<What> {
    if !is_jetstream(base) {
        return Vec::new();
    }
    let subject = seen.arguments.first().map(|one| &one.value);
    let options = seen.arguments.get(1).map(|one| &one.value);
    let (mut all, mut stream, mut bound) = (Vec::new(), None, None);
    let mut open = None;
    match options {
        Some(value) if value.made().is_some() => {
            let (own, more) = entries(value);
            stream = find(&own, "stream").cloned();
            let (config, inner) = find(&own, "config").map(entries).unwrap_or_default();
            open = more.or(inner);
            all = config;
        }
        Some(value) => match chained(value) {
            Some(calls) => {
                for (name, given) in calls {
                    let first = given.first().map(|one| &one.value);
                    match (name, first) {
                        ("orderedConsumer", _) => return Vec::new(),
                        ("bindStream", first) => stream = first.cloned(),
                        ("bind", Some(first)) => bound = Some((first, given.get(1))),
                        (name, first) => option(&mut all, name, first, value),
                    }
                }
            }
            None => open = Some(value.clone()),
        },
        None => {}
    }
    if let Some((stream, consumer)) = bound {
        return match (Naming::of(Some(stream)), Naming::of(consumer.map(|one| &one.value))) {
            (Naming::Known(stream), Naming::Known(name)) => vec![What::Reads(stream, name)],
            _ => Vec::new(),
        };
    }
    if let Some(subject) = subject.filter(|_| find(&all, "filter_subjects").is_none()) {
        put(&mut all, "filter_subject", subject.clone());
    }
    // A subject that is made for the subscription.
    all.retain(|entry| {
        let made_up = entry.value.last().is_some_and(|one| one == "createInbox");
        &*entry.name != "deliver_subject" || !made_up
    });
    let name = Naming::of(find(&all, "durable_name").or_else(|| find(&all, "name")));
    let stream = match (stream, subject.and_then(Value::text)) {
        (None, Some(subject)) => Of::Storing(vec![subject.to_owned()]),
        (stream, _) => Of::Named(Naming::of(stream.as_ref().or(subject))),
    };
    let taken = settings(sources, &all, open.as_ref());
    vec![What::Consumer(ConsumerCall { stream, name, taken, push: Some(!pull), binds: true })]
}

fn settings(sources: &SourceMap, all: &[Entry], open: Option<&Value>) -> Taken {
    taken(sources, &NATS_JS, all, open, CONSUMER, &["name", "durable_name"])
}

fn put(all: &mut Vec<Entry>, name: &str, value: Value) {
    all.retain(|entry| *entry.name != *name);
    all.push(Entry { name: name.into(), name_span: value.span, value });
}

/// An option of the builder.
fn option(all: &mut Vec<Entry>, name: &str, first: Option<&Value>, on: &Value) {
    let named = |table: &'static [(&str, &str)]| {
        table.iter().find(|(own, _)| *own == name).map(|(_, field)| *field)
    };
    if let (Some(field), Some(value)) = (named(OPTIONS), first) {
        put(all, field, value.clone());
    } else if let (Some(field), Some(value)) = (named(TIMES), first) {
        let nanos = match value.what {
            Held::Int(millis) => Held::Duration(millis.saturating_mul(1_000_000)),
            _ => value.what.clone(),
        };
        put(all, field, Value::new(nanos, value.span));
    } else if let Some((_, field, word)) = SWITCHES.iter().find(|(own, ..)| *own == name) {
        let value = if word.is_empty() {
            Value::new(Held::Bool(true), on.span)
        } else {
            Value::known(word, on.span)
        };
        put(all, field, value);
    } else if let ("startSequence", Some(value)) = (name, first) {
        put(all, "opt_start_seq", value.clone());
        put(all, "deliver_policy", Value::known("by_start_sequence", value.span));
    }
}

/// The calls of a builder, first to last. `None` if a value is none.
fn chained(value: &Value) -> Option<Vec<(&str, &[Given])>> {
    let mut all = Vec::new();
    let mut value = value;
    loop {
        let called = value.called()?;
        let name = called.callee.last()?;
        if name == "consumerOpts" {
            all.reverse();
            return Some(all);
        }
        all.push((name, called.arguments.as_slice()));
        value = called.callee.base()?;
    }
}
