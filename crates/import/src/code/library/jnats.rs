//! jnats: builders, in which a number is milliseconds where a `Duration` may stand.

use std::rc::Rc;

use watershed_topology::model::StreamKind;
use watershed_topology::schema::{CONSUMER, KEY_VALUE, OBJECT_STORE, STREAM};
use watershed_topology::source::SourceMap;

use super::{entries, find, taken};
use crate::code::declared::{ConsumerCall, Naming, Of, StreamCall, Verb, What};
use crate::code::evaluate::is_client;
use crate::code::fields::{Library, Taken, Unit};
use crate::code::machine::Seen;
use crate::code::value::{Called, Entry, Given, Made, Value, What as Held};

const JNATS: Library = Library {
    name: "jnats",
    unit: Unit::Milliseconds,
    refuses: false,
    called: &[
        ("retentionPolicy", "retention"),
        ("maxConsumers", "max_consumers"),
        ("maxMessages", "max_msgs"),
        ("maxMessagesPerSubject", "max_msgs_per_subject"),
        ("maxBytes", "max_bytes"),
        ("maxAge", "max_age"),
        ("maxMsgSize", "max_msg_size"),
        ("maximumMessageSize", "max_msg_size"),
        ("storageType", "storage"),
        ("replicas", "num_replicas"),
        ("noAck", "no_ack"),
        ("discardPolicy", "discard"),
        ("discardNewPerSubject", "discard_new_per_subject"),
        ("duplicateWindow", "duplicate_window"),
        ("subjectTransform", "subject_transform"),
        ("allowRollup", "allow_rollup_hdrs"),
        ("allowDirect", "allow_direct"),
        ("mirrorDirect", "mirror_direct"),
        ("denyDelete", "deny_delete"),
        ("denyPurge", "deny_purge"),
        ("firstSequence", "first_seq"),
        ("consumerLimits", "consumer_limits"),
        ("compressionOption", "compression"),
        ("allowMessageTtl", "allow_msg_ttl"),
        ("subjectDeleteMarkerTtl", "subject_delete_marker_ttl"),
        ("allowMessageSchedules", "allow_msg_schedules"),
        ("allowMessageCounter", "allow_msg_counter"),
        ("allowAtomicPublish", "allow_atomic"),
        ("persistMode", "persist_mode"),
        // Of consumers.
        ("deliverPolicy", "deliver_policy"),
        ("deliverSubject", "deliver_subject"),
        ("deliverGroup", "deliver_group"),
        ("startSequence", "opt_start_seq"),
        ("startTime", "opt_start_time"),
        ("ackPolicy", "ack_policy"),
        ("ackWait", "ack_wait"),
        ("replayPolicy", "replay_policy"),
        ("maxDeliver", "max_deliver"),
        ("filterSubject", "filter_subject"),
        ("filterSubjects", "filter_subjects"),
        ("sampleFrequency", "sample_freq"),
        ("rateLimit", "rate_limit_bps"),
        ("maxAckPending", "max_ack_pending"),
        ("idleHeartbeat", "idle_heartbeat"),
        ("maxExpires", "max_expires"),
        ("inactiveThreshold", "inactive_threshold"),
        ("maxPullWaiting", "max_waiting"),
        ("maxBatch", "max_batch"),
        ("numReplicas", "num_replicas"),
        ("memStorage", "mem_storage"),
        ("headersOnly", "headers_only"),
        ("pauseUntil", "pause_until"),
        ("priorityPolicy", "priority_policy"),
        ("priorityGroups", "priority_groups"),
        ("priorityTimeout", "priority_timeout"),
        // Of buckets, and of structures in others.
        ("maxHistoryPerKey", "history"),
        ("maxValueSize", "max_value_size"),
        ("maximumValueSize", "max_value_size"),
        ("maxBucketSize", "max_bytes"),
        ("limitMarker", "limit_marker_ttl"),
        ("sourceName", "name"),
        ("startSeq", "opt_start_seq"),
        ("subjectTransforms", "subject_transforms"),
        ("source", "src"),
        ("destination", "dest"),
        ("api", "api"),
    ],
};

/// Whether a call of this name may declare something.
pub(in crate::code) fn wants(name: &str) -> bool {
    matches!(
        name,
        "addStream"
            | "updateStream"
            | "addOrUpdateConsumer"
            | "createConsumer"
            | "updateConsumer"
            | "createOrUpdateConsumer"
            | "create"
            | "update"
            | "subscribe"
            | "publish"
            | "publishAsync"
            | "getConsumerContext"
            | "deleteStream"
            | "purgeStream"
    )
}

/// What a call declares.
pub(in crate::code) fn declared(sources: &SourceMap, seen: &Seen) -> Vec<What> {
    let method = seen.callee.last().unwrap_or_default();
    let given = |at: usize| seen.arguments.get(at).map(|one| &one.value);
    let found = match method {
        "addStream" => given(0).and_then(|one| stream(sources, one, Verb::Add)),
        "updateStream" => given(0).and_then(|one| stream(sources, one, Verb::Update)),
        "addOrUpdateConsumer" | "createConsumer" | "updateConsumer" | "createOrUpdateConsumer" => {
            consumer(sources, seen)
        }
        "deleteStream" | "purgeStream" => {
            Some(What::Deletes(Naming::of(given(0)), method == "deleteStream"))
        }
        "create" | "update" => given(0).and_then(|one| bucket(sources, one)),
        "subscribe" => subscribed(sources, seen),
        "getConsumerContext" => reads(seen),
        "publish" | "publishAsync" => {
            let base = seen.callee.base().filter(|base| is_client(base));
            base.and_then(|base| Some(What::Publishes(subject(given(0)?)?, is_jetstream(base))))
        }
        _ => None,
    };
    found.into_iter().collect()
}

fn is_jetstream(value: &Value) -> bool {
    let name = value.last().unwrap_or_default().to_lowercase();
    name == "js" || name.contains("jetstream")
}

/// A subject, or that of a message which is built.
fn subject(value: &Value) -> Option<Value> {
    match built(value, "NatsMessage") {
        Some(made) => made.get("subject").cloned(),
        None => Some(value.clone()),
    }
}

/// What a builder of this type made: the arguments of its methods by their names.
fn built(value: &Value, of: &str) -> Option<Made> {
    let mut calls: Vec<&Called> = Vec::new();
    let mut value = value;
    let kind = loop {
        let called = value.called()?;
        let base = called.callee.base()?;
        if called.callee.last() == Some("builder") {
            let kind = base.last()?.to_owned();
            // A builder may be given the name at once.
            calls.push(called);
            break kind;
        }
        calls.push(called);
        value = base;
    };
    if !kind.ends_with(of) {
        return None;
    }
    let mut made = Made { kind, ..Made::default() };
    for called in calls.into_iter().rev() {
        let name = called.callee.last()?;
        let given = &called.arguments;
        let all: Vec<Value> = given.iter().map(|one| inner(&one.value)).collect();
        let span = called.callee.span;
        match (name, all.as_slice()) {
            ("build" | "builder", []) => {}
            ("builder", [name]) => made.set("name", span, name.clone()),
            ("flowControl", [beat]) => {
                made.set("flow_control", span, Value::new(Held::Bool(true), beat.span));
                made.set("idleHeartbeat", span, beat.clone());
            }
            ("addSubjects" | "addSources" | "addSource", more) => {
                let field = if name == "addSubjects" { "subjects" } else { "sources" };
                let before = made.get(field).and_then(Value::items).unwrap_or_default().to_vec();
                let more = more.iter().flat_map(|one| {
                    one.items().map_or_else(|| vec![one.clone()], <[Value]>::to_vec)
                });
                let all: Vec<Value> = before.into_iter().chain(more).collect();
                made.set(field, span, Value::new(Held::List(Rc::new(all)), span));
            }
            ("seal", []) => made.set("sealed", span, Value::new(Held::Bool(true), span)),
            (name, []) => made.set(name, span, Value::new(Held::Bool(true), span)),
            (name, [one]) => made.set(name, span, one.clone()),
            (name, _) => made.set(name, span, Value::new(Held::List(Rc::new(all)), span)),
        }
    }
    Some(made)
}

/// A value with what was built in it.
fn inner(value: &Value) -> Value {
    match built(value, "") {
        Some(made) => Value::new(Held::Made(made.into()), value.span),
        None => value.clone(),
    }
}

/// The entries of a configuration that is built, or that it is not known.
fn configured(value: &Value, of: &str) -> Option<(Vec<Entry>, Option<Value>)> {
    match built(value, of) {
        Some(made) => Some(entries(&Value::new(Held::Made(made.into()), value.span))),
        None if built(value, "").is_some() => None,
        None => Some((Vec::new(), Some(value.clone()))),
    }
}

fn stream(sources: &SourceMap, config: &Value, verb: Verb) -> Option<What> {
    let (all, open) = configured(config, "StreamConfiguration")?;
    let name = Naming::of(find(&all, "name").or(open.as_ref()));
    let others = &["name", "templateOwner"];
    let taken = taken(sources, &JNATS, &all, open.as_ref(), STREAM, others);
    Some(What::Stream(StreamCall { name, kind: StreamKind::Stream, taken, verb }))
}

fn bucket(sources: &SourceMap, config: &Value) -> Option<What> {
    let values = built(config, "KeyValueConfiguration");
    let (kind, table) = match values {
        Some(_) => (StreamKind::KeyValue, KEY_VALUE),
        None => (StreamKind::ObjectStore, OBJECT_STORE),
    };
    let made = values.or_else(|| built(config, "ObjectStoreConfiguration"))?;
    let (all, open) = entries(&Value::new(Held::Made(made.into()), config.span));
    let name = Naming::of(find(&all, "name"));
    let mut taken = taken(sources, &JNATS, &all, open.as_ref(), table, &["name"]);
    if let (StreamKind::ObjectStore, Naming::Known(name)) = (kind, &name) {
        let subjects = ["M", "C"].map(|one| format!("$O.{}.{one}.>", name.value));
        taken.fields.json.insert("subjects".into(), subjects.to_vec().into());
    }
    Some(What::Stream(StreamCall { name, kind, taken, verb: Verb::Put }))
}

fn settings(sources: &SourceMap, all: &[Entry], open: Option<&Value>) -> Taken {
    let mut all = all.to_vec();
    // One filter in a list is one filter.
    if let Some(filters) = all.iter_mut().find(|entry| &*entry.name == "filterSubjects") {
        match (filters.value.items(), &filters.value.what) {
            (Some([one]), _) => {
                filters.name = "filterSubject".into();
                filters.value = one.clone();
            }
            (None, Held::Text(..)) => filters.name = "filterSubject".into(),
            _ => {}
        }
    }
    let others = &["name", "durable"];
    let mut taken = taken(sources, &JNATS, &all, open, CONSUMER, others);
    taken.fields.json.entry("ack_policy").or_insert("explicit".into());
    taken
}

/// The stream that a context is of.
fn stream_of(value: &Value) -> Of {
    let context = value.called().filter(|called| {
        matches!(called.callee.last(), Some("getStreamContext" | "streamContext"))
    });
    match context.and_then(|called| called.arguments.last()) {
        Some(Given { value, .. }) => Of::Named(Naming::of(Some(value))),
        None => Of::Named(Naming::Computed(value.clone())),
    }
}

fn consumer(sources: &SourceMap, seen: &Seen) -> Option<What> {
    let (stream, config) = match seen.arguments.as_slice() {
        [config] => (stream_of(seen.callee.base()?), &config.value),
        [stream, config, ..] => (Of::Named(Naming::of(Some(&stream.value))), &config.value),
        [] => return None,
    };
    let (all, open) = configured(config, "ConsumerConfiguration")?;
    let name = find(&all, "durable").or_else(|| find(&all, "name")).or(open.as_ref());
    let name = Naming::of(name);
    let taken = settings(sources, &all, open.as_ref());
    Some(What::Consumer(ConsumerCall { stream, name, taken, push: None, binds: false }))
}

fn reads(seen: &Seen) -> Option<What> {
    let (stream, consumer) = match seen.arguments.as_slice() {
        [consumer] => (stream_of(seen.callee.base()?), consumer),
        [stream, consumer] => (Of::Named(Naming::of(Some(&stream.value))), consumer),
        _ => return None,
    };
    match (stream, Naming::of(Some(&consumer.value))) {
        (Of::Named(Naming::Known(stream)), Naming::Known(name)) => Some(What::Reads(stream, name)),
        _ => None,
    }
}

/// Whether a value is options of a subscription, and what they are.
fn options(value: &Value) -> Option<(bool, Made)> {
    let pull = built(value, "PullSubscribeOptions").map(|made| (true, made));
    pull.or_else(|| Some((false, built(value, "PushSubscribeOptions")?)))
}

fn subscribed(sources: &SourceMap, seen: &Seen) -> Option<What> {
    let base = seen.callee.base()?;
    let found = seen.arguments.iter().find_map(|one| options(&one.value));
    if found.is_none() && !is_jetstream(base) {
        return None;
    }
    let bound = seen
        .arguments
        .iter()
        .filter_map(|one| one.value.called())
        .find(|called| called.callee.last() == Some("bind"));
    if let Some([stream, name]) = bound.map(|called| called.arguments.as_slice()) {
        let both = (Naming::of(Some(&stream.value)), Naming::of(Some(&name.value)));
        return match both {
            (Naming::Known(stream), Naming::Known(name)) => Some(What::Reads(stream, name)),
            _ => None,
        };
    }
    let (pull, made) = found.unwrap_or_default();
    if matches!(made.get("ordered").map(|one| &one.what), Some(Held::Bool(true))) {
        return None;
    }
    let (mut all, open) = made.get("configuration").map(entries).unwrap_or_default();
    let subject = seen.arguments.first().map(|one| &one.value).filter(|one| one.text() != Some(""));
    // A queue group stands behind the subject.
    let second = seen.arguments.get(1).map(|one| &one.value);
    let queue = second.filter(|one| matches!(one.what, Held::Text(..)));
    let mut put = |name: &str, value: &Value| {
        all.retain(|entry: &Entry| *entry.name != *name);
        all.push(Entry { name: name.into(), name_span: value.span, value: value.clone() });
    };
    for name in ["durable", "name", "deliverSubject", "deliverGroup"] {
        if let Some(value) = made.get(name) {
            put(name, value);
        }
    }
    if let Some(queue) = queue {
        put("deliverGroup", queue);
    }
    if let Some(subject) = subject {
        put("filterSubject", subject);
    }
    let name = Naming::of(find(&all, "durable").or_else(|| find(&all, "name")));
    let stream = match (made.get("stream"), subject.and_then(Value::text)) {
        (None, Some(subject)) => Of::Storing(vec![subject.to_owned()]),
        (stream, _) => Of::Named(Naming::of(stream.or(subject))),
    };
    let taken = settings(sources, &all, open.as_ref());
    Some(What::Consumer(ConsumerCall { stream, name, taken, push: Some(!pull), binds: true }))
}
