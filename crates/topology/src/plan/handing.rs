//! Subjects that one stream has and another one is to have, with the messages that are stored under them.

use std::collections::BTreeSet;

use watershed_wire::jetstream::stream::StreamConfig;
use watershed_wire::subject::{contains, is_valid, overlaps, uncovered, witness};

use super::consumer::filters;
use super::difference::json;
use super::moving::{drop_old, ending, keeps, means, notes, unmovable};
use super::renumbering;
use super::step::{Action, Part, Plan, Refusal, Step, Target, Work};
use super::{live, loss};
use crate::migration::{Copied, Parked, Side, durable};
use crate::model::{Stream, Topology};
use crate::observe::{Observed, ObservedConsumer, ObservedStream};
use crate::quantity::show_messages;

/// Plans that a declared stream that is not there gets subjects, and what is stored under them, from the one that has
/// them. Whether anything was planned.
pub(super) fn plan(
    topology: &Topology,
    stream: &Stream,
    after: &StreamConfig,
    observed: &Observed,
    plan: &mut Plan,
) -> bool {
    let name = stream.name.value.as_str();
    let before = observed.streams.get(name);
    // What it was itself is kept of a hand-over: it may have its subjects back.
    let kept = before.and_then(|there| kept_for(name, there, observed));
    if before.is_some() && kept.is_none() {
        return false;
    }
    let holders: Vec<&str> = observed
        .streams
        .iter()
        .filter(|(other, there)| other.as_str() != name && has_any(there, &after.subjects))
        .map(|(other, _)| other.as_str())
        .filter(|other| !subjects_then(other, name, topology, observed).is_empty())
        .collect();
    let target = Target::stream(name);
    let mut refuse = |reason: String| {
        plan.refused.push(Refusal { target: target.clone(), reason, for_safety: true });
        true
    };
    let origin = match holders.as_slice() {
        [] => return false,
        [only] => *only,
        [first, second, ..] => {
            return refuse(format!(
                "`{first}` and `{second}` have its subjects now, and what both have stored cannot be put together: \
                 first apply a file in which one of them has let go of them"
            ));
        }
    };
    let Some(there) = observed.streams.get(origin) else { return false };
    let side = Side::of(there);
    if side.copied.is_some() || side.parked.is_some() {
        // What is under way there comes first, and is planned by itself.
        return true;
    }
    let subjects = subjects_then(origin, name, topology, observed);
    let config = StreamConfig { subjects, ..live::stream(&there.info) };
    let part = part(topology, name, origin, &after.subjects, observed);
    let owner = there.owner();
    let why = match owner {
        None if topology.stream(origin).is_some() => Some(format!(
            "`{origin}`, which is nobody's, has its subjects: adopt that first, with `--adopt {origin}`"
        )),
        _ => obstacle(origin, &config, after, there, &part, observed),
    };
    if let Some(why) = why {
        return refuse(format!("it cannot get what `{origin}` has: {why}"));
    }
    if let (Some(taker), Some(there)) = (&kept, before) {
        let of = format!("`{name}` before `{taker}` got its subjects");
        plan.steps.push(drop_old(name, name, there, &of));
    }
    let mut step = step(topology, (name, after), (origin, &config, there), part, observed);
    step.drops = kept.is_some();
    plan.steps.push(step);
    true
}

/// What of a stream goes on with the plan's file, for a migration that has begun.
pub(super) fn part_of(
    topology: &Topology,
    stream: &Stream,
    copied: &Copied,
    observed: &Observed,
) -> Option<Part> {
    if copied.claims.is_empty() {
        return None;
    }
    let name = &stream.name.value;
    let fresh = part(topology, name, &copied.of, &copied.claims, observed);
    Some(Part { moves: copied.moves.clone(), claims: copied.claims.clone(), ..fresh })
}

/// Subjects that a stream has once others have got from it what the file says, in the order in which that happens: up
/// to `until`.
fn subjects_then(name: &str, until: &str, topology: &Topology, observed: &Observed) -> Vec<String> {
    let Some(there) = observed.streams.get(name) else { return Vec::new() };
    let mut subjects = there.info.config.subjects.clone();
    for taker in takers(name, topology, observed) {
        if taker == until {
            break;
        }
        let copy = observed.streams.get(taker).map(Side::of);
        if copy.is_some_and(|copy| copy.copied.is_some() && copy.parked.is_some()) {
            continue; // it was undone, and is dropped first
        }
        let Some(stream) = topology.stream(taker) else { continue };
        subjects = kept_by(name, &subjects, taker, &stream.config.subjects, topology, observed);
    }
    subjects
}

/// The same in the end.
pub(super) fn subjects_after(name: &str, topology: &Topology, observed: &Observed) -> Vec<String> {
    subjects_then(name, "", topology, observed)
}

/// Whether anything of a stream goes to others.
pub(super) fn gives(name: &str, topology: &Topology, observed: &Observed) -> bool {
    !takers(name, topology, observed).is_empty()
}

/// The declared streams that get subjects of another one.
fn takers<'a>(name: &str, topology: &'a Topology, observed: &Observed) -> Vec<&'a str> {
    let Some(there) = observed.streams.get(name) else { return Vec::new() };
    let parked = Side::of(there).parked;
    let takes = |stream: &&Stream| {
        let taker = stream.name.value.as_str();
        if taker == name || !has_any(there, &stream.config.subjects) {
            return false;
        }
        match observed.streams.get(taker) {
            None => {
                let was = stream.was.as_ref().map(|was| was.value.as_str());
                was.is_none_or(|was| !observed.streams.contains_key(was))
            }
            Some(other) => {
                let copied = Side::of(other).copied;
                let begun =
                    copied.is_some_and(|copied| copied.of == name && !copied.claims.is_empty());
                (begun && parked.is_none()) || kept_for(taker, other, observed).is_some()
            }
        }
    };
    topology.streams.iter().filter(takes).map(|stream| stream.name.value.as_str()).collect()
}

/// Whether a hand-over from a stream is under way, or was undone and will begin again.
pub(super) fn is_under_way(name: &str, topology: &Topology, observed: &Observed) -> bool {
    observed.streams.iter().any(|(taker, there)| {
        let copied = Side::of(there).copied.filter(|copied| !copied.claims.is_empty());
        topology.stream(taker).is_some() && copied.is_some_and(|copied| copied.of == name)
    })
}

/// The stream that got everything of one that is kept, if it has it.
pub(super) fn kept_for(name: &str, there: &ObservedStream, observed: &Observed) -> Option<String> {
    let Parked { to, partly, .. } = Side::of(there).parked?;
    let to = to.filter(|_| !partly)?;
    let taker = Side::of(observed.streams.get(&to)?);
    taker.copied.is_none_or(|copied| copied.of != name).then_some(to)
}

fn has_any(there: &ObservedStream, subjects: &[String]) -> bool {
    let valid = subjects.iter().filter(|subject| is_valid(subject.as_bytes()));
    let mut own = there.info.config.subjects.iter();
    own.any(|own| valid.clone().any(|other| overlaps(own.as_bytes(), other.as_bytes())))
}

fn meets(subject: &str, others: &[String]) -> bool {
    others.iter().any(|other| overlaps(subject.as_bytes(), other.as_bytes()))
}

/// What a stream keeps of its subjects when `taker` gets `claims`. Of one that cannot be divided, what it has itself in
/// the file, and what others get.
fn kept_by(
    name: &str,
    subjects: &[String],
    taker: &str,
    claims: &[String],
    topology: &Topology,
    observed: &Observed,
) -> Vec<String> {
    let (gone, mut keeps): (Vec<String>, Vec<String>) =
        subjects.iter().cloned().partition(|subject| meets(subject, claims));
    let mut others: Vec<&String> = Vec::new();
    others.extend(topology.stream(name).into_iter().flat_map(|own| &own.config.subjects));
    for other in takers(name, topology, observed).into_iter().filter(|other| *other != taker) {
        others
            .extend(topology.stream(other).into_iter().flat_map(|stream| &stream.config.subjects));
    }
    for subject in others {
        let within = |gone: &String| contains(gone.as_bytes(), subject.as_bytes());
        if gone.iter().any(within) && !meets(subject, claims) && !meets(subject, &keeps) {
            keeps.push(subject.clone());
        }
    }
    keeps
}

fn part(
    topology: &Topology,
    name: &str,
    origin: &str,
    claims: &[String],
    observed: &Observed,
) -> Part {
    let subjects = subjects_then(origin, name, topology, observed);
    let keeps = kept_by(origin, &subjects, name, claims, topology, observed);
    let whole = keeps.is_empty()
        && topology.stream(origin).is_none()
        && subjects.iter().all(|subject| {
            claims.iter().any(|claim| contains(claim.as_bytes(), subject.as_bytes()))
        });
    let moves = claims.iter().filter(|claim| !whole && meets(claim, &subjects));
    let declared = topology.stream(name).into_iter().flat_map(|stream| &stream.consumers);
    Part {
        moves: moves.cloned().collect(),
        claims: claims.to_vec(),
        keeps,
        consumers: declared.map(|consumer| consumer.name.value.clone()).collect(),
    }
}

/// Why a part of a stream cannot go to another one.
fn obstacle(
    origin: &str,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
    part: &Part,
    observed: &Observed,
) -> Option<String> {
    if before.allow_msg_ttl && !after.allow_msg_ttl {
        return Some(format!("`{origin}` has `allow_msg_ttl`, which cannot be switched off"));
    }
    if let Some(why) = unmovable(origin, (before, &part.moves), after, there, observed) {
        return Some(why);
    }
    if part.moves.is_empty() {
        return None;
    }
    if !before.sources.is_empty() {
        return Some(format!("`{origin}` also takes from others (`sources`)"));
    }
    if before.deny_purge {
        return Some(format!(
            "what goes has to be removed from `{origin}`, which has `deny_purge`"
        ));
    }
    None
}

fn step(
    topology: &Topology,
    (name, after): (&str, &StreamConfig),
    (origin, before, there): (&str, &StreamConfig, &ObservedStream),
    part: Part,
    observed: &Observed,
) -> Step {
    let target = Target::stream(name);
    let subjects = &before.subjects;
    let whole = part.moves.is_empty();
    let mut seen = there.seen();
    if let Some(config) = seen.config.as_object_mut() {
        config.insert("subjects".into(), json(subjects));
    }
    let mut losses = Vec::new();
    // How much of it goes is not known before.
    let by_limits = loss::of_update(before, after, &there.info).into_iter();
    losses.extend(by_limits.map(|loss| if whole { loss } else { format!("at most {loss}") }));
    let done = loss::of_queueing(before, after, there);
    losses.extend(done.clone());
    losses.extend(loss::of_copying(before, after, observed));
    let stored: Vec<&str> = part.claims.iter().chain(&part.keeps).map(String::as_str).collect();
    for subject in subjects.iter().filter(|subject| is_valid(subject.as_bytes())) {
        if let Some(open) = uncovered(subject, &stored) {
            losses.push(format!(
                "what is published from then on to other subjects of `{subject}`, as `{open}`: no stream has them \
                 then"
            ));
        }
    }
    let gone: Vec<String> =
        subjects.iter().filter(|own| meets(own, &part.claims)).cloned().collect();
    let what = format!("what is stored under {}", words(&gone));
    losses.extend(loss::of_followers(origin, name, &what, topology, observed));
    let along = along(there, &part);
    let owner = there.owner().filter(|owner| *owner != topology.name.value);
    let mut all = vec![from(origin, owner, &gone, &part)];
    let held = show_messages(there.info.state.messages);
    let means = means(observed);
    let stays = if means.sources { "" } else { "sequences and times of " };
    let what = if done.is_some() {
        format!("{stays}what is to be done")
    } else if whole && means.sources {
        format!("its {held}")
    } else if whole {
        format!("its {held}, sequences and times")
    } else {
        format!("{stays}all messages of {} (of {held} in `{origin}`)", words(&part.moves))
    };
    all.push(keeps(&what, &along));
    if means.sources {
        losses.extend(renumbering::of_growing(after, &there.info));
        all.extend(renumbering::notes(after, &there.info, &along, &observed.server.version));
    }
    all.extend(notes(before, &along, "once", means));
    if whole {
        all.extend(ending(there));
        all.push(format!("`{origin}` stays, without subjects, until `--drop-old {name}`"));
    } else {
        all.push(format!("these are removed from `{origin}` once all of them are in `{name}`"));
        if !part.keeps.is_empty() {
            all.push(format!("`{origin}` goes on with {}", words(&part.keeps)));
        }
    }
    if !along.is_empty() {
        let names: Vec<String> = along.iter().map(|(name, _)| (*name).clone()).collect();
        all.push(format!("workers have to read {} from `{name}` then", words(&names)));
    }
    let takes_from = owner.map(str::to_owned);
    let work = Work::Migrate {
        from: Some(origin.to_owned()),
        part: Some(part),
        after: json(after),
        means,
    };
    let step = Step::new(target, Action::Migrate, work, Some(seen));
    Step { losses, notes: all, takes_from, adopts: there.owner().is_none(), ..step }
}

/// Where it comes from.
fn from(origin: &str, owner: Option<&str>, gone: &[String], part: &Part) -> String {
    let whose = owner.map(|owner| format!(" of the topology `{owner}`")).unwrap_or_default();
    let moves: Vec<String> = if part.moves.is_empty() { gone.to_vec() } else { part.moves.clone() };
    format!("gets {} from `{origin}`{whose}", words(&moves))
}

/// The consumers that go along.
fn along<'a>(there: &'a ObservedStream, part: &Part) -> Vec<(&'a String, &'a ObservedConsumer)> {
    let takes = |(_, one): &(&String, &ObservedConsumer)| {
        filters(&one.info.config).into_iter().any(|filter| meets(filter, &part.claims))
    };
    durable(&there.consumers).filter(takes).collect()
}

/// Names, as one reads them.
fn words(all: &[String]) -> String {
    let all: BTreeSet<&String> = all.iter().collect();
    let quoted: Vec<String> = all.into_iter().map(|one| format!("`{one}`")).collect();
    quoted.join(", ")
}

/// The stream that has a subject of `subjects`, and under which both take messages.
pub(super) fn both(there: &ObservedStream, subjects: &[String]) -> Option<String> {
    let valid = subjects.iter().filter(|subject| is_valid(subject.as_bytes()));
    let mut pairs = valid.flat_map(|subject| {
        there.info.config.subjects.iter().map(move |own| witness(subject, own))
    });
    pairs.find_map(|both| both)
}
