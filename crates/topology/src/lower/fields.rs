//! Nodes to values of the API, by the tables of [`schema`](crate::schema).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use watershed_wire::time::UnixNanos;

use crate::diagnostic::{Diagnostic, Severity};
use crate::quantity::{self, QuantityError};
use crate::schema::{
    CONSUMER, CONSUMER_OWN, Field, JETSTREAM, Kind, LINT, SERVER, SERVICE, STREAM, STREAM_OWN,
    is_same, nearest,
};
use crate::source::Span;
use crate::yaml::{Entry, Node, Scalar, Style, Value};

/// Values in the API's units, and where each was written, by path.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// By name.
    pub json: Map<String, Json>,
    /// By path: `max_age`, `subjects.0`, `sources.1.filter_subject`.
    pub places: BTreeMap<String, Span>,
}

impl Fields {
    /// Where `path` was written; nowhere if it was not.
    pub(crate) fn place(&self, path: &str) -> Span {
        self.places.get(path).copied().unwrap_or_default()
    }

    /// What is not given here, from `defaults`.
    pub(crate) fn or(mut self, defaults: &Self) -> Self {
        for (name, value) in &defaults.json {
            if self.json.contains_key(name) {
                continue;
            }
            self.json.insert(name.clone(), value.clone());
            let inside = format!("{name}.");
            for (path, span) in &defaults.places {
                if path == name || path.starts_with(&inside) {
                    self.places.insert(path.clone(), *span);
                }
            }
        }
        self
    }
}

/// Reads values, collecting what is wrong with them.
#[derive(Debug, Default)]
pub struct Reader {
    /// What is wrong so far.
    pub diagnostics: Vec<Diagnostic>,
    /// Where secrets stand.
    pub(crate) secrets: Vec<Span>,
}

/// Keys that belong to the language and are not there yet.
const UNBUILT: &[&str] = &["creds"];

impl Reader {
    /// Adds an error.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::new(code, Severity::Error, span, message.into()));
    }

    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The entries of a mapping. Nothing at all counts as an empty one.
    pub fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        match &node.value {
            Value::Mapping(entries) => entries,
            _ if node.is_null() => &[],
            _ => {
                let message = format!("{what} is a mapping, and this is {}", node.kind());
                self.error("F004", node.span, message);
                &[]
            }
        }
    }

    /// The items of a list. A single value counts as a list of one.
    fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::Sequence(items) => items,
            Value::Scalar(_) if !node.is_null() => std::slice::from_ref(node),
            _ => {
                let message = format!("`{what}` is a list, and this is {}", node.kind());
                self.error("F004", node.span, message);
                &[]
            }
        }
    }

    fn scalar<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Scalar> {
        match &node.value {
            Value::Scalar(scalar) if !node.is_null() => Some(scalar),
            _ => {
                let message = format!("`{what}` is a single value, and this is {}", node.kind());
                self.error("F004", node.span, message);
                None
            }
        }
    }

    /// Any text.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        self.scalar(node, what).map(|scalar| scalar.text.clone())
    }

    /// Says that a key is not known, and which one was probably meant.
    pub fn unknown(&mut self, entry: &Entry, known: &[&str], what: &str) {
        let key = &entry.key;
        if UNBUILT.contains(&key.as_str()) {
            let message = format!("`{key}` belongs to the language and is not built yet");
            self.error("F007", entry.key_span, message);
            return;
        }
        let message = match what {
            "a topology" => format!("unknown top-level key `{key}`"),
            what => format!("unknown key `{key}` in {what}"),
        };
        let diagnostic = Diagnostic::new("F003", Severity::Error, entry.key_span, message);
        self.push(match (nearest(key, known.iter().copied()), owner(key)) {
            (Some(meant), _) if is_same(key, meant) => {
                diagnostic.fix(format!("write `{meant}`")).rewrite(meant)
            }
            (_, Some(owner)) => diagnostic.fix(format!("write it where it belongs: in {owner}")),
            (Some(meant), None) => diagnostic.fix(format!("did you mean `{meant}`?")),
            (None, None) => diagnostic.note(format!("it has {}", known.join(", "))),
        });
    }

    /// All fields of `tables` that `entries` give. Keys in `elsewhere` are somebody else's.
    pub(crate) fn fields(
        &mut self,
        entries: &[Entry],
        tables: &[&[Field]],
        elsewhere: &[&str],
        what: &str,
    ) -> Fields {
        let mut fields = Fields::default();
        let table = || tables.iter().copied().flatten();
        let known: Vec<&str> =
            table().map(|field| field.name).chain(elsewhere.iter().copied()).collect();
        for entry in entries {
            if elsewhere.contains(&entry.key.as_str()) {
                continue;
            }
            match table().find(|field| field.name == entry.key) {
                None => self.unknown(entry, &known, what),
                Some(field) => {
                    let path = field.name.to_owned();
                    if let Some(value) = self.value(&entry.node, field, &path, &mut fields.places) {
                        fields.places.insert(path.clone(), entry.node.span);
                        fields.json.insert(path, value);
                    }
                }
            }
        }
        fields
    }

    fn value(
        &mut self,
        node: &Node,
        field: &Field,
        path: &str,
        places: &mut BTreeMap<String, Span>,
    ) -> Option<Json> {
        let name = field.name;
        match field.kind {
            Kind::Text => self.text(node, name).map(Json::from),
            Kind::Filter => self.filter(node, name).map(Json::from),
            Kind::Filters => Some(self.list(node, name, path, places, Self::filter)),
            Kind::Texts => Some(self.list(node, name, path, places, Self::text)),
            Kind::Durations => Some(self.list(node, name, path, places, Self::duration)),
            Kind::Count => self.count(node, name).map(Json::from),
            Kind::Limit => self.limit(node, name, -1, Self::count).map(Json::from),
            Kind::Size => self.limit(node, name, -1, Self::size).map(Json::from),
            Kind::Age => self.limit(node, name, 0, Self::duration).map(Json::from),
            Kind::Duration => self.duration(node, name).map(Json::from),
            Kind::Flag => self.flag(node, name).map(Json::from),
            Kind::Choice(words) => self.choice(node, name, words).map(Json::from),
            Kind::Time => self.time(node, name).map(Json::from),
            Kind::Pairs => {
                let entries = self.mapping(node, &format!("`{name}`"));
                let mut pairs = Map::new();
                for entry in entries {
                    if let Some(text) = self.text(&entry.node, &entry.key) {
                        places.insert(format!("{path}.{}", entry.key), entry.key_span);
                        pairs.insert(entry.key.clone(), text.into());
                    }
                }
                Some(pairs.into())
            }
            Kind::Object(table) => {
                let entries = self.mapping(node, &format!("`{name}`"));
                Some(self.nested(entries, table, name, path, places))
            }
            Kind::Named(table) => {
                let mut named = Map::new();
                for entry in self.mapping(node, &format!("`{name}`")) {
                    let entries = self.mapping(&entry.node, &format!("`{}`", entry.key));
                    let path = format!("{path}.{}", entry.key);
                    places.insert(path.clone(), entry.key_span);
                    let value = self.nested(entries, table, &entry.key, &path, places);
                    named.insert(entry.key.clone(), value);
                }
                Some(named.into())
            }
            Kind::Objects(table) => {
                let mut objects = Vec::new();
                let Value::Sequence(items) = &node.value else {
                    let message = format!("`{name}` is a list, and this is {}", node.kind());
                    self.error("F004", node.span, message);
                    return None;
                };
                for (index, item) in items.iter().enumerate() {
                    let entries = self.mapping(item, &format!("an entry of `{name}`"));
                    let path = format!("{path}.{index}");
                    places.insert(path.clone(), item.span);
                    objects.push(self.nested(entries, table, name, &path, places));
                }
                Some(objects.into())
            }
        }
    }

    fn nested(
        &mut self,
        entries: &[Entry],
        table: &[Field],
        what: &str,
        path: &str,
        places: &mut BTreeMap<String, Span>,
    ) -> Json {
        let inner = self.fields(entries, &[table], &[], &format!("`{what}`"));
        places
            .extend(inner.places.into_iter().map(|(name, span)| (format!("{path}.{name}"), span)));
        inner.json.into()
    }

    fn list<T: Into<Json>>(
        &mut self,
        node: &Node,
        name: &str,
        path: &str,
        places: &mut BTreeMap<String, Span>,
        read: impl Fn(&mut Self, &Node, &str) -> Option<T>,
    ) -> Json {
        let mut values = Vec::new();
        for item in self.items(node, name) {
            if let Some(value) = read(self, item, name) {
                places.insert(format!("{path}.{}", values.len()), item.span);
                values.push(value.into());
            }
        }
        Json::Array(values)
    }

    /// A filter's text. Whether it is a valid one is a rule's question; that it is meant as one is
    /// this one's.
    fn filter(&mut self, node: &Node, name: &str) -> Option<String> {
        let scalar = self.scalar(node, name)?;
        if scalar.style == Style::Block {
            let message =
                "an unquoted `>` begins a block of text in YAML; this is not the subject `>`";
            self.push(
                Diagnostic::new("F001", Severity::Error, node.span, message.into())
                    .fix("put the subject in quotes: \">\""),
            );
            return None;
        }
        Some(scalar.text.clone())
    }

    /// A whole number; below zero only where that once meant something.
    fn count(&mut self, node: &Node, name: &str) -> Option<i64> {
        let scalar = self.scalar(node, name)?;
        if let Some(number) = quantity::count(&scalar.text)
            && scalar.style == Style::Plain
            && number >= 0
        {
            return Some(number);
        }
        let message = format!("`{name}` is a whole number, and this is `{}`", scalar.text);
        let diagnostic = Diagnostic::new("F004", Severity::Error, node.span, message);
        self.push(diagnostic.fix("write it as in `1_000_000`"));
        None
    }

    /// A value for which `unlimited` is a word. Zero and -1 are what the API says instead.
    fn limit(
        &mut self,
        node: &Node,
        name: &str,
        unlimited: i64,
        read: impl Fn(&mut Self, &Node, &str) -> Option<i64>,
    ) -> Option<i64> {
        let scalar = self.scalar(node, name)?;
        match scalar.text.as_str() {
            "unlimited" => Some(unlimited),
            text @ ("0" | "-1") => {
                let message = format!("`{name}: {text}` means no limit");
                let diagnostic = Diagnostic::new("F009", Severity::Warning, node.span, message);
                self.push(diagnostic.fix("write `unlimited`").rewrite("unlimited"));
                Some(unlimited)
            }
            _ => read(self, node, name),
        }
    }

    /// A duration, in nanoseconds.
    pub fn duration(&mut self, node: &Node, name: &str) -> Option<i64> {
        let scalar = self.scalar(node, name)?;
        self.quantity(node, quantity::duration(&scalar.text))
    }

    pub(crate) fn size(&mut self, node: &Node, name: &str) -> Option<i64> {
        let scalar = self.scalar(node, name)?;
        self.quantity(node, quantity::size(&scalar.text))
    }

    fn quantity(&mut self, node: &Node, read: Result<i64, QuantityError>) -> Option<i64> {
        let error = match read {
            Ok(number) => return Some(number),
            Err(error) => error,
        };
        let code = match &error {
            QuantityError::Ambiguous { .. } => "F005",
            QuantityError::Malformed(..) | QuantityError::TooLarge(_) => "F004",
        };
        let mut diagnostic = Diagnostic::new(code, Severity::Error, node.span, error.to_string());
        if let QuantityError::Ambiguous { fix, .. } = error {
            diagnostic = diagnostic.fix(fix);
        }
        self.push(diagnostic);
        None
    }

    pub(crate) fn flag(&mut self, node: &Node, name: &str) -> Option<bool> {
        let scalar = self.scalar(node, name)?;
        let plain = scalar.style == Style::Plain;
        let meant = match scalar.text.to_lowercase().as_str() {
            "true" if plain && scalar.text == "true" => return Some(true),
            "false" if plain && scalar.text == "false" => return Some(false),
            "yes" | "on" | "true" | "y" => "true",
            "no" | "off" | "false" | "n" => "false",
            _ => "true` or `false",
        };
        let message = format!("`{name}` is true or false, and this is `{}`", scalar.text);
        let diagnostic = Diagnostic::new("F004", Severity::Error, node.span, message);
        let diagnostic = diagnostic.fix(format!("write `{meant}`"));
        let word = matches!(meant, "true" | "false");
        self.push(if word { diagnostic.rewrite(meant) } else { diagnostic });
        None
    }

    fn choice(&mut self, node: &Node, name: &str, words: &[&'static str]) -> Option<String> {
        let scalar = self.scalar(node, name)?;
        if words.contains(&scalar.text.as_str()) {
            return Some(scalar.text.clone());
        }
        let message = format!("`{}` is not a valid `{name}`", scalar.text);
        let diagnostic = Diagnostic::new("F004", Severity::Error, node.span, message)
            .note(format!("it is one of {}", words.join(", ")));
        self.push(match nearest(&scalar.text, words.iter().copied()) {
            Some(meant) => diagnostic.fix(format!("did you mean `{meant}`?")),
            None => diagnostic,
        });
        None
    }

    fn time(&mut self, node: &Node, name: &str) -> Option<String> {
        let text = self.text(node, name)?;
        if UnixNanos::parse(&text).is_ok() {
            return Some(text);
        }
        let message = format!("`{name}` is a moment, and this is `{text}`");
        let diagnostic = Diagnostic::new("F004", Severity::Error, node.span, message);
        self.push(diagnostic.fix("write it as in `2026-11-21T10:00:00Z`"));
        None
    }
}

/// What has a field of this name.
fn owner(key: &str) -> Option<&'static str> {
    const OWNERS: &[(&str, &[&[Field]])] = &[
        ("a stream", &[STREAM, STREAM_OWN]),
        ("a consumer", &[CONSUMER, CONSUMER_OWN]),
        ("a service", &[SERVICE]),
        ("`server`", &[SERVER]),
        ("`server.jetstream`", &[JETSTREAM]),
        ("`lint`", &[LINT]),
    ];
    let has = |tables: &[&[Field]]| tables.iter().copied().flatten().any(|field| field.name == key);
    OWNERS.iter().find(|(_, tables)| has(tables)).map(|(owner, _)| *owner)
}

/// What a table's fields hold when everything is as it was read.
pub(crate) fn typed<T: serde::de::DeserializeOwned + Default>(
    reader: &mut Reader,
    fields: &Fields,
    also: &[(&str, &str)],
    span: Span,
) -> T {
    let mut json = fields.json.clone();
    for (name, text) in also {
        json.insert((*name).to_owned(), json!(text));
    }
    serde_json::from_value(json.into()).unwrap_or_else(|error| {
        // Only numbers beyond a field's range come here; everything else was read by its kind.
        reader.error("F004", span, format!("a value does not fit: {error}"));
        T::default()
    })
}

/// Whether a text was written as it is, and may therefore be a number or a word with a meaning.
pub(super) fn is_plain(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.style == Style::Plain)
}
