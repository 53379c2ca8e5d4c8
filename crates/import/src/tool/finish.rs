//! What is said when all scripts were followed.

use serde_json::Value as Json;
use watershed_topology::lower::Fields;
use watershed_topology::source::Spanned;

use crate::importer::Importer;
use crate::scripted::Other;

/// Compares what scripts do to servers that are not empty, and folds what is said often.
pub(crate) fn finish(importer: &mut Importer) {
    for other in std::mem::take(&mut importer.tool.others) {
        compare(importer, &other);
    }
    let elsewhere = importer.streams.iter().filter(|stream| stream.is_placeholder());
    let elsewhere: Vec<_> = elsewhere.map(|stream| stream.name.clone()).collect();
    for name in elsewhere {
        let message = format!("these files have no stream `{}`, only consumers of it", name.value);
        importer.marks(&name.value, std::slice::from_ref(&message));
        importer.findings.skipped(name.span, message);
    }
    if let Some((span, count)) = importer.tool.asked.take() {
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        let note = format!(
            "the tool asks for what is not given here: what it offers as the answer was taken{more}"
        );
        importer.notes.push((span, note));
    }
    for ((_, hidden), (span, count)) in std::mem::take(&mut importer.tool.hides) {
        let more = if count > 1 { format!(" (and of {} more)", count - 1) } else { String::new() };
        let message = if hidden {
            format!(
                "every failure of this command is hidden, including overlaps and wrong flags{more}"
            )
        } else {
            format!("what the tool says about a failure of this command is thrown away{more}")
        };
        importer.findings.hidden(span, message);
    }
}

fn compare(importer: &mut Importer, other: &Other) {
    let (stream, consumer) = other.asset.split_once('/').unwrap_or((&other.asset, ""));
    let known =
        importer.known(stream).filter(|known| !known.is_placeholder() || !consumer.is_empty());
    let config = known.and_then(|known| {
        if consumer.is_empty() {
            serde_json::to_value(&known.config).ok()
        } else {
            serde_json::to_value(&known.consumer(consumer)?.config).ok()
        }
    });
    let Some(Json::Object(config)) = config else {
        if other.edits {
            edited_only(importer, other);
        }
        return;
    };
    let differs: Vec<&str> = other
        .fields
        .iter()
        .filter(|(field, value)| {
            let there = config.get(*field).unwrap_or(&Json::Null);
            let nothing = |one: &Json| {
                matches!(one, Json::Null | Json::Bool(false))
                    || one == &Json::from(0)
                    || one == &Json::from(-1)
            };
            there != *value && !(nothing(there) && nothing(value))
        })
        .map(|(field, _)| field.as_str())
        .collect();
    if differs.is_empty() {
        return;
    }
    let differs = differs.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    let message = format!(
        "`{}` becomes another in another branch, by {differs}: what an empty server gets was taken",
        other.asset
    );
    importer.findings.guess(other.span, message);
}

/// Something that is changed, and nowhere made.
fn edited_only(importer: &mut Importer, other: &Other) {
    let message = format!("`{}` is changed here, and made nowhere in these files", other.asset);
    importer.findings.skipped(other.span, message);
    let mark =
        "it is changed, and made nowhere in these files: what else it is was not read".to_owned();
    if other.asset.contains('/') {
        importer.incomplete = true;
        return;
    }
    importer.marks(&other.asset, &[mark]);
    let mut fields = other.fields.clone();
    fields.retain(|_, value| !value.is_null());
    let name = Spanned::new(other.asset.clone(), other.span);
    importer.edit(name, Fields { json: fields, places: std::collections::BTreeMap::new() });
}
