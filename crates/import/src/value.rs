//! Values as other tools write them, in the API's units.
//!
//! Every tool has units of its own: the API counts nanoseconds and bytes, the `nats` tool takes
//! `30d` and means 2^30 by `G`. Where a value fits none, what was probably meant is taken and said.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::findings::Findings;
use watershed_topology::lower::Fields;
use watershed_topology::quantity::{self, show_duration};
use watershed_topology::schema::{Field, Kind};
use watershed_topology::source::Span;
use watershed_topology::yaml::{Entry, Node, Value};

/// Whose rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The server's API: nanoseconds and bytes as whole numbers.
    Api,
    /// Settings of somebody's own, in words like the API's: in which unit they count, they do not say.
    Own,
    /// Manifests of nack: camel case, durations as text.
    Nack,
    /// Terraform's provider: seconds.
    Terraform,
}

/// What is read of a mapping: fields of `table`; keys in `others` are known and mean nothing here.
pub(super) fn fields(
    entries: &[Entry],
    table: &[Field],
    others: &[&str],
    dialect: Dialect,
    findings: &mut Findings,
) -> Fields {
    let mut found = Fields::default();
    for entry in entries {
        let (key, seconds) = key(&entry.key);
        if others.contains(&entry.key.as_str()) || entry.node.is_null() {
            continue;
        }
        let exact = table.iter().find(|field| field.name == entry.key);
        let field = exact.or_else(|| {
            let field = meant(&key, table, dialect)?;
            if matches!(dialect, Dialect::Api | Dialect::Own) {
                let message = format!("unknown field `{}`; taken for `{}`", entry.key, field.name);
                findings.guess(entry.key_span, message);
            }
            Some(field)
        });
        let Some(field) = field else {
            let message = format!("`{}` is not understood", entry.key);
            if is_about(&key, table) {
                findings.left_out(entry.key_span, message);
            } else {
                findings.skipped(entry.key_span, message);
            }
            continue;
        };
        let counted = matches!(field.kind, Kind::Age | Kind::Duration) && seconds;
        let number = plain(&entry.node).and_then(|text| text.parse::<i64>().ok());
        let value = match number.filter(|_| counted) {
            Some(seconds) => Some(seconds.saturating_mul(1_000_000_000).into()),
            None => value(&entry.node, field, dialect, &mut found.places, field.name, findings),
        };
        let Some(value) = value else { continue };
        found.places.insert(field.name.to_owned(), entry.node.span);
        found.json.insert(field.name.to_owned(), value);
    }
    found
}

/// What tools and people call a field, and its name in the API.
const CALLED: &[(&str, &str)] = &[
    ("replicas", "num_replicas"),
    ("storage_type", "storage"),
    ("retention_policy", "retention"),
    ("discard_policy", "discard"),
    ("max_message_size", "max_msg_size"),
    ("max_message_bytes", "max_msg_size"),
    ("max_msg_bytes", "max_msg_size"),
    ("max_messages", "max_msgs"),
    ("max_messages_per_subject", "max_msgs_per_subject"),
    ("duplicates", "duplicate_window"),
    ("dupe_window", "duplicate_window"),
    ("heartbeat_interval", "idle_heartbeat"),
    ("heartbeat", "idle_heartbeat"),
    ("max_request_batch", "max_batch"),
    ("max_request_expires", "max_expires"),
    ("max_request_max_bytes", "max_bytes"),
    ("pinned_ttl", "priority_timeout"),
    ("priority_pinned_ttl", "priority_timeout"),
    ("first_sequence", "first_seq"),
    ("allow_rollup", "allow_rollup_hdrs"),
    ("discard_per_subject", "discard_new_per_subject"),
    ("rate_limit", "rate_limit_bps"),
    ("memory_storage", "mem_storage"),
    ("sample", "sample_freq"),
    ("sample_frequency", "sample_freq"),
    ("source", "src"),
    ("destination", "dest"),
    ("api_prefix", "api"),
    ("deliver_prefix", "deliver"),
];

/// The field that a key means: one that is called so elsewhere, or one with a letter or two that were
/// mistyped. Words are not chosen among.
fn meant<'t>(key: &str, table: &'t [Field], dialect: Dialect) -> Option<&'t Field> {
    let named = |name: &str| table.iter().find(|field| field.name == name);
    let called = CALLED.iter().find(|(other, _)| *other == key).and_then(|(_, own)| named(own));
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let same = || table.iter().find(|field| plain(field.name) == plain(key));
    if let Some(field) = named(key).or(called).or_else(same) {
        return Some(field);
    }
    // Of the other tools every field is known: what is not among them is something else.
    if !matches!(dialect, Dialect::Api | Dialect::Own) || key.len() < 5 {
        return None;
    }
    let most = if key.len() < 8 { 1 } else { 2 };
    let distance = |field: &&Field| strsim::damerau_levenshtein(field.name, key);
    let mut close = table.iter().filter(|field| distance(field) <= most);
    close.next().filter(|_| close.next().is_none())
}

/// Words in names of fields that say nothing about which field it is.
const COMMON: &[&str] =
    &["name", "description", "metadata", "max", "num", "per", "new", "first", "allow", "deny"];

/// Whether an unknown key may mean a field: it has one of its words.
fn is_about(key: &str, table: &[Field]) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(['_', '-']).map(|word| word.trim_end_matches('s').to_owned());
        words.filter(|word| word.len() > 2 && !COMMON.contains(&word.as_str())).collect()
    };
    let own = words(key);
    table.iter().flat_map(|field| words(field.name)).any(|word| own.contains(&word))
}

/// Keys that are one field together: each is moved into a mapping under the field's name.
pub(super) fn grouped(entries: Vec<Entry>, groups: &[(&str, &str, &str)]) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    for mut entry in entries {
        let Some((_, group, name)) = groups.iter().find(|(key, ..)| *key == entry.key) else {
            out.push(entry);
            continue;
        };
        (*name).clone_into(&mut entry.key);
        let span = entry.node.span;
        match out.iter_mut().find(|one| one.key == *group) {
            Some(Entry { node: Node { value: Value::Mapping(inner), .. }, .. }) => {
                inner.push(entry);
            }
            Some(_) => {}
            None => {
                let value = Value::Mapping(vec![entry]);
                let node = Node { span, value };
                out.push(Entry { key: (*group).to_owned(), key_span: span, node });
            }
        }
    }
    out
}

/// A key in the API's style, and whether it says that its number counts seconds.
fn key(text: &str) -> (String, bool) {
    let mut snake = String::new();
    for c in text.chars().map(|c| if c == '-' { '_' } else { c }) {
        if c.is_ascii_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    let ends = ["_seconds", "_secs", "_sec", "_s"];
    match ends.iter().find_map(|end| snake.strip_suffix(end)) {
        Some(rest) => (rest.to_owned(), true),
        None => (snake, false),
    }
}

fn value(
    node: &Node,
    field: &Field,
    dialect: Dialect,
    places: &mut BTreeMap<String, Span>,
    path: &str,
    findings: &mut Findings,
) -> Option<Json> {
    let text = plain(node);
    match field.kind {
        Kind::Filters | Kind::Texts | Kind::Durations => {
            let items: Vec<&Node> = match &node.value {
                Value::Sequence(items) => items.iter().collect(),
                _ => vec![node],
            };
            let mut values = Vec::new();
            for item in items {
                let one = if matches!(field.kind, Kind::Durations) {
                    duration(item, dialect, findings).map(Json::from)
                } else {
                    plain(item).map(Json::from)
                };
                if let Some(one) = one {
                    places.insert(format!("{path}.{}", values.len()), item.span);
                    values.push(one);
                }
            }
            Some(Json::Array(values))
        }
        Kind::Age | Kind::Duration => duration(node, dialect, findings).map(Json::from),
        Kind::Count | Kind::Limit | Kind::Size => number(node, field, findings).map(Json::from),
        Kind::Flag => match text? {
            "true" | "yes" | "on" => Some(true.into()),
            "false" | "no" | "off" => Some(false.into()),
            other => {
                findings.left_out(node.span, format!("`{other}` is neither true nor false"));
                None
            }
        },
        Kind::Choice(words) if matches!(dialect, Dialect::Nack | Dialect::Terraform) => {
            // Its own schema refuses what is none of them.
            let found = words.iter().find(|word| Some(**word) == text);
            if let (None, Some(text)) = (found, text.filter(|text| !text.is_empty())) {
                let message = format!("`{text}` is none of {}", words.join(", "));
                findings.refused(node.span, message);
            }
            found.map(|word| Json::from(*word))
        }
        Kind::Choice(words) => choice(node, words, findings).map(Json::from),
        Kind::Pairs => {
            let Value::Mapping(entries) = &node.value else { return None };
            let pairs = entries
                .iter()
                .filter_map(|entry| Some((entry.key.clone(), Json::from(plain(&entry.node)?))));
            Some(Json::Object(pairs.collect()))
        }
        Kind::Object(table) => {
            let Value::Mapping(entries) = &node.value else { return None };
            let inner = fields(entries, table, &[], dialect, findings);
            let named = inner.places.into_iter();
            places.extend(named.map(|(name, span)| (format!("{path}.{name}"), span)));
            Some(Json::Object(inner.json))
        }
        Kind::Objects(table) => {
            let Value::Sequence(items) = &node.value else { return None };
            let mut objects = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let Value::Mapping(entries) = &item.value else { continue };
                let inner = fields(entries, table, &[], dialect, findings);
                let named = inner.places.into_iter();
                places.extend(named.map(|(name, span)| (format!("{path}.{index}.{name}"), span)));
                objects.push(Json::Object(inner.json));
            }
            Some(Json::Array(objects))
        }
        Kind::Text | Kind::Filter | Kind::Time => text.map(Json::from),
        // No foreign format has fields of this kind.
        Kind::Named(_) => None,
    }
}

/// One of these words, or what other tools call it.
pub(super) fn choice(
    node: &Node,
    words: &[&'static str],
    findings: &mut Findings,
) -> Option<String> {
    let text = plain(node)?;
    if text.is_empty() {
        return None;
    }
    let lower = text.to_lowercase();
    if words.contains(&lower.as_str()) {
        return Some(lower);
    }
    let meant = match lower.as_str() {
        "work" | "workq" | "work_queue" | "work-queue" => Some("workqueue"),
        "f" => Some("file"),
        "m" | "mem" => Some("memory"),
        _ => words.iter().copied().find(|word| strsim::damerau_levenshtein(word, &lower) <= 1),
    };
    let meant = meant.filter(|meant| words.contains(meant));
    match meant {
        Some(meant) => findings.guess(node.span, format!("`{text}` is taken for `{meant}`")),
        None => findings.left_out(node.span, format!("`{text}` is none of {}", words.join(", "))),
    }
    meant.map(str::to_owned)
}

/// Nanoseconds below which nobody means nanoseconds.
const SHORT: i64 = 100_000_000;

/// Nanoseconds.
pub(super) fn duration(node: &Node, dialect: Dialect, findings: &mut Findings) -> Option<i64> {
    let text = plain(node)?;
    let number = text.parse::<i64>().ok();
    match (dialect, number) {
        (_, Some(number @ (0 | -1))) => Some(number.max(0)),
        (Dialect::Own, Some(number)) if (1..SHORT).contains(&number) => {
            let message = format!("in which unit `{number}` counts is not known here");
            findings.left_out(node.span, message);
            None
        }
        (Dialect::Api | Dialect::Own, Some(number)) => {
            if (1..SHORT).contains(&number) {
                let seconds = show_duration(number.saturating_mul(1_000_000_000));
                let message = format!("{number} nanoseconds; as seconds it would be {seconds}");
                findings.guess(node.span, message);
            }
            Some(number)
        }
        (Dialect::Terraform, Some(number)) => {
            let nanos = number.checked_mul(1_000_000_000);
            if nanos.is_none() {
                let seconds = show_duration(number);
                let message = format!(
                    "the provider counts seconds, and {number} are too many; as nanoseconds it would be {seconds}"
                );
                findings.refused(node.span, message);
            }
            nanos
        }
        (Dialect::Nack, Some(_)) => {
            let nanos = text.parse::<i64>().ok()?.saturating_mul(1_000_000_000);
            let meant = show_duration(nanos);
            let message = format!(
                "missing unit in `{text}`: nack refuses it; as seconds it would be {meant}"
            );
            findings.refused(node.span, message);
            None
        }
        // What is written without a value is not given.
        (_, None) if text.is_empty() => None,
        (_, None) => match quantity::duration(text) {
            Ok(nanos) => {
                if dialect == Dialect::Api {
                    let message = format!("the API takes nanoseconds: `{text}` is {nanos} of them");
                    findings.guess(node.span, message);
                }
                Some(nanos)
            }
            Err(error) => {
                findings.left_out(node.span, error.to_string());
                None
            }
        },
    }
}

/// A count or a size; letters behind it are powers of 1024, as for the `nats` tool.
pub(super) fn number(node: &Node, field: &Field, findings: &mut Findings) -> Option<i64> {
    let text = plain(node)?;
    let unlimited = matches!(text, "unlimited" | "-1");
    if unlimited {
        return Some(-1);
    }
    if let Some(number) = quantity::count(text) {
        return Some(number);
    }
    // YAML writes large numbers like this.
    if let Ok(number) = text.parse::<f64>()
        && number.fract() == 0.0
        && number.abs() < 9e15
    {
        return format!("{number:.0}").parse().ok();
    }
    if let Some(bytes) = tool_size(text) {
        return Some(bytes);
    }
    findings.left_out(node.span, format!("invalid number `{}: {text}`", field.name));
    None
}

/// `10G` as the `nats` tool reads it: 2^30 for every way to write giga.
pub(super) fn tool_size(text: &str) -> Option<i64> {
    let letters = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    let digits = text.get(..text.len() - letters.len())?.replace('_', "");
    let number: i64 = digits.parse().ok()?;
    let power = match letters.to_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    number.checked_mul(1_i64 << power)
}

/// A text or a number as it is written.
pub(super) fn plain(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(scalar.text.as_str()),
        _ => None,
    }
}
