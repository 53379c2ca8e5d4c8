//! `mappings { … }`: subjects that become others when something is published to them.

use watershed_engine::Mapping;
use watershed_wire::conf::{Item, Pair, Value};

use super::{ConfError, Read, error, map, number, text, unknown, wrong};

/// Reads a block: a subject, and what it becomes, each.
pub(super) fn mappings(pair: &Pair) -> Read<Vec<Mapping>> {
    map(pair)?.iter().map(mapping).collect()
}

fn mapping(pair: &Pair) -> Read<Mapping> {
    let items = match &pair.item.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&pair.item),
    };
    let mut destinations = Vec::new();
    for item in items {
        destinations.extend(destination(pair, item)?);
    }
    let destinations: Vec<(&str, u64)> =
        destinations.iter().map(|(to, weight)| (to.as_str(), *weight)).collect();
    Mapping::new(&pair.key, &destinations)
        .map_err(|problem| error(pair, format!("invalid mapping of `{}`: {problem}", pair.key)))
}

/// A subject, and percent; none where it is only meant in a cluster, in which this server never is.
fn destination(pair: &Pair, item: &Item) -> Read<Option<(String, u64)>> {
    let pairs = match &item.value {
        Value::Text { text, .. } => return Ok(Some((text.clone(), 100))),
        Value::Map(pairs) => pairs,
        _ => return Err(wrong(pair, "a subject, or blocks with `destination` and `weight`")),
    };
    let (mut to, mut percent, mut in_cluster) = (None, 100, false);
    for pair in pairs {
        match pair.key.to_ascii_lowercase().as_str() {
            "dest" | "destination" => to = Some(text(pair)?),
            "weight" => percent = weight(pair)?,
            "cluster" => in_cluster = !text(pair)?.is_empty(),
            _ => return Err(unknown(pair)),
        }
    }
    let missing = || ConfError {
        line: item.place.line,
        what: format!("missing `destination` in the mapping of `{}`", pair.key),
    };
    let to = to.ok_or_else(missing)?;
    Ok((!in_cluster).then_some((to, percent)))
}

/// A number of percent, with its sign or without.
fn weight(pair: &Pair) -> Read<u64> {
    let Value::Text { text, .. } = &pair.item.value else { return number(pair) };
    let percent = text.trim().trim_end_matches('%').parse();
    percent.map_err(|_| wrong(pair, "a number of percent, such as 40%"))
}
