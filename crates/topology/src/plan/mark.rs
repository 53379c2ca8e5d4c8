//! What a topology writes into the metadata of what it owns, and what it means.

use std::collections::BTreeMap;

use super::step::{Action, Plan, Refusal, Target};
use crate::model::Topology;
use crate::observe::{OURS, OWNER, Observed, PROTECT, RESERVED};

/// Key of the metadata that says which further keys the file declared, as a JSON array. What is not in
/// there was written by somebody else and stays.
pub(super) const DECLARED: &str = "watershed.metadata";

/// Marks what the topology owns, and keeps what others have written beside it; servers that keep no
/// metadata get none. `live` is the metadata of now.
pub(super) fn mark(
    metadata: &mut BTreeMap<String, String>,
    topology: &Topology,
    protect: bool,
    observed: &Observed,
    live: Option<&BTreeMap<String, String>>,
) {
    if !observed.server.keeps_metadata() {
        metadata.clear();
        return;
    }
    let declared: Vec<String> = metadata.keys().cloned().collect();
    if let Some(live) = live {
        let earlier = live.get(DECLARED).map(String::as_str).unwrap_or_default();
        let earlier: Vec<String> = serde_json::from_str(earlier).unwrap_or_default();
        for (key, value) in live {
            if !key.starts_with(RESERVED) && !key.starts_with(OURS) && !earlier.contains(key) {
                metadata.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    note(metadata, &declared, topology, protect);
}

/// Marks what the topology declares, as `apply` does where nothing was before. `metadata` is what the file says.
pub fn claim(metadata: &mut BTreeMap<String, String>, topology: &Topology, protect: bool) {
    let declared: Vec<String> = metadata.keys().cloned().collect();
    note(metadata, &declared, topology, protect);
}

fn note(
    metadata: &mut BTreeMap<String, String>,
    declared: &[String],
    topology: &Topology,
    protect: bool,
) {
    if !declared.is_empty() {
        let declared = serde_json::to_string(declared).expect("texts are JSON");
        metadata.insert(DECLARED.to_owned(), declared);
    }
    metadata.insert(OWNER.to_owned(), topology.name.value.clone());
    if protect {
        metadata.insert(PROTECT.to_owned(), "true".to_owned());
    }
}

/// Takes the marks away: what is nobody's is compared without those that it can't have.
pub(super) fn unmark(metadata: &mut BTreeMap<String, String>) {
    for key in [OWNER, PROTECT, DECLARED] {
        metadata.remove(key);
    }
}

/// The marks among these.
pub(super) fn marks_of(metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let marks = [OWNER, PROTECT, DECLARED].into_iter();
    marks.filter_map(|key| Some((key.to_owned(), metadata.get(key)?.clone()))).collect()
}

/// Takes what the server notes for itself away.
pub(super) fn unreserved(metadata: &mut BTreeMap<String, String>) {
    metadata.retain(|key, _| !key.starts_with(RESERVED));
}

/// Refuses to delete what is protected, whatever flags allow: what is declared is as the file says
/// now, what is not is as it was last applied.
pub(super) fn guard(topology: Option<&Topology>, observed: &Observed, plan: &mut Plan) {
    let mut refused = Vec::new();
    plan.steps.retain(|step| {
        let goes = matches!(step.action, Action::Recreate | Action::Delete);
        let Some(what) = goes.then(|| protected(topology, observed, &step.target)).flatten() else {
            return true;
        };
        let reason = format!(
            "{what} is protected: write `protect: false` and apply that before it can be deleted"
        );
        refused.push(Refusal { target: step.target.clone(), reason, for_safety: true });
        false
    });
    plan.refused.append(&mut refused);
}

/// What keeps `target` from being deleted: itself, or a consumer of the stream that it is.
fn protected(topology: Option<&Topology>, observed: &Observed, target: &Target) -> Option<String> {
    let live = observed.streams.get(&target.stream)?;
    let declared = topology.and_then(|topology| topology.stream(&target.stream));
    let consumer_is = |name: &str| {
        let own = declared.and_then(|stream| stream.consumer(name)).map(|own| own.protect);
        let mark = live
            .consumers
            .get(name)
            .is_some_and(|live| live.info.config.metadata.contains_key(PROTECT));
        own.unwrap_or(mark)
    };
    if let Some(consumer) = &target.consumer {
        return consumer_is(consumer).then(|| "it".to_owned());
    }
    let mark = live.info.config.metadata.contains_key(PROTECT);
    if declared.map_or(mark, |stream| stream.protect) {
        return Some("it".to_owned());
    }
    let consumer = live.consumers.keys().find(|name| consumer_is(name))?;
    Some(format!("its consumer `{consumer}`"))
}
