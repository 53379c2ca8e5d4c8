//! `nats kv add` and `edit`, `nats object add` and `edit`.

use serde_json::{Value as Json, json};
use watershed_topology::lower::{Fields, bucket_fields, of_bucket, rename_bucket_fields};
use watershed_topology::source::Spanned;

use super::about::Call;
use super::given::Given;
use super::table::Action;
use crate::api::made_bucket;
use crate::importer::Importer;
use crate::ledger;

/// How long message ids are remembered, in nanoseconds, unless something else is said.
const WINDOW: i64 = 120_000_000_000;

pub(super) fn bucket(
    importer: &mut Importer,
    call: &Call<'_>,
    action: Action,
    values: bool,
    given: &mut Given,
) -> Option<bool> {
    let [name] = given.names.as_slice() else {
        let message = "a bucket needs one name: the command fails".to_owned();
        given.refuse(importer, given.span, message, None);
        return None;
    };
    let name = Spanned::new(name.text.clone(), name.span);
    let mut found = given.fields(importer);
    given.metadata(importer, &mut found);
    given.placement(importer, &mut found);
    given.pairs(importer, &mut found);
    let compress = given.flags.iter().rfind(|flag| flag.name == "compress").map(|flag| flag.on);
    if let Some(on) = compress {
        found.json.insert("compression".into(), if on { "s2" } else { "none" }.into());
    }
    if let Some(history) = found.json.get("history").and_then(Json::as_i64)
        && !(1..=64).contains(&history)
    {
        let message =
            format!("a bucket keeps 1 to 64 values of a key, not {history}: the command fails");
        given.refuse(importer, given.span, message, None);
        found.json.remove("history");
    }
    for limit in ["max_bytes", "max_value_size"] {
        if found.json.get(limit).and_then(Json::as_i64) == Some(0) {
            found.json.insert(limit.into(), (-1).into());
        }
    }
    let prefix = if values { "KV_" } else { "OBJ_" };
    if action == Action::Edit {
        rename_bucket_fields(&mut found);
        let name = Spanned::new(format!("{prefix}{}", name.value), name.span);
        return ledger::edit_stream(importer, &call.when, name, found, given.span, &given.unread);
    }
    let age = found.json.get("ttl").and_then(Json::as_i64).unwrap_or(0);
    if values {
        // As the client that the tool is built with makes a bucket.
        let window = if age > 0 { age.min(WINDOW) } else { WINDOW };
        found.json.insert("duplicate_window".into(), window.into());
        if found.json.contains_key("limit_marker_ttl") {
            found.json.insert("allow_msg_ttl".into(), true.into());
        }
        origins(importer, given, &name.value, &mut found);
    }
    let stream = made_bucket(importer, values, &name, found);
    ledger::add_stream(importer, &call.when, stream, &given.unread, given.fails)
}

fn origins(importer: &mut Importer, given: &mut Given, bucket: &str, found: &mut Fields) {
    if let Some((text, span)) = given.texts(importer, "mirror").pop() {
        let mut mirror = json!({"name": text});
        of_bucket(&mut mirror, None);
        if let Some((domain, _)) = given.texts(importer, "mirror-domain").pop()
            && let Json::Object(mirror) = &mut mirror
        {
            let api = format!("$JS.{domain}.API");
            mirror.insert("external".into(), json!({"api": api}));
        }
        found.json.insert("mirror".into(), mirror);
        found.json.insert("mirror_direct".into(), true.into());
        found.places.insert("mirror.name".into(), span);
        return;
    }
    let mut sources = Vec::new();
    for (text, span) in given.texts(importer, "source") {
        let mut source = json!({"name": text});
        of_bucket(&mut source, Some(bucket));
        found.places.insert(format!("sources.{}.name", sources.len()), span);
        sources.push(source);
    }
    if !sources.is_empty() {
        found.json.insert("sources".into(), sources.into());
        // Beside its origins, a bucket has its own keys.
        let (_, own) = bucket_fields(bucket, true);
        if let Some(subjects) = own.get("subjects") {
            found.json.insert("subjects".into(), subjects.clone());
        }
    }
}
