//! Accounts: what each may keep, and what passes between them.

use watershed_wire::conf::{Item, Pair, Value};
use watershed_wire::jetstream::check::{Bounds, account_limit};

use super::account::Account;
use super::{Reader, accounts_of, find, is_key, list, map};
use watershed_topology::model::ServerSettings;
use watershed_topology::sharing::{Account as Shared, Export, Import, Passage, between, unfit};
use watershed_topology::source::Spanned;

impl Reader<'_> {
    pub(super) fn accounts(&mut self, pairs: &[Pair]) {
        let Some(all) = find(pairs, &["accounts"]) else { return };
        let accounts: Vec<&Pair> = accounts_of(pairs).collect();
        self.sharing(&accounts);
        let with: Vec<(&Pair, &Pair)> = accounts
            .iter()
            .filter_map(|account| Some((*account, find(map(&account.item), &["jetstream"])?)))
            .filter(|(_, jetstream)| !is_off(&jetstream.item))
            .collect();
        for (account, jetstream) in &with {
            let server = self.bounds(map(&jetstream.item));
            // Bounds of an account are those of the streams if it must be the one.
            if with.len() == 1 {
                let own = &mut self.importer.server;
                smaller(&mut own.max_file_store, server.max_file_store.clone());
                smaller(&mut own.max_memory_store, server.max_memory_store.clone());
                own.account = server.account;
                own.places.fields.extend(server.places.fields.clone());
            }
            let named = |one: &&mut Account| {
                one.name.as_ref().is_some_and(|name| name.value == account.key)
            };
            if let Some(one) = self.importer.conf.accounts.iter_mut().find(named) {
                one.jetstream = true;
                one.server = server;
            }
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

    /// What an account may keep.
    fn bounds(&mut self, pairs: &[Pair]) -> ServerSettings {
        let mut server = ServerSettings::default();
        let mut bounds = Bounds::default();
        for pair in pairs {
            let size = self.size(&pair.item);
            let key = pair.key.to_lowercase();
            let name = account_limit(&key);
            match name {
                "max_file" => {
                    server.max_file_store = size;
                    continue;
                }
                "max_memory" => {
                    server.max_memory_store = size;
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
            server.places.fields.insert(name.to_owned(), span);
        }
        server.account = bounds;
        server
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
        let known: Vec<Shared<'_>> = accounts
            .iter()
            .zip(&read)
            .map(|(account, (exports, imports))| {
                let span = self.span(account.place);
                Shared { name: &account.key, span, exports, imports }
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
        for (account, (exports, imports)) in accounts.iter().zip(read) {
            let name = Some(Spanned::new(account.key.clone(), self.span(account.place)));
            self.importer.conf.accounts.push(Account {
                name,
                exports,
                imports,
                ..Account::default()
            });
        }
    }

    fn export(&mut self, item: &Item) -> Option<Export> {
        let pairs = map(item);
        self.beyond(pairs, &["stream", "service", "accounts", "response", "response_type"]);
        let (passage, said) = passage(pairs)?;
        let subject = self.texts(&said.item)?;
        let names = find(pairs, &["accounts"]).map(|pair| list(&pair.item)).unwrap_or_default();
        let accounts = names.iter().filter_map(|name| self.texts(name)).collect();
        let response = find(pairs, &["response", "response_type"]);
        let response = response.and_then(|pair| self.texts(&pair.item));
        let response = response.map(|response| response.value.to_lowercase());
        Some(Export { passage, subject, accounts, response })
    }

    fn import(&mut self, item: &Item) -> Option<Import> {
        let pairs = map(item);
        self.beyond(pairs, &["stream", "service", "to", "prefix"]);
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

impl Reader<'_> {
    /// What an export or an import says that topologies cannot say.
    fn beyond(&mut self, pairs: &[Pair], known: &[&str]) {
        for pair in pairs.iter().filter(|pair| !known.iter().any(|key| is_key(pair, key))) {
            // Who asked is told, or not: nothing passes otherwise.
            let span = self.span(pair.place);
            let message = format!("`{}` of an export or an import is not taken over", pair.key);
            self.importer.incomplete = true;
            self.importer.notes.push((span, message));
        }
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
