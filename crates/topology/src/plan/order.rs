//! In which order steps run, and what is to go.

use std::collections::BTreeMap;

use watershed_wire::jetstream::stream::Retention;
use watershed_wire::subject::overlaps;

use super::consumer::filters;
use super::migrate::is_renamed;
use super::step::{Action, Plan, Refusal, Step, Target, Work};
use super::{handing, loss, mark, unknown};
use crate::model::Topology;
use crate::observe::{Observed, ObservedConsumer, ObservedStream, PROOF};

/// Steps that delete what the topology owns and no longer declares.
pub(super) fn leftovers(topology: &Topology, observed: &Observed, plan: &mut Plan) {
    let owner = Some(topology.name.value.as_str());
    for (name, there) in &observed.streams {
        let declared = topology.stream(name);
        if let Some(proven) = there.info.config.metadata.get(PROOF)
            && there.info.state.last_seq == 0
            && topology.stream(proven).is_some()
        {
            let target = Target::stream(name);
            let step = Step::new(target, Action::Clear, Work::Delete, Some(there.seen()));
            let note = format!("a run that was cut off has left it behind: it proved `{proven}`");
            plan.steps.push(Step { notes: vec![note], ..step });
            continue;
        }
        if declared.is_none() && is_renamed(topology, name, observed) {
            continue; // its consumers go along
        }
        if declared.is_none() && there.owner() == owner {
            plan.steps.push(delete_stream(
                name,
                &topology.name.value,
                there,
                observed,
                |other, live| topology.stream(other).is_none() && live.owner() == owner,
            ));
            continue;
        }
        let target = Target::stream(name);
        let made_again = |step: &Step| step.target == target && step.action == Action::Recreate;
        if plan.steps.iter().any(made_again) {
            continue; // its consumers go with it
        }
        for (consumer, live) in &there.consumers {
            let wanted = declared.is_some_and(|stream| stream.consumer(consumer).is_some());
            if live.owner() == owner && !wanted {
                plan.steps.push(delete_consumer(name, consumer, there));
            }
        }
    }
}

/// What it takes to remove everything that the topology `name` owns, in reverse.
pub fn destroy(name: &str, observed: &Observed) -> Plan {
    let mut plan = Plan { topology: name.to_owned(), ..Plan::default() };
    let owner = Some(name);
    let mut streams = Vec::new();
    for (stream, there) in &observed.streams {
        if there.owner() == owner {
            let goes = |_: &str, live: &ObservedStream| live.owner() == owner;
            streams.push(delete_stream(stream, name, there, observed, goes));
            continue;
        }
        let own = there.consumers.iter().filter(|(_, live)| live.owner() == owner);
        plan.steps.extend(own.map(|(consumer, _)| delete_consumer(stream, consumer, there)));
    }
    // Copies before what they copy.
    let depths = depths(|stream| {
        let there = observed.streams.get(stream);
        there.map(|there| origins(&there.info.config)).unwrap_or_default()
    });
    streams.sort_by_key(|step| std::cmp::Reverse(depths(&step.target.stream)));
    plan.steps.extend(streams);
    mark::guard(None, observed, &mut plan);
    unknown::guard(None, observed, &mut plan);
    plan
}

/// Deletes a stream of `owner`; others that go with it are told by `goes`.
fn delete_stream(
    name: &str,
    owner: &str,
    there: &ObservedStream,
    observed: &Observed,
    goes: impl Fn(&str, &ObservedStream) -> bool,
) -> Step {
    let step = Step::new(Target::stream(name), Action::Delete, Work::Delete, Some(there.seen()));
    let copies = observed.streams.iter().filter(|(copy, other)| {
        !goes(copy, other) && origins(&other.info.config).iter().any(|origin| origin == name)
    });
    let notes = copies.map(|(copy, _)| format!("`{copy}` copies it, and will get nothing more"));
    Step {
        losses: loss::everything(&there.info),
        notes: notes.collect(),
        takes: there.takes(name, owner),
        ..step
    }
}

fn delete_consumer(stream: &str, consumer: &str, there: &ObservedStream) -> Step {
    let live = there.consumers.get(consumer);
    let interest = there.info.config.retention == Retention::Interest;
    let losses = live.map(|live| loss::position(&live.info, interest)).unwrap_or_default();
    let target = Target::consumer(stream, consumer);
    let seen = live.map(ObservedConsumer::seen);
    Step { losses, ..Step::new(target, Action::Delete, Work::Delete, seen) }
}

fn origins(config: &watershed_wire::jetstream::StreamConfig) -> Vec<String> {
    config.mirror.iter().chain(&config.sources).map(|source| source.name.clone()).collect()
}

/// How many streams must be there before one can be: longest chain of origins, circles cut.
fn depths<'a>(origins: impl Fn(&str) -> Vec<String> + 'a) -> impl Fn(&str) -> usize + 'a {
    fn depth(
        stream: &str,
        origins: &impl Fn(&str) -> Vec<String>,
        known: &mut BTreeMap<String, usize>,
    ) -> usize {
        if let Some(depth) = known.get(stream) {
            return *depth;
        }
        known.insert(stream.to_owned(), 0); // a circle ends here
        let deepest = origins(stream).iter().map(|origin| depth(origin, origins, known) + 1).max();
        let own = deepest.unwrap_or(0);
        known.insert(stream.to_owned(), own);
        own
    }
    move |stream| depth(stream, &origins, &mut BTreeMap::new())
}

/// Puts the steps into the order in which the server takes them: subjects are let go before they
/// are claimed, origins come before copies, streams before consumers, and what goes, goes last but
/// for consumers, whose filters others may need.
pub(super) fn sort(topology: &Topology, observed: &Observed, plan: &mut Plan) {
    let depths = depths(|stream| {
        topology.stream(stream).map(|stream| origins(&stream.config)).unwrap_or_default()
    });
    let lets_go = |step: &Step| {
        let live = observed.streams.get(&step.target.stream);
        let declared = topology.stream(&step.target.stream);
        let (Some(live), Some(declared)) = (live, declared) else { return false };
        live.info.config.subjects.iter().any(|own| !declared.config.subjects.contains(own))
    };
    let hands = |step: &Step| {
        step.target.consumer.is_none() && handing::gives(&step.target.stream, topology, observed)
    };
    let migrated: Vec<Target> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Migrate)
        .map(|step| step.target.clone())
        .collect();
    let rank = |step: &Step| match (step.action, step.target.consumer.is_some()) {
        (Action::Adopt | Action::Release, _) => -1,
        // What is kept of a stream makes room for it.
        (Action::Drop, false) if migrated.contains(&step.target) => -1,
        // What goes from a stream goes first.
        (Action::Update | Action::UpdateLosing, false) if hands(step) => 3,
        (Action::Update | Action::UpdateLosing, false) if lets_go(step) => 0,
        (Action::Create | Action::Recreate, false) => 1,
        (Action::Update | Action::UpdateLosing | Action::Migrate | Action::Revert, false) => 2,
        (Action::Delete | Action::Clear | Action::Drop, true) => 3,
        (
            Action::Update
            | Action::UpdateLosing
            | Action::Migrate
            | Action::Revert
            | Action::Recreate,
            true,
        ) => 4,
        (Action::Create, true) => 5,
        (Action::Delete | Action::Clear | Action::Drop, false) => 6,
    };
    // Stable: within a rank the file's own order stays.
    plan.steps.sort_by_key(|step| (rank(step), depths(&step.target.stream)));
}

/// Puts changes of filters in a work queue into an order in which no two consumers ever take the same
/// (10100); those for which there is none are refused.
pub(super) fn untangle(topology: &Topology, observed: &Observed, plan: &mut Plan) {
    for (name, there) in &observed.streams {
        if there.info.config.retention != Retention::WorkQueue || topology.stream(name).is_none() {
            continue;
        }
        let changes = |step: &Step| step.target.stream == *name && new_filters(step).is_some();
        let Some(place) = plan.steps.iter().position(changes) else { continue };
        let steps = std::mem::take(&mut plan.steps);
        let (mut waiting, others): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(changes);
        plan.steps = others;
        // What each takes at this point of the run.
        let mut taken: BTreeMap<String, Vec<String>> = there
            .consumers
            .iter()
            .map(|(name, live)| {
                let own = filters(&live.info.config);
                (name.clone(), own.into_iter().map(str::to_owned).collect())
            })
            .collect();
        let deleted = plan.steps.iter().filter(|step| step.action == Action::Delete);
        for gone in deleted.filter(|step| step.target.stream == *name) {
            taken.remove(gone.target.consumer.as_deref().unwrap_or_default());
        }
        let mut ordered = Vec::new();
        while let Some(index) = waiting.iter().position(|step| is_free(step, &taken)) {
            let step = waiting.remove(index);
            let consumer = step.target.consumer.clone().unwrap_or_default();
            taken.insert(consumer, new_filters(&step).unwrap_or_default());
            ordered.push(step);
        }
        plan.steps.splice(place..place, ordered);
        plan.refused.extend(waiting.into_iter().map(|step| Refusal {
            reason: "its new filter takes what another consumer of this work queue takes now, and \
                     would not be let go of before (10100): apply the filters in two steps, the first \
                     of which lets go"
                .into(),
            target: step.target,
            for_safety: false,
        }));
    }
}

/// The filters that a step gives a consumer, where it changes them in place.
fn new_filters(step: &Step) -> Option<Vec<String>> {
    let Work::Update { fields, after } = &step.work else { return None };
    step.target.consumer.as_ref()?;
    if !fields.iter().any(|field| field.starts_with("filter_subject")) {
        return None;
    }
    let config = serde_json::from_value(after.clone()).ok()?;
    Some(filters(&config).into_iter().map(str::to_owned).collect())
}

/// Whether nobody else takes what the step's consumer is to take.
fn is_free(step: &Step, taken: &BTreeMap<String, Vec<String>>) -> bool {
    let own = new_filters(step).unwrap_or_default();
    let others = taken.iter().filter(|(name, _)| step.target.consumer.as_ref() != Some(*name));
    let mut others = others.flat_map(|(_, filters)| filters);
    !others.any(|other| own.iter().any(|own| overlaps(own.as_bytes(), other.as_bytes())))
}
