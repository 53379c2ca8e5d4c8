//! Values of a program to fields of a stream or a consumer, in the API's units.

use serde_json::{Map, Value as Json};
use watershed_topology::diagnostic::{Diagnostic, ServerSays, Severity};
use watershed_topology::lower::Fields;
use watershed_topology::quantity::show_duration;
use watershed_topology::schema::{Field, Kind};
use watershed_topology::source::{SourceMap, Span};

use super::value::{Called, Entry, Made, Value, What};

/// What a number is where a library takes a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Nanoseconds,
}

/// A client library, as far as values are concerned.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    /// Whether it refuses a field that it does not know.
    pub(super) refuses: bool,
    /// What it calls fields, and their names in the API; others are written as there.
    pub(super) called: &'static [(&'static str, &'static str)],
}

/// What was read of an asset.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) fields: Fields,
    /// What was not, in sentences.
    pub(super) unread: Vec<String>,
    /// The fields that were not, by their names in the API.
    pub(super) lacks: Vec<String>,
    pub(super) findings: Vec<Diagnostic>,
}

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// Seconds after which nobody means seconds: ten years.
const LONG: i128 = 315_360_000;

/// From here on a number counts nanoseconds rather than milliseconds: 100 seconds, or three years.
const NANOS: i128 = 100_000_000_000;

/// Nanoseconds below which nobody means nanoseconds.
const SHORT: i128 = 100_000_000;

/// Longest piece of a program that is shown, in bytes.
const SHOWN_MAX: usize = 60;

/// What stands at a place, as far as it fits on a line.
pub(super) fn shown(sources: &SourceMap, span: Span) -> String {
    let text = sources.file(span.file).text.get(span.start as usize..span.end as usize);
    let text = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    if text.len() <= SHOWN_MAX {
        return text;
    }
    let end = (0..=SHOWN_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

pub(super) struct Reader<'s> {
    pub(super) sources: &'s SourceMap,
    pub(super) library: &'static Library,
    pub(super) taken: Taken,
}

impl Reader<'_> {
    /// Takes in fields of `table`; those in `others` mean something else.
    pub(super) fn take(&mut self, entries: &[Entry], table: &'static [Field], others: &[&str]) {
        for entry in entries {
            if others.contains(&&*entry.name) || matches!(entry.value.what, What::Null) {
                continue;
            }
            let name = self.field(&entry.name);
            let Some(field) = table.iter().find(|field| field.name == name) else {
                self.unknown_field(entry, table);
                continue;
            };
            let mut inner = Vec::new();
            if let Some(value) = self.value(&entry.value, field, name, &mut inner) {
                self.taken.fields.places.insert(name.to_owned(), entry.value.span);
                self.taken.fields.places.extend(inner);
                self.taken.fields.json.insert(name.to_owned(), value);
            } else {
                self.taken.lacks.push(name.to_owned());
            }
        }
    }

    fn unknown_field(&mut self, entry: &Entry, table: &[Field]) {
        let library = self.library.name;
        if !self.library.refuses || entry.name.starts_with('#') {
            let message = format!("`{}` of {library} is not read", entry.name);
            return self.not_read(entry.name_span, message);
        }
        let message =
            format!("unknown field `{}` of {library}: the call raises an error", entry.name);
        let mut found = Diagnostic::new("I004", Severity::Error, entry.name_span, message.clone());
        let close = |field: &&Field| {
            field.name.ends_with(&*entry.name)
                || strsim::damerau_levenshtein(field.name, &entry.name) < 3
        };
        if let Some(field) = table.iter().find(close) {
            found = found.fix(format!("write `{}`", field.name));
        }
        self.taken.findings.push(found);
        self.taken.unread.push(message);
    }

    /// The name of a field in the API.
    fn field<'n>(&self, name: &'n str) -> &'n str {
        let called = self.library.called.iter().find(|(own, _)| *own == name);
        called.map_or(name, |(_, field)| field)
    }

    /// Notes what was not read.
    pub(super) fn not_read(&mut self, span: Span, message: String) {
        self.taken.findings.push(Diagnostic::new("I002", Severity::Warning, span, message.clone()));
        self.taken.unread.push(message);
    }

    /// Notes a value that is not known here.
    pub(super) fn unknown(&mut self, name: &str, value: &Value) {
        let place = match &value.what {
            What::Text(_, Some(part)) => *part,
            _ => value.span,
        };
        let shown = shown(self.sources, place);
        self.not_read(value.span, format!("`{name}` is `{shown}`, which is not known here"));
    }

    fn value(
        &mut self,
        value: &Value,
        field: &Field,
        path: &str,
        places: &mut Vec<(String, Span)>,
    ) -> Option<Json> {
        let read = match field.kind {
            Kind::Filters | Kind::Texts | Kind::Durations => {
                return self.list(value, field, path, places);
            }
            Kind::Age | Kind::Duration => return self.duration(value, path).map(Json::from),
            Kind::Count | Kind::Limit | Kind::Size => match value.what {
                What::Int(number) => i64::try_from(number).ok().map(Json::from),
                What::Float(number) if number.fract() == 0.0 => {
                    format!("{number:.0}").parse::<i64>().ok().map(Json::from)
                }
                _ => None,
            },
            Kind::Flag => match value.what {
                What::Bool(flag) => Some(flag.into()),
                _ => None,
            },
            Kind::Choice(words) => return self.choice(value, words, path),
            Kind::Pairs => return self.pairs(value, path),
            Kind::Object(table) => return self.object(value, table, path, places),
            Kind::Objects(table) => {
                let Some(items) = value.items() else {
                    self.unknown(path, value);
                    return None;
                };
                let mut all = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}.{index}");
                    all.extend(self.object(item, table, &path, places));
                }
                return Some(all.into());
            }
            Kind::Text | Kind::Filter | Kind::Time => match &value.what {
                // `sample_freq` is a text with a number in it.
                What::Int(number) => Some(number.to_string().into()),
                _ => value.text().map(Json::from),
            },
            // No client library has fields of this kind.
            Kind::Named(_) => None,
        };
        if read.is_none() {
            self.unknown(path, value);
        }
        read
    }

    fn list(
        &mut self,
        value: &Value,
        field: &Field,
        path: &str,
        places: &mut Vec<(String, Span)>,
    ) -> Option<Json> {
        let one = std::slice::from_ref(value);
        let items = match (&value.what, value.items()) {
            (_, Some(items)) => items,
            (What::Text(_, None), None) => one,
            _ => {
                self.unknown(path, value);
                return None;
            }
        };
        let mut all: Vec<Json> = Vec::new();
        for item in items {
            let read = if matches!(field.kind, Kind::Durations) {
                self.duration(item, path).map(Json::from)
            } else {
                let text = item.text().map(Json::from);
                if text.is_none() {
                    self.unknown(path, item);
                }
                text
            };
            if let Some(read) = read {
                places.push((format!("{path}.{}", all.len()), item.span));
                all.push(read);
            }
        }
        Some(all.into())
    }

    fn pairs(&mut self, value: &Value, path: &str) -> Option<Json> {
        // A list of pairs makes a mapping, too.
        let listed = value.items().map(|items| {
            let mut made = Made::default();
            for item in items {
                match item.items() {
                    Some([name, one]) if name.text().is_some() => {
                        made.set(name.text().unwrap_or_default(), name.span, one.clone());
                    }
                    _ => made.open = Some(item.span),
                }
            }
            made
        });
        let made = listed.as_ref().or(value.made());
        let Some(made) = made.filter(|made| made.open.is_none()) else {
            self.unknown(path, value);
            return None;
        };
        let mut all = Map::new();
        for entry in &made.fields {
            match entry.value.text() {
                Some(text) => drop(all.insert(entry.name.to_string(), text.into())),
                None => self.unknown(&format!("{path}.{}", entry.name), &entry.value),
            }
        }
        Some(all.into())
    }

    /// A structure: a mapping, or a call of what makes one with the names of its fields.
    fn object(
        &mut self,
        value: &Value,
        table: &'static [Field],
        path: &str,
        places: &mut Vec<(String, Span)>,
    ) -> Option<Json> {
        let entries = match (&value.what, value.called()) {
            (What::Made(made), _) if made.open.is_none() => made.fields.clone(),
            (_, Some(called)) if named(called) => called
                .arguments
                .iter()
                .filter_map(|one| {
                    let (name, name_span) = (one.name.clone()?, one.name_span);
                    Some(Entry { name, name_span, value: one.value.clone() })
                })
                .collect(),
            // The name alone, where an origin is wanted.
            (What::Text(_, None), _) if table.iter().any(|field| field.name == "name") => {
                vec![Entry { name: "name".into(), name_span: value.span, value: value.clone() }]
            }
            _ => {
                self.unknown(path, value);
                return None;
            }
        };
        let mut inner =
            Reader { sources: self.sources, library: self.library, taken: Taken::default() };
        inner.take(&entries, table, &[]);
        self.taken.unread.append(&mut inner.taken.unread);
        self.taken.findings.append(&mut inner.taken.findings);
        let named = inner.taken.fields.places.into_iter();
        places.extend(named.map(|(name, span)| (format!("{path}.{name}"), span)));
        Some(inner.taken.fields.json.into())
    }

    /// One of these words, as the API writes it or as an enumeration of the library does.
    fn choice(&mut self, value: &Value, words: &[&'static str], path: &str) -> Option<Json> {
        let text = match &value.what {
            What::Null => return None,
            // A switch that has names in the API.
            What::Bool(flag) if words.contains(&"s2") => {
                return Some(if *flag { "s2" } else { "none" }.into());
            }
            What::Name(_) | What::Member(..) => value.last(),
            _ => value.text(),
        };
        let found = text.and_then(|text| word(text, words));
        if found.is_none() {
            self.unknown(path, value);
        }
        found.map(Json::from)
    }

    /// Nanoseconds.
    fn duration(&mut self, value: &Value, path: &str) -> Option<i64> {
        let unit = match self.library.unit {
            Unit::Seconds => SECOND,
            Unit::Milliseconds => 1_000_000,
            Unit::Nanoseconds => 1,
        };
        let nanos = match value.what {
            What::Duration(_) if self.library.unit == Unit::Seconds => {
                let message = format!(
                    "`{path}` of {} is a number of seconds: a timedelta raises an error",
                    self.library.name
                );
                self.wrong(value.span, message, "write `.total_seconds()` behind it".to_owned());
                None
            }
            What::Duration(nanos) => Some(nanos),
            What::Int(number) => {
                self.suspect(number, value.span, path);
                number.checked_mul(unit)
            }
            What::Float(number) => format!("{:.0}", number * unit as f64).parse().ok(),
            _ => {
                self.unknown(path, value);
                return None;
            }
        };
        let nanos = nanos.and_then(|nanos| i64::try_from(nanos).ok());
        if nanos.is_none() {
            let shown = shown(self.sources, value.span);
            self.taken.unread.push(format!("`{path}` is `{shown}`, which is not a duration there"));
        }
        nanos
    }

    /// Says that a number is probably in another unit.
    fn suspect(&mut self, number: i128, span: Span, path: &str) {
        let library = self.library.name;
        let meant = |nanos: i128| i64::try_from(nanos).map(show_duration).unwrap_or_default();
        if self.library.unit == Unit::Seconds && number >= LONG {
            let years = number / 31_536_000;
            let (unit, nanos) = if number >= NANOS {
                ("nanoseconds", number)
            } else {
                ("milliseconds", number.saturating_mul(1_000_000))
            };
            let message = format!(
                "`{path}` of {library} counts seconds: {number} of them are {years} years; as {unit} it would be {}",
                meant(nanos)
            );
            let refuses =
                number.checked_mul(SECOND).is_none_or(|nanos| i64::try_from(nanos).is_err());
            let fix = format!("write {}, in seconds", nanos / SECOND);
            let found = self.wrong(span, message, fix);
            if refuses {
                found.server = ServerSays::Refuses(10025);
            }
        } else if self.library.unit == Unit::Nanoseconds && (1..SHORT).contains(&number) {
            let message = format!(
                "`{path}` of {library} counts nanoseconds: {number} of them are {}; as seconds it would be {}",
                meant(number),
                meant(number.saturating_mul(SECOND))
            );
            let fix = match library {
                "nats.go" => format!("write `{number} * time.Second`, or the unit that is meant"),
                _ => "write `nanos(…)`, which takes milliseconds".to_owned(),
            };
            self.wrong(span, message, fix);
        }
    }

    /// A duration in a wrong unit.
    fn wrong(&mut self, span: Span, message: String, fix: String) -> &mut Diagnostic {
        let found = Diagnostic::new("I017", Severity::Error, span, message).fix(fix);
        self.taken.findings.push(found);
        self.taken.findings.last_mut().expect("it was pushed just now")
    }
}

/// Whether a call names everything that it is given, and is given something.
fn named(called: &Called) -> bool {
    !called.arguments.is_empty() && called.arguments.iter().all(|one| one.name.is_some())
}

/// The word of the API that a name of an enumeration means: `WorkQueuePolicy`, `AckExplicit`,
/// `DeliverByStartSequencePolicy`.
fn word(text: &str, words: &[&'static str]) -> Option<&'static str> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
    };
    let own = plain(text);
    let own = if own == "startsequence" || own == "starttime" { format!("by{own}") } else { own };
    let befores = ["", "ack", "deliver", "replay", "discard", "storage", "priority"];
    let behinds = ["", "policy", "storage", "compression", "persistmode", "persist"];
    let fits = |word: &str| {
        let word = plain(word);
        befores.iter().any(|before| {
            own.strip_prefix(before)
                .and_then(|rest| rest.strip_prefix(word.as_str()))
                .is_some_and(|rest| behinds.contains(&rest))
        })
    };
    words.iter().copied().find(|word| fits(word))
}
