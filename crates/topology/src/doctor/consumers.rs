//! Consumers that get nothing, or the same again and again; and what nobody gets.

use std::collections::BTreeMap;

use watershed_wire::jetstream::consumer::{AckPolicy, DeliverPolicy};
use watershed_wire::jetstream::stream::Retention;
use watershed_wire::subject::{matches, overlaps};

use super::finding::{Finding, Symptom};
use crate::model::{ConsumerName, Service, Topology};
use crate::observe::{ObservedConsumer, ObservedStream};
use crate::plan::Target;
use crate::quantity::{show_duration, show_messages, show_seconds};

/// Most subjects that are named as an example.
const EXAMPLES_MAX: usize = 3;

/// Time without a delivery after which nobody seems to be there: 10 s, in nanoseconds.
const QUIET: i64 = 10_000_000_000;

/// A look at one consumer.
pub(super) struct Look<'a> {
    pub(super) stream: &'a str,
    pub(super) name: &'a str,
    pub(super) live: &'a ObservedConsumer,
    pub(super) of: &'a ObservedStream,
    /// Subjects that the stream holds with the number of their messages, if that was asked for.
    pub(super) subjects: Option<&'a BTreeMap<String, u64>>,
    /// The topology that declares the stream.
    pub(super) topology: Option<&'a Topology>,
}

impl Look<'_> {
    pub(super) fn all(&self, findings: &mut Vec<Finding>) {
        findings.extend(self.receives());
        findings.extend(self.repeats());
        findings.extend(self.shares());
    }

    fn finding(&self, symptom: Symptom, text: impl Into<String>) -> Finding {
        Finding::new(symptom, Target::consumer(self.stream, self.name), text)
    }

    /// Why it gets nothing. What stops everything else is said alone.
    fn receives(&self) -> Option<Finding> {
        let info = &self.live.info;
        let config = &info.config;
        let waiting = info.num_pending;
        let symptom = Symptom::NotReceiving;
        if info.paused {
            let rest = show_seconds(info.pause_remaining);
            let finding = self.finding(symptom, format!("is paused for another {rest}"));
            return Some(
                finding
                    .shown_by(format!("{} pending", show_messages(waiting)))
                    .advice(format!("nats consumer resume {} {}", self.stream, self.name)),
            );
        }
        let full = i64::try_from(info.num_ack_pending)
            .is_ok_and(|held| config.max_ack_pending > 0 && held >= config.max_ack_pending);
        // Busy workers look like that, too, but not for long.
        if full && waiting > 0 && self.quiet_for() > config.ack_wait {
            let text = "waits for acknowledgements, and delivers nothing until some come";
            return Some(
                self.finding(symptom, text)
                    .shown_by(format!(
                        "{} not acknowledged, `max_ack_pending: {}`, {waiting} more pending",
                        show_messages(info.num_ack_pending as u64),
                        config.max_ack_pending
                    ))
                    .advice("acknowledge every message in the worker, also those that fail (nak, or term)"),
            );
        }
        if waiting > 0 && config.is_push() && !info.push_bound {
            let subject = &config.deliver_subject;
            let text = format!("delivers to `{subject}`, and nobody listens there");
            return Some(
                self.finding(symptom, text)
                    .shown_by(format!("{} pending", show_messages(waiting)))
                    .advice("start its worker; it has to bind to this consumer"),
            );
        }
        let asked = info.num_waiting > 0 || info.num_ack_pending > 0;
        if waiting > 0 && !config.is_push() && !asked && self.quiet_for() > QUIET {
            let finding = self.finding(symptom, "has messages, and nobody asks for them");
            return Some(
                finding
                    .shown_by(format!(
                        "{} pending, no pull request waiting",
                        show_messages(waiting)
                    ))
                    .shown_by(self.last_delivery())
                    .advice("start its worker, or take one message by hand:")
                    .command(format!("next {} {}", self.stream, self.name)),
            );
        }
        if waiting > 0 || info.delivered.consumer_seq > 0 {
            return None;
        }
        self.never()
    }

    /// Nanoseconds since it delivered something or got an acknowledgement.
    fn quiet_for(&self) -> i64 {
        let info = &self.live.info;
        let last = info.delivered.last_active.max(info.ack_floor.last_active);
        last.map_or(i64::MAX, |last| info.ts.0.saturating_sub(last.0))
    }

    fn last_delivery(&self) -> String {
        let info = &self.live.info;
        match info.delivered.last_active {
            Some(at) if info.ts > at => {
                let since = info.ts.0.saturating_sub(at.0);
                format!("its last delivery was {} ago", show_seconds(since))
            }
            Some(_) => "its last delivery was just now".to_owned(),
            None => "it has delivered nothing yet".to_owned(),
        }
    }

    /// Why it has never got anything.
    fn never(&self) -> Option<Finding> {
        let info = &self.live.info;
        let (config, state) = (&info.config, &self.of.info.state);
        let symptom = Symptom::NotReceiving;
        let filters = config.filters();
        let stored = &self.of.info.config.subjects;
        let outside = |filter: &&String| {
            !stored.iter().any(|own| overlaps(own.as_bytes(), filter.as_bytes()))
        };
        let is_copy =
            self.of.info.config.mirror.is_some() || !self.of.info.config.sources.is_empty();
        if let Some(filter) = filters.iter().find(outside).filter(|_| !is_copy) {
            let text = format!("takes `{filter}`, which its stream does not store");
            return Some(
                self.finding(symptom, text)
                    .shown_by(format!("stream {} takes {}", self.stream, stored.join(", ")))
                    .advice("mend the filter in the topology, and then:")
                    .command("apply"),
            );
        }
        if state.messages == 0 {
            // Nothing to be seen: the stream says what is to be said.
            return None;
        }
        let hit =
            |subject: &str| filters.iter().any(|one| matches(one.as_bytes(), subject.as_bytes()));
        let all = self.subjects?;
        let taken: u64 =
            all.iter().filter(|(subject, _)| hit(subject)).map(|(_, count)| count).sum();
        if taken == 0 {
            let finding = self.finding(
                symptom,
                format!("takes {}, and no stored message has such a subject", or(filters)),
            );
            let examples: Vec<String> =
                all.keys().take(EXAMPLES_MAX).map(|subject| format!("`{subject}`")).collect();
            let more = if all.len() > EXAMPLES_MAX { ", …" } else { "" };
            return Some(
                finding
                    .shown_by(format!(
                        "{} in stream {}: {}{more}",
                        show_messages(state.messages),
                        self.stream,
                        examples.join(", ")
                    ))
                    .advice("compare what publishers publish with the filter, letter by letter"),
            );
        }
        if config.deliver_policy == DeliverPolicy::New && state.last_ts < info.created {
            let text = "delivers what is new, and everything was stored before it was created";
            return Some(
                self.finding(symptom, text)
                    .shown_by(format!("{} stored before", show_messages(taken)))
                    .advice("publish, or let it begin at the first message: `deliver_policy: all`"),
            );
        }
        None
    }

    /// Why it gets the same again.
    fn repeats(&self) -> Option<Finding> {
        let info = &self.live.info;
        let config = &info.config;
        if info.num_redelivered == 0 {
            return None;
        }
        let forever = config.max_deliver <= 0;
        let text = if forever {
            "delivers messages again and again, without an end"
        } else {
            "delivers messages again"
        };
        let wait = config.backoff.first().copied().unwrap_or(config.ack_wait);
        let mut finding = self.finding(Symptom::Redelivered, text).shown_by(format!(
            "{} of {} on their way came more than once, {} after each other at the soonest",
            info.num_redelivered,
            show_messages(info.num_ack_pending as u64),
            show_duration(wait)
        ));
        let longest = self
            .workers()
            .find_map(|service| Some((service, service.handler_timeout.as_ref()?.value)));
        if let Some((service, longest)) = longest
            && longest > wait
        {
            finding = finding.shown_by(format!(
                "{} may work {} on one",
                service.name.value,
                show_duration(longest)
            ));
        }
        finding = finding.advice(
            "acknowledge when the work is done; while it goes on, say so (in progress), or set a longer \
             `ack_wait`",
        );
        if forever {
            finding = finding.advice(
                "set `max_deliver` and a `dead_letter` stream, so that a bad message ends where it can be seen",
            );
        }
        Some(finding)
    }

    /// Why workers do not share.
    fn shares(&self) -> Option<Finding> {
        let config = &self.live.info.config;
        if config.is_push() && config.deliver_group.is_empty() && self.replicas() > 1 {
            let text = "is without a deliver group: only one of several workers may listen, or each gets everything";
            return Some(
                self.finding(Symptom::Uneven, text)
                    .shown_by(format!("{} of them are declared", self.replicas()))
                    .advice("make it a pull consumer, or give it a `deliver_group`"),
            );
        }
        if config.ack_policy != AckPolicy::None
            && config.max_ack_pending == 1
            && self.replicas() > 1
        {
            let text = "hands out one message at a time, to all workers together";
            return Some(
                self.finding(Symptom::Uneven, text)
                    .shown_by("`max_ack_pending: 1`")
                    .advice("raise `max_ack_pending`, if the order does not matter"),
            );
        }
        None
    }

    /// Services that are declared to consume from it.
    fn workers(&self) -> impl Iterator<Item = &Service> {
        let name = ConsumerName { stream: self.stream.into(), consumer: self.name.into() };
        let services = self.topology.into_iter().flat_map(|topology| &topology.services);
        services.filter(move |service| service.consumes.iter().any(|one| one.value == name))
    }

    /// Processes of these services, all together.
    fn replicas(&self) -> u64 {
        self.workers().map(|service| service.replicas.value).sum()
    }
}

fn or(filters: &[String]) -> String {
    let filters: Vec<String> = filters.iter().map(|filter| format!("`{filter}`")).collect();
    filters.join(" or ")
}

/// What lies in a work queue and comes to nobody.
pub(super) fn stranded(name: &str, stream: &ObservedStream, findings: &mut Vec<Finding>) {
    let info = &stream.info;
    if info.config.retention != Retention::WorkQueue || info.state.messages == 0 {
        return;
    }
    let target = || Target::stream(name);
    if stream.consumers.is_empty() {
        findings.push(
            Finding::new(Symptom::Stranded, target(), "is a work queue without a consumer")
                .shown_by(show_messages(info.state.messages))
                .command("apply"),
        );
        return;
    }
    let left = stream.left_over();
    if left == 0 {
        return;
    }
    let mut finding = Finding::new(
        Symptom::Stranded,
        target(),
        format!("holds {} that no consumer takes", show_messages(left)),
    );
    let filters: Vec<&String> =
        stream.consumers.values().flat_map(|live| live.info.config.filters()).collect();
    let everything = stream.consumers.values().any(|live| live.info.config.filters().is_empty());
    let ends = stream.consumers.values().any(|live| live.info.config.max_deliver > 0);
    if !everything {
        let filters: Vec<String> = filters.iter().map(|filter| format!("`{filter}`")).collect();
        finding = finding.shown_by(format!("consumers take {}", filters.join(", ")));
    }
    if ends {
        finding = finding.shown_by("a consumer gives up after `max_deliver`");
    }
    findings.push(finding.advice("look at them:").command(format!("view {name}")));
}
