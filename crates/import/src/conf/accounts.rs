//! Accounts: what each may keep, and what passes between them.

use watershed_wire::conf::{Item, Pair, Value};
use watershed_wire::jetstream::check::{Bounds, account_limit};

use super::{Reader, accounts_of, find, list, map};
use watershed_topology::sharing::{Account, Export, Import, Passage, between, unfit};
use watershed_topology::source::Spanned;

impl Reader<'_> {
    pub(super) fn accounts(&mut self, pairs: &[Pair]) {
        let Some(all) = find(pairs, &["accounts"]) else { return };
        let accounts: Vec<&Pair> = accounts_of(pairs).collect();
        self.sharing(&accounts);
        let on = |account: &&&Pair| {
            let jetstream = find(map(&account.item), &["jetstream"]);
            jetstream.is_some_and(|pair| !is_off(&pair.item))
        };
        let with: Vec<&&Pair> = accounts.iter().filter(on).collect();
        // Bounds of an account are those of the streams if it must be the one.
        if let [only] = with.as_slice()
            && let Some(jetstream) = find(map(&only.item), &["jetstream"])
        {
            self.bounds(map(&jetstream.item));
        }
        let others = find(pairs, &["authorization"]).is_some();
        let global = find(pairs, &["jetstream"]).filter(|pair| !is_off(&pair.item));
        if with.is_empty() && !accounts.is_empty() && !others && global.is_some() {
            let span = self.span(all.place);
            let message =
                "no account has JetStream: every request for a stream is refused with error 10039";
            let found = self.importer.findings.switched_off(span, message.into());
            found.fix = Some("write `jetstream: enabled` in the account".into());
        }
    }

    fn bounds(&mut self, pairs: &[Pair]) {
        let mut bounds = Bounds::default();
        for pair in pairs {
            let size = self.size(&pair.item);
            let key = pair.key.to_lowercase();
            let name = account_limit(&key);
            match name {
                "max_file" => {
                    smaller(&mut self.importer.server.max_file_store, size);
                    continue;
                }
                "max_memory" => {
                    smaller(&mut self.importer.server.max_memory_store, size);
                    continue;
                }
                "max_bytes_required" => {
                    if let Value::Flag(flag) = pair.item.value {
                        bounds.max_bytes_required = flag;
                    } else {
                        let message = format!(
                            "`{}` is true or false here: whether every stream must have `max_bytes`",
                            pair.key
                        );
                        self.refused(pair.item.place, message);
                    }
                }
                // Of every account.
                "max_request_batch" | "duplicate_window" => continue,
                _ => {
                    let Some(bound) = bounds.number_mut(name) else { continue };
                    *bound = size.and_then(|size| i64::try_from(size.value).ok());
                }
            }
            let span = self.span(pair.item.place);
            self.importer.server.places.fields.insert(name.to_owned(), span);
        }
        self.importer.server.account = bounds;
    }

    /// What passes between accounts, all of which are here.
    fn sharing(&mut self, accounts: &[&Pair]) {
        let read: Vec<(Vec<Export>, Vec<Import>)> = accounts
            .iter()
            .map(|account| {
                let of = |key| find(map(&account.item), &[key]).map(|pair| list(&pair.item));
                let exports = of("exports").unwrap_or_default();
                let imports = of("imports").unwrap_or_default();
                (
                    exports.iter().filter_map(|item| self.export(item)).collect(),
                    imports.iter().filter_map(|item| self.import(item)).collect(),
                )
            })
            .collect();
        let known: Vec<Account<'_>> = accounts
            .iter()
            .zip(&read)
            .map(|(account, (exports, imports))| {
                let span = self.span(account.place);
                Account { name: &account.key, span, exports, imports }
            })
            .collect();
        for import in known.iter().flat_map(|account| account.imports) {
            let name = &import.account.value;
            if !self.includes && known.iter().all(|account| account.name != *name) {
                let message = format!("unknown account `{name}`");
                self.importer.findings.not_started(import.account.span, message);
            }
        }
        let wrong = known.iter().flat_map(unfit).chain(between(&known));
        self.importer.findings.take_all(wrong);
        if let [(exports, imports)] = read.as_slice() {
            self.importer.sharing = (exports.clone(), imports.clone());
        }
    }

    fn export(&self, item: &Item) -> Option<Export> {
        let pairs = map(item);
        let (passage, said) = passage(pairs)?;
        let subject = self.texts(&said.item)?;
        let names = find(pairs, &["accounts"]).map(|pair| list(&pair.item)).unwrap_or_default();
        let accounts = names.iter().filter_map(|name| self.texts(name)).collect();
        let response = find(pairs, &["response", "response_type"]);
        let response = response.and_then(|pair| self.texts(&pair.item));
        let response = response.map(|response| response.value.to_lowercase());
        Some(Export { passage, subject, accounts, response })
    }

    fn import(&self, item: &Item) -> Option<Import> {
        let pairs = map(item);
        let (passage, said) = passage(pairs)?;
        let of = |pairs, key| find(pairs, &[key]).and_then(|pair| self.texts(&pair.item));
        Some(Import {
            passage,
            account: of(map(&said.item), "account")?,
            subject: of(map(&said.item), "subject")?,
            to: of(pairs, "to"),
            prefix: of(pairs, "prefix"),
        })
    }
}

fn passage(pairs: &[Pair]) -> Option<(Passage, &Pair)> {
    let stream = find(pairs, &["stream"]).map(|pair| (Passage::Stream, pair));
    stream.or_else(|| find(pairs, &["service"]).map(|pair| (Passage::Service, pair)))
}

fn is_off(item: &Item) -> bool {
    match &item.value {
        Value::Flag(flag) => !flag,
        Value::Text { text, .. } => matches!(text.as_str(), "disabled" | "disable"),
        _ => false,
    }
}

fn smaller(limit: &mut Option<Spanned<u64>>, other: Option<Spanned<u64>>) {
    if let Some(other) = other
        && limit.as_ref().is_none_or(|limit| other.value < limit.value)
    {
        *limit = Some(other);
    }
}
