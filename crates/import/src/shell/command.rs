//! One call of the `nats` tool.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::flags::{CONSUMER, GLOBAL, Means, SHORT, STREAM};
use super::state::Shell;
use super::words::Word;
use crate::api::{attach, made};
use crate::value::{Dialect, choice, duration, number};
use watershed_topology::lower::Fields;
use watershed_topology::schema::{self, Field, Kind, nearest};
use watershed_topology::source::{Span, Spanned};
use watershed_topology::yaml::{Node, Scalar, Style, Value};

/// What a command is about.
struct Kindly {
    flags: &'static [(&'static str, Means)],
    fields: &'static [Field],
    what: &'static str,
}

const OF_STREAM: Kindly = Kindly { flags: STREAM, fields: schema::STREAM, what: "stream add" };
const OF_CONSUMER: Kindly =
    Kindly { flags: CONSUMER, fields: schema::CONSUMER, what: "consumer add" };

/// Flags as they were given, without dashes, and the words that are none.
#[derive(Default)]
struct Given {
    flags: Vec<(String, Option<Word>, Span)>,
    names: Vec<Word>,
}

impl Given {
    fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, ..)| flag == name)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &Word> {
        self.flags
            .iter()
            .filter(move |(flag, ..)| flag == name)
            .filter_map(|(_, word, _)| word.as_ref())
    }

    fn get(&self, name: &str) -> Option<&Word> {
        self.all(name).last()
    }
}

/// Takes in a call of the tool. Whether it is one that makes or changes something.
pub(super) fn call(shell: &mut Shell<'_, '_>, words: &[Word]) -> bool {
    let Some((about, action, rest)) = head(words) else { return false };
    let kind = match (about, action) {
        ("stream" | "str" | "s", "add" | "create" | "new" | "edit") => OF_STREAM,
        ("consumer" | "con" | "c", "add" | "create" | "new" | "edit") => OF_CONSUMER,
        ("server" | "srv", "ping" | "info" | "list" | "ls" | "report") => {
            return asks_system(shell, words, action);
        }
        ("stream" | "str" | "s", "rm" | "delete" | "del" | "purge") => {
            return deletes(shell, words, action, rest);
        }
        ("pub" | "publish", _) => return publishes(shell, words),
        _ => return false,
    };
    let given = parse(shell, &kind, rest);
    let span = rest.first().or(words.first()).map(|word| shell.span(word)).unwrap_or_default();
    if let Some(word) = given.names.iter().find(|word| word.unknown.is_some()) {
        let name = word.unknown.as_deref().unwrap_or_default();
        let message = format!("`{name}` is not known here: this command was not read");
        shell.importer.findings.skipped(shell.span(word), message);
        return true;
    }
    if let Some(file) = given.get("config") {
        let message = format!("what `{}` says is not read: name that file too", file.text);
        shell.importer.findings.skipped(shell.span(file), message);
        return true;
    }
    if !given.has("defaults") && action != "edit" {
        let message =
            "without `--defaults` the tool asks, and fails where nobody answers".to_owned();
        shell.importer.findings.wrong(span, message).fix = Some("add `--defaults`".into());
    }
    if kind.what == OF_STREAM.what {
        stream(shell, &kind, &given, action == "edit", span);
    } else {
        consumer(shell, &kind, &given, span);
    }
    true
}

/// What only the system account is answered: as a check of readiness, it waits forever.
fn asks_system(shell: &mut Shell<'_, '_>, words: &[Word], action: &str) -> bool {
    let span = words.first().map(|word| shell.span(word)).unwrap_or_default();
    let message = format!("`nats server {action}` is answered to the system account alone");
    let found = shell.importer.findings.wrong(span, message);
    found.fix =
        Some("ask for what is needed: `nats account info` says that JetStream is there".into());
    true
}

/// Streams that go, or are emptied, whenever the script runs.
fn deletes(shell: &mut Shell<'_, '_>, words: &[Word], action: &str, rest: &[Word]) -> bool {
    let span = words.first().map(|word| shell.span(word)).unwrap_or_default();
    let name = rest.iter().find(|word| !word.text.starts_with('-'));
    let which = match name {
        Some(Word { text, unknown: None, .. }) => format!("`{text}`"),
        _ => "streams that are not named here".to_owned(),
    };
    let message = match action {
        "purge" => format!("this empties {which}, whenever the script runs"),
        _ => format!("this deletes {which} with messages and consumers, whenever the script runs"),
    };
    shell.importer.findings.deleted(span, message);
    true
}

/// A message that is published to try something out.
fn publishes(shell: &mut Shell<'_, '_>, words: &[Word]) -> bool {
    let subject = words.iter().skip(2).find(|word| !word.text.starts_with('-'));
    if let Some(subject) = subject.filter(|subject| subject.unknown.is_none()) {
        let span = shell.span(subject);
        shell.importer.tried.push(Spanned::new(subject.text.clone(), span));
    }
    true
}

/// `nats [flags] stream add [rest]`.
fn head(words: &[Word]) -> Option<(&str, &str, &[Word])> {
    let mut at = 1;
    let mut found = Vec::new();
    while found.len() < 2 {
        let word = words.get(at)?;
        at += 1;
        if word.text.starts_with('-') {
            let name = word.text.trim_start_matches('-');
            let name =
                SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| *long);
            let valued = GLOBAL.iter().any(|(flag, means)| *flag == name && *means == Means::Other);
            at += usize::from(valued && !word.text.contains('='));
        } else {
            found.push(word.text.as_str());
        }
    }
    Some((found.first()?, found.get(1)?, words.get(at..)?))
}

fn parse(shell: &mut Shell<'_, '_>, kind: &Kindly, words: &[Word]) -> Given {
    let mut given = Given::default();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let span = shell.span(word);
        if !word.text.starts_with('-') || word.text == "-" {
            // What is sent elsewhere is no name.
            if word.text.contains('>') && !word.text.contains('.') || word.text.starts_with("2>") {
                if word.text.ends_with('>') {
                    words.next();
                }
                continue;
            }
            given.names.push(word.clone());
            continue;
        }
        let text = word.text.trim_start_matches('-');
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let name = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| *long);
        let known = |name: &str| {
            let all = kind.flags.iter().chain(GLOBAL);
            all.clone().find(|(flag, _)| *flag == name).map(|(_, means)| *means)
        };
        let positive = name.strip_prefix("no-").filter(|positive| known(positive).is_some());
        let Some(means) = known(positive.unwrap_or(name)) else {
            unknown(shell, kind, name, span);
            // Its value, if it has one, is nobody's name.
            if inline.is_none() && words.peek().is_some_and(|next| !next.text.starts_with('-')) {
                words.next();
            }
            continue;
        };
        let takes_value = match means {
            Means::Field(_) | Means::Other => true,
            Means::Special => {
                !matches!(name, "defaults" | "pull" | "ephemeral" | "republish-headers")
            }
            Means::Flag(_) | Means::NotFlag(_) | Means::Switch => false,
        };
        let value = match inline {
            Some(text) => Some(Word { text, ..word.clone() }),
            None if takes_value => words.next().cloned(),
            None => None,
        };
        given.flags.push((name.to_owned(), value, span));
    }
    given
}

/// Hides what a command line holds of secrets: the value of a password flag, and what stands before
/// the host of an URL.
pub(super) fn hide(shell: &mut Shell<'_, '_>, words: &[Word]) {
    for (index, word) in words.iter().enumerate() {
        let behind = index.checked_sub(1).and_then(|before| words.get(before));
        let flag = behind.is_some_and(|before| before.text == "--password");
        let inline = word.text.starts_with("--password=");
        let url = word.text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
        if flag || inline || url {
            let span = shell.span(word);
            shell.importer.secrets.push(span);
        }
    }
}

fn unknown(shell: &mut Shell<'_, '_>, kind: &Kindly, name: &str, span: Span) {
    let meant = match name {
        "ack-wait" => Some("wait"),
        "max-ack-pending" => Some("max-pending"),
        "subject" => Some("subjects"),
        "filter-subject" | "filter-subjects" => Some("filter"),
        "duplicate-window" => Some("dupe-window"),
        _ => nearest(name, kind.flags.iter().map(|(flag, _)| *flag)),
    };
    let message = format!("unknown flag `--{name}` of `nats {}`: the command fails", kind.what);
    let found = shell.importer.findings.wrong(span, message);
    found.fix = meant.map(|meant| format!("did you mean `--{meant}`?"));
}

/// A word as a node, for those who read values.
fn node(shell: &Shell<'_, '_>, word: &Word, text: &str) -> Node {
    let scalar = Scalar { text: text.to_owned(), style: Style::Plain };
    Node { span: shell.span(word), value: Value::Scalar(scalar) }
}

/// The fields that plain flags give.
fn fields(shell: &mut Shell<'_, '_>, kind: &Kindly, given: &Given) -> Fields {
    let mut found = Fields::default();
    for (name, value, span) in &given.flags {
        let (plain, on) = match name.strip_prefix("no-") {
            Some(positive) => (positive, false),
            None => (name.as_str(), true),
        };
        let means = kind.flags.iter().find(|(flag, _)| *flag == plain).map(|(_, means)| *means);
        let field = match means {
            Some(Means::Flag(field)) => {
                found.json.insert(field.to_owned(), on.into());
                field
            }
            Some(Means::NotFlag(field)) => {
                found.json.insert(field.to_owned(), (!on).into());
                field
            }
            Some(Means::Field(field)) => {
                let Some(word) = value else { continue };
                let Some(read) = value_of(shell, kind, field, word, found.json.get(field)) else {
                    continue;
                };
                if let Json::Array(items) = &read {
                    for index in 0..items.len() {
                        let path = format!("{field}.{index}");
                        found.places.entry(path).or_insert_with(|| shell.span(word));
                    }
                }
                found.json.insert(field.to_owned(), read);
                field
            }
            _ => continue,
        };
        let place = value.as_ref().map_or(*span, |word| shell.span(word));
        found.places.insert(field.to_owned(), place);
    }
    found
}

fn value_of(
    shell: &mut Shell<'_, '_>,
    kind: &Kindly,
    name: &str,
    word: &Word,
    before: Option<&Json>,
) -> Option<Json> {
    if let Some(unknown) = &word.unknown {
        let message = format!("`{unknown}` is not known here: `{name}` was left out");
        shell.importer.findings.skipped(shell.span(word), message);
        return None;
    }
    let field = kind.fields.iter().find(|field| field.name == name)?;
    let node = node(shell, word, &word.text);
    let findings = &mut shell.importer.findings;
    match field.kind {
        Kind::Filters | Kind::Texts => {
            let mut all: Vec<Json> = before.and_then(Json::as_array).cloned().unwrap_or_default();
            all.extend(word.text.split(',').map(|part| Json::from(part.trim())));
            Some(Json::Array(all))
        }
        Kind::Age | Kind::Duration => duration(&node, Dialect::Tool, findings).map(Json::from),
        Kind::Count | Kind::Limit | Kind::Size => number(&node, field, findings).map(Json::from),
        Kind::Choice(words) => choice(&node, words, findings).map(Json::from),
        _ => Some(word.text.clone().into()),
    }
}

fn stream(shell: &mut Shell<'_, '_>, kind: &Kindly, given: &Given, edit: bool, span: Span) {
    let Some(name) = given.names.first() else {
        let message = "a stream without a name: the tool asks for it".to_owned();
        return shell.importer.findings.skipped(span, message);
    };
    let mut found = fields(shell, kind, given);
    metadata(given, &mut found);
    if let Some(mirror) = given.get("mirror") {
        found.json.insert("mirror".into(), json!({"name": mirror.text}));
    }
    let sources: Vec<Json> = given.all("source").map(|word| json!({"name": word.text})).collect();
    if !sources.is_empty() {
        found.json.insert("sources".into(), sources.into());
    }
    for (fields, name) in [
        (["republish-source", "republish-destination"], "republish"),
        (["transform-source", "transform-destination"], "subject_transform"),
    ] {
        let [src, dest] = fields.map(|flag| given.get(flag).map(|word| word.text.clone()));
        if src.is_some() || dest.is_some() {
            let (src, dest) = (src.unwrap_or_default(), dest.unwrap_or_default());
            found.json.insert(name.into(), json!({"src": src, "dest": dest}));
        }
    }
    let name = Spanned::new(name.text.clone(), shell.span(name));
    if edit {
        return shell.importer.edit(name, found);
    }
    let stream = made(shell.importer, name, found);
    shell.importer.stream(stream);
}

fn consumer(shell: &mut Shell<'_, '_>, kind: &Kindly, given: &Given, span: Span) {
    let [stream, name, ..] = given.names.as_slice() else {
        let message = "a consumer without a stream or a name: the tool asks for it".to_owned();
        return shell.importer.findings.skipped(span, message);
    };
    let mut found = fields(shell, kind, given);
    metadata(given, &mut found);
    let filters: Vec<&Word> = given.all("filter").collect();
    match filters.as_slice() {
        [] => {}
        [one] if one.text.is_empty() => {}
        [one] => {
            found.json.insert("filter_subject".into(), one.text.clone().into());
            found.places.insert("filter_subject".into(), shell.span(one));
        }
        more => {
            let all: Vec<&str> = more.iter().map(|word| word.text.as_str()).collect();
            found.json.insert("filter_subjects".into(), json!(all));
            for (index, word) in more.iter().enumerate() {
                found.places.insert(format!("filter_subjects.{index}"), shell.span(word));
            }
        }
    }
    if let Some(word) = given.get("deliver") {
        deliver(shell, word, &mut found);
    }
    if given.has("ephemeral") {
        let message = format!("`{}` is ephemeral: it goes with its clients", name.text);
        return shell.importer.findings.skipped(shell.span(name), message);
    }
    let push = found.json.contains_key("deliver_subject");
    if !push && !given.has("pull") {
        let message =
            "neither `--pull` nor `--target`: the tool asks, or makes a pull consumer".to_owned();
        shell.importer.findings.guess(shell.span(name), message);
    }
    // With `--defaults`, the tool's own: a push consumer acknowledges nothing.
    let ack = if push { "none" } else { "explicit" };
    found.json.entry("ack_policy").or_insert_with(|| ack.into());
    if let Some(word) = given.get("backoff").filter(|word| word.text != "none") {
        backoff(shell, given, word, &mut found);
    }
    let name = Spanned::new(name.text.clone(), shell.span(name));
    attach(shell.importer, &stream.text, name, found);
}

/// Where a consumer starts.
fn deliver(shell: &mut Shell<'_, '_>, word: &Word, found: &mut Fields) {
    let policy = match word.text.as_str() {
        "all" | "last" | "new" => word.text.as_str(),
        "subject" => "last_per_subject",
        text => {
            let Ok(sequence) = text.parse::<u64>() else {
                let message = format!("where `--deliver {text}` starts depends on the time");
                return shell.importer.findings.skipped(shell.span(word), message);
            };
            found.json.insert("opt_start_seq".into(), sequence.into());
            "by_start_sequence"
        }
    };
    found.json.insert("deliver_policy".into(), policy.into());
    found.places.insert("deliver_policy".into(), shell.span(word));
}

/// Steps between the shortest and the longest wait.
fn backoff(shell: &mut Shell<'_, '_>, given: &Given, word: &Word, found: &mut Fields) {
    let mut read = |name: &str| {
        let word = given.get(name)?;
        let node = node(shell, word, &word.text);
        duration(&node, Dialect::Tool, &mut shell.importer.findings)
    };
    let (min, max) = (read("backoff-min"), read("backoff-max"));
    let steps = given.get("backoff-steps").and_then(|word| word.text.parse::<i64>().ok());
    let (Some(min), Some(max), Some(steps), "linear") = (min, max, steps, word.text.as_str())
    else {
        let message = "this backoff cannot be worked out here: it was left out".to_owned();
        return shell.importer.findings.skipped(shell.span(word), message);
    };
    let steps = steps.clamp(1, 100);
    let step = (max - min) / (steps - 1).max(1);
    let waits: Vec<i64> =
        (0..steps).map(|index| min.saturating_add(step.saturating_mul(index))).collect();
    found.json.insert("backoff".into(), json!(waits));
    found.places.insert("backoff".into(), shell.span(word));
}

fn metadata(given: &Given, found: &mut Fields) {
    let pairs: BTreeMap<String, Json> = given
        .all("metadata")
        .filter_map(|word| {
            let (key, value) = word.text.split_once([':', '='])?;
            Some((key.to_owned(), value.into()))
        })
        .collect();
    if !pairs.is_empty() {
        found.json.insert("metadata".into(), json!(pairs));
    }
}
