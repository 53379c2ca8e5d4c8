//! The declared consumers of a stream against what is there.

use std::collections::BTreeMap;

use watershed_wire::jetstream::change::{consumer_changes, refuse_consumer};
use watershed_wire::jetstream::check::{Bounds, fill_consumer};
use watershed_wire::jetstream::stream::Retention;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};
use watershed_wire::subject::contains;
use watershed_wire::time::UnixNanos;

use super::difference::{changes, json};
use super::live::{self, one_filter};
use super::mark::{mark, marks_of, unmark};
use super::step::{Action, Plan, Step, Target, Work};
use super::unknown::level;
use super::{Names, loss, step, whose};
use crate::migration::{is_keeper, keeper_name, pauses_consumers, position};
use crate::model::{Consumer, Stream, Topology};
use crate::observe::{Observed, ObservedConsumer, ObservedStream};

/// What a declared consumer is to be on the server.
fn desired(
    topology: &Topology,
    consumer: &Consumer,
    stream: &StreamConfig,
    observed: &Observed,
    live: Option<&BTreeMap<String, String>>,
) -> ConsumerConfig {
    let mut config = consumer.config.clone();
    // An account that allows less than the default has another default.
    let limit = observed.account.limits.max_ack_pending;
    if limit > 0 && consumer.places.get("max_ack_pending").is_none() {
        config.max_ack_pending = config.max_ack_pending.min(limit);
    }
    fill_consumer(&mut config, stream, &Bounds::default());
    mark(&mut config.metadata, topology, consumer.protect, observed, live);
    one_filter(&mut config);
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
        let desired = desired(topology, consumer, config, observed, None);
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
    recreate: &Names,
    plan: &mut Plan,
) {
    for consumer in &stream.consumers {
        let name = &consumer.name.value;
        let target = Target::consumer(&stream.name.value, name);
        let live_one = there.consumers.get(name);
        let metadata = live_one.map(|live| &live.info.config.metadata);
        let mut desired = desired(topology, consumer, config, observed, metadata);
        if there.consumers.get(&keeper_name(name)).is_some_and(|one| is_keeper(&one.info.config)) {
            plan.steps.push(go_on(target, &desired, observed));
            continue;
        }
        let Some(live_one) = live_one else {
            plan.steps.push(create(&stream.name.value, &desired));
            continue;
        };
        let mut before = live::consumer(&live_one.info, config);
        level(&mut before, &desired, &live_one.not_understood);
        // A pause is what an operator does, unless the file says it; and then it is a call of its own.
        let until = desired.pause_until.filter(|until| {
            let said = consumer.places.get("pause_until").is_some();
            said && live_one.info.ts < *until && before.pause_until != Some(*until)
        });
        desired.pause_until = before.pause_until;
        let nobodys = live_one.owner().is_none();
        let mut compared = desired.clone();
        if nobodys {
            unmark(&mut compared.metadata);
        }
        let fields = fields(&before, &compared);
        if !whose::note(&target, live_one.owner(), &fields, topology, observed, plan) {
            continue;
        }
        let mut marked = before;
        if nobodys {
            marked.metadata.extend(marks_of(&desired.metadata));
        }
        let change = (!fields.is_empty()).then(|| {
            let change = Change { stream, config, there, live: live_one };
            change.step(target.clone(), &marked, &desired, observed, recreate)
        });
        let adopts = nobodys && observed.server.keeps_metadata();
        let adoption = adopts.then(|| whose::adopt(target.clone(), json(&marked), live_one.seen()));
        whose::push(plan, change, adoption);
        plan.steps
            .extend(until.map(|until| Step { adopts: nobodys, ..pause(&target, live_one, until) }));
    }
}

/// Pauses a consumer that is there.
fn pause(target: &Target, live: &ObservedConsumer, until: UnixNanos) -> Step {
    let seen = Some(live.seen());
    let step = Step::new(target.clone(), Action::Update, Work::Pause(until), seen);
    let change = step::Change {
        field: "pause_until".into(),
        before: json(&live.info.config.pause_until),
        after: json(&until),
    };
    Step { changes: vec![change], ..step }
}

fn fields(before: &ConsumerConfig, after: &ConsumerConfig) -> Vec<&'static str> {
    consumer_changes(before, after).into_iter().map(|(field, _)| field).collect()
}

fn create(stream: &str, desired: &ConsumerConfig) -> Step {
    let target = Target::consumer(stream, &desired.name);
    Step::new(target, Action::Create, Work::Create(json(desired)), None)
}

/// The rest of a replacement that was cut off.
fn go_on(target: Target, after: &ConsumerConfig, observed: &Observed) -> Step {
    let pauses = pauses_consumers(&observed.server.version);
    let work = Work::Replace { pauses, after: json(after) };
    let note = format!(
        "goes on with a migration: its position is kept by `{}`",
        keeper_name(target.consumer.as_deref().unwrap_or_default())
    );
    Step { notes: vec![note], ..Step::new(target, Action::Migrate, work, None) }
}

/// A consumer that is to become another one, and where it is.
struct Change<'a> {
    stream: &'a Stream,
    /// The stream's configuration, as it will be.
    config: &'a StreamConfig,
    there: &'a ObservedStream,
    live: &'a ObservedConsumer,
}

impl Change<'_> {
    fn step(
        &self,
        target: Target,
        before: &ConsumerConfig,
        after: &ConsumerConfig,
        observed: &Observed,
        recreate: &Names,
    ) -> Step {
        let info = &self.live.info;
        let interest = self.config.retention == Retention::Interest;
        let fields = fields(before, after);
        let changes = changes(&fields, &json(before), &json(after));
        if let Some(error) = refuse_consumer(before, after) {
            let why = format!("the server does not change it in place: {error}");
            if !recreate.has(&target) {
                return Step { changes, ..self.replace(target, after, observed, why) };
            }
            let work = Work::Recreate(json(after));
            let step = Step::new(target, Action::Recreate, work, Some(self.live.seen()));
            let losses = loss::position(info, interest);
            return Step { changes, losses, notes: vec![why], ..step };
        }
        let (mut notes, mut losses) = (Vec::new(), Vec::new());
        if fields.iter().any(|field| field.starts_with("filter_subject")) {
            notes.push("messages that it has passed by already are not looked at again".into());
            if interest {
                losses.extend(loss::of_interest(info));
            }
            losses.extend(self.stranded(before));
        }
        losses.extend(loss::of_fewer_deliveries(before, after, info));
        let action = if losses.is_empty() { Action::Update } else { Action::UpdateLosing };
        let fields = fields.into_iter().map(str::to_owned).collect();
        let work = Work::Update { fields, after: json(after) };
        let step = Step::new(target, action, work, Some(self.live.seen()));
        Step { changes, losses, notes, ..step }
    }

    /// Replaces it by one that goes on where it is.
    fn replace(
        &self,
        target: Target,
        after: &ConsumerConfig,
        observed: &Observed,
        why: String,
    ) -> Step {
        let info = &self.live.info;
        let goes_on = match self.config.retention {
            Retention::WorkQueue => {
                "goes on with what is left in the work queue, and gets again what it has \
                                     given up (`max_deliver`)"
                    .to_owned()
            }
            _ => format!("goes on where it is, at {} by now", position(info)),
        };
        let outstanding = info.num_ack_pending;
        let pauses = pauses_consumers(&observed.server.version);
        let drained = if pauses {
            format!(
                "it pauses; what is outstanding ({outstanding} now) and not acknowledged within the time of \
                 --drain is delivered again"
            )
        } else {
            format!(
                "nats-server {} pauses no consumer: what is outstanding then ({outstanding} now) is delivered \
                 again",
                observed.server.version
            )
        };
        let work = Work::Replace { pauses, after: json(after) };
        let step = Step::new(target, Action::Migrate, work, Some(self.live.seen()));
        Step { notes: vec![why, goes_on, drained], ..step }
    }

    /// What nobody takes out of a work queue when a consumer takes less.
    fn stranded(&self, before: &ConsumerConfig) -> Option<String> {
        if self.config.retention != Retention::WorkQueue {
            return None;
        }
        let declared = self.stream.consumers.iter().map(|consumer| &consumer.config);
        let others = self.there.consumers.iter();
        let others = others.filter(|(name, _)| self.stream.consumer(name).is_none());
        let takers: Vec<Vec<&str>> =
            declared.chain(others.map(|(_, live)| &live.info.config)).map(filters).collect();
        let taken = |filter: &&str| {
            let mut all = takers.iter().flatten();
            all.any(|other| contains(other.as_bytes(), filter.as_bytes()))
        };
        if filters(before).iter().all(taken) {
            return None;
        }
        loss::stranded(&self.live.info)
    }
}

/// What a consumer takes.
pub(crate) fn filters(config: &ConsumerConfig) -> Vec<&str> {
    if !config.filter_subjects.is_empty() {
        return config.filter_subjects.iter().map(String::as_str).collect();
    }
    vec![if config.filter_subject.is_empty() { ">" } else { &config.filter_subject }]
}
