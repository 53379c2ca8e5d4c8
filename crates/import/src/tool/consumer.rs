//! `nats consumer add`, `edit`, `copy` and `pause`.

use serde_json::{Value as Json, json};
use watershed_topology::lower::Fields;
use watershed_topology::source::Spanned;

use super::about::Call;
use super::given::Given;
use super::table::{Action, CONSUMER_ASKS};
use super::units;
use crate::api;
use crate::importer::Importer;
use crate::ledger;

pub(super) fn consumer(
    importer: &mut Importer,
    call: &Call<'_>,
    action: Action,
    given: &mut Given,
) -> Option<bool> {
    if given.has("config") {
        return api::configured(importer, call.config, &given.names, given.span, true);
    }
    let ([stream, name] | [stream, name, _]) = given.names.as_slice() else {
        let message = if given.names.len() > 3 {
            "more words than a stream and a consumer: the command fails"
        } else {
            "a consumer without a stream or a name: the tool asks for it"
        };
        importer.incomplete = true;
        importer.findings.skipped(given.span, message.to_owned());
        return None;
    };
    let stream = stream.text.clone();
    let name = Spanned::new(name.text.clone(), name.span);
    if matches!(action, Action::Copy | Action::Pause) {
        let message = format!("`nats {}` is not read", given.what);
        importer.marks(&format!("{stream}/{}", name.value), std::slice::from_ref(&message));
        importer.findings.skipped(given.span, message);
        return None;
    }
    if let Some(more) = given.names.get(2).cloned() {
        let message = format!(
            "`{}` is one word too many for `nats {}`: the command fails",
            more.text, given.what
        );
        given.refuse(importer, more.span, message, None);
    }
    let mut found = given.fields(importer);
    given.metadata(importer, &mut found);
    filters(importer, given, &mut found);
    if let Some(pending) = given.number("max-pending").or_else(|| given.number("max-outstanding"))
        && pending > 0
    {
        found.json.insert("max_ack_pending".into(), pending.into());
    }
    if let Some(sample) = given.number("sample").filter(|sample| *sample > 0) {
        found.json.insert("sample_freq".into(), sample.to_string().into());
    }
    backoff(importer, given, &mut found);
    if action == Action::Edit {
        return ledger::edit_consumer(
            importer,
            &call.when,
            &stream,
            &name,
            found,
            given.span,
            &given.unread,
        );
    }
    if given.has("ephemeral") {
        let message =
            format!("`{stream}/{}` goes when its client does: it was left out", name.value);
        importer.findings.skipped(given.span, message);
        return Some(true);
    }
    push_and_pull(importer, given, &mut found);
    deliver(importer, given, &mut found);
    groups(importer, given, &mut found);
    if given.has("pause") {
        let message = "until when `--pause` holds depends on when the script runs".to_owned();
        given.not_read(importer, given.span, message);
    }
    ledger::add_consumer(importer, &call.when, &stream, name, found, &given.unread)
}

fn filters(importer: &mut Importer, given: &mut Given, found: &mut Fields) {
    let filters = given.texts(importer, "filter");
    match filters.as_slice() {
        [] => {}
        [(one, _)] if one.is_empty() => {}
        [(one, span)] => {
            found.json.insert("filter_subject".into(), one.clone().into());
            found.places.insert("filter_subject".into(), *span);
        }
        more => {
            let all: Vec<&str> = more.iter().map(|(one, _)| one.as_str()).collect();
            found.json.insert("filter_subjects".into(), json!(all));
            for (index, (_, span)) in more.iter().enumerate() {
                found.places.insert(format!("filter_subjects.{index}"), *span);
            }
        }
    }
}

/// In nanoseconds.
const MINUTE: i64 = 60_000_000_000;

fn backoff(importer: &mut Importer, given: &mut Given, found: &mut Fields) {
    if given.value("backoff") != Some(json!("linear")) {
        return;
    }
    let steps = given.number("backoff-steps").unwrap_or(10);
    let low = given.number("backoff-min").unwrap_or(MINUTE);
    let high = given.number("backoff-max").unwrap_or(20 * MINUTE);
    if let Some(waits) = units::linear(steps, low, high) {
        let tries = i64::try_from(waits.len()).unwrap_or(0) + 1;
        let deliveries = found.json.get("max_deliver").and_then(Json::as_i64);
        if given.what == "consumer add" && deliveries.is_none_or(|one| one <= 0) {
            found.json.insert("max_deliver".into(), tries.into());
        }
        if let Some(first) = waits.first() {
            found.json.insert("ack_wait".into(), (*first).into());
        }
        found.json.insert("backoff".into(), waits.into());
    } else {
        let message =
            "these steps of `--backoff` cannot be worked out: the command fails".to_owned();
        given.refuse(importer, given.span, message, None);
    }
}

fn push_and_pull(importer: &mut Importer, given: &mut Given, found: &mut Fields) {
    let push =
        found.json.get("deliver_subject").and_then(Json::as_str).is_some_and(|one| !one.is_empty());
    let open = given.unread.iter().any(|why| why.contains("what it adds"));
    if !given.has("pull") && !given.has("target") && !open {
        let message =
            "neither `--pull` nor `--target`: the tool asks which, and fails where nobody answers";
        given.refuse(importer, given.span, message.to_owned(), Some("add `--pull`".into()));
    }
    let mut missing: Vec<&str> = Vec::new();
    if !given.has("defaults") && !open {
        missing.extend(CONSUMER_ASKS.iter().filter(|flag| !given.has(flag)));
        let pushed = ["deliver-group", "heartbeat", "flow-control"];
        missing.extend(pushed.into_iter().filter(|flag| push && !given.has(flag)));
    }
    if !missing.is_empty() {
        let shown = if missing.len() > 4 {
            "what is not given".to_owned()
        } else {
            missing.iter().map(|flag| format!("`{flag}`")).collect::<Vec<_>>().join(", ")
        };
        let message = format!(
            "without `--defaults` the tool asks for {shown}, and fails where nobody answers"
        );
        given.ask(importer, given.span, message, Some("add `--defaults`".into()));
    }
    let policy =
        found.json.entry("ack_policy").or_insert(if push { "none" } else { "explicit" }.into());
    if policy == "none"
        || found.json.get("max_deliver").and_then(Json::as_i64).is_some_and(|one| one <= 0)
    {
        found.json.insert("max_deliver".into(), (-1).into());
    }
    for (flag, field, only_push) in [
        ("bps", "rate_limit_bps", true),
        ("heartbeat", "idle_heartbeat", true),
        ("max-waiting", "max_waiting", false),
    ] {
        let value = found.json.get(field).and_then(Json::as_i64).unwrap_or(0);
        if only_push && !push && value > 0 {
            let message = format!("`--{flag}` is for push consumers: the command fails");
            given.refuse(importer, given.span, message, None);
        }
        if value <= 0 || only_push != push {
            found.json.remove(field);
        }
    }
    if !push {
        found.json.remove("flow_control");
        found.json.remove("deliver_group");
        found.json.remove("deliver_subject");
    }
}

fn deliver(importer: &mut Importer, given: &mut Given, found: &mut Fields) {
    let Some((text, span)) = given.texts(importer, "deliver").pop() else { return };
    let policy = match text.as_str() {
        "all" | "last" | "new" => text.as_str(),
        "next" => "new",
        "subject" | "last_per_subject" => {
            let none = !found.json.contains_key("filter_subject")
                && !found.json.contains_key("filter_subjects");
            if none {
                found.json.insert("filter_subject".into(), ">".into());
            }
            "last_per_subject"
        }
        number if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            if let Ok(sequence) = number.parse::<i64>() {
                found.json.insert("opt_start_seq".into(), sequence.into());
            }
            "by_start_sequence"
        }
        other => {
            if units::duration(other).is_none() {
                let message = format!(
                    "`--deliver {other}` is not all, new, last, subject, a sequence or a duration: the command fails"
                );
                given.refuse(importer, span, message, None);
            } else {
                let message = format!(
                    "where it starts depends on when the script runs: `--deliver {other}` was left out"
                );
                given.not_read(importer, span, message);
            }
            return;
        }
    };
    found.json.insert("deliver_policy".into(), policy.into());
    found.places.insert("deliver_policy".into(), span);
}

fn groups(importer: &mut Importer, given: &mut Given, found: &mut Fields) {
    let texts = |given: &mut Given, importer: &mut Importer, name: &str| -> Vec<String> {
        given.texts(importer, name).into_iter().map(|(text, _)| text).collect()
    };
    let pinned = texts(given, importer, "pinned-groups");
    let overflow = texts(given, importer, "overflow-groups");
    let prioritized = texts(given, importer, "prioritized-groups");
    if !overflow.is_empty() {
        let message = if pinned.is_empty() {
            "version 0.5.0 of the tool does not send the groups of `--overflow-groups`, and the server refuses with 10159: the command fails"
        } else {
            "`--overflow-groups` and `--pinned-groups` exclude each other: the command fails"
        };
        given.refuse(importer, given.span, message.to_owned(), None);
    }
    let (policy, all) = if !pinned.is_empty() {
        ("pinned_client", pinned)
    } else if !overflow.is_empty() {
        ("overflow", overflow)
    } else if !prioritized.is_empty() {
        ("prioritized", prioritized)
    } else {
        return;
    };
    if policy == "pinned_client"
        && let Some(nanos) = given.number("pinned-ttl")
    {
        found.json.insert("priority_timeout".into(), nanos.into());
    }
    found.json.insert("priority_policy".into(), policy.into());
    found.json.insert("priority_groups".into(), json!(all));
}
