//! Users as a topology has them. Where something of one cannot be said there, that stands beside them.

use watershed_topology::lower::{CONNECTION_TYPES, bcrypt_cost, is_public_nkey};
use watershed_topology::model::{Access, Grant, Granted, Mapping, Responses, Secret, User};
use watershed_topology::render::about_user;
use watershed_topology::source::Spanned;
use watershed_wire::conf::{Item, Pair, Value};
use watershed_wire::time::parse_go_duration;

use super::account::{Account, Password};
use super::{Reader, find, is_key, list, map};

/// The account that everybody is in who is in no other.
const GLOBAL: &str = "$G";

impl Reader<'_> {
    /// Takes everybody over, account by account.
    pub(super) fn people(&mut self, pairs: &[Pair]) {
        let system = find(pairs, &["system_account", "system"]);
        let system = system.and_then(|pair| self.texts(&pair.item));
        let system = system.map_or_else(|| "$SYS".to_owned(), |name| name.value);
        let mut operators = Vec::new();
        for pair in find(pairs, &["accounts"]).map(|pair| map(&pair.item)).unwrap_or_default() {
            let inner = map(&pair.item);
            let users = find(inner, &["users"]);
            let defaults = find(inner, &["default_permissions"]);
            let is_system = pair.key == system || pair.key == "$SYS";
            let users = self.all(users, defaults, is_system);
            if is_system {
                operators.extend(users);
                continue;
            }
            let at = self
                .importer
                .conf
                .accounts
                .iter()
                .position(|one| one.name.as_ref().is_some_and(|name| name.value == pair.key));
            let mappings = self.mappings(find(inner, &["mappings", "maps"]));
            if let Some(account) = at.and_then(|at| self.importer.conf.accounts.get_mut(at)) {
                account.users = users;
                account.mappings = mappings;
            }
        }
        let name = |one: &Account| one.name.as_ref().is_some_and(|name| name.value == system);
        self.importer.conf.accounts.retain(|one| !name(one));
        let global = self.global(pairs);
        let accounts = &mut self.importer.conf.accounts;
        accounts.extend(global);
        if operators.is_empty() {
            return;
        }
        if accounts.is_empty() {
            accounts.push(Account { jetstream: true, ..Account::default() });
        }
        if let Some(first) = accounts.first_mut() {
            first.users.extend(operators);
        }
    }

    /// Who is in no account of their own.
    fn global(&mut self, pairs: &[Pair]) -> Option<Account> {
        let authorization = find(pairs, &["authorization"]);
        let inner = authorization.map(|pair| map(&pair.item)).unwrap_or_default();
        let defaults = find(inner, &["default_permissions", "default_permission", "permissions"]);
        let mut users = self.all(find(inner, &["users"]), defaults, false);
        let name = find(inner, &["user", "username"]).and_then(|pair| self.texts(&pair.item));
        if let Some(name) = name {
            let password = find(inner, &["password", "pass"]);
            let password = password.and_then(|pair| self.secret(pair, Some(&name.value)));
            users.push(user(name, password));
        }
        if let Some(pair) = find(inner, &["token"]) {
            let span = self.span(pair.item.place);
            let secret = self.secret(pair, None);
            // What stands there is kept beside the topology: where, is known when that is written.
            let secret = secret.unwrap_or_else(|| Secret::File(String::new()));
            self.importer.server.token = Some(Spanned::new(secret, span));
        }
        let mappings = self.mappings(find(pairs, &["mappings", "maps"]));
        if users.is_empty() && mappings.is_empty() {
            return None;
        }
        if let Some(pair) = authorization.filter(|_| !users.is_empty()) {
            let span = self.span(pair.place);
            let message = format!(
                "these users are in the account `{GLOBAL}` of the server; those of a topology are in one of its own, \
                 which begins without streams"
            );
            self.importer.notes.push((span, message));
        }
        Some(Account { users, mappings, jetstream: true, ..Account::default() })
    }

    fn all(&mut self, users: Option<&Pair>, defaults: Option<&Pair>, system: bool) -> Vec<User> {
        let items = users.map(|pair| list(&pair.item)).unwrap_or_default();
        items.iter().filter_map(|item| self.one(item, defaults, system)).collect()
    }

    fn one(&mut self, item: &Item, defaults: Option<&Pair>, system: bool) -> Option<User> {
        let pairs = map(item);
        let key = find(pairs, &["nkey"]).and_then(|pair| self.texts(&pair.item));
        let said = find(pairs, &["user", "username"]);
        let name = match (said, &key) {
            (Some(pair), None) => self.known_text(&pair.item, "the name of a user")?,
            (None, Some(key)) => Spanned::new(short(&key.value), key.span),
            _ => {
                let message = "a user has a `user` and a `password`, or an `nkey`".to_owned();
                self.refused(item.place, message);
                return None;
            }
        };
        let mut unread = Vec::new();
        if let Some(key) = key.as_ref().filter(|key| !is_public_nkey(&key.value)) {
            let message = "`nkey` is the public key of a user".to_owned();
            self.importer.findings.not_started(key.span, message);
            return None;
        }
        let password = find(pairs, &["password", "pass"]);
        if password.is_none() && key.is_none() {
            let message =
                format!("missing password of `{}`: everybody may be that user", name.value);
            self.importer.notes.push((name.span, message));
        }
        let password = password.and_then(|pair| self.secret(pair, Some(&name.value)));
        let mut user = user(name, password);
        user.nkey = key;
        if let Some(pair) =
            find(pairs, &["allowed_connection_types", "connection_types", "clients"])
        {
            user.allowed_connection_types = self.connection_types(pair, &mut unread);
        }
        if find(pairs, &["proxy_required"]).is_some() {
            unread.push("`proxy_required`".to_owned());
        }
        let said = find(pairs, &["permissions", "permission", "authorization"]).or(defaults);
        user.permissions = said.map(|pair| self.grant(&pair.item, &mut unread)).unwrap_or_default();
        let Grant { publish, subscribe, responses } = &user.permissions;
        let limited = !publish.is_empty() || !subscribe.is_empty() || responses.is_some();
        user.access = match (system, limited) {
            (true, _) => Access::System,
            (false, true) => Access::Listed,
            (false, false) => Access::Admin,
        };
        self.importer.marks(&about_user(&user.name.value), &unread);
        Some(user)
    }

    /// A text that must be known here.
    fn known_text(&mut self, item: &Item, what: &str) -> Option<Spanned<String>> {
        if let Value::Variable(name) = &item.value {
            let message = format!(
                "{what} comes from the variable `{name}` of the environment, which is not read here"
            );
            let span = self.span(item.place);
            self.importer.incomplete = true;
            self.importer.findings.skipped(span, message);
            return None;
        }
        let text = self.texts(item);
        if text.is_none() {
            self.refused(item.place, format!("{what} is a text"));
        }
        text
    }

    /// Where a password is; one that stands here is kept apart.
    fn secret(&mut self, pair: &Pair, user: Option<&str>) -> Option<Secret> {
        match &pair.item.value {
            Value::Variable(name) => Some(Secret::Env(name.clone())),
            Value::Text { text, .. } if bcrypt_cost(text).is_some() => {
                Some(Secret::Bcrypt(text.clone()))
            }
            Value::Text { text, .. } => {
                let password = Password { user: user.map(str::to_owned), text: text.clone() };
                self.importer.conf.passwords.push(password);
                None
            }
            _ => {
                self.refused(
                    pair.item.place,
                    format!("`{}` is a text: put it in quotes", pair.key),
                );
                None
            }
        }
    }

    fn connection_types(&mut self, pair: &Pair, unread: &mut Vec<String>) -> Vec<Spanned<String>> {
        let mut types = Vec::new();
        for item in one_or_more(&pair.item) {
            let Some(one) = self.texts(item) else {
                unread.push(format!("a part of `{}`", pair.key));
                continue;
            };
            let one = Spanned::new(one.value.to_uppercase(), one.span);
            if CONNECTION_TYPES.contains(&one.value.as_str()) {
                types.push(one);
            } else {
                let message = format!("unknown connection type `{}`", one.value);
                self.importer.findings.not_started(one.span, message);
            }
        }
        types
    }

    fn grant(&mut self, item: &Item, unread: &mut Vec<String>) -> Grant {
        let mut grant = Grant::default();
        if let Value::Variable(name) = &item.value {
            unread.push(format!("permissions that the variable `{name}` of the environment has"));
            return grant;
        }
        for pair in map(item) {
            match pair.key.to_lowercase().as_str() {
                "publish" | "pub" | "import" => grant.publish = self.rules(pair, unread),
                "subscribe" | "sub" | "export" => grant.subscribe = self.rules(pair, unread),
                "allow_responses" | "publish_allow_responses" => {
                    grant.responses = self.responses(pair, unread);
                }
                _ => {}
            }
        }
        for granted in [&mut grant.publish, &mut grant.subscribe] {
            // An empty list allows everything there.
            granted.allow = granted.allow.take().filter(|allow| !allow.is_empty());
        }
        grant
    }

    fn rules(&mut self, pair: &Pair, unread: &mut Vec<String>) -> Granted {
        let Value::Map(inner) = &pair.item.value else {
            return Granted { allow: Some(self.filters(pair, unread)), deny: Vec::new() };
        };
        let mut granted = Granted::default();
        for pair in inner {
            if is_key(pair, "allow") {
                granted.allow = Some(self.filters(pair, unread));
            } else if is_key(pair, "deny") {
                granted.deny = self.filters(pair, unread);
            } else {
                self.refused(pair.place, format!("unknown field `{}` in `permissions`", pair.key));
            }
        }
        granted
    }

    fn filters(&mut self, pair: &Pair, unread: &mut Vec<String>) -> Vec<Spanned<String>> {
        let mut filters = Vec::new();
        for item in one_or_more(&pair.item) {
            match (&item.value, self.texts(item)) {
                (Value::Variable(name), _) => unread.push(format!(
                    "the subject that the variable `{name}` of the environment has, in `{}`",
                    pair.key
                )),
                (_, None) => self.refused(item.place, "a subject is a text".to_owned()),
                (_, Some(filter)) if filter.value.contains(' ') => {
                    unread.push(format!("`{}`, which is about a queue group", filter.value));
                }
                (_, Some(filter)) => filters.push(filter),
            }
        }
        filters
    }

    fn responses(&mut self, pair: &Pair, unread: &mut Vec<String>) -> Option<Spanned<Responses>> {
        let span = self.span(pair.item.place);
        let mut responses = Responses::default();
        match &pair.item.value {
            Value::Flag(false) => return None,
            Value::Flag(true) => {}
            Value::Map(pairs) => {
                for pair in pairs {
                    let number = match &pair.item.value {
                        Value::Integer(number) => Some(*number),
                        Value::Text { text, .. } => parse_go_duration(text),
                        _ => None,
                    };
                    let seconds = matches!(pair.item.value, Value::Integer(_));
                    match (pair.key.to_lowercase().as_str(), number) {
                        ("max" | "max_msgs", Some(max)) if seconds => {
                            // Zero is what absent is.
                            responses.max = Some(max.max(-1)).filter(|max| *max != 0);
                        }
                        ("expires" | "ttl" | "expiration", Some(time)) if time > 0 => {
                            let time =
                                if seconds { time.saturating_mul(1_000_000_000) } else { time };
                            responses.expires = Some(time);
                        }
                        _ => unread.push(format!("`{}` of `allow_responses`", pair.key)),
                    }
                }
            }
            _ => {
                let message = "`allow_responses` is true or false, or a block".to_owned();
                self.refused(pair.item.place, message);
                return None;
            }
        }
        Some(Spanned::new(responses, span))
    }

    /// Subjects that become others.
    fn mappings(&mut self, said: Option<&Pair>) -> Vec<Mapping> {
        let mut mappings = Vec::new();
        for pair in said.map(|pair| map(&pair.item)).unwrap_or_default() {
            let subject = Spanned::new(pair.key.clone(), self.span(pair.place));
            for item in one_or_more(&pair.item) {
                let entry = map(item);
                let destination = match &item.value {
                    Value::Map(_) => find(entry, &["destination", "dest"]).map(|pair| &pair.item),
                    _ => Some(item),
                };
                let Some(to) = destination.and_then(|item| self.known_text(item, "a destination"))
                else {
                    self.importer.incomplete = true;
                    continue;
                };
                let weight = find(entry, &["weight"]).and_then(|pair| match &pair.item.value {
                    Value::Integer(number) => u64::try_from(*number).ok(),
                    Value::Text { text, .. } => text.trim_end_matches('%').trim().parse().ok(),
                    _ => None,
                });
                let cluster = find(entry, &["cluster"]).and_then(|pair| self.texts(&pair.item));
                let cluster = cluster.map(|cluster| cluster.value);
                mappings.push(Mapping { subject: subject.clone(), to, weight, cluster });
            }
        }
        mappings
    }
}

/// Somebody who may do everything.
fn user(name: Spanned<String>, password: Option<Secret>) -> User {
    User {
        name,
        password,
        nkey: None,
        allowed_connection_types: Vec::new(),
        access: Access::Admin,
        permissions: Grant::default(),
        inbox_prefix: None,
    }
}

/// The items of a list, or the one thing that stands for one.
fn one_or_more(item: &Item) -> &[Item] {
    match &item.value {
        Value::List(items) => items,
        _ => std::slice::from_ref(item),
    }
}

/// A name for somebody who has only a key.
fn short(key: &str) -> String {
    format!("nkey-{}", key.chars().take(8).collect::<String>())
}
