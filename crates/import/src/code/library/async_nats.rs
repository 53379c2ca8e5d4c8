//! async-nats: structures whose rest is a default, durations are `Duration`.

use watershed_topology::model::StreamKind;
use watershed_topology::schema::{CONSUMER, KEY_VALUE, OBJECT_STORE, STREAM};
use watershed_topology::source::SourceMap;

use super::{entries, find, taken};
use crate::code::declared::{ConsumerCall, Naming, Of, StreamCall, Verb, What};
use crate::code::evaluate::is_client;
use crate::code::fields::{Library, Unit};
use crate::code::machine::Seen;
use crate::code::value::{Entry, Value};

const ASYNC_NATS: Library = Library {
    name: "async-nats",
    unit: Unit::Nanoseconds,
    refuses: false,
    called: &[
        ("max_messages", "max_msgs"),
        ("max_messages_per_subject", "max_msgs_per_subject"),
        ("max_message_size", "max_msg_size"),
        ("allow_rollup", "allow_rollup_hdrs"),
        ("first_sequence", "first_seq"),
        ("allow_message_ttl", "allow_msg_ttl"),
        ("allow_atomic_publish", "allow_atomic"),
        ("allow_message_schedules", "allow_msg_schedules"),
        ("allow_message_counter", "allow_msg_counter"),
        ("allow_batch_publish", "allow_batched"),
        ("rate_limit", "rate_limit_bps"),
        ("sample_frequency", "sample_freq"),
        ("memory_storage", "mem_storage"),
        ("source", "src"),
        ("destination", "dest"),
        ("start_sequence", "opt_start_seq"),
        ("start_time", "opt_start_time"),
        ("api_prefix", "api"),
        ("delivery_prefix", "deliver"),
    ],
};

/// The same for buckets.
const BUCKETS: Library = Library {
    called: &[
        ("max_age", "ttl"),
        ("limit_markers", "limit_marker_ttl"),
        ("source", "src"),
        ("destination", "dest"),
    ],
    ..ASYNC_NATS
};

/// Whether a call of this name may declare something.
pub(in crate::code) fn wants(name: &str) -> bool {
    verb(name).is_some()
        || CONSUMERS.contains(&name)
        || matches!(
            name,
            "create_key_value"
                | "create_or_update_key_value"
                | "update_key_value"
                | "create_object_store"
                | "get_consumer"
                | "get_consumer_from_stream"
                | "publish"
                | "publish_with_headers"
                | "delete_stream"
        )
}

const CONSUMERS: &[&str] = &[
    "create_consumer",
    "update_consumer",
    "create_consumer_strict",
    "get_or_create_consumer",
    "create_consumer_on_stream",
    "update_consumer_on_stream",
    "create_consumer_strict_on_stream",
];

fn verb(name: &str) -> Option<Verb> {
    match name {
        "create_stream" | "get_or_create_stream" => Some(Verb::Add),
        "update_stream" => Some(Verb::Update),
        "create_or_update_stream" => Some(Verb::Put),
        _ => None,
    }
}

/// What a call declares.
pub(in crate::code) fn declared(sources: &SourceMap, seen: &Seen) -> Vec<What> {
    let method = seen.callee.last().unwrap_or_default();
    let given = |at: usize| seen.arguments.get(at).map(|one| &one.value);
    let found = match method {
        _ if verb(method).is_some() => {
            given(0).map(|one| stream(sources, one, verb(method).unwrap_or(Verb::Add)))
        }
        "create_key_value" | "create_or_update_key_value" | "update_key_value" => {
            given(0).map(|one| bucket(sources, one, true))
        }
        "delete_stream" => Some(What::Deletes(Naming::of(given(0)), true)),
        "create_object_store" => given(0).map(|one| bucket(sources, one, false)),
        "get_consumer" => {
            let stream = seen.callee.base().map(stream_of);
            reads(stream, given(0))
        }
        "get_consumer_from_stream" => reads(Some(Of::Named(Naming::of(given(1)))), given(0)),
        "publish" | "publish_with_headers" => {
            let base = seen.callee.base().filter(|base| is_client(base));
            base.and_then(|base| Some(What::Publishes(given(0)?.clone(), is_jetstream(base))))
        }
        _ if CONSUMERS.contains(&method) => consumer(sources, seen, method),
        _ => None,
    };
    found.into_iter().collect()
}

fn is_jetstream(value: &Value) -> bool {
    let path = match value.called() {
        Some(called) => called.callee.path(),
        None => value.path(),
    };
    let path = path.unwrap_or_default().to_lowercase();
    let last = path.rsplit('.').next().unwrap_or_default().to_owned();
    last == "js" || last == "context" || path.contains("jetstream")
}

fn stream(sources: &SourceMap, config: &Value, verb: Verb) -> What {
    // A name alone is a configuration too.
    let (all, open) = match config.text() {
        Some(_) => {
            let name = Entry { name: "name".into(), name_span: config.span, value: config.clone() };
            (vec![name], None)
        }
        None => entries(config),
    };
    let name = Naming::of(find(&all, "name").or(open.as_ref()));
    let others = &["name", "template_owner"];
    let taken = taken(sources, &ASYNC_NATS, &all, open.as_ref(), STREAM, others);
    What::Stream(StreamCall { name, kind: StreamKind::Stream, taken, verb })
}

fn bucket(sources: &SourceMap, config: &Value, values: bool) -> What {
    let (all, open) = entries(config);
    let name = Naming::of(find(&all, "bucket").or(open.as_ref()));
    let table = if values { KEY_VALUE } else { OBJECT_STORE };
    let others = &["bucket", "mirror_direct"];
    let taken = taken(sources, &BUCKETS, &all, open.as_ref(), table, others);
    let kind = if values { StreamKind::KeyValue } else { StreamKind::ObjectStore };
    What::Stream(StreamCall { name, kind, taken, verb: Verb::Put })
}

/// The stream that a value stands for: what a call gave that named it, or made it.
fn stream_of(value: &Value) -> Of {
    let Some(called) = value.called() else { return Of::Named(Naming::Computed(value.clone())) };
    let first = called.arguments.first().map(|one| &one.value);
    match (called.callee.last().unwrap_or_default(), first) {
        ("get_stream" | "get_stream_no_info", first) => Of::Named(Naming::of(first)),
        (method, Some(config)) if verb(method).is_some() => {
            if config.text().is_some() {
                return Of::Named(Naming::of(Some(config)));
            }
            let (all, open) = entries(config);
            Of::Named(Naming::of(find(&all, "name").or(open.as_ref())))
        }
        // `.await?`, and what gives an error more to say.
        (_, _) => called
            .callee
            .base()
            .map_or_else(|| Of::Named(Naming::Computed(value.clone())), stream_of),
    }
}

fn reads(stream: Option<Of>, consumer: Option<&Value>) -> Option<What> {
    match (stream?, Naming::of(consumer)) {
        (Of::Named(Naming::Known(stream)), Naming::Known(name)) => Some(What::Reads(stream, name)),
        _ => None,
    }
}

fn consumer(sources: &SourceMap, seen: &Seen, method: &str) -> Option<What> {
    let given = |at: usize| seen.arguments.get(at).map(|one| &one.value);
    let (stream, config) = match method {
        "get_or_create_consumer" => (stream_of(seen.callee.base()?), given(1)?),
        _ if method.ends_with("_on_stream") => (Of::Named(Naming::of(given(1))), given(0)?),
        _ => (stream_of(seen.callee.base()?), given(0)?),
    };
    let (mut all, open) = entries(config);
    let kind = config.made().map(|made| made.kind.as_str()).unwrap_or_default();
    if kind.contains("OrderedConfig") {
        return None;
    }
    begins(&mut all);
    let name = find(&all, "durable_name").or_else(|| find(&all, "name")).or(open.as_ref());
    let name = Naming::of(name);
    let others = &["name", "durable_name"];
    let mut taken = taken(sources, &ASYNC_NATS, &all, open.as_ref(), CONSUMER, others);
    taken.fields.json.entry("ack_policy").or_insert("explicit".into());
    let push = taken.fields.json.contains_key("deliver_subject");
    let binds = method == "get_or_create_consumer";
    Some(What::Consumer(ConsumerCall { stream, name, taken, push: Some(push), binds }))
}

/// Where a consumer begins is a structure with its policy for a name.
fn begins(all: &mut Vec<Entry>) {
    let Some(policy) = all.iter_mut().find(|entry| &*entry.name == "deliver_policy") else {
        return;
    };
    let Some(made) = policy.value.made().cloned() else { return };
    let word = made.kind.rsplit("::").next().unwrap_or_default().to_owned();
    policy.value = Value::known(&word, policy.value.span);
    all.extend(made.fields);
}
