//! What all moves of messages into another stream share: whether they are possible, and the notes of their steps.

use watershed_wire::jetstream::consumer::AckPolicy;
use watershed_wire::jetstream::stream::{Discard, Retention, StreamConfig};
use watershed_wire::subject::overlaps;

use super::consumer::filters;
use super::renumbering;
use super::step::{Action, Seen, Step, Target, Work};
use crate::migration::{Means, durable, park_subject, to_hold};
use crate::observe::{Observed, ObservedConsumer, ObservedStream};
use crate::quantity::{show_count, show_messages};

/// Why the stream `name`, or what it has of the subjects `moves`, cannot become `after`, whatever its name.
pub(super) fn unmovable(
    name: &str,
    (before, moves): (&StreamConfig, &[String]),
    after: &StreamConfig,
    there: &ObservedStream,
    observed: &Observed,
) -> Option<String> {
    let Some(means) = Means::of(&observed.server.version) else {
        let version = &observed.server.version;
        return Some(format!(
            "nats-server {version} keeps no notes beside a stream (`metadata`); 2.10 and later do"
        ));
    };
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
    ] {
        if is {
            return Some(format!("`{name}` {what}"));
        }
    }
    if means.sources
        && let Some(why) = renumbering::obstacle(name, before, after, observed)
    {
        return Some(why);
    }
    let for_consumers = before.retention != Retention::Limits;
    let is_empty = there.info.state.messages == 0;
    if !before.sources.is_empty() && !after.sources.is_empty() && (for_consumers || is_empty) {
        // Servers find out from the messages that are left how far a source was taken.
        let why = if is_empty { "is empty" } else { "does not keep what is done" };
        return Some(format!("`{name}` has sources and {why}: its sources would be taken again"));
    }
    let is_new = |config: &StreamConfig| config.discard == Discard::New;
    if is_new(before) && (for_consumers || after.retention != Retention::Limits) {
        return Some(format!(
            "`{name}` refuses what is above its limits (`discard: new`) and removes what its consumers have \
             done: its copy does not do both"
        ));
    }
    let park = park_subject(name);
    let meets = |subject: &&String| overlaps(subject.as_bytes(), park.as_bytes());
    if let Some(subject) = before.subjects.iter().chain(&after.subjects).find(meets) {
        return Some(format!("`{subject}` also takes `{park}`, where it would be put meanwhile"));
    }
    if before.retention == Retention::WorkQueue {
        let taken: Vec<&str> =
            durable(&there.consumers).flat_map(|(_, one)| filters(&one.info.config)).collect();
        if let Err(open) = to_hold(before, moves, &taken) {
            return Some(format!(
                "`{name}` is a work queue, and no durable consumer takes `{open}`: copying would remove that from it. \
                 Declare a consumer for it first"
            ));
        }
    }
    (after.retention == Retention::WorkQueue).then(|| unfit(there)).flatten()
}

/// Which of its consumers a work queue would not take.
fn unfit(there: &ObservedStream) -> Option<String> {
    let all: Vec<(&String, &ObservedConsumer)> = durable(&there.consumers).collect();
    for (index, (name, one)) in all.iter().enumerate() {
        if one.info.config.ack_policy != AckPolicy::Explicit {
            return Some(format!(
                "a work queue takes no consumer that does not acknowledge each message, as `{name}`"
            ));
        }
        for (other, its) in all.iter().skip(index + 1) {
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

/// What stays when messages go somewhere with these consumers.
pub(super) fn keeps(what: &str, durable: &[(&String, &ObservedConsumer)]) -> String {
    format!("keeps {what}, and the positions of {}", show_count(durable.len(), "consumer"))
}

/// What there is to know when messages go somewhere with these consumers.
pub(super) fn notes(
    before: &StreamConfig,
    durable: &[(&String, &ObservedConsumer)],
    gap: &str,
    means: Means,
) -> Vec<String> {
    let mut notes = Vec::new();
    if !before.subjects.is_empty() {
        notes.push(format!(
            "publishers get \"no responders\" for a moment, {gap}: they must try again; what is published \
             without an acknowledgement in that moment is lost"
        ));
        // A copy by sources knows the ids of what it has.
        if !means.sources {
            notes.push(
                "a message id that was stored before is stored once more if it comes again".into(),
            );
        }
    }
    if before.name.starts_with("KV_") {
        notes.push("reads and writes of the bucket fail in that moment".into());
    }
    if before.retention != Retention::Limits && !durable.is_empty() {
        notes.push(
            "what its consumers have given up (`max_deliver`) stays, and comes to them again"
                .into(),
        );
    }
    if !durable.is_empty() {
        let outstanding: usize = durable.iter().map(|(_, one)| one.info.num_ack_pending).sum();
        notes.push(if means.stops {
            format!(
                "its consumers end, as this server pauses none, and are made again once everything is there; what is \
                 outstanding then ({outstanding} now), or is acknowledged just then, is delivered again"
            )
        } else { format!(
            "its consumers pause until everything is there; what is outstanding ({outstanding} now) and not \
             acknowledged within the time of --drain is delivered again"
        ) });
    }
    notes
}

/// How the server does it, where it can.
pub(super) fn means(observed: &Observed) -> Means {
    Means::of(&observed.server.version).unwrap_or_default()
}

/// What is said of the consumers that end when a stream goes.
pub(super) fn ending(there: &ObservedStream) -> Option<String> {
    let stay = durable(&there.consumers).count();
    let others = there.info.state.consumer_count.saturating_sub(stay);
    (others > 0).then(|| format!("{} without a durable name end", show_count(others, "consumer")))
}

/// Deletes what is kept `of` something.
pub(super) fn drop_old(name: &str, stream: &str, there: &ObservedStream, of: &str) -> Step {
    let seen = Seen { consumers: None, ..there.seen() };
    let work = Work::Drop(stream.to_owned());
    let step = Step::new(Target::stream(name), Action::Drop, work, Some(seen));
    let held = show_messages(there.info.state.messages);
    Step { notes: vec![format!("{held} of {of}; they are where they belong, too")], ..step }
}
