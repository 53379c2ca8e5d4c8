//! What a change would delete, with the counts of now.

use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::stream::{
    Discard, Retention, StreamConfig, StreamInfo, StreamSource,
};

use crate::migration::{self, durable};
use crate::model::Topology;
use crate::observe::{Observed, ObservedConsumer, ObservedStream};
use crate::quantity::{show_count, show_duration, show_messages, show_size};

/// What goes with a stream.
pub(super) fn everything(info: &StreamInfo) -> Vec<String> {
    let state = &info.state;
    let mut losses = match state.messages {
        0 => vec!["no message: it is empty".to_owned()],
        count => vec![format!("{} ({})", show_messages(count), bytes(state.bytes))],
    };
    if state.consumer_count > 0 {
        losses.push(format!("the positions of {}", show_count(state.consumer_count, "consumer")));
    }
    losses
}

/// What the server deletes at once when the limits become these.
pub(super) fn of_update(
    before: &StreamConfig,
    after: &StreamConfig,
    info: &StreamInfo,
) -> Vec<String> {
    let state = &info.state;
    let mut losses = Vec::new();
    if state.messages == 0 {
        return losses;
    }
    let stricter = |before: i64, after: i64| after > 0 && (before <= 0 || after < before);
    let over = |held: u64, limit: i64| held.saturating_sub(limit.unsigned_abs());
    if after.discard == Discard::Old {
        let surplus = over(state.messages, after.max_msgs);
        if stricter(before.max_msgs, after.max_msgs) && surplus > 0 {
            losses.push(format!("the oldest {}", show_messages(surplus)));
        }
        let surplus = over(state.bytes, after.max_bytes);
        if stricter(before.max_bytes, after.max_bytes) && surplus > 0 {
            losses.push(format!("the oldest {} of messages", bytes(surplus)));
        }
    }
    if stricter(before.max_age, after.max_age) {
        let age = info.ts.0.saturating_sub(state.first_ts.0);
        // Without the server's clock nothing is known, and everything may be old.
        if info.ts.0 == 0 || age > after.max_age {
            losses.push(format!(
                "messages older than {}, of {} (the oldest is from {})",
                show_duration(after.max_age),
                state.messages,
                state.first_ts
            ));
        }
    }
    let per_subject = after.max_msgs_per_subject;
    if stricter(before.max_msgs_per_subject, per_subject)
        && over(state.messages, per_subject) > 0
        && state.messages > state.num_subjects
    {
        losses.push(format!(
            "all but the newest {per_subject} of each subject, of {} on {} subjects",
            show_messages(state.messages),
            state.num_subjects
        ));
    }
    if before.retention == Retention::Limits && after.retention == Retention::Interest {
        let held = show_messages(state.messages);
        losses.push(format!("what no consumer waits for, of {held}"));
    }
    losses
}

/// What is not kept when a stream with limits becomes a work queue, which has only what is still to be done. Nobody can
/// tell what was done there from what was given up.
pub(super) fn of_queueing(
    before: &StreamConfig,
    after: &StreamConfig,
    there: &ObservedStream,
) -> Option<String> {
    let becomes = before.retention == Retention::Limits && after.retention == Retention::WorkQueue;
    let state = &there.info.state;
    let passed = |(name, one): (&String, &ObservedConsumer)| {
        let is_past = migration::position(&one.info) > state.first_seq;
        (becomes && state.messages > 0 && is_past).then(|| format!("`{name}`"))
    };
    let passed: Vec<String> = durable(&there.consumers).filter_map(passed).collect();
    (!passed.is_empty()).then(|| {
        format!(
            "what {} has passed, done or given up (`max_deliver`), of {}",
            passed.join(" or "),
            show_messages(state.messages)
        )
    })
}

/// What copying does that begins with a change: of a changed source everything comes again, and a
/// work queue that nobody reads is emptied by its copies.
pub(super) fn of_copying(
    before: &StreamConfig,
    after: &StreamConfig,
    observed: &Observed,
) -> Vec<String> {
    let origins = |config: &StreamConfig| -> Vec<StreamSource> {
        config.mirror.iter().chain(&config.sources).cloned().collect()
    };
    let known = origins(before);
    let mut losses = Vec::new();
    for origin in origins(after).iter().filter(|origin| !known.contains(origin)) {
        let same = |other: &&StreamSource| {
            (&other.name, &other.external) == (&origin.name, &origin.external)
        };
        if known.iter().any(|other| same(&other)) {
            losses.push(format!(
                "nothing, but stores again what it has copied from `{}`: a changed source starts from its \
                 beginning",
                origin.name
            ));
            continue;
        }
        let live = observed.streams.get(&origin.name).map(|live| &live.info);
        if let Some(info) = live.filter(|info| origin.external.is_none() && is_unread(info)) {
            losses.push(format!(
                "{} of `{}`: a work queue without consumers is emptied by whoever copies it",
                show_messages(info.state.messages),
                origin.name
            ));
        }
    }
    losses
}

/// Whether it is a work queue that nobody reads.
fn is_unread(info: &StreamInfo) -> bool {
    info.config.retention == Retention::WorkQueue && info.state.consumer_count == 0
}

/// What those who copy a stream miss when it begins anew.
pub(super) fn of_copies(name: &str, info: &StreamInfo, observed: &Observed) -> Vec<String> {
    if info.state.last_seq == 0 {
        return Vec::new();
    }
    let copies = observed.streams.iter().filter(|(_, other)| follows(&other.info.config, name));
    let missed = |(copy, _): (&String, _)| {
        format!(
            "the first {} for `{copy}`, which copies on from there",
            show_messages(info.state.last_seq)
        )
    };
    copies.map(missed).collect()
}

/// What those who take from a stream may do when it is moved over: to some servers, it is another one then.
pub(super) fn of_takers(name: &str, observed: &Observed) -> Vec<String> {
    let takes = |(_, other): &(&String, &ObservedStream)| {
        other.info.config.sources.iter().any(|source| is_of(source, name))
    };
    let again = |(taker, _): (&String, _)| {
        format!(
            "nothing, but `{taker}`, which takes from it, may store again what it has taken: compare them \
             afterwards"
        )
    };
    observed.streams.iter().filter(takes).map(again).collect()
}

/// What of a stream those miss who copy it until now, and whom the topology does not tell that it goes to `name`.
pub(super) fn of_followers(
    was: &str,
    name: &str,
    what: &str,
    topology: &Topology,
    observed: &Observed,
) -> Vec<String> {
    let told =
        |copy: &str| topology.stream(copy).is_some_and(|declared| follows(&declared.config, name));
    let left = |(copy, there): &(&String, &ObservedStream)| {
        copy.as_str() != name && follows(&there.info.config, was) && !told(copy)
    };
    let missed = |(copy, _): (&String, _)| {
        format!("for `{copy}`, which copies `{was}`, {what} from then on")
    };
    observed.streams.iter().filter(left).map(missed).collect()
}

/// Whether a stream copies another one of its account.
pub(super) fn follows(config: &StreamConfig, origin: &str) -> bool {
    config.mirror.iter().chain(&config.sources).any(|one| is_of(one, origin))
}

/// Whether a copy is taken from a stream of the same account.
fn is_of(source: &StreamSource, origin: &str) -> bool {
    source.name == origin && source.external.is_none()
}

/// What is outstanding and has been delivered as often as a consumer may now.
pub(super) fn of_fewer_deliveries(
    before: &ConsumerConfig,
    after: &ConsumerConfig,
    info: &ConsumerInfo,
) -> Option<String> {
    let (old, new) = (before.max_deliver, after.max_deliver);
    let fewer = new > 0 && (old <= 0 || new < old);
    (fewer && info.num_ack_pending > 0).then(|| {
        format!(
            "further deliveries of what was delivered {new} times already, of {} outstanding",
            show_messages(info.num_ack_pending as u64)
        )
    })
}

/// What goes with a consumer; `interest` is whether its stream keeps only what is wanted.
pub(super) fn position(info: &ConsumerInfo, interest: bool) -> Vec<String> {
    let mut losses = vec![format!(
        "its position: acknowledged up to {}, {} outstanding, {} to come",
        info.ack_floor.stream_seq, info.num_ack_pending, info.num_pending
    )];
    if interest {
        losses.extend(of_interest(info));
    }
    losses
}

/// What a stream that keeps only what is wanted drops when a consumer wants less.
pub(super) fn of_interest(info: &ConsumerInfo) -> Option<String> {
    let waiting = info.num_pending + info.num_ack_pending as u64;
    (waiting > 0).then(|| format!("what only it waits for, of {}", show_messages(waiting)))
}

/// What stays in a work queue when a consumer takes less of it, and nobody takes the rest.
pub(super) fn stranded(info: &ConsumerInfo) -> Option<String> {
    let waiting = info.num_pending + info.num_ack_pending as u64;
    (waiting > 0).then(|| {
        format!("the work that only it takes, of {}: it stays, untaken", show_messages(waiting))
    })
}

/// So many messages.
fn bytes(count: u64) -> String {
    show_size(i64::try_from(count).unwrap_or(i64::MAX))
}
