//! What scripts do to streams and consumers, one command after the other, as on an empty server.

use serde_json::{Map, Value as Json};
use watershed_topology::lower::Fields;
use watershed_topology::model::Stream;
use watershed_topology::source::{Span, Spanned};

use crate::api::attach;
use crate::importer::Importer;
use crate::scripted::Other;
use crate::word::{When, exclusive};

/// Adds a stream, as a script does. Whether that works on an empty server.
pub(crate) fn add_stream(
    importer: &mut Importer,
    when: &When,
    stream: Stream,
    unread: &[String],
    fails: bool,
) -> Option<bool> {
    importer.recognized = true;
    let name = stream.name.value.clone();
    let span = stream.name.span;
    let exists = importer.known(&name).is_some_and(|known| !known.is_placeholder());
    let here = importer.tool.arms.get(&name).is_some_and(|arms| exclusive(arms, &when.arms));
    if when.never || exists && here {
        let fields = plain(&stream.config);
        importer.tool.others.push(Other { asset: name, fields, span, edits: false });
        return None;
    }
    if exists {
        // Adding the same again changes nothing and does not fail.
        let same = importer
            .known(&name)
            .is_some_and(|known| plain(&known.config) == plain(&stream.config));
        importer.stream(stream);
        return Some(same);
    }
    importer.marks(&name, unread);
    importer.tool.arms.insert(name, when.arms.clone());
    importer.stream(stream);
    (!fails && when.arms.is_empty()).then_some(true)
}

/// Changes a stream, as a script does.
pub(crate) fn edit_stream(
    importer: &mut Importer,
    when: &When,
    name: Spanned<String>,
    found: Fields,
    span: Span,
    unread: &[String],
) -> Option<bool> {
    let asset = name.value.clone();
    if later(importer, when, &asset, &found.json, span) {
        return if when.never {
            None
        } else {
            Some(false).filter(|_| when.arms.is_empty() && !importer.incomplete)
        };
    }
    importer.marks(&asset, unread);
    importer.edit(name, found);
    Some(true)
}

/// Adds a consumer.
pub(crate) fn add_consumer(
    importer: &mut Importer,
    when: &When,
    stream: &str,
    name: Spanned<String>,
    found: Fields,
    unread: &[String],
) -> Option<bool> {
    importer.recognized = true;
    let asset = format!("{stream}/{}", name.value);
    let exists = importer.known(stream).is_some_and(|known| known.consumer(&name.value).is_some());
    let here = importer.tool.arms.get(&asset).is_some_and(|arms| exclusive(arms, &when.arms));
    if when.never || exists && here {
        let other = Other { asset, fields: found.json, span: name.span, edits: false };
        importer.tool.others.push(other);
        return None;
    }
    if !exists {
        importer.marks(&asset, unread);
        importer.tool.arms.insert(asset, when.arms.clone());
    }
    attach(importer, stream, name, found);
    when.arms.is_empty().then_some(!exists)
}

/// Changes a consumer.
pub(crate) fn edit_consumer(
    importer: &mut Importer,
    when: &When,
    stream: &str,
    name: &Spanned<String>,
    found: Fields,
    span: Span,
    unread: &[String],
) -> Option<bool> {
    let asset = format!("{stream}/{}", name.value);
    if later(importer, when, &asset, &found.json, span) {
        return None;
    }
    importer.marks(&asset, unread);
    importer.edit_consumer(stream, name, found);
    Some(true)
}

/// Whether a change is not made here, and is kept to be compared at the end: it does not run on an
/// empty server, or what it changes does not exist.
fn later(
    importer: &mut Importer,
    when: &When,
    asset: &str,
    fields: &Map<String, Json>,
    span: Span,
) -> bool {
    let (stream, consumer) = asset.split_once('/').unwrap_or((asset, ""));
    let exists = importer.known(stream).is_some_and(|known| {
        if consumer.is_empty() {
            !known.is_placeholder()
        } else {
            known.consumer(consumer).is_some()
        }
    });
    let made = importer.tool.arms.get(asset).cloned().unwrap_or_default();
    let same = exists
        && !when.never
        && !exclusive(&made, &when.arms)
        && when.arms.iter().all(|arm| made.contains(arm));
    if same {
        return false;
    }
    importer.recognized = true;
    let fields = fields.clone();
    importer.tool.others.push(Other { asset: asset.to_owned(), fields, span, edits: true });
    true
}

/// A configuration as its JSON.
fn plain(config: &watershed_wire::jetstream::StreamConfig) -> Map<String, Json> {
    match serde_json::to_value(config) {
        Ok(Json::Object(fields)) => fields,
        _ => Map::new(),
    }
}
