//! Publishes that nobody answers, or that are refused.

use watershed_wire::jetstream::stream::Discard;
use watershed_wire::subject::overlaps;

use super::finding::{Finding, Symptom};
use crate::model::Topology;
use crate::observe::Observed;
use crate::plan::Target;
use crate::quantity::{show_messages, show_size};
use crate::schema::nearest;

/// Subjects that services publish and that no stream stores.
pub(super) fn unanswered(topology: &Topology, observed: &Observed, findings: &mut Vec<Finding>) {
    if !observed.silent.is_empty() {
        // They may be the ones.
        return;
    }
    for (service, subject) in topology.published() {
        let takes = |own: &String| overlaps(own.as_bytes(), subject.value.as_bytes());
        let mut streams = observed.streams.values();
        if streams.any(|stream| stream.info.config.subjects.iter().any(takes)) {
            continue;
        }
        // Where the file has no stream for it either, it is meant to be core NATS.
        let declared = topology.streams.iter().find(|one| one.config.subjects.iter().any(takes));
        let Some(declared) = declared else { continue };
        let text = format!(
            "`{}`, which {} publishes, is stored by no stream: publishers get \"no responders\"",
            subject.value, service.name.value
        );
        let mut finding = Finding::of_account(Symptom::PublishFails, text);
        let name = &declared.name.value;
        finding = finding.shown_by(match observed.streams.get(name) {
            Some(live) => format!("stream {name} takes {}", live.info.config.subjects.join(", ")),
            None => format!("stream {name}, which is to store it, is not there"),
        });
        let others = observed.streams.values().flat_map(|stream| &stream.info.config.subjects);
        if let Some(other) = nearest(&subject.value, others.map(String::as_str)) {
            finding = finding.shown_by(format!("there is a stream for `{other}`"));
        }
        findings.push(finding.command("apply"));
    }
}

/// Streams that refuse what is published.
pub(super) fn full(observed: &Observed, findings: &mut Vec<Finding>) {
    for (name, stream) in &observed.streams {
        let (config, state) = (&stream.info.config, &stream.info.state);
        let full = |held: u64, max: i64| u64::try_from(max).is_ok_and(|max| max > 0 && held >= max);
        if config.discard != Discard::New {
            continue;
        }
        let held = if full(state.messages, config.max_msgs) {
            format!("{}, `max_msgs: {}`", show_messages(state.messages), config.max_msgs)
        } else if full(state.bytes, config.max_bytes) {
            let held = show_size(i64::try_from(state.bytes).unwrap_or(i64::MAX));
            format!("{held}, `max_bytes: {}`", show_size(config.max_bytes))
        } else {
            continue;
        };
        findings.push(
            Finding::new(
                Symptom::PublishFails,
                Target::stream(name),
                "is full, and its `discard: new` refuses what is published",
            )
            .shown_by(held)
            .advice("let the consumers catch up, or raise the limit"),
        );
    }
}
