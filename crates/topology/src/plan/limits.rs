//! What the account, and a stream for its consumers, allow: added up before the first step.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use watershed_wire::jetstream::account::AccountLimits;
use watershed_wire::jetstream::check::{Bounds, Violation, consumer_within, stream_within};
use watershed_wire::jetstream::stream::{Retention, Storage};
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

use super::live;
use super::step::{Action, Plan, Refusal, Step, Target, Work};
use crate::observe::{Observed, ObservedStream};
use crate::quantity::{show_count, show_size};

/// Refuses the steps for which there is no room, and those that come behind them for the same reason.
pub(super) fn guard(observed: &Observed, plan: &mut Plan) {
    let mut account = Account::new(observed);
    let gone = deleted(plan);
    let mut refused = Vec::new();
    plan.steps.retain(|step| {
        let reasons = account.refuse(step, &gone);
        let fits = reasons.is_empty();
        let refusal = |reason| Refusal { target: step.target.clone(), reason, for_safety: false };
        refused.extend(reasons.into_iter().map(refusal));
        fits
    });
    plan.refused.append(&mut refused);
}

/// How many consumers of each stream the plan deletes.
fn deleted(plan: &Plan) -> BTreeMap<String, usize> {
    let mut gone = BTreeMap::new();
    let deletes = plan.steps.iter().filter(|step| step.action == Action::Delete);
    for step in deletes.filter(|step| step.target.consumer.is_some()) {
        *gone.entry(step.target.stream.clone()).or_default() += 1;
    }
    gone
}

/// What an account has at some point of a plan.
struct Account<'a> {
    observed: &'a Observed,
    limits: AccountLimits,
    bounds: Bounds,
    streams: usize,
    /// Bytes set aside by `max_bytes`, in memory and on disk.
    reserved: [i64; 2],
    consumers: BTreeMap<String, usize>,
    /// How many consumers each stream allows itself.
    allowed: BTreeMap<String, i64>,
}

impl<'a> Account<'a> {
    fn new(observed: &'a Observed) -> Self {
        let account = &observed.account;
        let limits = account.limits;
        let some = |limit: i64| (limit > 0).then_some(limit);
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let counts = |(name, live): (&String, &ObservedStream)| {
            (name.clone(), live.info.state.consumer_count)
        };
        let own = |(name, live): (&String, &ObservedStream)| {
            (name.clone(), live.info.config.max_consumers)
        };
        Self {
            observed,
            limits,
            bounds: Bounds {
                max_ack_pending: some(limits.max_ack_pending),
                max_bytes_required: limits.max_bytes_required,
                disk_max_stream_bytes: some(limits.storage_max_stream_bytes),
                memory_max_stream_bytes: some(limits.memory_max_stream_bytes),
                ..Bounds::default()
            },
            streams: observed.streams.len() + observed.silent.len(),
            reserved: [bytes(account.reserved_memory), bytes(account.reserved_storage)],
            consumers: observed.streams.iter().map(counts).collect(),
            allowed: observed.streams.iter().map(own).collect(),
        }
    }

    /// Why a step has no room; else it takes it.
    fn refuse(&mut self, step: &Step, gone: &BTreeMap<String, usize>) -> Vec<String> {
        match (step.work.after(), &step.target.consumer) {
            (None, _) => Vec::new(),
            (Some(after), None) => self.refuse_stream(step, after),
            (Some(after), Some(_)) => self.refuse_consumer(step, after, gone),
        }
    }

    fn refuse_stream(&mut self, step: &Step, after: &Json) -> Vec<String> {
        let Ok(config) = serde_json::from_value::<StreamConfig>(after.clone()) else {
            return Vec::new();
        };
        if step.action == Action::Adopt {
            return Vec::new();
        }
        let mut reasons: Vec<String> =
            stream_within(&config, &self.bounds).iter().map(says).collect();
        let max = self.limits.max_streams;
        // One more while it is migrated, and for as long as the copy is kept.
        let new = usize::from(matches!(step.action, Action::Create | Action::Migrate));
        let streams = self.streams + new;
        if new > 0 && max > 0 && i64::try_from(streams).unwrap_or(i64::MAX) > max {
            let (has, max) = (self.streams, show_count(max, "stream"));
            reasons.push(format!("the account may have {max}, and has {has} by then (10027)"));
        }
        reasons.extend(self.too_little_for_a_copy(step, &config));
        if let Some(seen) = step.seen.as_ref().filter(|_| step.action != Action::Recreate) {
            reasons.extend(self.too_much_for_consumers(&step.target, &seen.config, &config));
        }
        let reserved = self.reserve(step, &config);
        for (kind, (now, (before, limit))) in
            ["memory", "storage"].into_iter().zip(reserved.into_iter().zip(
                self.reserved.into_iter().zip([self.limits.max_memory, self.limits.max_storage]),
            ))
        {
            if limit > 0 && now > limit && now > before {
                reasons.push(format!(
                    "`max_bytes` sets aside {} of the account's {kind}, and {} of {} is left (10047)",
                    show_size(now - before),
                    show_size((limit - before).max(0)),
                    show_size(limit)
                ));
            }
        }
        if reasons.is_empty() {
            self.streams = streams;
            self.reserved = reserved;
            self.allowed.insert(step.target.stream.clone(), config.max_consumers);
        }
        reasons
    }

    /// Whether what a stream holds fits into the account twice: the copy in transit is where one of both is on
    /// disk, and the new stream where it is declared.
    fn too_little_for_a_copy(&self, step: &Step, after: &StreamConfig) -> Option<String> {
        let Work::Migrate { from, .. } = &step.work else { return None };
        // What has begun has its copy.
        step.seen.as_ref()?;
        let origin = from.as_ref().unwrap_or(&step.target.stream);
        let live = &self.observed.streams.get(origin)?.info;
        let held = live.state.bytes;
        let before = live.config.storage;
        let transit = if before == Storage::Memory { after.storage } else { before };
        let limits = self.limits;
        let (memory, disk) = (self.observed.account.memory, self.observed.account.storage);
        for (kind, storage, used, limit) in [
            ("memory", Storage::Memory, memory, limits.max_memory),
            ("storage", Storage::File, disk, limits.max_storage),
        ] {
            let Ok(limit) = u64::try_from(limit) else { continue };
            let copies = if from.is_some() {
                after.storage == storage
            } else {
                transit == storage || after.storage == storage
            };
            if !copies || limit == 0 {
                continue;
            }
            let bytes = |bytes: u64| show_size(i64::try_from(bytes).unwrap_or(i64::MAX));
            // The origin is deleted before the second copy is made; what is in transit is not.
            let here = transit == storage && after.storage == storage && before != storage;
            let needed = if here && from.is_none() { held.saturating_mul(2) } else { held };
            let left = limit.saturating_sub(used);
            if needed > left {
                return Some(format!(
                    "its copies need {} of the account's {kind}, and {} of {} is left",
                    bytes(needed),
                    bytes(left),
                    bytes(limit)
                ));
            }
        }
        None
    }

    /// What is set aside after a step.
    fn reserve(&self, step: &Step, after: &StreamConfig) -> [i64; 2] {
        let mut reserved = self.reserved;
        let mut add = |config: &StreamConfig, sign: i64| {
            let [memory, disk] = &mut reserved;
            let kind = if config.storage == Storage::Memory { memory } else { disk };
            *kind = kind.saturating_add(config.max_bytes.max(0).saturating_mul(sign));
        };
        add(after, 1);
        if let Some(live) = self.observed.streams.get(&step.target.stream) {
            add(&live::stream(&live.info), -1);
        }
        reserved
    }

    /// Consumers that are above what their stream is to allow them. The server changes neither then.
    fn too_much_for_consumers(
        &self,
        target: &Target,
        before: &Json,
        after: &StreamConfig,
    ) -> Vec<String> {
        let limits = after.consumer_limits;
        let same = before.get("consumer_limits") == serde_json::to_value(limits).ok().as_ref();
        let Some(live) = self.observed.streams.get(&target.stream).filter(|_| !same) else {
            return Vec::new();
        };
        let mut reasons = Vec::new();
        for (name, consumer) in &live.consumers {
            let config = &consumer.info.config;
            for (field, value, limit) in [
                ("max_ack_pending", config.max_ack_pending, limits.max_ack_pending),
                ("inactive_threshold", config.inactive_threshold, limits.inactive_threshold),
            ] {
                if limit > 0 && value > limit {
                    reasons.push(format!(
                        "its consumer `{name}` has `{field}` above the new limit (10069): apply the consumer's \
                         change first, and then the limit"
                    ));
                }
            }
        }
        reasons
    }

    fn refuse_consumer(
        &mut self,
        step: &Step,
        after: &Json,
        gone: &BTreeMap<String, usize>,
    ) -> Vec<String> {
        let Ok(config) = serde_json::from_value::<ConsumerConfig>(after.clone()) else {
            return Vec::new();
        };
        let stream = &step.target.stream;
        let mut reasons: Vec<String> =
            consumer_within(&config, &self.bounds).iter().map(says).collect();
        let live = self.observed.streams.get(stream).map(|live| &live.info.config);
        let creates = step.action == Action::Create;
        // Its position is kept by another consumer meanwhile, but in a work queue.
        let keeps = matches!(step.work, Work::Replace { .. })
            && live.is_none_or(|live| live.retention != Retention::WorkQueue);
        if !creates && !keeps {
            return reasons;
        }
        let count = self.consumers.entry(stream.clone()).or_default();
        let left = count.saturating_sub(gone.get(stream).copied().unwrap_or(0));
        let own = self.allowed.get(stream).copied().unwrap_or_default();
        for (who, max) in [("the account", self.limits.max_consumers), ("`max_consumers`", own)] {
            if max > 0 && i64::try_from(left).unwrap_or(i64::MAX) >= max {
                let why = if keeps { ", and replacing one takes one more meanwhile" } else { "" };
                let max = show_count(max, "consumer");
                reasons.push(format!(
                    "{who} allows a stream {max}, and this one has {left} by then (10026){why}"
                ));
            }
        }
        if creates && reasons.is_empty() {
            *count += 1;
        }
        reasons
    }
}

fn says(violation: &Violation) -> String {
    format!("`{}`: the account does not allow it: {}", violation.field, violation.error)
}
