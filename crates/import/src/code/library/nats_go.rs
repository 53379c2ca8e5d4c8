//! nats.go: its package `nats`, and `jetstream`. Durations are `time.Duration`.

use watershed_topology::model::StreamKind;
use watershed_topology::schema::{CONSUMER, KEY_VALUE, OBJECT_STORE, STREAM};
use watershed_topology::source::SourceMap;

use super::{entries, find, taken};
use crate::code::declared::{ConsumerCall, Naming, Of, StreamCall, Verb, What};
use crate::code::evaluate::is_client;
use crate::code::fields::{Library, Taken, Unit};
use crate::code::handler::never_acknowledges;
use crate::code::machine::Seen;
use crate::code::value::{Called, Entry, Given, Value, What as Held};

const NATS_GO: Library = Library {
    name: "nats.go",
    unit: Unit::Nanoseconds,
    refuses: false,
    called: &[
        ("Description", "description"),
        ("Subjects", "subjects"),
        ("Retention", "retention"),
        ("MaxConsumers", "max_consumers"),
        ("MaxMsgs", "max_msgs"),
        ("MaxBytes", "max_bytes"),
        ("Discard", "discard"),
        ("DiscardNewPerSubject", "discard_new_per_subject"),
        ("MaxAge", "max_age"),
        ("MaxMsgsPerSubject", "max_msgs_per_subject"),
        ("MaxMsgSize", "max_msg_size"),
        ("Storage", "storage"),
        ("Replicas", "num_replicas"),
        ("NoAck", "no_ack"),
        ("Duplicates", "duplicate_window"),
        ("Placement", "placement"),
        ("Mirror", "mirror"),
        ("Sources", "sources"),
        ("Sealed", "sealed"),
        ("DenyDelete", "deny_delete"),
        ("DenyPurge", "deny_purge"),
        ("AllowRollup", "allow_rollup_hdrs"),
        ("Compression", "compression"),
        ("FirstSeq", "first_seq"),
        ("SubjectTransform", "subject_transform"),
        ("RePublish", "republish"),
        ("AllowDirect", "allow_direct"),
        ("MirrorDirect", "mirror_direct"),
        ("ConsumerLimits", "consumer_limits"),
        ("Metadata", "metadata"),
        ("AllowMsgTTL", "allow_msg_ttl"),
        ("SubjectDeleteMarkerTTL", "subject_delete_marker_ttl"),
        ("AllowMsgCounter", "allow_msg_counter"),
        ("AllowAtomicPublish", "allow_atomic"),
        ("AllowMsgSchedules", "allow_msg_schedules"),
        ("PersistMode", "persist_mode"),
        // Of consumers.
        ("DeliverPolicy", "deliver_policy"),
        ("OptStartSeq", "opt_start_seq"),
        ("OptStartTime", "opt_start_time"),
        ("AckPolicy", "ack_policy"),
        ("AckWait", "ack_wait"),
        ("MaxDeliver", "max_deliver"),
        ("BackOff", "backoff"),
        ("FilterSubject", "filter_subject"),
        ("FilterSubjects", "filter_subjects"),
        ("ReplayPolicy", "replay_policy"),
        ("RateLimit", "rate_limit_bps"),
        ("SampleFrequency", "sample_freq"),
        ("MaxWaiting", "max_waiting"),
        ("MaxAckPending", "max_ack_pending"),
        ("HeadersOnly", "headers_only"),
        ("MaxRequestBatch", "max_batch"),
        ("MaxRequestExpires", "max_expires"),
        ("MaxRequestMaxBytes", "max_bytes"),
        ("InactiveThreshold", "inactive_threshold"),
        ("MemoryStorage", "mem_storage"),
        ("DeliverSubject", "deliver_subject"),
        ("DeliverGroup", "deliver_group"),
        ("FlowControl", "flow_control"),
        ("Heartbeat", "idle_heartbeat"),
        ("IdleHeartbeat", "idle_heartbeat"),
        ("PauseUntil", "pause_until"),
        ("PriorityPolicy", "priority_policy"),
        ("PinnedTTL", "priority_timeout"),
        ("PriorityGroups", "priority_groups"),
        // Of buckets, and of structures in others.
        ("History", "history"),
        ("TTL", "ttl"),
        ("MaxValueSize", "max_value_size"),
        ("LimitMarkerTTL", "limit_marker_ttl"),
        ("Name", "name"),
        ("Domain", "domain"),
        ("Cluster", "cluster"),
        ("Tags", "tags"),
        ("Source", "src"),
        ("Destination", "dest"),
        ("External", "external"),
        ("APIPrefix", "api"),
        ("DeliverPrefix", "deliver"),
        ("SubjectTransforms", "subject_transforms"),
    ],
};

/// Options of the package `nats`, and the fields that they set.
const OPTIONS: &[(&str, &str)] = &[
    ("Durable", "durable_name"),
    ("ConsumerName", "name"),
    ("Description", "description"),
    ("AckWait", "ack_wait"),
    ("MaxDeliver", "max_deliver"),
    ("MaxAckPending", "max_ack_pending"),
    ("BackOff", "backoff"),
    ("StartSequence", "opt_start_seq"),
    ("RateLimit", "rate_limit_bps"),
    ("DeliverSubject", "deliver_subject"),
    ("IdleHeartbeat", "idle_heartbeat"),
    ("InactiveThreshold", "inactive_threshold"),
    ("ConsumerReplicas", "num_replicas"),
    ("PullMaxWaiting", "max_waiting"),
    ("MaxRequestBatch", "max_batch"),
    ("MaxRequestExpires", "max_expires"),
    ("MaxRequestMaxBytes", "max_bytes"),
];

/// Options without a value, and what they set.
const SWITCHES: &[(&str, &str, &str)] = &[
    ("AckExplicit", "ack_policy", "explicit"),
    ("AckAll", "ack_policy", "all"),
    ("AckNone", "ack_policy", "none"),
    ("DeliverAll", "deliver_policy", "all"),
    ("DeliverNew", "deliver_policy", "new"),
    ("DeliverLast", "deliver_policy", "last"),
    ("DeliverLastPerSubject", "deliver_policy", "last_per_subject"),
    ("ReplayOriginal", "replay_policy", "original"),
    ("ReplayInstant", "replay_policy", "instant"),
    ("EnableFlowControl", "flow_control", ""),
    ("HeadersOnly", "headers_only", ""),
    ("ConsumerMemoryStorage", "mem_storage", ""),
];

/// Messages that a subscription without a callback has room for, which it asks the server to heed.
const CHANNEL: i128 = 65_536;

/// Whether a call of this name may declare something.
pub(in crate::code) fn wants(name: &str) -> bool {
    verb(name).is_some()
        || matches!(
            name,
            "AddConsumer"
                | "CreateConsumer"
                | "CreateOrUpdateConsumer"
                | "UpdateConsumer"
                | "CreateKeyValue"
                | "CreateOrUpdateKeyValue"
                | "UpdateKeyValue"
                | "CreateObjectStore"
                | "CreateOrUpdateObjectStore"
                | "UpdateObjectStore"
                | "Subscribe"
                | "SubscribeSync"
                | "QueueSubscribe"
                | "QueueSubscribeSync"
                | "ChanSubscribe"
                | "PullSubscribe"
                | "Consumer"
                | "Consume"
                | "Publish"
                | "PublishAsync"
                | "PublishMsg"
                | "PublishMsgAsync"
                | "DeleteStream"
                | "PurgeStream"
        )
}

fn verb(name: &str) -> Option<Verb> {
    match name {
        "AddStream" | "CreateStream" => Some(Verb::Add),
        "UpdateStream" => Some(Verb::Update),
        "CreateOrUpdateStream" => Some(Verb::Put),
        _ => None,
    }
}

/// What a call declares.
pub(in crate::code) fn declared(sources: &SourceMap, seen: &Seen) -> Vec<What> {
    let method = seen.callee.last().unwrap_or_default();
    let given = without_context(method, &seen.arguments);
    if let Some(verb) = verb(method) {
        return given.first().map(|one| stream(sources, &one.value, verb)).into_iter().collect();
    }
    match method {
        "AddConsumer" | "CreateConsumer" | "CreateOrUpdateConsumer" | "UpdateConsumer" => {
            consumer(sources, seen, given).into_iter().collect()
        }
        "CreateKeyValue" | "CreateOrUpdateKeyValue" | "UpdateKeyValue" => {
            bucket(sources, given, true).into_iter().collect()
        }
        "CreateObjectStore" | "CreateOrUpdateObjectStore" | "UpdateObjectStore" => {
            bucket(sources, given, false).into_iter().collect()
        }
        "DeleteStream" | "PurgeStream" => {
            let name = Naming::of(given.first().map(|one| &one.value));
            vec![What::Deletes(name, method == "DeleteStream")]
        }
        "Consumer" => reads(seen, given).into_iter().collect(),
        "Consume" => consumed(sources, seen).into_iter().collect(),
        "Publish" | "PublishAsync" | "PublishMsg" | "PublishMsgAsync" => published(seen, given),
        _ => subscribed(sources, seen, method),
    }
}

/// The arguments without a context in front.
fn without_context<'g>(method: &str, given: &'g [Given]) -> &'g [Given] {
    // What the package `jetstream` has alone, and takes a context in each case.
    let always = matches!(
        method,
        "CreateStream"
            | "CreateOrUpdateStream"
            | "CreateConsumer"
            | "CreateOrUpdateConsumer"
            | "Consumer"
            | "CreateOrUpdateKeyValue"
            | "CreateOrUpdateObjectStore"
    );
    let is_context = |given: &Given| {
        let path = match &given.value.what {
            Held::Called(called) => called.callee.path(),
            _ => given.value.path(),
        };
        let path = path.map(|path| path.to_lowercase());
        // A context is never a text, nor a structure.
        path.is_some_and(|path| path.contains("ctx") || path.contains("context"))
            || matches!(given.value.what, Held::Unknown | Held::Name(_))
            || always && matches!(given.value.what, Held::Called(_) | Held::Member(..))
    };
    match given.split_first() {
        Some((first, rest)) if !rest.is_empty() && is_context(first) => rest,
        _ => given,
    }
}

/// The name in a configuration, or the configuration itself if it is not known.
fn name<'v>(all: &'v [Entry], open: Option<&'v Value>, keys: &[&str]) -> Naming {
    let found = keys.iter().find_map(|key| find(all, key));
    Naming::of(found.or(open))
}

fn stream(sources: &SourceMap, config: &Value, verb: Verb) -> What {
    let (all, open) = entries(config);
    let name = name(&all, open.as_ref(), &["Name"]);
    let others = &["Name", "Template"];
    let taken = taken(sources, &NATS_GO, &all, open.as_ref(), STREAM, others);
    What::Stream(StreamCall { name, kind: StreamKind::Stream, taken, verb })
}

fn bucket(sources: &SourceMap, given: &[Given], values: bool) -> Option<What> {
    let (all, open) = entries(&given.first()?.value);
    let name = name(&all, open.as_ref(), &["Bucket"]);
    let table = if values { KEY_VALUE } else { OBJECT_STORE };
    let taken = taken(sources, &NATS_GO, &all, open.as_ref(), table, &["Bucket"]);
    let kind = if values { StreamKind::KeyValue } else { StreamKind::ObjectStore };
    Some(What::Stream(StreamCall { name, kind, taken, verb: Verb::Put }))
}

/// The stream that a value stands for: what a call gave that named it, or made it.
fn stream_of(value: &Value) -> Of {
    let Some(called) = value.called() else { return Of::Named(Naming::Computed(value.clone())) };
    let method = called.callee.last().unwrap_or_default();
    let given = without_context(method, &called.arguments);
    let first = given.first().map(|one| &one.value);
    match (method, first) {
        ("Stream", first) => Of::Named(Naming::of(first)),
        (method, Some(config)) if verb(method).is_some() => {
            let (all, open) = entries(config);
            Of::Named(name(&all, open.as_ref(), &["Name"]))
        }
        _ => Of::Named(Naming::Computed(value.clone())),
    }
}

fn consumer(sources: &SourceMap, seen: &Seen, given: &[Given]) -> Option<What> {
    let (stream, config) = match given {
        [stream, config, ..] => (Of::Named(Naming::of(Some(&stream.value))), &config.value),
        [config] => (stream_of(seen.callee.base()?), &config.value),
        [] => return None,
    };
    let (all, open) = entries(config);
    let old = config.made().is_some_and(|made| made.kind.starts_with("nats."));
    let name = name(&all, open.as_ref(), &["Durable", "Name"]);
    let others = &["Durable", "Name"];
    let mut taken = taken(sources, &NATS_GO, &all, open.as_ref(), CONSUMER, others);
    // The first of the policies is what a configuration has that names none.
    let policy = if old { "none" } else { "explicit" };
    taken.fields.json.entry("ack_policy").or_insert(policy.into());
    let push = (!old).then_some(false);
    Some(What::Consumer(ConsumerCall { stream, name, taken, push, binds: false }))
}

fn reads(seen: &Seen, given: &[Given]) -> Option<What> {
    let (stream, consumer) = match given {
        [stream, consumer, ..] => (Of::Named(Naming::of(Some(&stream.value))), &consumer.value),
        [consumer] => (stream_of(seen.callee.base()?), &consumer.value),
        [] => return None,
    };
    match (stream, Naming::of(Some(consumer))) {
        (Of::Named(Naming::Known(stream)), Naming::Known(consumer)) => {
            Some(What::Reads(stream, consumer))
        }
        _ => None,
    }
}

/// A handler that gets the messages of a consumer, as the package `jetstream` has it: it acknowledges nothing by itself.
fn consumed(sources: &SourceMap, seen: &Seen) -> Option<What> {
    let handler = &seen.arguments.first()?.value;
    let called = seen.callee.base()?.called()?;
    if called.callee.last() != Some("Consumer") || !never_acknowledges(sources, handler) {
        return None;
    }
    let (stream, consumer) = match without_context("Consumer", &called.arguments) {
        [stream, consumer, ..] => (Of::Named(Naming::of(Some(&stream.value))), &consumer.value),
        [consumer] => (stream_of(called.callee.base()?), &consumer.value),
        [] => return None,
    };
    Some(What::Silent(stream, Naming::of(Some(consumer))))
}

fn published(seen: &Seen, given: &[Given]) -> Vec<What> {
    let Some(base) = seen.callee.base().filter(|base| is_client(base)) else { return Vec::new() };
    let subject = given.first().map(|one| match one.value.made() {
        Some(message) => message.get("Subject").cloned(),
        None => Some(one.value.clone()),
    });
    let Some(Some(subject)) = subject else { return Vec::new() };
    vec![What::Publishes(subject, is_jetstream(base))]
}

/// Whether a client is a JetStream context, by its name or by what made it.
fn is_jetstream(value: &Value) -> bool {
    let name = value.last().unwrap_or_default().to_lowercase();
    name.contains("js") || name.contains("jetstream") || name == "new"
}

/// An option such as `nats.Durable("x")`.
fn option(given: &Given) -> Option<(&str, &Called)> {
    let called = given.value.called()?;
    let base = called.callee.base()?.path()?;
    (base == "nats").then(|| Some((called.callee.last()?, called)))?
}

/// A subscription of the package `nats`, on a stream.
fn subscribed(sources: &SourceMap, seen: &Seen, method: &str) -> Vec<What> {
    let options: Vec<(&str, &Called)> = seen.arguments.iter().filter_map(option).collect();
    let base = seen.callee.base();
    if options.is_empty() && !base.is_some_and(is_jetstream) && method != "PullSubscribe" {
        return Vec::new();
    }
    let text = |at: usize| seen.arguments.get(at).map(|one| &one.value);
    let (subject, pull) = (text(0), method == "PullSubscribe");
    let queue = text(1).filter(|_| method.starts_with("Queue"));
    let mut all: Vec<Entry> = Vec::new();
    let mut put = |name: &str, value: Value| {
        all.retain(|entry: &Entry| *entry.name != *name);
        all.push(Entry { name: name.into(), name_span: value.span, value });
    };
    if let Some(durable) = text(1).filter(|one| pull && one.text() != Some("")) {
        put("durable_name", durable.clone());
    }
    let mut stream = None;
    let mut bound = None;
    for (name, called) in &options {
        let first = called.arguments.first().map(|one| &one.value);
        let switch = SWITCHES.iter().find(|(own, ..)| own == name);
        match (*name, first, switch) {
            ("OrderedConsumer", ..) => return Vec::new(),
            ("BindStream", first, _) => stream = first,
            ("Bind", Some(first), _) => bound = Some((first, called.arguments.get(1))),
            ("StartSequence", Some(first), _) => {
                put("opt_start_seq", first.clone());
                put("deliver_policy", Value::known("by_start_sequence", first.span));
            }
            ("ConsumerFilterSubjects", Some(first), _) => {
                let all = called.arguments.iter().map(|one| one.value.clone()).collect::<Vec<_>>();
                put("filter_subjects", Value::new(Held::List(all.into()), first.span));
            }
            (_, _, Some((_, field, ""))) => put(field, Value::new(Held::Bool(true), seen.span)),
            (_, _, Some((_, field, word))) => put(field, Value::known(word, seen.span)),
            (name, Some(first), None) => {
                if let Some((_, field)) = OPTIONS.iter().find(|(own, _)| *own == name) {
                    put(field, first.clone());
                }
            }
            _ => {}
        }
    }
    if let Some((stream, consumer)) = bound {
        return match (Naming::of(Some(stream)), Naming::of(consumer.map(|one| &one.value))) {
            (Naming::Known(stream), Naming::Known(name)) => vec![What::Reads(stream, name)],
            _ => Vec::new(),
        };
    }
    if let Some(subject) = subject.filter(|one| one.text() != Some("")) {
        put("filter_subject", subject.clone());
    }
    if let Some(queue) = queue {
        put("deliver_group", queue.clone());
    }
    if pull || method.ends_with("Sync") {
        put_missing(&mut all, "max_ack_pending", &Value::new(Held::Int(CHANNEL), seen.span));
    }
    let own = find(&all, "durable_name").or_else(|| find(&all, "name")).or(queue);
    let name = Naming::of(own);
    let stream = match (stream, subject.and_then(Value::text)) {
        (None, Some(subject)) => Of::Storing(vec![subject.to_owned()]),
        (stream, _) => Of::Named(Naming::of(stream.or(subject))),
    };
    let taken = settings(sources, &all);
    let call = ConsumerCall { stream, name, taken, push: Some(!pull), binds: true };
    let mut out = vec![What::Consumer(call)];
    out.extend(silent(sources, &options, seen, &all));
    out
}

/// A callback that acknowledges nothing. Without `ManualAck` the library does when it returns.
fn silent(
    sources: &SourceMap,
    options: &[(&str, &Called)],
    seen: &Seen,
    all: &[Entry],
) -> Option<What> {
    let text = |at: usize| seen.arguments.get(at).map(|one| &one.value);
    let (at, queue) = match seen.callee.last()? {
        "Subscribe" => (1, None),
        "QueueSubscribe" => (2, text(1)),
        _ => return None,
    };
    options.iter().find(|(name, _)| *name == "ManualAck")?;
    let stream = Of::Storing(vec![text(0)?.text()?.to_owned()]);
    let consumer = find(all, "durable_name").or_else(|| find(all, "name")).or(queue);
    never_acknowledges(sources, text(at)?).then(|| What::Silent(stream, Naming::of(consumer)))
}

fn put_missing(all: &mut Vec<Entry>, name: &str, value: &Value) {
    let none = find(all, "ack_policy").and_then(Value::text) == Some("none");
    if find(all, name).is_none() && !none {
        all.push(Entry { name: name.into(), name_span: value.span, value: value.clone() });
    }
}

fn settings(sources: &SourceMap, all: &[Entry]) -> Taken {
    let mut taken = taken(sources, &NATS_GO, all, None, CONSUMER, &["durable_name", "name"]);
    taken.fields.json.entry("ack_policy").or_insert("explicit".into());
    taken
}
