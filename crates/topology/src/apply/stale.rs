//! Whether a plan that was made earlier can still be carried out, before its first step.

use std::collections::BTreeMap;

use super::decide::decide;
use super::request::Live;
use super::task::Cause;
use crate::observe::{Observed, ObservedConsumer, ObservedStream};
use crate::plan::{Plan, Policy, SeenConsumer, Step, Target, Work};

/// What a plan is about and is no longer as it was when it was made, with what has changed. What is already as planned
/// is not in its way: a run before this one may have been cut off.
pub fn stale(plan: &Plan, policy: &Policy, observed: &Observed) -> Option<(Target, String)> {
    let steps = plan.steps.iter().filter(|step| policy.allows(step));
    // A migration goes by what it finds.
    let plain = |step: &&Step| {
        !matches!(step.work, Work::Migrate { .. } | Work::Back { .. } | Work::Replace { .. })
    };
    steps.filter(plain).find_map(|step| {
        let live = live(&step.target, observed);
        // What goes with a stream that is made again is not there yet.
        let with_stream = step.target.consumer.is_some()
            && plan.steps.iter().any(|other| {
                other.target == Target::stream(&step.target.stream)
                    && matches!(other.work, Work::Recreate(_) | Work::Create(_))
            });
        match decide(step, live.as_ref()) {
            Err(Cause::Changed(_)) if with_stream => None,
            Err(Cause::Changed(text)) => Some((step.target.clone(), text)),
            _ => None,
        }
    })
}

fn live(target: &Target, observed: &Observed) -> Option<Live> {
    let stream = observed.streams.get(&target.stream)?;
    match &target.consumer {
        None => {
            let ObservedStream { info, config, .. } = stream;
            Some(Live::of_stream(info, config.clone(), Some(durable(stream))))
        }
        Some(consumer) => Some(Live::of_consumer(stream.consumers.get(consumer)?)),
    }
}

fn durable(stream: &ObservedStream) -> BTreeMap<String, SeenConsumer> {
    let durable = |(_, live): &(&String, &ObservedConsumer)| live.is_durable();
    let all = stream.consumers.iter().filter(durable);
    all.map(|(name, live)| (name.clone(), live.seen_with_its_stream())).collect()
}
