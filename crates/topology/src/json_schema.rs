//! The language as a JSON Schema (draft 7, which editors' YAML plugins read), from the same tables by
//! which files are read.

use serde_json::{Map, Value as Json, json};

use crate::lower::CONNECTION_TYPES;
use crate::schema::{
    BUCKET_OWN, CONSUMER, CONSUMER_OWN, EXPORT, Field, IMPORT, KEY_VALUE, Kind, LINT, MAPPING,
    OBJECT_STORE, PERMISSIONS, RESPONSES, RULES, SERVER, SERVICE, STREAM, STREAM_OWN,
};

/// The schema of a topology file.
pub fn json_schema() -> Json {
    let consumers = by_name(&json!({"$ref": "#/definitions/consumer"}));
    let stream = with(object(&[STREAM, STREAM_OWN]), "consumers", &consumers);
    let defaults = json!({
        "stream": object(&[STREAM, STREAM_OWN]),
        "consumer": object(&[CONSUMER, CONSUMER_OWN]),
    });
    let name = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"});
    let mut top = closed(&json!({
        "watershed": {"enum": [1, "1"], "description": "version of the format"},
        "name": described(name.clone(), "marks what the topology owns on a server"),
        "account": described(name, "account, if not named as the topology"),
        "defaults": closed(&defaults),
        "streams": by_name(&json!({"$ref": "#/definitions/stream"})),
        "key_values": by_name(&object(&[KEY_VALUE, BUCKET_OWN])),
        "object_stores": by_name(&object(&[OBJECT_STORE, BUCKET_OWN])),
        "services": by_name(&object(&[SERVICE])),
        "users": by_name(&closed(&user())),
        "exports": kind(Kind::Objects(EXPORT)),
        "imports": kind(Kind::Objects(IMPORT)),
        "mappings": kind(Kind::Objects(MAPPING)),
        "server": object(&[SERVER]),
        "lint": object(&[LINT]),
    }));
    if let Json::Object(top) = &mut top {
        top.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        top.insert("title".into(), "Watershed topology".into());
        let definitions = json!({
            "stream": stream,
            "consumer": object(&[CONSUMER, CONSUMER_OWN]),
        });
        top.insert("definitions".into(), definitions);
    }
    top
}

/// What is said of a user.
fn user() -> Json {
    let secret = json!({
        "description": "where the password is, or its bcrypt hash",
        "anyOf": [
            closed(&json!({"env": {"type": "string", "description": "environment variable"}})),
            closed(&json!({"file": {"type": "string", "description": "file, relative to this one"}})),
            {"type": "string", "pattern": "^\\$2[aby]\\$"},
        ],
    });
    let filters = kind(Kind::Filters);
    let mut rules: Map<String, Json> = PERMISSIONS
        .iter()
        .map(|side| {
            let either = json!({"anyOf": [filters, object(&[RULES])], "description": side.about});
            (side.name.to_owned(), either)
        })
        .collect();
    rules.insert(
        "allow_responses".to_owned(),
        json!({
            "anyOf": [{"type": "boolean"}, object(&[RESPONSES])],
            "description": "whether the user may answer what it receives, wherever the answer goes",
        }),
    );
    json!({
        "password": secret,
        "nkey": {
            "type": "string", "pattern": "^U[A-Z2-7]{55}$",
            "description": "public key that the user signs with, instead of a password",
        },
        "allowed_connection_types": described(
            list(&json!({"enum": CONNECTION_TYPES})),
            "how the user may connect [default: in every way]",
        ),
        "role": {"enum": ["admin"], "description": "may do everything in the account"},
        "service": {"type": "string", "description": "may do what this service does"},
        "system": {
            "type": "boolean",
            "description": "is a user of the system account, for `nats server ping` and the like",
        },
        "permissions": {
            "type": "object", "additionalProperties": false,
            "description": "what the user may do besides, and what not",
            "properties": rules,
        },
        "inbox_prefix": {
            "type": "string",
            "description": "what the subjects begin with on which the user waits for answers [default: _INBOX]",
        },
    })
}

/// A mapping from free names.
fn by_name(value: &Json) -> Json {
    json!({"type": ["object", "null"], "additionalProperties": {"anyOf": [{"type": "null"}, value]}})
}

/// A mapping with these keys and no others.
fn closed(properties: &Json) -> Json {
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn with(mut schema: Json, key: &str, value: &Json) -> Json {
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        properties.insert(key.to_owned(), value.clone());
    }
    schema
}

fn described(mut schema: Json, text: &str) -> Json {
    if let Json::Object(schema) = &mut schema {
        schema.insert("description".into(), text.into());
    }
    schema
}

fn object(tables: &[&[Field]]) -> Json {
    let all = tables
        .iter()
        .copied()
        .flatten()
        .map(|field| (field.name.to_owned(), described(kind(field.kind), field.about)));
    closed(&Json::Object(all.collect::<Map<_, _>>()))
}

/// A whole number. Underscores make it a text for YAML.
fn count() -> Json {
    json!({"anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": "^[0-9][0-9_]*$"},
    ]})
}

fn unlimited(schema: &Json) -> Json {
    json!({"anyOf": [schema, {"enum": ["unlimited"]}]})
}

fn duration() -> Json {
    json!({
        "type": "string",
        "pattern": "^([0-9][0-9_]*(\\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|w|y))+$",
        "examples": ["30s", "1h30m", "7d"],
    })
}

fn size() -> Json {
    json!({
        "type": "string",
        "pattern": "^[0-9][0-9_]*(\\.[0-9]+)?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$",
        "examples": ["512B", "100MiB", "20GB"],
    })
}

fn list(item: &Json) -> Json {
    json!({"anyOf": [{"type": "array", "items": item}, item]})
}

fn kind(kind: Kind) -> Json {
    let text = json!({"type": ["string", "number", "boolean"]});
    match kind {
        Kind::Text => text,
        Kind::Filter => json!({"type": "string"}),
        Kind::Filters => list(&json!({"type": "string"})),
        Kind::Texts => list(&text),
        Kind::Count => count(),
        Kind::Limit => unlimited(&count()),
        Kind::Size => unlimited(&size()),
        Kind::Duration => duration(),
        Kind::Age => unlimited(&duration()),
        Kind::Durations => list(&duration()),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Time => json!({"type": "string", "examples": ["2026-12-24T18:00:00Z"]}),
        Kind::Pairs => json!({"type": "object", "additionalProperties": text}),
        Kind::Object(fields) => object(&[fields]),
        Kind::Objects(fields) => json!({"type": "array", "items": object(&[fields])}),
        Kind::Named(fields) => by_name(&object(&[fields])),
    }
}
