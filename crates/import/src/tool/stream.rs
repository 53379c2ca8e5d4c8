//! `nats stream add`, `edit` and `copy`.

use serde_json::{Value as Json, json};
use watershed_topology::source::Spanned;

use super::about::Call;
use super::given::Given;
use super::table::{Action, STREAM_ASKS};
use super::units;
use crate::api::{self, made};
use crate::importer::Importer;
use crate::ledger;

/// How long message ids are remembered, in nanoseconds, unless something else is said.
const WINDOW: i64 = 120_000_000_000;

pub(super) fn stream(
    importer: &mut Importer,
    call: &Call<'_>,
    action: Action,
    given: &mut Given,
) -> Option<bool> {
    let count = if action == Action::Copy { 2 } else { 1 };
    if let Some(more) = given.names.get(count).cloned() {
        let message = format!(
            "`{}` is one word too many for `nats {}`: the command fails",
            more.text, given.what
        );
        given.refuse(importer, more.span, message, None);
    }
    if given.has("config") {
        return api::configured(importer, call.config, &given.names, given.span, false);
    }
    let Some(name) = given.names.get(count - 1).cloned() else {
        let message = "a stream without a name: the tool asks for it".to_owned();
        importer.incomplete = true;
        importer.findings.skipped(given.span, message);
        return None;
    };
    let mut found = given.fields(importer);
    given.metadata(importer, &mut found);
    given.placement(importer, &mut found);
    given.pairs(importer, &mut found);
    subjects(importer, given, &mut found);
    limits(given, &mut found);
    let name = Spanned::new(name.text.clone(), name.span);
    if action == Action::Edit {
        if given.has("mirror") || given.has("source") {
            let message =
                "mirrors and sources cannot be edited with flags: the command fails".to_owned();
            given.refuse(importer, given.span, message, None);
        }
        for (flag, field) in [
            ("no-mirror", "mirror"),
            ("no-transform", "subject_transform"),
            ("no-republish", "republish"),
        ] {
            if given.has(flag) {
                found.json.insert(field.into(), Json::Null);
            }
        }
        // `stream edit` turns `no_ack` off unless `--no-ack` is given again.
        found.json.entry("no_ack").or_insert(false.into());
        return ledger::edit_stream(importer, &call.when, name, found, given.span, &given.unread);
    }
    origins(importer, given, &mut found);
    if action == Action::Copy {
        let from = given.names.first().and_then(|word| word.get()).unwrap_or_default().to_owned();
        let Some(Json::Object(mut fields)) =
            importer.known(&from).and_then(|stream| serde_json::to_value(&stream.config).ok())
        else {
            let message =
                format!("`{from}`, which this copies, is not known here: it was not read");
            importer.incomplete = true;
            importer.findings.skipped(given.span, message);
            return None;
        };
        fields.append(&mut found.json);
        found.json = fields;
    } else {
        asks(importer, given);
        defaults(importer, given, &mut found);
    }
    let stream = made(importer, name, found);
    ledger::add_stream(importer, &call.when, stream, &given.unread, given.fails)
}

fn subjects(
    importer: &mut Importer,
    given: &mut Given,
    found: &mut watershed_topology::lower::Fields,
) {
    if !given.has("subjects") {
        return;
    }
    let mut all: Vec<Json> = Vec::new();
    for (text, span) in given.texts(importer, "subjects") {
        for one in units::subjects(&text) {
            found.places.insert(format!("subjects.{}", all.len()), span);
            found.places.entry("subjects".into()).or_insert(span);
            all.push(one.into());
        }
    }
    found.json.insert("subjects".into(), all.into());
}

fn limits(given: &Given, found: &mut watershed_topology::lower::Fields) {
    let mut limits = serde_json::Map::new();
    for (flag, field) in [
        ("limit-consumer-inactive", "inactive_threshold"),
        ("limit-consumer-max-pending", "max_ack_pending"),
    ] {
        if let Some(value) = given.number(flag).filter(|value| *value > 0) {
            limits.insert(field.into(), value.into());
        }
    }
    if !limits.is_empty() {
        found.json.insert("consumer_limits".into(), limits.into());
    }
}

/// What is mirrored and sourced: names, or objects as JSON.
fn origins(
    importer: &mut Importer,
    given: &mut Given,
    found: &mut watershed_topology::lower::Fields,
) {
    let mirror = given.texts(importer, "mirror");
    let sources = given.texts(importer, "source");
    let mut one = |text: &str, span| {
        if !text.trim_start().starts_with('{') {
            return Some(json!({"name": text}));
        }
        let read = serde_json::from_str(text).ok();
        if read.is_none() {
            given.refuse(
                importer,
                span,
                "an origin that is not valid JSON: the command fails".into(),
                None,
            );
        }
        read
    };
    if let Some((text, span)) = mirror.last()
        && let Some(mirror) = one(text, *span)
    {
        found.json.insert("mirror".into(), mirror);
        found.places.insert("mirror.name".into(), *span);
    }
    let mut all = Vec::new();
    for (text, span) in &sources {
        if let Some(source) = one(text, *span) {
            found.places.insert(format!("sources.{}.name", all.len()), *span);
            all.push(source);
        }
    }
    if !all.is_empty() {
        found.json.insert("sources".into(), all.into());
    }
}

/// What the tool asks for, where nobody answers.
fn asks(importer: &mut Importer, given: &mut Given) {
    let origin = given.has("mirror") || given.has("source");
    let zero = |given: &Given, flag: &str| given.number(flag) == Some(0);
    let mut missing: Vec<&str> = Vec::new();
    let mut fix = "add `--defaults`";
    if given.has("mirror") && given.has("subjects") {
        let message = "a mirror takes no subjects: the command fails".to_owned();
        given.refuse(importer, given.span, message, None);
    }
    if !given.has("subjects") && !origin {
        missing.push("subjects");
        fix = "add `--subjects`, and `--defaults`";
    }
    if given.has("defaults") {
        let asked = ["max-bytes", "max-msg-size"].into_iter().filter(|flag| zero(given, flag));
        let asked: Vec<&str> = asked.collect();
        if !asked.is_empty() {
            fix = "write `-1` for no limit, as `--max-bytes=-1`";
            missing.extend(asked);
        } else if !missing.is_empty() {
            fix = "add `--subjects`";
        }
    } else {
        for flag in STREAM_ASKS {
            let given_at_all = given.has(flag) && !zero(given, flag);
            let window = *flag == "dupe-window" && given.has("mirror");
            let per_subject = *flag == "max-msgs-per-subject" && origin;
            if !given_at_all && !window && !per_subject {
                missing.push(flag);
            }
        }
        if origin {
            missing.push("details of the origin");
        }
    }
    if missing.is_empty()
        || !given.unread.is_empty() && given.unread.iter().any(|why| why.contains("what it adds"))
    {
        return;
    }
    let shown = match missing.as_slice() {
        all if all.len() > 4 => "what is not given".to_owned(),
        few => few.iter().map(|flag| format!("`{flag}`")).collect::<Vec<_>>().join(", "),
    };
    let without = if given.has("defaults") { "" } else { "without `--defaults` " };
    let message = format!("{without}the tool asks for {shown}, and fails where nobody answers");
    // For these it offers no answer that would be the same as `--defaults`.
    let open = given.has("defaults") || missing.contains(&"subjects") || origin;
    if open {
        given.refuse(importer, given.span, message, Some(fix.into()));
    } else {
        given.ask(importer, given.span, message, Some(fix.into()));
    }
}

/// What the tool sends for what is not given.
fn defaults(importer: &mut Importer, given: &Given, found: &mut watershed_topology::lower::Fields) {
    found.json.entry("allow_direct").or_insert(true.into());
    for limit in ["max_msgs", "max_msgs_per_subject"] {
        if found.json.get(limit).and_then(Json::as_i64).is_some_and(|value| value <= 0) {
            found.json.insert(limit.into(), (-1).into());
        }
    }
    let mirror =
        found.json.get("mirror").and_then(|mirror| mirror.get("name")).and_then(Json::as_str);
    let Some(mirror) = mirror.map(str::to_owned) else {
        let age = found.json.get("max_age").and_then(Json::as_i64).unwrap_or(0);
        let window = if age > 0 { age.min(WINDOW) } else { WINDOW };
        if !given.has("dupe-window") {
            found.json.insert("duplicate_window".into(), window.into());
        }
        return;
    };
    // The server takes it over from the origin.
    let direct = importer.known(&mirror).is_some_and(|origin| origin.config.allow_direct);
    if direct {
        found.json.insert("mirror_direct".into(), true.into());
    }
}
