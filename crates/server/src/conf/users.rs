//! Who may connect, and what they may do: `authorization`, and `users` of an account.

use std::sync::Arc;

use watershed_engine::permit::{Grant, Permissions, Responses, Rules};
use watershed_wire::conf::{ConfError, Item, Pair, Value};
use watershed_wire::subject::SubjectError;

use super::{Read, Reader, duration, error, map, number, text, unknown, wrong};
use crate::auth::{ConnectionTypes, Credential, Nkey, User};
use crate::config::DEFAULT_ACCOUNT;

/// What a `users` entry says, before it is known whether it is whole.
#[derive(Default)]
struct Entry {
    name: Option<String>,
    password: Option<String>,
    nkey: Option<Nkey>,
    permissions: Option<Arc<Permissions>>,
    connections: ConnectionTypes,
}

impl Reader<'_> {
    pub(super) fn authorization(&mut self, pair: &Pair) -> Read<()> {
        let (mut user, mut password, mut token, mut users) = (None, None, None, false);
        let mut defaults = Defaults::behind(&self.config.users);
        for pair in map(pair)? {
            match pair.key.as_str() {
                "user" | "username" => user = Some(self.literal(pair)?),
                "pass" | "password" => password = Some(self.literal(pair)?),
                "token" => token = Some(self.literal(pair)?).filter(|token| !token.is_empty()),
                "users" => {
                    users = true;
                    self.users(pair, DEFAULT_ACCOUNT)?;
                }
                "timeout" => self.config.auth_timeout = duration(pair)?,
                DEFAULT_PERMISSIONS => defaults.read(pair)?,
                _ => self.not_a_setting(pair)?,
            }
        }
        defaults.apply(&mut self.config.users);
        if token.is_some() && (user.is_some() || password.is_some() || users) {
            return Err(error(pair, "`token` stands alone: it excludes `user` and `users`"));
        }
        self.config.token = token.as_deref().map(Credential::from_config);
        let (name, password) = match (user, password) {
            (None, None) => return Ok(()),
            (Some(name), Some(password)) => (name, password),
            _ => return Err(error(pair, "a user has a password, and a password a user")),
        };
        self.add(
            pair,
            User {
                name,
                credential: Credential::from_config(&password),
                account: DEFAULT_ACCOUNT.into(),
                permissions: None,
                connections: ConnectionTypes::default(),
            },
        )
    }

    /// A name, a password or a token. In quotes, a `$NAME` is text and not a variable.
    fn literal(&mut self, pair: &Pair) -> Read<String> {
        let text = text(pair)?;
        let inner = text.strip_prefix('$').map(|name| name.trim_matches(['{', '}']));
        let names = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if let Some(name) = inner.filter(|name| names(name)) {
            self.process.warnings.push(format!(
                "line {}: in quotes, `{}` is the text `{text}` and not the variable: write ${name} without quotes",
                pair.place.line, pair.key
            ));
        }
        Ok(text)
    }

    pub(super) fn users(&mut self, pair: &Pair, account: &str) -> Read<()> {
        let Value::List(items) = &pair.item.value else { return Err(wrong(pair, "a list")) };
        for item in items {
            let Value::Map(pairs) = &item.value else {
                return Err(ConfError { line: item.place.line, what: "a user is a block".into() });
            };
            let mut entry = Entry::default();
            for pair in pairs {
                match pair.key.as_str() {
                    "user" | "username" => entry.name = Some(self.literal(pair)?),
                    "pass" | "password" => entry.password = Some(self.literal(pair)?),
                    "nkey" => entry.nkey = Some(nkey(pair)?),
                    "permissions" | "permission" | "authorization" => {
                        entry.permissions = Some(Arc::new(permissions_of(pair)?));
                    }
                    "allowed_connection_types" | "connection_types" | "clients" => {
                        entry.connections = connection_types(pair)?;
                    }
                    _ => self.not_a_setting(pair)?,
                }
            }
            let user = entry
                .user(account)
                .map_err(|what| ConfError { line: item.place.line, what: what.into() })?;
            self.add(pair, user)?;
        }
        Ok(())
    }

    fn add(&mut self, pair: &Pair, user: User) -> Read<()> {
        if self.config.users.iter().any(|other| other.name == user.name) {
            return Err(error(pair, format!("there are two users `{}`", user.name)));
        }
        self.config.users.push(user);
        Ok(())
    }
}

impl Entry {
    fn user(self, account: &str) -> Result<User, &'static str> {
        let Self { name, password, nkey, permissions, connections } = self;
        let (name, credential) = match (name, password, nkey) {
            (None, None, Some(nkey)) => (nkey.to_string(), Credential::Nkey(Box::new(nkey))),
            (_, _, Some(_)) => return Err("a user with an `nkey` has neither name nor password"),
            // Without a password the name alone is enough, as for nats-server.
            (Some(name), password, None) => {
                (name, Credential::from_config(&password.unwrap_or_default()))
            }
            (None, _, None) => return Err("missing `user` of a user"),
        };
        Ok(User { name, credential, account: account.to_owned(), permissions, connections })
    }
}

fn nkey(pair: &Pair) -> Read<Nkey> {
    Nkey::of_user(&text(pair)?)
        .ok_or_else(|| error(pair, "`nkey` is the public key of a user, which begins with U"))
}

/// How a user may connect. Ways that this server does not have are ways in which nobody comes.
fn connection_types(pair: &Pair) -> Read<ConnectionTypes> {
    let Value::List(items) = &pair.item.value else { return Err(wrong(pair, "a list")) };
    let mut types = ConnectionTypes::NONE;
    for item in items {
        let Value::Text { text, .. } = &item.value else { return Err(wrong(pair, "names")) };
        if !types.allow(text) {
            return Err(error(pair, format!("unknown connection type `{text}`")));
        }
    }
    Ok(types)
}

fn permissions_of(pair: &Pair) -> Read<Permissions> {
    let (mut publish, mut subscribe, mut answers) = (Rules::default(), Rules::default(), None);
    for pair in map(pair)? {
        match pair.key.as_str() {
            "publish" | "pub" | "import" => publish = rules(pair, Grant::new)?,
            "subscribe" | "sub" | "export" => {
                subscribe = rules(pair, Grant::of_subscriptions)?;
            }
            "allow_responses" | "allow_response" => answers = responses(pair)?,
            _ => return Err(unknown(pair)),
        }
    }
    Ok(Permissions::new(publish, subscribe, answers))
}

/// What a list of permissions means by one entry.
type ReadGrant = fn(&str) -> Result<Grant, SubjectError>;

fn rules(pair: &Pair, grant: ReadGrant) -> Read<Rules> {
    let Value::Map(pairs) = &pair.item.value else {
        return Ok(Rules { allow: Some(grants(pair, grant)?), deny: Vec::new() });
    };
    let mut rules = Rules::default();
    for pair in pairs {
        match pair.key.as_str() {
            "allow" => rules.allow = Some(grants(pair, grant)?),
            "deny" => rules.deny = grants(pair, grant)?,
            _ => return Err(unknown(pair)),
        }
    }
    Ok(rules)
}

/// A subject, or a list of them.
fn grants(pair: &Pair, grant: ReadGrant) -> Read<Vec<Grant>> {
    let items = match &pair.item.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&pair.item),
    };
    let grant = |item: &Item| match &item.value {
        Value::Text { text, .. } => grant(text).map_err(|problem| ConfError {
            line: item.place.line,
            what: format!("invalid subject `{text}`: {problem}"),
        }),
        _ => Err(wrong(pair, "subjects")),
    };
    items.iter().map(grant).collect()
}

/// Answers to what a user receives: whether, or how many and for how long.
fn responses(pair: &Pair) -> Read<Option<Responses>> {
    let mut responses = Responses::default();
    match &pair.item.value {
        Value::Flag(allowed) => return Ok(allowed.then_some(responses)),
        Value::Map(pairs) => {
            for pair in pairs {
                match pair.key.as_str() {
                    "max" | "max_msgs" | "max_messages" | "max_responses" => {
                        responses.max = number(pair)?;
                    }
                    "expires" | "expiration" | "ttl" => responses.ttl = answered_within(pair)?,
                    _ => return Err(unknown(pair)),
                }
            }
        }
        _ => return Err(wrong(pair, "true, false, or a block with `max` and `expires`")),
    }
    Ok(Some(responses))
}

/// A duration in nanoseconds; as on nats-server, a negative one means unlimited.
fn answered_within(pair: &Pair) -> Read<i64> {
    match &pair.item.value {
        Value::Text { text, .. } if text.starts_with('-') => Ok(-1),
        _ => Ok(i64::try_from(duration(pair)?.as_nanos()).unwrap_or(i64::MAX)),
    }
}

pub(super) const DEFAULT_PERMISSIONS: &str = "default_permissions";

/// What users of a block may do of whom the block says nothing else.
pub(super) struct Defaults {
    /// Users of the blocks before it.
    before: usize,
    permissions: Option<Arc<Permissions>>,
}

impl Defaults {
    /// For users that are not here yet.
    pub(super) fn behind(users: &[User]) -> Self {
        Self { before: users.len(), permissions: None }
    }

    pub(super) fn read(&mut self, pair: &Pair) -> Read<()> {
        self.permissions = Some(Arc::new(permissions_of(pair)?));
        Ok(())
    }

    pub(super) fn apply(self, users: &mut [User]) {
        for user in &mut users[self.before..] {
            if user.permissions.is_none() {
                user.permissions.clone_from(&self.permissions);
            }
        }
    }
}
