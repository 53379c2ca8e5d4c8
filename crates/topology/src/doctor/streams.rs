//! Streams that are not found, and messages that are gone.

use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::stream::{Retention, Storage, StreamInfo};

use super::finding::{Finding, Symptom};
use crate::model::Topology;
use crate::observe::{Observed, ObservedStream};
use crate::plan::Target;
use crate::quantity::{show_duration, show_messages, show_size};
use crate::schema::nearest;

/// Streams and consumers that a topology declares and that are not there.
pub(super) fn missing(topology: &Topology, observed: &Observed, findings: &mut Vec<Finding>) {
    let known = |name: &str| observed.streams.contains_key(name) || observed.silent.contains(name);
    let all = topology.streams.len();
    let absent: Vec<&str> = topology
        .streams
        .iter()
        .map(|stream| stream.name.value.as_str())
        .filter(|name| !known(name))
        .collect();
    if all > 1 && absent.len() == all {
        let text =
            format!("none of the {all} streams of `{}` is in this account", topology.name.value);
        let there = match observed.streams.len() {
            0 => "the account is without any stream".to_owned(),
            1 => "the account has 1 stream, of somebody else".to_owned(),
            count => format!("the account has {count} streams, of somebody else"),
        };
        findings.push(
            Finding::of_account(Symptom::NotFound, text)
                .shown_by(there)
                .command("apply")
                .advice("or connect to the account where they are: streams of one account are not seen in another"),
        );
        return;
    }
    for name in absent {
        let mut finding = Finding::new(Symptom::NotFound, Target::stream(name), "is not there");
        let others = observed.streams.keys().map(String::as_str);
        let others = others.filter(|other| topology.stream(other).is_none());
        if let Some(other) = nearest(name, others) {
            finding = finding.shown_by(format!("there is `{other}`; capital letters count"));
        }
        findings.push(finding.command("apply"));
    }
    for stream in &topology.streams {
        let name = &stream.name.value;
        let Some(there) = observed.streams.get(name) else { continue };
        for consumer in &stream.consumers {
            let consumer = &consumer.name.value;
            if there.consumers.contains_key(consumer) || observed.is_silent(name, Some(consumer)) {
                continue;
            }
            let target = Target::consumer(name, consumer);
            let mut finding = Finding::new(Symptom::NotFound, target, "is not there");
            let others = there.consumers.keys().map(String::as_str);
            let others = others.filter(|other| stream.consumer(other).is_none());
            if let Some(other) = nearest(consumer, others) {
                finding = finding.shown_by(format!("there is `{other}`"));
            }
            findings.push(finding.command("apply"));
        }
    }
}

/// Messages of a stream that are gone, or will be.
pub(super) fn look(name: &str, stream: &ObservedStream, findings: &mut Vec<Finding>) {
    let info = &stream.info;
    let (config, state) = (&info.config, &info.state);
    if config.storage == Storage::Memory {
        let target = Target::stream(name);
        let text = "is kept in memory: a restart of the server loses its messages";
        let mut finding = Finding::new(Symptom::MessagesGone, target, text);
        finding = finding.shown_by(format!("{} now", show_messages(state.messages)));
        let durable = stream.consumers.values().filter(|consumer| consumer.is_durable()).count();
        if durable > 0 {
            finding = finding.shown_by(match durable {
                1 => "a durable consumer reads it".to_owned(),
                _ => format!("{durable} durable consumers read it"),
            });
        }
        findings.push(if stream.owner().is_some() {
            finding
                .advice(format!("write `storage: file` for {name} in the topology, and then:"))
                .command(format!("apply --migrate {name}"))
        } else {
            finding
                .advice(
                    "write its topology, adopt it, and give it `storage: file`, beginning with:",
                )
                .command("import")
        });
    }
    if config.retention == Retention::Interest && stream.consumers.is_empty() {
        let text = "keeps only what consumers are interested in, and there are none: everything that is \
                    published to it is dropped";
        findings.push(
            Finding::new(Symptom::MessagesGone, Target::stream(name), text)
                .shown_by(format!(
                    "{} stored in all, {} there",
                    show_messages(state.last_seq),
                    state.messages
                ))
                .advice("declare a consumer, or write `retention: limits`"),
        );
    } else if state.last_seq > 0 && state.messages == 0 && config.retention == Retention::Limits {
        let finding =
            Finding::new(Symptom::MessagesGone, Target::stream(name), "is empty, and was not");
        let finding = finding.shown_by(format!("{} stored in all", show_messages(state.last_seq)));
        findings.push(match kept(info) {
            Some(limit) => finding.shown_by(format!("it keeps them {limit}")),
            None => finding.shown_by("no limit takes them: they were purged or deleted"),
        });
    }
    for (consumer, live) in &stream.consumers {
        place(Target::consumer(name, consumer), &live.info, info, findings);
    }
}

/// A consumer whose place is outside what its stream holds.
fn place(
    target: Target,
    consumer: &ConsumerInfo,
    stream: &StreamInfo,
    findings: &mut Vec<Finding>,
) {
    let (delivered, state) = (consumer.delivered.stream_seq, &stream.state);
    if delivered > state.last_seq {
        let text = "is ahead of its stream: that was made again, or lost its messages";
        findings.push(Finding::new(Symptom::MessagesGone, target, text).shown_by(format!(
            "it delivered up to {delivered}, and the stream ends at {}",
            state.last_seq
        )));
    } else if delivered > 0 && delivered + 1 < state.first_seq && consumer.num_pending > 0 {
        let passed = state.first_seq - delivered - 1;
        let text = format!("is behind: up to {} went before it got them", show_messages(passed));
        let mut finding = Finding::new(Symptom::MessagesGone, target, text).shown_by(format!(
            "it delivered up to {delivered}, and the stream begins at {}",
            state.first_seq
        ));
        if let Some(limit) = kept(stream) {
            finding = finding.shown_by(format!("the stream keeps messages {limit}"));
        }
        findings.push(finding.advice("run more workers, or let the stream keep more"));
    }
}

/// How long, or up to where, a stream keeps its messages.
fn kept(info: &StreamInfo) -> Option<String> {
    let (config, state) = (&info.config, &info.state);
    let reaches = |held: u64, max: i64| {
        // Nearly full counts: what is stored next takes the oldest.
        u64::try_from(max).is_ok_and(|max| max > 0 && held >= max / 100 * 95)
    };
    if reaches(state.messages, config.max_msgs) {
        return Some(format!("up to `max_msgs: {}`", config.max_msgs));
    }
    if reaches(state.bytes, config.max_bytes) {
        return Some(format!("up to `max_bytes: {}`", show_size(config.max_bytes)));
    }
    if config.max_age > 0 {
        return Some(format!("for `max_age: {}`", show_duration(config.max_age)));
    }
    if config.max_msgs_per_subject > 0 {
        return Some(format!("up to `max_msgs_per_subject: {}`", config.max_msgs_per_subject));
    }
    None
}
