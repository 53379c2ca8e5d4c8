//! By what two definitions of one thing differ, once a server has filled in what they do not say.

use serde_json::{Map, Value as Json};
use watershed_topology::model::{Consumer, Stream};
use watershed_topology::quantity::{show_duration, show_size};
use watershed_topology::schema::{CONSUMER, Field, Kind, STREAM};
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::check::Bounds;

/// Fields that are shown with their values; of more, only the names.
const SHOWN_MAX: usize = 3;

/// A field that two definitions say differently.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) field: String,
    /// Values as people read them.
    pub(crate) first: String,
    pub(crate) second: String,
}

/// The fields by which two streams differ.
pub(crate) fn streams(first: &Stream, second: &Stream) -> Vec<Difference> {
    let whole = |stream: &Stream| {
        let mut stream = Stream { consumers: Vec::new(), ..stream.clone() };
        stream.fill(&Bounds::default());
        fields(serde_json::to_value(&stream.config))
    };
    differences(&whole(first), &whole(second), STREAM)
}

/// The fields by which two consumers differ, but for their names.
#[cfg_attr(not(feature = "code"), expect(dead_code, reason = "programs alone are compared so"))]
pub(crate) fn consumers(first: &Consumer, second: &ConsumerConfig) -> Vec<Difference> {
    let whole = |config: &ConsumerConfig| {
        let consumer = Consumer { config: config.clone(), ..Consumer::default() };
        let mut stream = Stream { consumers: vec![consumer], ..Stream::default() };
        stream.fill(&Bounds::default());
        let config = stream.consumers.pop().map(|one| one.config);
        let mut fields = fields(serde_json::to_value(config));
        fields.remove("name");
        fields.remove("durable_name");
        fields
    };
    differences(&whole(&first.config), &whole(second), CONSUMER)
}

fn fields(value: serde_json::Result<Json>) -> Map<String, Json> {
    match value {
        Ok(Json::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn differences(
    first: &Map<String, Json>,
    second: &Map<String, Json>,
    table: &[Field],
) -> Vec<Difference> {
    let all = first.keys().chain(second.keys().filter(|name| !first.contains_key(*name)));
    all.filter(|name| first.get(*name) != second.get(*name))
        .map(|name| {
            let kind = table.iter().find(|field| field.name == name).map(|field| field.kind);
            let show = |fields: &Map<String, Json>| show(fields.get(name), kind);
            Difference { field: name.clone(), first: show(first), second: show(second) }
        })
        .collect()
}

fn show(value: Option<&Json>, kind: Option<Kind>) -> String {
    match (value, value.and_then(Json::as_i64), kind) {
        (None | Some(Json::Null), ..) => "absent".to_owned(),
        (_, Some(0 | -1), Some(Kind::Age | Kind::Limit | Kind::Size)) => "unlimited".to_owned(),
        (_, Some(nanos), Some(Kind::Age | Kind::Duration)) => show_duration(nanos),
        (_, Some(bytes), Some(Kind::Size)) => show_size(bytes),
        (Some(Json::String(text)), ..) => text.clone(),
        (Some(value), ..) => value.to_string().replace(',', ", ").replace('"', ""),
    }
}

/// The differences in a sentence: `max_age` is 7d there and 1h here.
pub(crate) fn sentence(differences: &[Difference]) -> String {
    if differences.len() > SHOWN_MAX {
        let names: Vec<String> = differences.iter().map(|one| format!("`{}`", one.field)).collect();
        return format!("{} differ", names.join(", "));
    }
    let one = |one: &Difference| {
        format!("`{}` is {} there and {} here", one.field, one.first, one.second)
    };
    differences.iter().map(one).collect::<Vec<_>>().join(", ")
}
