//! What there is to know about a field of a stream or a consumer: what it means, what it is where
//! nothing is said, and whether it may change later.

use serde_json::Value as Json;
use watershed_wire::jetstream::change::{Rule, consumer_rule, stream_rule};
use watershed_wire::jetstream::check::{Bounds, fill_consumer, fill_stream};
use watershed_wire::jetstream::consumer::AckPolicy;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

use crate::render::shown;
use crate::schema::{CONSUMER, CONSUMER_OWN, Field, STREAM, STREAM_OWN};

/// What a field is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A stream.
    Stream,
    /// A consumer.
    Consumer,
}

/// What there is to know about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// What it means.
    pub about: &'static str,
    /// What it is where nothing is said, as it would be written; `None` where that is nothing.
    pub default: Option<String>,
    /// What changing it is; `None` for what only the language knows, which may always change.
    pub change: Option<Rule>,
}

/// What there is to know about a field.
pub fn meaning(of: Of, name: &str) -> Option<Meaning> {
    let (tables, filled, change): ([&[Field]; 2], _, _) = match of {
        Of::Stream => ([STREAM, STREAM_OWN], stream(), stream_rule(name)),
        Of::Consumer => ([CONSUMER, CONSUMER_OWN], consumer(), consumer_rule(name)),
    };
    let field = tables.into_iter().flatten().find(|field| field.name == name)?;
    let empty = |value: &&Json| match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    };
    let value = filled.get(name).filter(|value| !empty(value));
    let default = value.map(|value| shown(value, field.kind));
    Some(Meaning { about: field.about, default, change })
}

/// What a change is, in a sentence.
pub fn change_sentence(rule: Rule) -> &'static str {
    match rule {
        Rule::Free => "may change at any time",
        Rule::MayDelete => "may change; a stricter value deletes stored messages at once",
        Rule::Never => "cannot change: it takes `--migrate` or `--recreate`",
        Rule::OneWay => "can be switched on, and never off again",
        Rule::Guarded => "may change to some values and not to others",
    }
}

/// A stream of which nothing is said.
fn stream() -> Json {
    serde_json::to_value(plain_stream()).unwrap_or_default()
}

fn plain_stream() -> StreamConfig {
    let mut config = StreamConfig { name: "S".into(), ..StreamConfig::default() };
    fill_stream(&mut config, &Bounds::default());
    config.subjects.clear(); // what a server makes of the name
    config
}

/// A consumer of which nothing is said; an absent `ack_policy` is `explicit` here.
fn consumer() -> Json {
    let mut config =
        ConsumerConfig { ack_policy: AckPolicy::Explicit, ..ConsumerConfig::default() };
    fill_consumer(&mut config, &plain_stream(), &Bounds::default());
    serde_json::to_value(config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(of: Of, name: &str, default: Option<&str>, change: Option<Rule>) {
        let found = meaning(of, name).unwrap();
        assert_eq!((found.default.as_deref(), found.change), (default, change), "{name}");
    }

    #[test]
    fn defaults_are_those_of_the_api_as_they_are_written() {
        check(Of::Stream, "storage", Some("file"), Some(Rule::Never));
        check(Of::Stream, "max_age", Some("unlimited"), Some(Rule::MayDelete));
        check(Of::Stream, "duplicate_window", Some("2m"), Some(Rule::Free));
        check(Of::Stream, "subjects", None, Some(Rule::Free));
        check(Of::Stream, "protect", None, None);
        check(Of::Consumer, "ack_policy", Some("explicit"), Some(Rule::Never));
        check(Of::Consumer, "ack_wait", Some("30s"), Some(Rule::Free));
        check(Of::Consumer, "max_deliver", Some("unlimited"), Some(Rule::Free));
        assert_eq!(meaning(Of::Stream, "ack_wait"), None);
    }
}
