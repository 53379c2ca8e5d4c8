//! What no server changes in place, and can be moved over while it is in use.

use watershed_wire::jetstream::stream::StreamConfig;

use super::difference::json;
use super::moving::{drop_old, ending, keeps, means, notes, unmovable};
use super::renumbering;
use super::step::{Action, Plan, Refusal, Step, Target, Work};
use super::{Ways, handing, live, loss};
use crate::migration::{Side, Standing, durable, has_transit_name, migrated_of, transit_name};
use crate::model::{Stream, Topology};
use crate::observe::{Observed, ObservedStream};
use crate::quantity::{about, show_messages};

/// Why the stream `name` cannot become `after` under its own name; `None` if it can.
pub(super) fn obstacle(
    name: &str,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
    observed: &Observed,
) -> Option<String> {
    let general = unmovable(name, (before, &[]), after, there, observed);
    if general.is_some() {
        return general;
    }
    if !has_transit_name(name) {
        return Some(format!("`{name}` has a name that is too long for a copy beside it"));
    }
    if there.info.state.last_seq == 0 {
        return Some("it is empty: there is nothing to keep".into());
    }
    match observed.streams.get(&transit_name(name)) {
        Some(_) if Standing::of(name, observed) == Some(Standing::Kept) => Some(format!(
            "what it was before another migration is still kept: drop that first, with \
             `--drop-old {name}`"
        )),
        Some(_) => Some(format!("there is another stream `{}`", transit_name(name))),
        None => None,
    }
}

/// Moves a stream that is there to `after`.
pub(super) fn step(
    target: &Target,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
    observed: &Observed,
) -> Step {
    let mut step = moved(target, None, before, after, there, observed);
    step.losses.extend(loss::of_takers(&target.stream, observed));
    let bytes = about(there.info.state.bytes);
    step.notes.push(format!(
        "needs room for two copies meanwhile ({bytes} each); `{}` stays until `--drop-old {target}`",
        transit_name(&target.stream)
    ));
    step
}

fn moved(
    target: &Target,
    from: Option<String>,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
    observed: &Observed,
) -> Step {
    let mut losses = loss::of_update(before, after, &there.info);
    let done = loss::of_queueing(before, after, there);
    let means = means(observed);
    let stays = if means.sources { "" } else { ", sequences and times" };
    let what = match &done {
        Some(_) if means.sources => "what is to be done".to_owned(),
        Some(_) => "sequences and times of what is to be done".to_owned(),
        None => format!("its {}{stays}", show_messages(there.info.state.messages)),
    };
    losses.extend(done);
    losses.extend(loss::of_copying(before, after, observed));
    if means.sources {
        losses.extend(renumbering::of_growing(after, &there.info));
    }
    let gap = if from.is_some() { "once" } else { "twice" };
    let work = Work::Migrate { from, part: None, after: json(after), means };
    let step = Step::new(target.clone(), Action::Migrate, work, Some(there.seen()));
    let stay: Vec<_> = durable(&there.consumers).collect();
    let mut all = vec![keeps(&what, &stay)];
    if means.sources {
        all.extend(renumbering::notes(after, &there.info, &stay, &observed.server.version));
    }
    all.extend(notes(before, &stay, gap, means));
    all.extend(ending(there));
    Step { losses, notes: all, ..step }
}

/// Plans that a declared stream gets the messages and consumers of the one that it was before. Whether
/// anything was planned.
pub(super) fn rename(
    topology: &Topology,
    stream: &Stream,
    after: &StreamConfig,
    observed: &Observed,
    plan: &mut Plan,
) -> bool {
    let (Some(was), name) = (&stream.was, &stream.name.value) else { return false };
    let was = was.value.as_str();
    let (target, old) = (Target::stream(name), observed.streams.get(was));
    if observed.streams.contains_key(name) {
        return false;
    }
    let Some(old) = old else { return false };
    let before = live::stream(&old.info);
    let theirs = old.owner().filter(|owner| *owner != topology.name.value);
    let why = match theirs {
        Some(owner) => Some(format!("`{was}` belongs to the topology `{owner}`")),
        None => unmovable(was, (&before, &[]), after, old, observed)
            .map(|why| format!("it cannot get what `{was}` has: {why}")),
    };
    if let Some(reason) = why {
        plan.refused.push(Refusal { target, reason, for_safety: true });
        return true;
    }
    let mut step = moved(&target, Some(was.to_owned()), &before, after, old, observed);
    step.losses.extend(loss::of_followers(
        was,
        name,
        "everything that is stored",
        topology,
        observed,
    ));
    step.adopts = old.owner().is_none();
    step.notes.insert(0, format!("is `{was}` until now"));
    step.notes.push(format!("`{was}` stays until `--drop-old {name}`"));
    plan.steps.push(step);
    true
}

/// Plans the rest of a migration that was cut off, if there is one: nothing else is planned for that
/// stream then.
pub(super) fn go_on(
    topology: &Topology,
    stream: &Stream,
    after: &StreamConfig,
    observed: &Observed,
    ways: &Ways,
    plan: &mut Plan,
) -> bool {
    let name = &stream.name.value;
    let copied = observed.streams.get(name).and_then(|there| Side::of(there).copied);
    let handed = copied.filter(|copied| !copied.claims.is_empty());
    let part =
        handed.as_ref().and_then(|copied| handing::part_of(topology, stream, copied, observed));
    let was = stream.was.as_ref().map(|was| was.value.clone());
    let was = handed.as_ref().map(|copied| copied.of.clone()).or(was);
    let renamed = was.as_ref().and_then(|was| Standing::of_renamed(name, was, observed));
    let (standing, from) = match (Standing::of(name, observed), renamed) {
        (Some(standing), _) if standing != Standing::Kept => (standing, None),
        (_, Some(standing)) if standing != Standing::Kept => (standing, was),
        _ => return false,
    };
    let origin = from.as_ref().and_then(|from| observed.streams.get(from)).map(Side::of);
    if standing != Standing::Undone
        && origin.and_then(|origin| origin.parked).is_some_and(|note| !note.is_for(name))
    {
        return true; // what goes to another stream goes first
    }
    if standing == Standing::Undone {
        // It is in the way of the stream that is to have this name.
        if let Some(there) = observed.streams.get(name) {
            plan.steps.push(drop_old(name, name, there, "a migration that was undone"));
        }
        return true;
    }
    let copy = if from.is_some() { name.clone() } else { transit_name(name) };
    let held = observed.streams.get(&copy).map(|there| there.info.state.messages);
    let held = show_messages(held.unwrap_or_default());
    let how_far = match standing {
        Standing::Copying => format!("`{copy}` has {held}, publishers are where they were"),
        Standing::Between => format!("publishers get \"no responders\" now, `{copy}` has {held}"),
        Standing::Away => format!("publishers are with `{copy}`, which has {held}"),
        Standing::Returning => format!("`{copy}`, which has {held}, is copied back to its name"),
        Standing::Reverting => {
            format!("publishers get \"no responders\" now, what `{copy}` has got is moved back")
        }
        Standing::Arrived | Standing::Undone | Standing::Kept => {
            format!("publishers are with `{name}`, and its consumers are to follow")
        }
    };
    let target = Target::stream(name);
    // While what it was is there.
    let can_go_back = observed.streams.contains_key(from.as_ref().unwrap_or(name))
        && standing != Standing::Returning
        && handed.is_none_or(|copied| !copied.clears);
    let only_back = standing == Standing::Reverting;
    let step = if only_back || can_go_back && ways.back.has(&target) {
        let note = format!("undoes a migration: {how_far}");
        let step = Step::new(target, Action::Revert, Work::Back { from }, None);
        Step { notes: vec![note], ..step }
    } else {
        let mut notes = vec![format!("goes on with a migration: {how_far}")];
        let own = observed.streams.get(from.as_ref().unwrap_or(name));
        let own = own
            .filter(|_| standing == Standing::Copying && part.is_none())
            .map(|own| &own.info.config.subjects);
        if let Some(subjects) = own.filter(|subjects| **subjects != after.subjects) {
            notes.push(format!("its subjects become {:?}, from {subjects:?}", after.subjects));
        }
        if can_go_back {
            notes.push(format!("--back {name} undoes it instead"));
        }
        let means = means(observed);
        let work = Work::Migrate { from, part, after: json(after), means };
        Step { notes, ..Step::new(target, Action::Migrate, work, None) }
    };
    plan.steps.push(step);
    true
}

/// Steps that drop what streams were before they were migrated.
pub(super) fn kept(topology: &Topology, observed: &Observed, plan: &mut Plan) {
    for (name, there) in &observed.streams {
        if Side::of(there).parked.is_none() {
            continue;
        }
        let renamed = renamed(topology, name);
        let handed = handing::kept_for(name, there, observed);
        let stream = match (migrated_of(name), renamed.or(handed.as_deref())) {
            (_, Some(stream)) if handed.as_deref() == Some(stream) => stream,
            (Some(stream), _) if Standing::of(stream, observed) == Some(Standing::Kept) => stream,
            (_, Some(stream)) if is_kept(stream, name, observed) => stream,
            _ => continue,
        };
        if !is_ours(topology, stream, observed) {
            continue;
        }
        let dropped = |step: &Step| step.target.stream == *name && step.action == Action::Drop;
        if plan.steps.iter().any(dropped) {
            continue;
        }
        let of = match &handed {
            Some(stream) => format!("`{name}` before `{stream}` got its subjects"),
            None => format!("`{stream}` before it was migrated"),
        };
        plan.steps.push(drop_old(name, stream, there, &of));
    }
}

/// Whether the stream `name` belongs to this topology, or is declared in it and belongs to none.
fn is_ours(topology: &Topology, name: &str, observed: &Observed) -> bool {
    match observed.streams.get(name).and_then(ObservedStream::owner) {
        Some(owner) => owner == topology.name.value,
        None => topology.stream(name).is_some(),
    }
}

/// The declared stream that was `name` before.
fn renamed<'a>(topology: &'a Topology, name: &str) -> Option<&'a str> {
    let was = |stream: &&Stream| stream.was.as_ref().is_some_and(|was| was.value == name);
    topology.streams.iter().find(was).map(|stream| stream.name.value.as_str())
}

fn is_kept(stream: &str, before: &str, observed: &Observed) -> bool {
    Standing::of_renamed(stream, before, observed) == Some(Standing::Kept)
}

/// Whether a stream that is no longer declared is, or was, what a declared one gets.
pub(super) fn is_renamed(topology: &Topology, name: &str, observed: &Observed) -> bool {
    let there = || observed.streams.get(name).map(Side::of);
    let handed = |there: &ObservedStream| handing::kept_for(name, there, observed).is_some();
    if handing::gives(name, topology, observed)
        || handing::is_under_way(name, topology, observed)
        || observed.streams.get(name).is_some_and(handed)
    {
        return true;
    }
    renamed(topology, name).is_some_and(|stream| {
        !observed.streams.contains_key(stream)
            || Standing::of_renamed(stream, name, observed).is_some()
            || there().is_some_and(|old| old.parked.is_some())
    })
}
