//! Values and comments as they are written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::quantity::{show_duration, show_size};
use crate::schema::{Field, Kind};

/// What is to be said above an asset, by its name (`STREAM` or `STREAM/consumer`, or as
/// [`about_user`](super::about_user) has it). What belongs to no asset is under the empty name, and stands at the top.
pub type Comments = BTreeMap<String, Vec<String>>;

pub(super) fn comment(out: &mut String, indent: usize, comments: &Comments, name: &str) {
    for line in comments.get(name).into_iter().flatten().flat_map(|text| text.lines()) {
        let _ = writeln!(out, "{:indent$}# {line}", "");
    }
}

/// A value as it is written.
pub(crate) fn shown(value: &Json, kind: Kind) -> String {
    let number = value.as_i64();
    match (kind, value) {
        (Kind::Limit | Kind::Size, _) if number == Some(-1) => "unlimited".into(),
        (Kind::Age, _) if number == Some(0) => "unlimited".into(),
        (Kind::Size, _) => show_size(number.unwrap_or_default()),
        (Kind::Age | Kind::Duration | Kind::Durations, Json::Number(_)) => {
            show_duration(number.unwrap_or_default())
        }
        (Kind::Limit | Kind::Count, _) => grouped(number.unwrap_or_default()),
        (Kind::Object(table), Json::Object(fields)) => inline(fields, &[table]),
        (Kind::Objects(table), Json::Array(items)) => {
            let items = items.iter().filter_map(Json::as_object).map(|item| inline(item, &[table]));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        (Kind::Pairs, Json::Object(pairs)) => {
            let pair = |(key, value): (&String, &Json)| {
                format!("{}: {}", quoted(key), quoted(value.as_str().unwrap_or_default()))
            };
            format!("{{ {} }}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        (_, Json::Array(items)) => {
            let items = items.iter().map(|item| shown(item, kind));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        (_, Json::String(text)) => quoted(text),
        (_, other) => other.to_string(),
    }
}

pub(super) fn inline(fields: &Map<String, Json>, tables: &[&[Field]]) -> String {
    let parts = tables.iter().copied().flatten().filter_map(|field| {
        let value = fields.get(field.name)?;
        Some(format!("{}: {}", field.name, shown(value, field.kind)))
    });
    match parts.collect::<Vec<_>>().as_slice() {
        [] => "{}".into(),
        parts => format!("{{ {} }}", parts.join(", ")),
    }
}

/// `1_000_000`.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 4 {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// A text as YAML has it: in quotes where it would be something else without.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./$>*".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || "_$/".contains(c));
    let word = matches!(
        text.to_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    if starts && !word && text.chars().all(plain) {
        text.to_owned()
    } else {
        Json::from(text).to_string()
    }
}
