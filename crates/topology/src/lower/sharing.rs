//! What passes between accounts.

use serde_json::Value as Json;

use super::fields::{Fields, Reader};
use crate::model::{Mapping, Topology};
use crate::schema::SHARING;
use crate::sharing::{Export, Import, Passage};
use crate::source::{Span, Spanned};
use crate::yaml::Entry;

pub(super) fn sharing(reader: &mut Reader, entries: &[Entry], topology: &mut Topology) {
    let own = |entry: &&Entry| SHARING.iter().any(|field| field.name == entry.key);
    let entries: Vec<Entry> = entries.iter().filter(own).cloned().collect();
    let fields = reader.fields(&entries, &[SHARING], &[], "a topology");
    for (path, item) in items(&fields, "exports") {
        let passages = [(Passage::Stream, text(&fields, &path, item, "stream"))];
        let service = (Passage::Service, text(&fields, &path, item, "service"));
        let said = passages.into_iter().chain([service]);
        let Some((passage, subject)) =
            one(reader, fields.place(&path), said.filter_map(|(p, s)| Some((p, s?))))
        else {
            continue;
        };
        let names = item.get("accounts").and_then(Json::as_array).into_iter().flatten();
        let accounts = names.enumerate().map(|(index, name)| {
            let span = fields.place(&format!("{path}.accounts.{index}"));
            Spanned::new(name.as_str().unwrap_or_default().to_owned(), span)
        });
        let response = item.get("response").and_then(Json::as_str).map(str::to_owned);
        topology.exports.push(Export { passage, subject, accounts: accounts.collect(), response });
    }
    for (path, item) in items(&fields, "imports") {
        let of = |name: &str| {
            let inner = item.get(name)?;
            let path = format!("{path}.{name}");
            let account = text(&fields, &path, inner, "account");
            let subject = text(&fields, &path, inner, "subject");
            Some((fields.place(&path), account.zip(subject)))
        };
        let said = [(Passage::Stream, of("stream")), (Passage::Service, of("service"))];
        let Some((passage, (span, named))) = one(
            reader,
            fields.place(&path),
            said.into_iter().filter_map(|(passage, said)| Some((passage, said?))),
        ) else {
            continue;
        };
        let Some((account, subject)) = named else {
            reader.error("F006", span, "an import names an `account` and a `subject` there");
            continue;
        };
        let to = text(&fields, &path, item, "to");
        let prefix = text(&fields, &path, item, "prefix");
        topology.imports.push(Import { passage, account, subject, to, prefix });
    }
    for (path, item) in items(&fields, "mappings") {
        let of = |name: &str| text(&fields, &path, item, name);
        let (Some(subject), Some(to)) = (of("subject"), of("to")) else {
            reader.error(
                "F006",
                fields.place(&path),
                "a mapping has a `subject` and what it becomes, `to`",
            );
            continue;
        };
        let weight = item.get("weight").and_then(Json::as_u64);
        let cluster = item.get("cluster").and_then(Json::as_str).map(str::to_owned);
        topology.mappings.push(Mapping { subject, to, weight, cluster });
    }
}

/// The entries of a list, each with its path.
fn items<'f>(fields: &'f Fields, name: &str) -> Vec<(String, &'f Json)> {
    let list = fields.json.get(name).and_then(Json::as_array).into_iter().flatten();
    list.enumerate().map(|(index, item)| (format!("{name}.{index}"), item)).collect()
}

/// The one thing that is said; says so where it is none or two.
fn one<T>(reader: &mut Reader, span: Span, mut said: impl Iterator<Item = T>) -> Option<T> {
    if let (Some(one), None) = (said.next(), said.next()) {
        return Some(one);
    }
    reader.error("F006", span, "it has a `stream` or a `service`, one of them");
    None
}

fn text(fields: &Fields, path: &str, json: &Json, name: &str) -> Option<Spanned<String>> {
    let text = json.get(name)?.as_str()?.to_owned();
    Some(Spanned::new(text, fields.place(&format!("{path}.{name}"))))
}
