//! `nats.conf`: what it limits, and who may do what.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use watershed_wire::conf::{self, Item, Pair, Place, Value};

use super::Importer;
use crate::model::ServerSettings;
use crate::source::{FileId, Span, Spanned, offset};

/// Takes in a configuration file of nats-server.
pub(super) fn configuration(importer: &mut Importer, file: FileId, text: &str) {
    let pairs = match conf::parse(text) {
        Ok(pairs) => pairs,
        Err(error) => {
            let line = text.split_inclusive('\n').take(error.line.saturating_sub(1));
            let start = offset(line.map(str::len).sum::<usize>().min(text.len()));
            let span = Span { file, start, end: start };
            importer.recognized = true;
            return importer.findings.skipped(span, format!("this is no nats.conf: {error}"));
        }
    };
    let mut reader = Reader { importer, file };
    reader.quoted(&pairs);
    for pair in &pairs {
        reader.top(pair);
    }
    if let Some(accounts) = find(&pairs, &["accounts"]) {
        for account in map(&accounts.item).iter().filter(|account| account.key != "$SYS") {
            let users =
                map(&account.item).iter().find(|pair| pair.key.eq_ignore_ascii_case("users"));
            reader.users(users, false);
        }
    }
    if let Some(authorization) = find(&pairs, &["authorization"]) {
        let inner = map(&authorization.item);
        let defaults = find(inner, &["default_permissions", "permissions"]).is_some();
        reader.users(find(inner, &["users"]), defaults);
    }
}

fn map(item: &Item) -> &[Pair] {
    match &item.value {
        Value::Map(pairs) => pairs,
        _ => &[],
    }
}

fn find<'p>(pairs: &'p [Pair], names: &[&str]) -> Option<&'p Pair> {
    let named = |pair: &&Pair| names.iter().any(|name| pair.key.eq_ignore_ascii_case(name));
    pairs.iter().find(named)
}

struct Reader<'a> {
    importer: &'a mut Importer,
    file: FileId,
}

impl Reader<'_> {
    fn span(&self, place: Place) -> Span {
        Span { file: self.file, start: offset(place.start), end: offset(place.end) }
    }

    fn server(&mut self) -> &mut ServerSettings {
        self.importer.recognized = true;
        &mut self.importer.server
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

    fn top(&mut self, pair: &Pair) {
        match pair.key.to_lowercase().as_str() {
            "jetstream" => {
                let inner = map(&pair.item);
                let of = |names: &[&str]| find(inner, names).and_then(|pair| self.size(&pair.item));
                let file = of(&["max_file_store", "max_file", "store_max", "max_store"]);
                let memory = of(&["max_memory_store", "max_mem_store", "max_mem", "max_memory"]);
                let folder = find(inner, &["store_dir", "storedir"]).and_then(|pair| {
                    match &pair.item.value {
                        Value::Text { text, .. } => {
                            Some(Spanned::new(text.clone(), self.span(pair.item.place)))
                        }
                        _ => None,
                    }
                });
                let server = self.server();
                server.max_file_store = file;
                server.max_memory_store = memory;
                server.store_dir = folder;
            }
            "max_payload" => {
                let size = self.size(&pair.item);
                self.server().max_payload = size;
            }
            "listen" | "port" | "net" | "host" => self.listen(pair),
            "authorization" | "accounts" => self.importer.recognized = true,
            _ => {}
        }
    }

    fn listen(&mut self, pair: &Pair) {
        let anywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let address = match &pair.item.value {
            Value::Integer(port) => {
                u16::try_from(*port).ok().map(|port| SocketAddr::from((anywhere, port)))
            }
            Value::Text { text, .. } => text.parse().ok(),
            _ => None,
        };
        let span = self.span(pair.item.place);
        self.importer.listens = address.map(|address| Spanned::new(address, span));
        self.importer.recognized = true;
    }

    /// Variables in quotes, wherever they are.
    fn quoted(&mut self, pairs: &[Pair]) {
        for pair in pairs {
            let key = pair.key.to_lowercase();
            let variable =
                matches!(&pair.item.value, Value::Text { text, .. } if is_variable(text));
            if matches!(key.as_str(), "password" | "pass" | "token" | "nkey_seed") && !variable {
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

    fn users(&mut self, users: Option<&Pair>, defaults: bool) {
        let Some(users) = users else { return };
        self.importer.recognized = true;
        self.importer.has_users = true;
        let Value::List(users) = &users.item.value else { return };
        let unlimited: Vec<&Item> = users
            .iter()
            .filter(|user| !defaults && find(map(user), &["permissions", "permission"]).is_none())
            .collect();
        for user in users {
            let password = find(map(user), &["password", "pass"]);
            if let Some(pair) = password
                && let Value::Text { text, .. } = &pair.item.value
                && !text.starts_with("$2")
                && !is_variable(text)
            {
                let span = self.span(pair.item.place);
                self.importer.findings.secret(span, "a password is written into the file".into());
            }
        }
        if unlimited.len() < 2 {
            return;
        }
        for user in unlimited {
            let name = find(map(user), &["user", "username", "nkey"]);
            let Some(name) = name else { continue };
            let text = match &name.item.value {
                Value::Text { text, .. } => text.clone(),
                _ => continue,
            };
            let span = self.span(name.item.place);
            let message = format!("`{text}` may do everything, delete every stream too");
            self.importer.findings.unlimited(span, message);
        }
    }
}

/// Whether a text is what a variable looks like.
fn is_variable(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '{' | '}'))
            && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}
