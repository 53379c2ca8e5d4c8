//! The words of a call, sorted: flags with their values, and names.

use serde_json::{Map, Value as Json, json};
use watershed_topology::lower::Fields;
use watershed_topology::schema::nearest;
use watershed_topology::source::Span;

use super::table::{Flag, GLOBAL, MEANT, Means, SHORT, Takes};
use super::units;
use crate::importer::Importer;
use crate::word::Word;

/// A flag that was given.
pub(super) struct One {
    pub(super) name: &'static str,
    pub(super) on: bool,
    pub(super) value: Option<Word>,
    pub(super) span: Span,
    flag: &'static Flag,
}

/// A call, sorted.
pub(super) struct Given {
    pub(super) flags: Vec<One>,
    pub(super) names: Vec<Word>,
    /// What is shown of the command: `stream add`.
    pub(super) what: &'static str,
    pub(super) span: Span,
    /// What of it was not read, and why.
    pub(super) unread: Vec<String>,
    /// Whether the tool refuses it.
    pub(super) fails: bool,
}

impl Given {
    pub(super) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag.name == name)
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Word> {
        self.flags
            .iter()
            .filter(move |flag| flag.name == name)
            .filter_map(|flag| flag.value.as_ref())
    }

    /// The texts of a flag that may be given several times; one that is not known is left out, and
    /// said.
    pub(super) fn texts(&mut self, importer: &mut Importer, name: &str) -> Vec<(String, Span)> {
        let mut texts = Vec::new();
        let mut unread = Vec::new();
        for word in self.all(name) {
            match &word.unknown {
                None => texts.push((word.text.clone(), word.span)),
                Some(why) => unread.push((word.span, format!("{why}: `--{name}` was left out"))),
            }
        }
        for (span, message) in unread {
            self.not_read(importer, span, message);
        }
        texts
    }

    /// Says that something was not read, here and at the asset.
    pub(super) fn not_read(&mut self, importer: &mut Importer, span: Span, message: String) {
        importer.findings.skipped(span, message.clone());
        self.unread.push(message);
    }

    /// Says that the tool refuses the command.
    pub(super) fn refuse(
        &mut self,
        importer: &mut Importer,
        span: Span,
        message: String,
        fix: Option<String>,
    ) {
        self.unread.push(message.clone());
        self.fail(importer, span, message, fix);
    }

    /// Says that the tool asks, and fails where nobody answers. What it offers as the answer is what was read.
    pub(super) fn ask(
        &mut self,
        importer: &mut Importer,
        span: Span,
        message: String,
        fix: Option<String>,
    ) {
        importer.tool.asked.get_or_insert((span, 0)).1 += 1;
        self.fail(importer, span, message, fix);
    }

    fn fail(&mut self, importer: &mut Importer, span: Span, message: String, fix: Option<String>) {
        self.fails = true;
        importer.findings.wrong(span, message).fix = fix;
    }
}

/// Sorts the words behind the name of a command.
pub(super) fn sort(
    importer: &mut Importer,
    words: &[Word],
    tables: &[&'static [Flag]],
    what: &'static str,
    span: Span,
) -> Given {
    let mut given = Given {
        flags: Vec::new(),
        names: Vec::new(),
        what,
        span,
        unread: Vec::new(),
        fails: false,
    };
    let mut open: Vec<&Word> = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if word.many && word.text.is_empty() {
            open.push(word);
            continue;
        }
        if !word.text.starts_with('-') || word.text == "-" {
            given.names.push(word.clone());
            continue;
        }
        let (name, inline) = split(word);
        let Some((flag, on)) = find(tables, &name) else {
            given.unknown(importer, &name, tables, word.span);
            // Its value, if it has one, is nobody's name.
            if inline.is_none() && words.peek().is_some_and(|next| !next.text.starts_with('-')) {
                words.next();
            }
            continue;
        };
        let switch = matches!(flag.takes, Takes::Switch | Takes::Only);
        let value = match inline {
            Some(value) if switch => {
                let message = format!(
                    "`--{name}` takes no value, and `{}` is one: the command fails",
                    value.text
                );
                let fix = Some(format!("write `--{}` or `--no-{}`", flag.name, flag.name));
                given.refuse(importer, word.span, message, fix);
                continue;
            }
            Some(value) => Some(value),
            None if switch => None,
            None => match words.peek() {
                Some(next) if !next.text.starts_with('-') || next.text.len() < 2 => {
                    words.next().cloned()
                }
                next => {
                    let shown =
                        next.map_or("nothing".to_owned(), |next| format!("`{}`", next.text));
                    let message =
                        format!("`--{name}` needs a value, and {shown} follows: the command fails");
                    let fix = next.filter(|next| next.text.parse::<i64>().is_ok());
                    let fix = fix.map(|next| format!("write `--{name}={}`", next.text));
                    given.refuse(importer, word.span, message, fix.clone());
                    if fix.is_some() {
                        words.next();
                    }
                    continue;
                }
            },
        };
        given.flags.push(One { name: flag.name, on, value, span: word.span, flag });
    }
    given.open(importer, &open);
    given
}

impl Given {
    /// A flag that this command does not have.
    fn unknown(
        &mut self,
        importer: &mut Importer,
        name: &str,
        tables: &[&'static [Flag]],
        span: Span,
    ) {
        let message = format!("unknown flag `--{name}` of `nats {}`: the command fails", self.what);
        let all = || tables.iter().flat_map(|table| table.iter()).map(|flag| flag.name);
        let meant = MEANT.iter().find(|(wrong, _)| *wrong == name).map(|(_, right)| *right);
        let meant = meant.filter(|right| all().any(|one| one == *right));
        let meant = meant.or_else(|| nearest(name, all()));
        let fix = meant.map(|meant| format!("did you mean `--{meant}`?"));
        self.refuse(importer, span, message, fix);
    }

    /// If no other word is the name, one of unknown words is.
    fn open(&mut self, importer: &mut Importer, open: &[&Word]) {
        let name = usize::from(self.names.is_empty() && !open.is_empty());
        self.names.extend(open.iter().take(name).copied().cloned());
        for word in open.iter().skip(name) {
            let why = word.unknown.clone().unwrap_or_default();
            let message = format!("{why}: what it adds to this command was not read");
            self.not_read(importer, word.span, message);
        }
    }
}

/// The name of a flag, and a value behind `=` or right behind its one letter.
fn split(word: &Word) -> (String, Option<Word>) {
    let with = |text: &str| Word { text: text.to_owned(), ..word.clone() };
    if let Some(long) = word.text.strip_prefix("--") {
        return match long.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(with(value))),
            None => (long.to_owned(), None),
        };
    }
    let mut chars = word.text.chars().skip(1);
    let letter = chars.next().unwrap_or('-');
    let rest: String = chars.collect();
    let name = SHORT.iter().find(|(short, _)| *short == letter).map(|(_, long)| *long);
    match name {
        Some("server") if !rest.is_empty() => {
            ("server".to_owned(), Some(with(rest.trim_start_matches('='))))
        }
        Some(name) if rest.is_empty() => (name.to_owned(), None),
        _ => (word.text.trim_start_matches('-').to_owned(), None),
    }
}

/// The flag with this name, and whether it is on.
fn find(tables: &[&'static [Flag]], name: &str) -> Option<(&'static Flag, bool)> {
    let one = |name: &str| {
        let all = tables.iter().copied().chain([GLOBAL]);
        all.flatten().find(|flag| flag.name == name)
    };
    if let Some(flag) = one(name) {
        return Some((flag, true));
    }
    let flag = one(name.strip_prefix("no-")?)?;
    (flag.takes == Takes::Switch).then_some((flag, false))
}

impl Given {
    /// The fields that plain flags decide.
    pub(super) fn fields(&mut self, importer: &mut Importer) -> Fields {
        let mut found = Fields::default();
        let flags = std::mem::take(&mut self.flags);
        for one in &flags {
            let (field, turned) = match one.flag.means {
                Means::Field(field) => (field, false),
                Means::Not(field) => (field, true),
                Means::Special => {
                    self.read(importer, one);
                    continue;
                }
                Means::Nothing => continue,
            };
            let value = match one.value {
                None => Some(Json::from(one.on != turned)),
                Some(_) => self.read(importer, one),
            };
            let Some(value) = value else { continue };
            found.json.insert(field.to_owned(), value);
            found
                .places
                .insert(field.to_owned(), one.value.as_ref().map_or(one.span, |word| word.span));
        }
        self.flags = flags;
        found
    }

    /// A value in the API's units.
    fn read(&mut self, importer: &mut Importer, one: &One) -> Option<Json> {
        let word = one.value.as_ref()?;
        let text = match &word.unknown {
            None => word.text.as_str(),
            Some(_) if one.flag.means == Means::Special => return None,
            Some(why) => {
                let message = format!("{why}: `--{}` was left out", one.name);
                self.not_read(importer, word.span, message);
                return None;
            }
        };
        let value = match one.flag.takes {
            Takes::Text | Takes::Switch | Takes::Only => Some(Json::from(text)),
            Takes::Number => text.parse::<i64>().ok().map(Json::from),
            Takes::Bytes => units::bytes(text).map(Json::from),
            Takes::Duration => units::duration(text).map(Json::from),
            Takes::Age if text == "-1" => Some(Json::from(0)),
            Takes::Age => units::duration(text).map(Json::from),
            Takes::One(words) => {
                words.iter().find(|(word, _)| *word == text).map(|(_, api)| Json::from(*api))
            }
        };
        if value.is_none() {
            let wanted = match one.flag.takes {
                Takes::One(words) => {
                    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                    format!("one of {}", words.join(", "))
                }
                Takes::Number => "a whole number".to_owned(),
                Takes::Bytes => "a whole number with a unit such as `10GB`".to_owned(),
                _ => "a duration with a unit such as `30d`".to_owned(),
            };
            let message = format!("`--{} {text}` is not {wanted}: the command fails", one.name);
            let fix = match one.flag.takes {
                Takes::One(words) => match text.to_lowercase().as_str() {
                    "workqueue" | "work_queue" | "work-queue" => Some("work"),
                    "disk" => Some("file"),
                    "mem" | "ram" => Some("memory"),
                    lower => nearest(lower, words.iter().map(|(word, _)| *word)),
                }
                .map(|meant| format!("write `{meant}`")),
                _ => None,
            };
            self.refuse(importer, word.span, message, fix);
        }
        value
    }

    /// A value of a flag that the command makes something of, if it was given and can be read.
    pub(super) fn value(&self, name: &str) -> Option<Json> {
        let one = self.flags.iter().rfind(|flag| flag.name == name)?;
        let text = one.value.as_ref()?.get()?;
        match one.flag.takes {
            Takes::Number => text.parse::<i64>().ok().map(Json::from),
            Takes::Bytes => units::bytes(text).map(Json::from),
            Takes::Duration | Takes::Age => units::duration(text).map(Json::from),
            _ => Some(Json::from(text)),
        }
    }

    /// A flag as a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.value(name)?.as_i64()
    }

    /// `--metadata a=b`, `--metadata a:b`.
    pub(super) fn metadata(&mut self, importer: &mut Importer, found: &mut Fields) {
        let mut pairs = Map::new();
        for (text, span) in self.texts(importer, "metadata") {
            if let Some((key, value)) = text.split_once(['=', ':']) {
                pairs.insert(key.to_owned(), value.into());
            } else {
                let message = format!("`--metadata {text}` is not KEY=VALUE: the command fails");
                self.refuse(importer, span, message, None);
            }
        }
        if !pairs.is_empty() {
            found.json.insert("metadata".into(), pairs.into());
        }
    }

    /// `--cluster` and tags.
    pub(super) fn placement(&mut self, importer: &mut Importer, found: &mut Fields) {
        let mut tags: Vec<String> = Vec::new();
        for name in ["tag", "tags"] {
            tags.extend(self.texts(importer, name).into_iter().map(|(text, _)| text));
        }
        let cluster = self.texts(importer, "cluster").pop().map(|(text, _)| text);
        let mut placement = Map::new();
        if let Some(cluster) = cluster.filter(|cluster| !cluster.is_empty()) {
            placement.insert("cluster".into(), cluster.into());
        }
        if !tags.is_empty() {
            placement.insert("tags".into(), tags.into());
        }
        if !placement.is_empty() {
            found.json.insert("placement".into(), placement.into());
        }
    }

    /// `--republish-…` and `--transform-…`, of which both sides are needed.
    pub(super) fn pairs(&mut self, importer: &mut Importer, found: &mut Fields) {
        for (front, field) in [("republish", "republish"), ("transform", "subject_transform")] {
            let names = ["source", "destination"].map(|side| format!("{front}-{side}"));
            let [src, dest] = names.each_ref().map(|name| self.texts(importer, name).pop());
            let given = names.iter().any(|name| self.has(name));
            match (src, dest) {
                (Some((src, span)), Some((dest, _))) => {
                    let headers = front == "republish" && self.has("republish-headers");
                    let pair = if headers {
                        json!({"src": src, "dest": dest, "headers_only": true})
                    } else {
                        json!({"src": src, "dest": dest})
                    };
                    found.json.insert(field.into(), pair);
                    found.places.insert(field.into(), span);
                }
                (None, None) if !given => {}
                _ if self.flags.iter().any(|flag| {
                    names.iter().any(|name| name == flag.name)
                        && flag.value.as_ref().is_some_and(|word| word.unknown.is_some())
                }) => {}
                _ => {
                    let message = format!(
                        "`--{front}-source` needs `--{front}-destination` and the other way round: the command fails"
                    );
                    self.refuse(importer, self.span, message, None);
                }
            }
        }
    }
}
