//! Who may connect, and what they may do.

use std::collections::BTreeSet;

use watershed_wire::conf::{Item, Pair, Value};
use watershed_wire::subject::{is_valid, overlaps};

use super::{Reader, accounts_of, find, is_variable, list, map};
use watershed_topology::lower::{BCRYPT_COST_MIN, bcrypt_cost, weak_hash};
use watershed_topology::source::Spanned;

impl Reader<'_> {
    /// What is to be said of who may connect.
    pub(super) fn everybody(&mut self, pairs: &[Pair]) {
        self.otherwise(pairs);
        let mut known = BTreeSet::new();
        let mut all = Vec::new();
        for account in accounts_of(pairs) {
            let users = find(map(&account.item), &["users"]);
            all.extend(users.map(|users| (users, false)));
        }
        if let Some(authorization) = find(pairs, &["authorization"]) {
            let inner = map(&authorization.item);
            let defaults = find(inner, &["default_permissions", "permissions"]);
            if let Some(defaults) = defaults {
                self.defaults(defaults);
            }
            all.extend(find(inner, &["users"]).map(|users| (users, defaults.is_some())));
        }
        for (users, defaults) in &all {
            for user in list(&users.item) {
                let Some(name) = self.name(user) else { continue };
                if !known.insert(name.value.clone()) {
                    let message = format!("there are two users `{}`", name.value);
                    self.importer.findings.not_started(name.span, message);
                }
            }
            self.users(users, *defaults);
        }
        let Some(nobody) = find(pairs, &["no_auth_user"]) else { return };
        let Some(name) = self.texts(&nobody.item) else { return };
        let users = all.iter().flat_map(|(users, _)| list(&users.item));
        let user = users
            .into_iter()
            .find(|user| self.name(user).is_some_and(|own| own.value == name.value));
        match user {
            None if self.includes => {}
            None => {
                let message = format!("unknown user `{}`", name.value);
                self.importer.findings.not_started(name.span, message);
            }
            Some(user) if find(map(user), &["permissions", "permission"]).is_none() => {
                let message = "whoever connects without a password may do everything in the account, \
                               delete every stream too";
                self.importer.findings.open(name.span, message.into()).fix =
                    Some("give that user permissions, or take `no_auth_user` away".into());
            }
            Some(_) => {}
        }
    }

    /// Ways to know who connects that are no list of users.
    fn otherwise(&mut self, pairs: &[Pair]) {
        let inner = find(pairs, &["authorization"]).map(|pair| map(&pair.item)).unwrap_or_default();
        let alone = find(inner, &["auth_callout", "auth_hook"]);
        let tls = find(pairs, &["tls"]).map(|pair| map(&pair.item)).unwrap_or_default();
        let verified = find(tls, &["verify_and_map"]);
        let Some(pair) = alone.or(find(pairs, &["operator", "resolver"])).or(verified) else {
            return;
        };
        self.importer.unknown_users = true;
        self.importer.incomplete = true;
        let span = self.span(pair.place);
        let message = format!("who may connect is known by `{}`: that is not read", pair.key);
        self.importer.findings.skipped(span, message);
    }

    fn name(&self, user: &Item) -> Option<Spanned<String>> {
        let name = find(map(user), &["user", "username", "nkey"])?;
        self.texts(&name.item)
    }

    /// What those may do who have no permissions of their own.
    fn defaults(&mut self, defaults: &Pair) {
        let publish = find(map(&defaults.item), &["publish", "pub"]);
        let wide = publish.is_none_or(|publish| {
            allowed(&publish.item).iter().any(|own| meets(own, "$JS.API.STREAM.DELETE.x"))
        });
        if wide {
            let span = self.span(defaults.place);
            let message = "users without permissions of their own may delete every stream";
            self.importer.findings.unlimited(span, message.into());
        }
    }

    fn users(&mut self, users: &Pair, defaults: bool) {
        self.importer.recognized = true;
        let users = list(&users.item);
        let unlimited: Vec<&Item> = users
            .iter()
            .filter(|user| !defaults && find(map(user), &["permissions", "permission"]).is_none())
            .collect();
        for user in users {
            self.password(user);
            self.permissions(user);
        }
        if unlimited.len() < 2 {
            return;
        }
        for user in unlimited {
            let Some(name) = self.name(user) else { continue };
            let message = format!("`{}` may do everything, delete every stream too", name.value);
            self.importer.findings.unlimited(name.span, message);
        }
    }

    fn password(&mut self, user: &Item) {
        let Some(pair) = find(map(user), &["password", "pass"]) else { return };
        let Value::Text { text, .. } = &pair.item.value else { return };
        let span = self.span(pair.item.place);
        match bcrypt_cost(text) {
            Some(cost) if cost < BCRYPT_COST_MIN => {
                self.importer.findings.weak_hash(span, weak_hash(cost));
            }
            Some(_) => {}
            None if is_variable(text) => {}
            None => {
                self.importer.findings.secret(span, "a password is written into the file".into());
            }
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
