//! `nats.conf`: what it limits, who may do what, and what passes between accounts.

mod account;
mod accounts;
mod fields;
mod included;
mod people;
mod recognize;
mod server;
mod users;
mod variables;

use std::collections::BTreeSet;

use watershed_wire::conf::{Item, Pair, Place, Value};

use self::included::Whole;
use super::findings::line_start;
use super::importer::Importer;
use crate::shell::Files;
use watershed_topology::source::{FileId, Span, Spanned};

pub use self::account::Password;
pub(crate) use self::account::{Account, Kept};
pub use self::included::includes;
pub(crate) use self::included::parts;
pub(crate) use self::recognize::is_configuration;

/// Takes in a configuration file of nats-server.
pub(super) fn configuration(importer: &mut Importer, files: Files<'_>, file: FileId, text: &str) {
    importer.wanted = true;
    let mut whole = match Whole::read(files, file, text) {
        Ok(whole) => whole,
        Err(error) => {
            let span = line_start(file, text, error.line);
            importer.recognized = true;
            importer.incomplete = true;
            return importer.findings.skipped(span, format!("invalid nats.conf: {error}"));
        }
    };
    let includes = !whole.missing.is_empty();
    if !includes && !is_part(&whole.pairs) {
        importer.confs.push(line_start(file, text, 1));
    }
    for (span, message) in std::mem::take(&mut whole.missing) {
        importer.incomplete = true;
        importer.findings.skipped(span, message);
    }
    let pairs = std::mem::take(&mut whole.pairs);
    let mut reader = Reader { importer, files, whole, includes };
    reader.unknown(&pairs);
    reader.secrets(&pairs);
    let pairs = variables::resolved(pairs);
    reader.quoted(&pairs);
    reader.server(&pairs);
    reader.accounts(&pairs);
    reader.everybody(&pairs);
    reader.people(&pairs);
}

/// Whether a configuration has nothing but users and accounts: it is a part of another one.
fn is_part(pairs: &[Pair]) -> bool {
    let parts = ["accounts", "authorization", "mappings", "no_auth_user", "system_account"];
    let one = |pair: &Pair| {
        parts.iter().any(|part| is_key(pair, part)) || matches!(pair.item.value, Value::Variable(_))
    };
    !pairs.is_empty() && pairs.iter().all(one)
}

/// Whether an entry has this key, however it is spelled.
fn is_key(pair: &Pair, name: &str) -> bool {
    pair.key.eq_ignore_ascii_case(name)
}

fn map(item: &Item) -> &[Pair] {
    match &item.value {
        Value::Map(pairs) => pairs,
        _ => &[],
    }
}

fn list(item: &Item) -> &[Item] {
    match &item.value {
        Value::List(items) => items,
        _ => &[],
    }
}

fn find<'p>(pairs: &'p [Pair], names: &[&str]) -> Option<&'p Pair> {
    let named = |pair: &&Pair| names.iter().any(|name| pair.key.eq_ignore_ascii_case(name));
    pairs.iter().find(named)
}

/// Accounts of clients: the system's is the server's own.
fn accounts_of(pairs: &[Pair]) -> impl Iterator<Item = &Pair> {
    let accounts = find(pairs, &["accounts"]).map(|pair| map(&pair.item));
    accounts.unwrap_or_default().iter().filter(|account| account.key != "$SYS")
}

struct Reader<'a> {
    importer: &'a mut Importer,
    files: Files<'a>,
    whole: Whole,
    /// Whether some of it stands in other files: what is missing here may be there.
    includes: bool,
}

impl Reader<'_> {
    fn span(&self, place: Place) -> Span {
        self.whole.span(place)
    }

    /// What is written there.
    fn written(&self, place: Place) -> &str {
        let span = self.span(place);
        let text = &self.files.sources.file(span.file).text;
        text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn texts(&self, item: &Item) -> Option<Spanned<String>> {
        match &item.value {
            Value::Text { text, .. } => Some(Spanned::new(text.clone(), self.span(item.place))),
            _ => None,
        }
    }

    fn size(&self, item: &Item) -> Option<Spanned<u64>> {
        match item.value {
            Value::Integer(number) => {
                let bytes = u64::try_from(number).ok()?;
                Some(Spanned::new(bytes, self.span(item.place)))
            }
            _ => None,
        }
    }

    /// The size of a store, which may stand in quotes: there one letter is behind the number, and is
    /// a power of 1024.
    fn store_size(&mut self, item: &Item) -> Option<Spanned<u64>> {
        let Value::Text { text, .. } = &item.value else { return self.size(item) };
        let bytes = in_quotes(text);
        if bytes.is_none() {
            let message = format!("invalid size `{text}`: in quotes it ends in K, M, G or T");
            self.refused(item.place, message);
        }
        Some(Spanned::new(bytes?, self.span(item.place)))
    }

    /// Says that nats-server does not start with this.
    fn refused(&mut self, place: Place, message: String) {
        let span = self.span(place);
        self.importer.findings.not_started(span, message);
    }

    /// Where passwords are set that a variable stands for.
    fn secrets(&mut self, pairs: &[Pair]) {
        fn each<'p>(pairs: &'p [Pair], say: &mut dyn FnMut(&'p Pair)) {
            fn of<'p>(item: &'p Item, say: &mut dyn FnMut(&'p Pair)) {
                match &item.value {
                    Value::List(items) => items.iter().for_each(|item| of(item, say)),
                    Value::Map(pairs) => each(pairs, say),
                    _ => {}
                }
            }
            for pair in pairs {
                say(pair);
                of(&pair.item, say);
            }
        }
        let mut names = BTreeSet::new();
        each(pairs, &mut |pair| {
            if let (Value::Variable(name), true) = (&pair.item.value, is_secret(&pair.key)) {
                names.insert(name.as_str());
            }
        });
        let mut spans = Vec::new();
        each(pairs, &mut |pair| {
            if names.contains(pair.key.as_str()) {
                spans.push(self.span(pair.item.place));
            }
        });
        self.importer.secrets.extend(spans);
    }

    /// Variables in quotes, wherever they are.
    fn quoted(&mut self, pairs: &[Pair]) {
        for pair in pairs {
            let variable =
                matches!(&pair.item.value, Value::Text { text, .. } if is_variable(text));
            if is_secret(&pair.key) && !variable {
                self.importer.secrets.push(self.span(pair.item.place));
            }
            self.quoted_item(&pair.item);
        }
    }

    fn quoted_item(&mut self, item: &Item) {
        match &item.value {
            Value::Text { text, quoted: true } if is_variable(text) => {
                let span = self.span(item.place);
                let message =
                    format!("in quotes this is the text `{text}`, not the variable's value");
                let found = self.importer.findings.quoted(span, message);
                found.fix = Some("take the quotes away".into());
            }
            Value::List(items) => items.iter().for_each(|item| self.quoted_item(item)),
            Value::Map(pairs) => self.quoted(pairs),
            _ => {}
        }
    }
}

fn is_secret(key: &str) -> bool {
    matches!(key.to_lowercase().as_str(), "password" | "pass" | "token" | "nkey_seed")
}

/// A size as nats-server reads it out of a text.
fn in_quotes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let power = match unit {
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << power)
}

/// Whether a text is what a variable looks like.
fn is_variable(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '{' | '}'))
            && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}
