//! One declared stream against what is there.

use std::collections::BTreeMap;

use watershed_wire::jetstream::change::{refuse_stream, stream_changes};
use watershed_wire::jetstream::check::{Bounds, fill_stream};
use watershed_wire::jetstream::stream::StreamConfig;

use super::difference::{changes, json};
use super::mark::{mark, marks_of, unmark};
use super::step::{Action, Plan, Refusal, Step, Target, Work};
use super::unknown::level;
use super::{Names, Ways, consumer, handing, live, loss, migrate, whose};
use crate::model::{Stream, Topology};
use crate::observe::{Observed, ObservedStream};

/// What a declared stream is to be on the server: as declared, with the owner's mark.
fn desired(
    topology: &Topology,
    stream: &Stream,
    observed: &Observed,
    live: Option<&BTreeMap<String, String>>,
) -> StreamConfig {
    let mut config = stream.config.clone();
    fill_stream(&mut config, &Bounds::default());
    mark(&mut config.metadata, topology, stream.protect, observed, live);
    config
}

/// Levels what servers of different versions fill in differently, where the file says nothing: for a
/// stream with sources, old ones remember message ids as for any other, new ones do not.
fn forgive(before: &mut StreamConfig, desired: &StreamConfig, first_seq: u64) {
    // It says where to begin, and is there no longer where a stream is its own copy.
    if before.first_seq == 0 && first_seq >= desired.first_seq {
        before.first_seq = desired.first_seq;
    }
    if desired.duplicate_window == 0 {
        let mut plain = StreamConfig { max_age: before.max_age, ..StreamConfig::default() };
        fill_stream(&mut plain, &Bounds::default());
        if before.duplicate_window == plain.duplicate_window {
            before.duplicate_window = 0;
        }
    }
}

pub(super) fn compare(
    topology: &Topology,
    stream: &Stream,
    observed: &Observed,
    ways: &Ways,
    plan: &mut Plan,
) {
    let name = &stream.name.value;
    let target = Target::stream(name);
    let there = observed.streams.get(name);
    let metadata = there.map(|there| &there.info.config.metadata);
    let desired = desired(topology, stream, observed, metadata);
    if migrate::go_on(topology, stream, &desired, observed, ways, plan) {
        return;
    }
    // What goes from it goes first.
    if there.is_some() && handing::is_under_way(name, topology, observed) {
        return;
    }
    if let Some(reason) = alone(&desired, observed) {
        plan.refused.push(Refusal { target, reason, for_safety: false });
        return;
    }
    let was_there =
        stream.was.as_ref().is_some_and(|was| observed.streams.contains_key(&was.value));
    if !was_there && handing::plan(topology, stream, &desired, observed, plan) {
        return;
    }
    if let Some(reason) = taken(name, &desired, topology, observed) {
        plan.refused.push(Refusal { target, reason, for_safety: true });
        return;
    }
    if migrate::rename(topology, stream, &desired, observed, plan) {
        return;
    }
    let Some(there) = there else {
        plan.steps.push(create(target, &desired, observed));
        consumer::new_ones(topology, stream, &desired, observed, plan);
        return;
    };
    let mut before = live::stream(&there.info);
    forgive(&mut before, &desired, there.info.state.first_seq);
    let gives = handing::gives(name, topology, observed);
    if gives {
        before.subjects = handing::subjects_after(name, topology, observed);
    }
    level(&mut before, &desired, &there.not_understood);
    let nobodys = there.owner().is_none();
    let mut compared = desired.clone();
    if nobodys {
        unmark(&mut compared.metadata);
    }
    let fields = fields(&before, &compared);
    if !whose::note(&target, there.owner(), &fields, topology, observed, plan) {
        return;
    }
    let mut marked = before;
    if nobodys {
        marked.metadata.extend(marks_of(&desired.metadata));
    }
    let change = (!fields.is_empty())
        .then(|| change(target.clone(), &marked, &desired, there, topology, observed))
        .map(|step| migrated(step, &marked, &desired, there, observed, &ways.recreate))
        .map(|step| if gives { later(step, &marked) } else { step });
    let adopts = nobodys && observed.server.keeps_metadata();
    let adoption = adopts.then(|| whose::adopt(target, json(&marked), there.seen()));
    let again = whose::push(plan, change, adoption);
    if again {
        consumer::new_ones(topology, stream, &desired, observed, plan);
    } else {
        consumer::compare_all(topology, stream, &desired, there, observed, &ways.recreate, plan);
    }
}

/// Why the stream cannot be so on a server that is alone.
fn alone(desired: &StreamConfig, observed: &Observed) -> Option<String> {
    (desired.num_replicas > 1 && !observed.server.clustered).then(|| {
        format!(
            "`num_replicas: {}` needs a cluster, and this server is alone (10074): apply with \
             `--replicas 1`",
            desired.num_replicas
        )
    })
}

fn fields(before: &StreamConfig, after: &StreamConfig) -> Vec<&'static str> {
    stream_changes(before, after).into_iter().map(|(field, _)| field).collect()
}

fn create(target: Target, desired: &StreamConfig, observed: &Observed) -> Step {
    let losses = loss::of_copying(&StreamConfig::default(), desired, observed);
    Step { losses, ..Step::new(target, Action::Create, Work::Create(json(desired)), None) }
}

fn change(
    target: Target,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
    topology: &Topology,
    observed: &Observed,
) -> Step {
    let fields = fields(before, after);
    let changes = changes(&fields, &json(before), &json(after));
    // Raised later, the server would purge the stream at its next start.
    let first_seq_moved = before.first_seq != after.first_seq;
    let refused = refuse_stream(before, after);
    if first_seq_moved || refused.is_some() || (before.mirror.is_none() && after.mirror.is_some()) {
        let why = match refused {
            Some(error) => format!("the server does not change it in place: {error}"),
            None => "the server does not change this in place".into(),
        };
        let mut losses = loss::everything(&there.info);
        losses.extend(loss::of_copying(&StreamConfig::default(), after, observed));
        losses.extend(loss::of_copies(&target.stream, &there.info, observed));
        let takes = there.takes(&target.stream, &topology.name.value);
        let work = Work::Recreate(json(after));
        let step = Step::new(target, Action::Recreate, work, Some(there.seen()));
        return Step { changes, losses, notes: vec![why], takes, ..step };
    }
    let mut losses = loss::of_update(before, after, &there.info);
    losses.extend(loss::of_copying(before, after, observed));
    let action = if losses.is_empty() { Action::Update } else { Action::UpdateLosing };
    let notes = notes(before, after);
    let fields = fields.into_iter().map(str::to_owned).collect();
    let work = Work::Update { fields, after: json(after) };
    let step = Step::new(target, action, work, Some(there.seen()));
    Step { changes, losses, notes, ..step }
}

/// A step that moves the stream over, in place of one that makes it again, where that is possible and not
/// asked for.
fn migrated(
    step: Step,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
    observed: &Observed,
    recreate: &Names,
) -> Step {
    if step.action != Action::Recreate || recreate.has(&step.target) {
        return step;
    }
    let name = &step.target.stream;
    if let Some(why) = migrate::obstacle(name, before, after, there, observed) {
        let mut step = step;
        if there.info.state.last_seq > 0 {
            step.notes.push(format!("it cannot be migrated: {why}"));
        }
        return step;
    }
    let Step { changes, mut notes, .. } = step;
    let moved = migrate::step(&step.target, before, after, there, observed);
    notes.extend(moved.notes);
    Step { changes, notes, ..moved }
}

/// A step that comes when others have got what they get from its stream.
fn later(step: Step, then: &StreamConfig) -> Step {
    let mut seen = step.seen;
    if let Some(config) = seen.as_mut().and_then(|seen| seen.config.as_object_mut()) {
        config.insert("subjects".into(), json(&then.subjects));
    }
    Step { seen, ..step }
}

fn notes(before: &StreamConfig, after: &StreamConfig) -> Vec<String> {
    let mut notes = Vec::new();
    let gone: Vec<&str> = before
        .subjects
        .iter()
        .filter(|subject| !after.subjects.contains(subject))
        .map(String::as_str)
        .collect();
    if !gone.is_empty() {
        notes.push(format!("{} is no longer stored; what is stored stays", gone.join(", ")));
    }
    let one_way = [
        ("sealed", !before.sealed && after.sealed),
        ("deny_delete", !before.deny_delete && after.deny_delete),
        ("deny_purge", !before.deny_purge && after.deny_purge),
        ("allow_msg_ttl", !before.allow_msg_ttl && after.allow_msg_ttl),
    ];
    for (field, _) in one_way.iter().filter(|(_, on)| *on) {
        notes.push(format!("`{field}` cannot be switched off again"));
    }
    let names: Vec<&String> = before.sources.iter().map(|source| &source.name).collect();
    if after.sources.iter().any(|source| !names.contains(&&source.name)) {
        notes.push("a source that is new starts from its beginning".into());
    }
    notes
}

/// Who has a subject that this stream is to have.
fn taken(
    name: &str,
    desired: &StreamConfig,
    topology: &Topology,
    observed: &Observed,
) -> Option<String> {
    for (other, stream) in &observed.streams {
        let was = topology.stream(name).and_then(|stream| stream.was.as_ref());
        if other == name || was.is_some_and(|was| was.value == *other) {
            continue;
        }
        let Some(both) = handing::both(stream, &desired.subjects) else { continue };
        let declared = topology.stream(other).is_some();
        return Some(match stream.owner() {
            Some(owner) if owner == topology.name.value && declared => format!(
                "`{other}` has `{both}` now; handing a subject over to a stream that is there is not built \
                 yet: first apply a file in which `{other}` has let go of it"
            ),
            Some(owner) if owner == topology.name.value => format!(
                "`{other}`, which this file no longer declares, has `{both}` (10065): delete \
                 it first, if its messages may go"
            ),
            Some(owner) => {
                format!("`{other}` of the topology `{owner}` has `{both}` (10065)")
            }
            None => format!("`{other}`, which is nobody's, has `{both}` (10065)"),
        });
    }
    None
}
