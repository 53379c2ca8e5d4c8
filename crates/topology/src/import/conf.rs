//! `nats.conf`: what it limits, and who may do what.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use watershed_wire::conf::{self, Item, Pair, Place, Value};
use watershed_wire::subject::{is_valid, overlaps};

use super::{Importer, line_start};
use crate::model::ServerSettings;
use crate::source::{FileId, Span, Spanned, offset};

/// Takes in a configuration file of nats-server.
pub(super) fn configuration(importer: &mut Importer, file: FileId, text: &str) {
    let pairs = match conf::parse(text) {
        Ok(pairs) => pairs,
        Err(error) => {
            let span = line_start(file, text, error.line);
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

    /// What a user may not do who is meant to use streams, and what they may do beyond that.
    fn permissions(&mut self, user: &Item) {
        let Some(pair) = find(map(user), &["permissions", "permission"]) else { return };
        let inner = map(&pair.item);
        let publish = find(inner, &["publish", "pub", "import"]).map(|pair| allowed(&pair.item));
        let subscribe =
            find(inner, &["subscribe", "sub", "export"]).map(|pair| allowed(&pair.item));
        let span = self.span(pair.place);
        let may = |list: &Option<Vec<&str>>, subject: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|own| meets(own, subject)))
        };
        let own = |list: &Option<Vec<&str>>| {
            let plain = |own: &&&str| !own.starts_with('$') && !own.starts_with("_INBOX");
            list.as_ref().and_then(|list| list.iter().find(plain).map(|own| (*own).to_owned()))
        };
        if let Some(subject) = own(&publish)
            && !may(&subscribe, "_INBOX.>")
        {
            let message = format!(
                "who publishes `{subject}` and may not subscribe to `_INBOX.>` has messages stored \
                 and never learns of it"
            );
            let found = self.importer.findings.incomplete(span, message);
            found.fix =
                Some("let them subscribe to `_INBOX.>`, or to an inbox prefix of their own".into());
        }
        if let Some(subject) = own(&subscribe)
            && publish.is_some()
            && !(may(&publish, "$JS.API.CONSUMER.MSG.NEXT.>") && may(&publish, "$JS.ACK.>"))
        {
            let message = format!(
                "who reads `{subject}` through a consumer asks for messages on `$JS.API…` and \
                 acknowledges on `$JS.ACK…`, and may publish to neither"
            );
            let found = self.importer.findings.incomplete(span, message);
            found.fix = Some(
                "let them publish to `$JS.API.CONSUMER.MSG.NEXT.STREAM.CONSUMER`, \
                 `$JS.API.CONSUMER.INFO.STREAM.CONSUMER` and `$JS.ACK.STREAM.CONSUMER.>`"
                    .into(),
            );
        }
        let wide = publish.iter().flatten().find(|own| matches!(**own, "$JS.>" | "$JS.API.>"));
        if let Some(wide) = wide {
            let message = format!("`{wide}` lets them delete every stream of the account");
            self.importer.findings.unlimited(span, message);
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
        for user in users {
            self.permissions(user);
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

/// Whether a user who may use `own` may use some of `subject`.
fn meets(own: &str, subject: &str) -> bool {
    let (own, subject) = (own.as_bytes(), subject.as_bytes());
    is_valid(own) && overlaps(own, subject)
}

/// The subjects of a permission: one, a list, or what stands behind `allow`.
fn allowed(item: &Item) -> Vec<&str> {
    match &item.value {
        Value::Text { text, .. } => vec![text],
        Value::List(items) => items.iter().flat_map(allowed).collect(),
        // Without `allow`, everything is that is not denied.
        Value::Map(pairs) => find(pairs, &["allow"]).map_or(vec![">"], |pair| allowed(&pair.item)),
        _ => Vec::new(),
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
