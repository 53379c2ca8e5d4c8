//! Giving assets back.

use serde_json::Value as Json;

use super::difference::{METADATA, json};
use super::mark::unmark;
use super::step::{Action, Plan, Step, Target, Work};
use super::{Names, live};
use crate::observe::Observed;

/// What it takes to make these assets nobody's: streams with the consumers that the same topology owns,
/// or single consumers. `owner` is the topology that must own them, if it is known.
pub fn release(names: &Names, owner: Option<&str>, observed: &Observed) -> Plan {
    let mut plan = Plan { topology: owner.unwrap_or_default().to_owned(), ..Plan::default() };
    let mut push = |target: Target, seen, config: &Json, after: Json| {
        if *config != after {
            let work = Work::Update { fields: vec![METADATA.to_owned()], after };
            plan.steps.push(Step::new(target, Action::Release, work, Some(seen)));
        }
    };
    let owned = |of: Option<&str>| of.is_some() && (owner.is_none() || of == owner);
    for (name, there) in &observed.streams {
        let target = Target::stream(name);
        if owned(there.owner()) && names.has(&target) {
            let mut after = live::stream(&there.info);
            unmark(&mut after.metadata);
            let seen = there.seen();
            push(target, seen.clone(), &seen.config, json(&after));
        }
        for (consumer, live) in &there.consumers {
            let target = Target::consumer(name, consumer);
            let with_stream = live.owner() == there.owner();
            let named = names.has(&target) || with_stream && names.has_or_stream(&target);
            if owned(live.owner()) && named {
                let seen = live.seen();
                let mut after = live::consumer(&live.info, &there.info.config);
                unmark(&mut after.metadata);
                push(target, seen.clone(), &seen.config, json(&after));
            }
        }
    }
    plan
}
