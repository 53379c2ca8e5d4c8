//! What no server changes in place, and can be moved over while it is in use.

use watershed_wire::jetstream::consumer::AckPolicy;
use watershed_wire::jetstream::stream::{Retention, StreamConfig};
use watershed_wire::subject::overlaps;

use super::consumer::filters;
use super::difference::json;
use super::loss;
use super::step::{Action, Plan, Seen, Step, Target, Work};
use crate::migration::{
    HOLD, Side, Standing, has_transit_name, is_possible, migrated_of, park_subject, transit_name,
};
use crate::observe::{Observed, ObservedConsumer, ObservedStream};
use crate::quantity::show_size;

/// Why a stream cannot be migrated to `after`; `None` if it can.
pub(super) fn obstacle(
    name: &str,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
    observed: &Observed,
) -> Option<String> {
    if !is_possible(&observed.server.version) {
        let version = &observed.server.version;
        return Some(format!(
            "nats-server {version} makes no stream of its own of a mirror; 2.12 and later do"
        ));
    }
    for (is, what) in [
        (
            before.mirror.is_some() || after.mirror.is_some(),
            "is a mirror, which copies its origin again",
        ),
        (before.sealed, "is sealed"),
        (before.allow_msg_counter || after.allow_msg_counter, "has counters, which are not copied"),
        (
            before.allow_msg_schedules || after.allow_msg_schedules,
            "has message schedules, which are not copied",
        ),
        (before.first_seq != after.first_seq, "gets another first sequence"),
        (!has_transit_name(name), "has a name that is too long for a copy beside it"),
    ] {
        if is {
            return Some(format!("`{name}` {what}"));
        }
    }
    if there.info.state.last_seq == 0 {
        return Some("it is empty: there is nothing to keep".into());
    }
    let park = park_subject(name);
    let meets = |subject: &&String| overlaps(subject.as_bytes(), park.as_bytes());
    if let Some(subject) = before.subjects.iter().chain(&after.subjects).find(meets) {
        return Some(format!("`{subject}` also takes `{park}`, where it would be put meanwhile"));
    }
    match observed.streams.get(&transit_name(name)) {
        Some(_) if Standing::of(name, observed) == Some(Standing::Kept) => {
            return Some(format!(
                "what it was before another migration is still kept: drop that first, with \
                 `--drop-old {name}`"
            ));
        }
        Some(_) => {
            return Some(format!("there is another stream `{}`", transit_name(name)));
        }
        None => {}
    }
    (after.retention == Retention::WorkQueue).then(|| unfit(there)).flatten()
}

/// Which of its consumers a work queue would not take.
fn unfit(there: &ObservedStream) -> Option<String> {
    let durable: Vec<(&String, &ObservedConsumer)> =
        there.consumers.iter().filter(|(name, one)| one.is_durable() && *name != HOLD).collect();
    for (index, (name, one)) in durable.iter().enumerate() {
        if one.info.config.ack_policy != AckPolicy::Explicit {
            return Some(format!(
                "a work queue takes no consumer that does not acknowledge each message, as `{name}`"
            ));
        }
        for (other, its) in durable.iter().skip(index + 1) {
            let both = filters(&one.info.config).into_iter().any(|own| {
                let mut others = filters(&its.info.config).into_iter();
                others.any(|other| overlaps(own.as_bytes(), other.as_bytes()))
            });
            if both {
                return Some(format!(
                    "a work queue takes no two consumers of the same messages, as `{name}` and `{other}`"
                ));
            }
        }
    }
    None
}

/// Moves a stream that is there to `after`.
pub(super) fn step(
    target: &Target,
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
    observed: &Observed,
) -> Step {
    let mut losses = loss::of_update(before, after, &there.info);
    losses.extend(loss::of_copying(before, after, observed));
    let work = Work::Migrate(json(after));
    let step = Step::new(target.clone(), Action::Migrate, work, Some(there.seen()));
    Step { losses, notes: notes(target, before, there), ..step }
}

fn notes(target: &Target, before: &StreamConfig, there: &ObservedStream) -> Vec<String> {
    let state = &there.info.state;
    let durable: Vec<&ObservedConsumer> =
        there.consumers.values().filter(|one| one.is_durable()).collect();
    let mut notes = vec![format!(
        "keeps its {}, sequences and times, and the positions of {}",
        loss::messages(state.messages),
        count(durable.len(), "consumer")
    )];
    notes.push(format!(
        "needs room for two copies meanwhile ({} each); `{}` stays until `--drop-old {target}`",
        about(state.bytes),
        transit_name(&target.stream)
    ));
    if !before.subjects.is_empty() {
        notes.push(
            "publishers get \"no responders\" for a moment, twice: they must try again; what is published \
             without an acknowledgement in that moment is lost"
                .into(),
        );
        notes.push(
            "a message id that was stored before is stored once more if it comes again".into(),
        );
    }
    if !durable.is_empty() {
        let outstanding: usize = durable.iter().map(|one| one.info.num_ack_pending).sum();
        notes.push(format!(
            "its consumers pause until everything is there; what is outstanding ({outstanding} now) and not \
             acknowledged within the time of --drain is delivered again"
        ));
    }
    let others = there.info.state.consumer_count.saturating_sub(durable.len());
    if others > 0 {
        notes.push(format!("{} without a durable name end", count(others, "consumer")));
    }
    notes
}

/// A size, rounded up to what people read.
fn about(bytes: u64) -> String {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let unit = [1 << 30, 1 << 20, 1 << 10].into_iter().find(|unit| bytes >= 10 * unit).unwrap_or(1);
    show_size(bytes.saturating_add(unit - 1) / unit * unit)
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Plans the rest of a migration that was cut off, if there is one: nothing else is planned for that
/// stream then. The last element of the step's notes says how far it is.
pub(super) fn go_on(
    target: &Target,
    after: &StreamConfig,
    observed: &Observed,
    plan: &mut Plan,
) -> bool {
    let Some(standing) = Standing::of(&target.stream, observed) else { return false };
    let transit = transit_name(&target.stream);
    let held = observed.streams.get(&transit).map(|there| there.info.state.messages);
    let held = loss::messages(held.unwrap_or_default());
    let note = match standing {
        Standing::Kept => return false,
        Standing::Copying => {
            format!("goes on with a migration: `{transit}` has {held}, publishers are still here")
        }
        Standing::Between => format!(
            "goes on with a migration: publishers get \"no responders\" now, `{transit}` has {held}"
        ),
        Standing::Away => {
            format!("goes on with a migration: publishers are with `{transit}`, which has {held}")
        }
        Standing::Returning => format!(
            "goes on with a migration: `{transit}`, which has {held}, is copied back to its name"
        ),
    };
    let work = Work::Migrate(json(after));
    let step = Step::new(target.clone(), Action::Migrate, work, None);
    plan.steps.push(Step { notes: vec![note], ..step });
    true
}

/// Steps that drop what streams were before they were migrated.
pub(super) fn kept(observed: &Observed, plan: &mut Plan) {
    for (name, there) in &observed.streams {
        let Some(stream) = migrated_of(name) else { continue };
        let parked = Side::of(there).parked.is_some();
        if parked && Standing::of(stream, observed) == Some(Standing::Kept) {
            let target = Target::stream(name);
            let seen = Seen { consumers: None, ..there.seen() };
            let step = Step::new(target, Action::Drop, Work::Delete, Some(seen));
            let note = format!(
                "{} that `{stream}` had before it was migrated; they are there, too",
                loss::messages(there.info.state.messages)
            );
            plan.steps.push(Step { notes: vec![note], ..step });
        }
    }
}
