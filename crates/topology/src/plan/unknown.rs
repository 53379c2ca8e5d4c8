//! What is there and cannot be judged: nothing is planned for it, and nothing is left out of sight.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::difference::json;
use super::step::{Plan, Refusal, Target};
use crate::model::{Places, Topology};
use crate::observe::Observed;

/// Takes for equal what the server has in fields whose values are not known: where the file has its own,
/// [`guard`] says so.
pub(super) fn level<T: Serialize + DeserializeOwned>(
    before: &mut T,
    desired: &T,
    not_understood: &BTreeMap<String, Json>,
) {
    if not_understood.is_empty() {
        return;
    }
    let (mut live, wanted) = (json(before), json(desired));
    for field in not_understood.keys().filter_map(|path| path.split('.').next()) {
        match (live.as_object_mut(), wanted.get(field)) {
            (Some(live), Some(value)) => live.insert(field.to_owned(), value.clone()),
            (Some(live), None) => live.remove(field),
            (None, _) => None,
        };
    }
    if let Ok(same) = serde_json::from_value(live) {
        *before = same;
    }
}

/// Refuses what did not answer, and what has a value that this program does not know in a field that the
/// file sets. Without a topology, whatever did not answer may be what is looked for.
pub(super) fn guard(topology: Option<&Topology>, observed: &Observed, plan: &mut Plan) {
    let silent = silent(topology, observed);
    plan.unknown = silent.iter().map(|refusal| refusal.target.clone()).collect();
    for refusal in silent.into_iter().chain(foreign(topology, observed)) {
        let target = &refusal.target;
        // With a stream go its consumers, if nothing is known of it.
        let whole = observed.is_silent(&target.stream, None);
        let concerned = |other: &Target| other == target || whole && other.stream == target.stream;
        plan.steps.retain(|step| !concerned(&step.target));
        plan.unchanged.retain(|other| !concerned(other));
        plan.unmanaged.retain(|other| !concerned(other));
        // Whose it is, is the better reason, where that is known.
        if plan.unknown.contains(target) {
            plan.refused.retain(|other| !concerned(&other.target));
        }
        if !plan.refused.iter().any(|other| other.target == *target) {
            plan.refused.push(refusal);
        }
    }
}

fn silent(topology: Option<&Topology>, observed: &Observed) -> Vec<Refusal> {
    let wanted = |target: &Target| {
        let Some(topology) = topology else { return true };
        topology.stream(&target.stream).is_some_and(|stream| match &target.consumer {
            None => true,
            Some(consumer) => stream.consumer(consumer).is_some(),
        })
    };
    let streams = observed.silent.iter().map(|name| Target::stream(name));
    let consumers = observed.streams.iter().flat_map(|(stream, there)| {
        there.silent.iter().map(move |consumer| Target::consumer(stream, consumer))
    });
    let refusal = |target: Target| {
        let reason = format!(
            "not known: the server that keeps this {} did not answer; try again when it is back",
            target.kind()
        );
        Refusal { target, reason, for_safety: false }
    };
    streams.chain(consumers).filter(wanted).map(refusal).collect()
}

/// Fields that the file sets, and whose live value this program does not know.
fn foreign(topology: Option<&Topology>, observed: &Observed) -> Vec<Refusal> {
    let mut refused = Vec::new();
    let mut look = |target: Target, places: &Places, live: &BTreeMap<String, Json>| {
        let set = |path: &&String| {
            path.split('.').next().is_some_and(|field| places.get(field).is_some())
        };
        let fields: Vec<String> = live
            .keys()
            .filter(set)
            .map(|path| format!("`{path}: {}`", shown(live, path)))
            .collect();
        if !fields.is_empty() {
            let reason = format!(
                "the server has {}, which this version of watershed does not know: leave the field out \
                 of the file, or update watershed",
                fields.join(" and ")
            );
            refused.push(Refusal { target, reason, for_safety: true });
        }
    };
    for stream in topology.iter().flat_map(|topology| &topology.streams) {
        let name = &stream.name.value;
        let Some(there) = observed.streams.get(name) else { continue };
        look(Target::stream(name), &stream.places, &there.not_understood);
        for consumer in &stream.consumers {
            if let Some(live) = there.consumers.get(&consumer.name.value) {
                let target = Target::consumer(name, &consumer.name.value);
                look(target, &consumer.places, &live.not_understood);
            }
        }
    }
    refused
}

/// A value as the file would have it.
fn shown(live: &BTreeMap<String, Json>, path: &str) -> String {
    match live.get(path) {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::{Value as Json, json};

    use crate::observe::{Observed, ServerFacts};
    use crate::plan::{Plan, destroy, plan};
    use crate::testing::{facts, listed, topology};
    use crate::verify::verify;

    const FILE: &str = "\
watershed: 1
name: x
streams:
  A: { subjects: [a.>], max_age: 1d, compression: none, consumers: { c: {}, d: {} } }
  B: { subjects: [b.>], max_age: 1d }
services: { s: { publishes: [a.x, b.x] } }
";

    /// What a server with these lists has.
    fn observed(streams: &Json, consumers: &Json) -> Observed {
        let server = ServerFacts { clustered: true, ..facts() };
        listed(&topology(FILE), server, streams, &[("A", consumers)])
    }

    fn stream(name: &str, subject: &str, more: Json) -> Json {
        let mut config = json!({"name": name, "subjects": [subject], "max_age": 86_400_000_000_000_u64,
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_msgs_per_subject": -1, "max_msg_size": -1,
            "num_replicas": 1, "duplicate_window": 120_000_000_000_u64, "metadata": {"watershed.topology": "x"}});
        if let (Json::Object(config), Json::Object(more)) = (&mut config, more) {
            config.extend(more);
        }
        json!({"config": config, "state": {"consumer_count": 2}})
    }

    fn consumer(name: &str, more: Json) -> Json {
        let mut config = json!({"name": name, "durable_name": name, "ack_policy": "explicit",
            "ack_wait": 30_000_000_000_u64, "max_deliver": -1, "max_ack_pending": 1000,
            "metadata": {"watershed.topology": "x"}});
        if let (Json::Object(config), Json::Object(more)) = (&mut config, more) {
            config.extend(more);
        }
        json!({"name": name, "config": config})
    }

    fn show(plan: &Plan) -> String {
        let mut text = String::new();
        for step in &plan.steps {
            let _ = writeln!(text, "{} {} {}", step.action.sign(), step.target.kind(), step.target);
        }
        for refusal in &plan.refused {
            let _ = writeln!(text, "x {}: {}", refusal.target, refusal.reason);
        }
        for target in &plan.unchanged {
            let _ = writeln!(text, "= {target}");
        }
        text
    }

    #[test]
    fn what_did_not_answer_is_neither_created_nor_missing() {
        let lists = json!({"total": 2, "streams": [], "missing": ["A", "B"]});
        let seen = observed(&lists, &json!({}));
        insta::assert_snapshot!(show(&plan(&topology(FILE), &seen)), @"
        x A: not known: the server that keeps this stream did not answer; try again when it is back
        x B: not known: the server that keeps this stream did not answer; try again when it is back
        ");
        let verdict = verify(&topology(FILE), &seen);
        assert!(!verdict.differs() && verdict.problems.len() == 2, "{verdict:?}");
        // Whose it is, is not known either.
        assert_eq!(destroy("x", &seen).refused.len(), 2);

        let streams = json!({"total": 1, "streams": [stream("A", "a.>", json!({}))]});
        let consumers =
            json!({"total": 2, "consumers": [consumer("c", json!({}))], "missing": ["d"]});
        insta::assert_snapshot!(show(&plan(&topology(FILE), &observed(&streams, &consumers))), @"
        + stream B
        x A/d: not known: the server that keeps this consumer did not answer; try again when it is back
        = A
        = A/c
        ");
    }

    /// A value of a newer server is a difference where the file says another one, and left alone where
    /// it says nothing: also where the file's default is another than the API's, as for `ack_policy`.
    #[test]
    fn values_that_are_not_known_differ_only_where_the_file_has_its_own() {
        let newer = json!({"compression": "zstd", "retention": "tiered", "tiers": ["cold"]});
        let streams = json!({"total": 2, "streams": [
            stream("A", "a.>", newer.clone()), stream("B", "b.>", newer)]});
        let consumers = json!({"total": 2, "consumers": [
            consumer("c", json!({"ack_policy": "quorum"})), consumer("d", json!({"ack_policy": "quorum"}))]});
        let file = FILE.replace("c: {}", "c: { ack_policy: explicit }");
        let seen = observed(&streams, &consumers);
        insta::assert_snapshot!(show(&plan(&topology(&file), &seen)), @"
        x A: the server has `compression: zstd`, which this version of watershed does not know: leave the field out of the file, or update watershed
        x A/c: the server has `ack_policy: quorum`, which this version of watershed does not know: leave the field out of the file, or update watershed
        = A/d
        = B
        ");
        let verdict = verify(&topology(&file), &seen);
        assert!(verdict.differs() && verdict.unknown.is_empty(), "{verdict:?}");
    }
}
