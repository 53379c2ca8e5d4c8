//! The declared consumers of a stream against what is there.

use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::change::{consumer_changes, refuse_consumer};
use watershed_wire::jetstream::check::{Bounds, fill_consumer};
use watershed_wire::jetstream::consumer::{ConsumerInfo, CreateAction, CreateRequest};
use watershed_wire::jetstream::stream::Retention;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

use super::difference::{changes, json, merged};
use super::loss;
use super::mark::{mark, unmark, unreserved};
use super::step::{Action, Plan, Refusal, Step, Target};
use super::unknown::level;
use crate::call::Request;
use crate::model::{Consumer, Stream, Topology};
use crate::observe::{Observed, ObservedConsumer, ObservedStream};

/// What a declared consumer is to be on the server.
fn desired(
    topology: &Topology,
    consumer: &Consumer,
    stream: &StreamConfig,
    observed: &Observed,
) -> ConsumerConfig {
    let mut config = consumer.config.clone();
    // An account that allows less than the default has another default.
    let limit = observed.account.limits.max_ack_pending;
    if limit > 0 && consumer.places.get("max_ack_pending").is_none() {
        config.max_ack_pending = config.max_ack_pending.min(limit);
    }
    fill_consumer(&mut config, stream, &Bounds::default());
    mark(&mut config.metadata, topology, consumer.protect, observed);
    config
}

/// A live configuration, comparable.
fn live(info: &ConsumerInfo, stream: &StreamConfig) -> ConsumerConfig {
    let mut config = info.config.clone();
    fill_consumer(&mut config, stream, &Bounds::default());
    unreserved(&mut config.metadata);
    // One filter may be said in two ways.
    if let [only] = config.filter_subjects.as_slice()
        && config.filter_subject.is_empty()
    {
        config.filter_subject.clone_from(only);
        config.filter_subjects.clear();
    }
    config
}

/// Steps for all consumers of a stream that is to be made.
pub(super) fn new_ones(
    topology: &Topology,
    stream: &Stream,
    config: &StreamConfig,
    observed: &Observed,
    plan: &mut Plan,
) {
    for consumer in &stream.consumers {
        let desired = desired(topology, consumer, config, observed);
        plan.steps.push(create(&stream.name.value, &desired));
    }
}

/// Steps for the consumers of a stream that is there.
pub(super) fn compare_all(
    topology: &Topology,
    stream: &Stream,
    config: &StreamConfig,
    there: &ObservedStream,
    observed: &Observed,
    plan: &mut Plan,
) {
    for consumer in &stream.consumers {
        let target = Target::consumer(&stream.name.value, &consumer.name.value);
        let mut desired = desired(topology, consumer, config, observed);
        if let [only] = desired.filter_subjects.as_slice() {
            desired.filter_subject.clone_from(only);
            desired.filter_subjects.clear();
        }
        let Some(live_one) = there.consumers.get(&consumer.name.value) else {
            plan.steps.push(create(&stream.name.value, &desired));
            continue;
        };
        let mut before = live(&live_one.info, config);
        level(&mut before, &desired, &live_one.not_understood);
        let owner = live_one.owner();
        let mut compared = desired.clone();
        if owner.is_none() {
            unmark(&mut compared.metadata);
        }
        let fields: Vec<&str> =
            consumer_changes(&before, &compared).into_iter().map(|(field, _)| field).collect();
        let refuse = |reason: String| Refusal { target: target.clone(), reason, for_safety: true };
        match owner {
            _ if owner == Some(&topology.name.value) && fields.is_empty() => {
                plan.unchanged.push(target);
            }
            None if fields.is_empty() => plan.unmanaged.push(target),
            Some(owner) if owner != topology.name.value => {
                plan.refused.push(refuse(format!("it belongs to the topology `{owner}`")));
            }
            None => plan.refused.push(refuse(format!(
                "it is there, unmanaged, and differs in {}: taking it over is not built yet; make \
                 the file say what is there, or delete the consumer",
                fields.join(", ")
            ))),
            Some(_) => {
                let interest = config.retention == Retention::Interest;
                plan.steps.push(change(target, &before, &desired, &fields, live_one, interest));
            }
        }
    }
}

fn create_request(stream: &str, config: &serde_json::Value, action: CreateAction) -> Request {
    let name = config.get("durable_name").and_then(serde_json::Value::as_str).unwrap_or_default();
    let call = Call::ConsumerCreateDurable { stream, consumer: name };
    let mut request =
        json(&CreateRequest { stream_name: stream.to_owned(), action, ..CreateRequest::default() });
    // The configuration as it is, with the fields that this program does not know.
    if let Some(object) = request.as_object_mut() {
        object.insert("config".into(), config.clone());
    }
    Request::new(call, &request)
}

fn create(stream: &str, desired: &ConsumerConfig) -> Step {
    Step {
        target: Target::consumer(stream, &desired.name),
        action: Action::Create,
        changes: Vec::new(),
        losses: Vec::new(),
        notes: Vec::new(),
        requests: vec![create_request(stream, &json(desired), CreateAction::Create)],
    }
}

fn change(
    target: Target,
    before: &ConsumerConfig,
    after: &ConsumerConfig,
    fields: &[&str],
    live: &ObservedConsumer,
    interest: bool,
) -> Step {
    let info = &live.info;
    let changes = changes(fields, &json(before), &json(after));
    let stream = target.stream.clone();
    if let Some(error) = refuse_consumer(before, after) {
        let delete = Call::ConsumerDelete { stream: &stream, consumer: &after.name };
        return Step {
            target,
            action: Action::Recreate,
            changes,
            losses: loss::position(info, interest),
            notes: vec![format!("the server does not change it in place: {error}")],
            requests: vec![
                Request::bare(delete),
                create_request(&stream, &json(after), CreateAction::Create),
            ],
        };
    }
    let (mut notes, mut losses) = (Vec::new(), Vec::new());
    if fields.iter().any(|field| field.starts_with("filter_subject")) {
        notes.push("messages that it has passed by already are not looked at again".into());
        if interest {
            losses.extend(loss::of_interest(info));
        }
    }
    let action = if losses.is_empty() { Action::Update } else { Action::UpdateLosing };
    let body = merged(&live.config, &json(after), fields);
    let requests = vec![create_request(&stream, &body, CreateAction::Update)];
    Step { target, action, changes, losses, notes, requests }
}
