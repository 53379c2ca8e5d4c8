//! What passes between accounts: exports and imports.

use watershed_wire::conf::{Item, Pair, Value};
use watershed_wire::subject::import;

use super::{ConfError, Read, map, text, unknown, wrong};
use crate::config::{Passage, PassageKind};

/// What accounts export and import, until all of them are known.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    accounts: Vec<String>,
    exports: Vec<Export>,
    imports: Vec<Import>,
}

#[derive(Debug)]
struct Export {
    account: String,
    requests: bool,
    subject: String,
    /// Who may; empty for everybody.
    accounts: Vec<String>,
    many: bool,
}

#[derive(Debug)]
struct Import {
    line: usize,
    account: String,
    requests: bool,
    from: String,
    subject: String,
    to: Option<String>,
    prefix: Option<String>,
}

impl Sharing {
    /// An account that is there.
    pub(super) fn account(&mut self, name: &str) {
        self.accounts.push(name.to_owned());
    }

    pub(super) fn exports(&mut self, account: &str, pair: &Pair) -> Read<()> {
        for item in list(pair)? {
            let (mut subject, mut accounts, mut many) = (None, Vec::new(), false);
            for pair in block(item)? {
                match pair.key.as_str() {
                    "stream" | "service" if subject.is_none() => {
                        subject = Some((pair.key == "service", text(pair)?));
                    }
                    "accounts" => {
                        let name = |item: &Item| match &item.value {
                            Value::Text { text, .. } => Ok(text.clone()),
                            _ => Err(wrong(pair, "a list of accounts")),
                        };
                        accounts = list(pair)?.iter().map(name).collect::<Read<_>>()?;
                    }
                    "response" | "response_type" => {
                        many = match text(pair)?.to_lowercase().as_str() {
                            "single" | "singleton" => false,
                            "stream" | "chunk" | "chunked" => true,
                            _ => return Err(wrong(pair, "`singleton`, `stream` or `chunked`")),
                        };
                    }
                    _ => return Err(unknown(pair)),
                }
            }
            let (requests, subject) = subject.ok_or_else(|| nothing(item))?;
            let account = account.to_owned();
            self.exports.push(Export { account, requests, subject, accounts, many });
        }
        Ok(())
    }

    pub(super) fn imports(&mut self, account: &str, pair: &Pair) -> Read<()> {
        for item in list(pair)? {
            let (mut found, mut to, mut prefix) = (None, None, None);
            for pair in block(item)? {
                match pair.key.as_str() {
                    "stream" | "service" if found.is_none() => {
                        let of = |key: &str| -> Read<String> {
                            let inner = map(pair)?.iter().find(|inner| inner.key == key);
                            text(inner.ok_or_else(|| wrong(pair, "an `account` and a `subject`"))?)
                        };
                        found = Some((pair.key == "service", of("account")?, of("subject")?));
                    }
                    "to" => to = Some(text(pair)?),
                    "prefix" => prefix = Some(text(pair)?),
                    _ => return Err(unknown(pair)),
                }
            }
            let (requests, from, subject) = found.ok_or_else(|| nothing(item))?;
            self.imports.push(Import {
                line: item.place.line,
                account: account.to_owned(),
                requests,
                from,
                subject,
                to,
                prefix,
            });
        }
        Ok(())
    }

    /// What passes, now that every account is known.
    pub(super) fn passages(self) -> Read<Vec<Passage>> {
        self.imports.iter().map(|import| self.passage(import)).collect()
    }

    fn passage(&self, import: &Import) -> Read<Passage> {
        let what = if import.requests { "service" } else { "stream" };
        let error = |what: String| ConfError { line: import.line, what };
        let Import { subject, from, account, .. } = import;
        if !self.accounts.contains(from) {
            return Err(error(format!("there is no account `{from}` for this {what} import")));
        }
        let allows = |export: &&Export| {
            export.account == *from
                && export.requests == import.requests
                && import::offers(&export.subject, subject)
                && (export.accounts.is_empty() || export.accounts.contains(account))
        };
        let Some(export) = self.exports.iter().find(allows) else {
            let text = format!("`{from}` exports no {what} `{subject}` to `{account}`");
            return Err(error(text));
        };
        let (to, prefix) = (import.to.as_deref(), import.prefix.as_deref());
        let (ends, transform, kind) = if import.requests {
            let kind = PassageKind::Requests { many: export.many };
            ((account, from), import::requests(subject, to), kind)
        } else {
            ((from, account), import::passing(subject, to, prefix), PassageKind::Messages)
        };
        let transform = transform.map_err(|problem| error(format!("`{subject}`: {problem}")))?;
        Ok(Passage { from: ends.0.clone(), to: ends.1.clone(), transform, kind })
    }
}

fn list(pair: &Pair) -> Read<&[Item]> {
    match &pair.item.value {
        Value::List(items) => Ok(items),
        _ => Err(wrong(pair, "a list")),
    }
}

fn block(item: &Item) -> Read<&[Pair]> {
    match &item.value {
        Value::Map(pairs) => Ok(pairs),
        _ => Err(nothing(item)),
    }
}

fn nothing(item: &Item) -> ConfError {
    ConfError {
        line: item.place.line,
        what: "it has a `stream` or a `service`, one of them".into(),
    }
}
