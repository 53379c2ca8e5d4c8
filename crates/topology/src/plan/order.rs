//! In which order steps run, and what is to go.

use std::collections::BTreeMap;

use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::Retention;

use super::step::{Action, Plan, Step, Target};
use super::{loss, mark, unknown};
use crate::call::Request;
use crate::model::Topology;
use crate::observe::{Observed, ObservedStream};

/// Steps that delete what the topology owns and no longer declares.
pub(super) fn leftovers(topology: &Topology, observed: &Observed, plan: &mut Plan) {
    let owner = Some(topology.name.value.as_str());
    for (name, there) in &observed.streams {
        let declared = topology.stream(name);
        if declared.is_none() && there.owner() == owner {
            plan.steps.push(delete_stream(name, there));
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
            streams.push(delete_stream(stream, there));
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

fn delete_stream(name: &str, there: &ObservedStream) -> Step {
    let foreign = there.consumers.values().filter(|live| live.owner() != there.owner()).count();
    let mut notes = Vec::new();
    if foreign > 0 {
        notes.push(format!("{foreign} of its consumers are not this topology's"));
    }
    Step {
        target: Target::stream(name),
        action: Action::Delete,
        changes: Vec::new(),
        losses: loss::everything(&there.info),
        notes,
        requests: vec![Request::bare(Call::StreamDelete(name))],
    }
}

fn delete_consumer(stream: &str, consumer: &str, there: &ObservedStream) -> Step {
    let info = there.consumers.get(consumer).map(|live| &live.info);
    let interest = there.info.config.retention == Retention::Interest;
    let losses = info.map(|info| loss::position(info, interest)).unwrap_or_default();
    Step {
        target: Target::consumer(stream, consumer),
        action: Action::Delete,
        changes: Vec::new(),
        losses,
        notes: Vec::new(),
        requests: vec![Request::bare(Call::ConsumerDelete { stream, consumer })],
    }
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
    let rank = |step: &Step| match (step.action, step.target.consumer.is_some()) {
        (Action::Update | Action::UpdateLosing, false) if lets_go(step) => 0,
        (Action::Create | Action::Recreate, false) => 1,
        (Action::Update | Action::UpdateLosing, false) => 2,
        (Action::Delete, true) => 3,
        (Action::Update | Action::UpdateLosing | Action::Recreate, true) => 4,
        (Action::Create, true) => 5,
        (Action::Delete, false) => 6,
    };
    // Stable: within a rank the file's own order stays.
    plan.steps.sort_by_key(|step| (rank(step), depths(&step.target.stream)));
}
