//! One declared stream against what is there.

use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::change::{refuse_stream, stream_changes};
use watershed_wire::jetstream::check::{Bounds, fill_stream};
use watershed_wire::jetstream::stream::{StreamConfig, StreamInfo};
use watershed_wire::subject::{is_valid, witness};

use super::difference::{changes, json, merged};
use super::mark::{mark, unmark, unreserved};
use super::step::{Action, Plan, Refusal, Step, Target};
use super::unknown::level;
use super::{consumer, loss};
use crate::call::Request;
use crate::model::{Stream, Topology};
use crate::observe::{Observed, ObservedStream};

/// What a declared stream is to be on the server: as declared, with the owner's mark.
pub(super) fn desired(topology: &Topology, stream: &Stream, observed: &Observed) -> StreamConfig {
    let mut config = stream.config.clone();
    fill_stream(&mut config, &Bounds::default());
    mark(&mut config.metadata, topology, stream.protect, observed);
    config
}

/// A live configuration, comparable: filled in, without what the server notes for itself.
fn live(info: &StreamInfo) -> StreamConfig {
    let mut config = info.config.clone();
    fill_stream(&mut config, &Bounds::default());
    unreserved(&mut config.metadata);
    config
}

/// Levels what servers of different versions fill in differently, where the file says nothing: for a
/// stream with sources, old ones remember message ids as for any other, new ones do not.
fn forgive(before: &mut StreamConfig, desired: &StreamConfig) {
    if desired.duplicate_window == 0 {
        let mut plain = StreamConfig { max_age: before.max_age, ..StreamConfig::default() };
        fill_stream(&mut plain, &Bounds::default());
        if before.duplicate_window == plain.duplicate_window {
            before.duplicate_window = 0;
        }
    }
}

pub(super) fn compare(topology: &Topology, stream: &Stream, observed: &Observed, plan: &mut Plan) {
    let name = &stream.name.value;
    let target = Target::stream(name);
    let mut desired = desired(topology, stream, observed);
    if let Some((reason, for_safety)) = impossible(name, &desired, topology, observed) {
        plan.refused.push(Refusal { target, reason, for_safety });
        return;
    }
    let Some(there) = observed.streams.get(name) else {
        plan.steps.push(create(target, &desired));
        consumer::new_ones(topology, stream, &desired, observed, plan);
        return;
    };
    let mut before = live(&there.info);
    forgive(&mut before, &desired);
    level(&mut before, &desired, &there.not_understood);
    let owned = there.owner() == Some(&topology.name.value);
    if !owned {
        unmark(&mut desired.metadata);
    }
    let fields = fields(&before, &desired);
    if !owned && (there.owner().is_some() || !fields.is_empty()) {
        let reason = foreign(there, &fields, observed);
        plan.refused.push(Refusal { target, reason, for_safety: true });
        return;
    }
    if fields.is_empty() {
        let same = if owned { &mut plan.unchanged } else { &mut plan.unmanaged };
        same.push(target);
        consumer::compare_all(topology, stream, &desired, there, observed, plan);
        return;
    }
    let step = change(target, &before, &desired, there);
    if step.action == Action::Recreate {
        consumer::new_ones(topology, stream, &desired, observed, plan);
    } else {
        consumer::compare_all(topology, stream, &desired, there, observed, plan);
    }
    plan.steps.push(step);
}

/// Why there is no way to make the stream so here; and whether somebody's data is the reason.
fn impossible(
    name: &str,
    desired: &StreamConfig,
    topology: &Topology,
    observed: &Observed,
) -> Option<(String, bool)> {
    if desired.num_replicas > 1 && !observed.server.clustered {
        let reason = format!(
            "`num_replicas: {}` needs a cluster, and this server is alone (10074): apply with \
             `--replicas 1`",
            desired.num_replicas
        );
        return Some((reason, false));
    }
    taken(name, desired, topology, observed).map(|reason| (reason, true))
}

/// Why a stream that is not this topology's is left as it is.
fn foreign(there: &ObservedStream, fields: &[&str], observed: &Observed) -> String {
    let fields = fields.join(", ");
    match there.owner() {
        Some(owner) => format!("it belongs to the topology `{owner}`"),
        None if observed.server.keeps_metadata() => format!(
            "it is there, unmanaged, and differs in {fields}: taking it over is not built yet; \
             make the file say what is there, or delete the stream"
        ),
        None => format!(
            "it differs in {fields}, and nats-server {} keeps no metadata by which its owner could \
             be known: only what is missing is created on servers before 2.10",
            observed.server.version
        ),
    }
}

fn fields(before: &StreamConfig, after: &StreamConfig) -> Vec<&'static str> {
    stream_changes(before, after).into_iter().map(|(field, _)| field).collect()
}

fn create(target: Target, desired: &StreamConfig) -> Step {
    let request = Request::new(Call::StreamCreate(&target.stream), desired);
    Step {
        target,
        action: Action::Create,
        changes: Vec::new(),
        losses: Vec::new(),
        notes: Vec::new(),
        requests: vec![request],
    }
}

fn change(
    target: Target,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
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
        return Step {
            losses: loss::everything(&there.info),
            changes,
            notes: vec![why],
            action: Action::Recreate,
            requests: vec![
                Request::bare(Call::StreamDelete(&target.stream)),
                Request::new(Call::StreamCreate(&target.stream), after),
            ],
            target,
        };
    }
    let losses = loss::of_update(before, after, &there.info);
    let action = if losses.is_empty() { Action::Update } else { Action::UpdateLosing };
    let body = merged(&there.config, &json(after), &fields);
    let notes = notes(before, after);
    let requests = vec![Request::new(Call::StreamUpdate(&target.stream), &body)];
    Step { target, action, changes, losses, notes, requests }
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
    if before.sources != after.sources {
        notes.push("a source that is new or changed starts from its beginning".into());
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
        if other == name {
            continue;
        }
        for subject in desired.subjects.iter().filter(|subject| is_valid(subject.as_bytes())) {
            let mut live = stream.info.config.subjects.iter();
            let Some(both) = live.find_map(|own| witness(subject, own)) else { continue };
            let declared = topology.stream(other).is_some();
            return Some(match stream.owner() {
                Some(owner) if owner == topology.name.value && declared => format!(
                    "`{other}` has `{both}` now; handing a subject over from one stream to another \
                     is not built yet: first apply a file in which `{other}` has let go of it"
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
    }
    None
}
