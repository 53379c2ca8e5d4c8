//! What a new configuration changes in a server that runs.

use std::collections::BTreeMap;
use std::io;

use thiserror::Error;
use watershed_engine::{Changeable, ConnId, Engine, Standing};

use crate::auth::{TOKEN_HOLDER, User};
use crate::config::{Config, Resolver};
use crate::tls::TlsError;
use crate::trust::TrustError;

/// Why a configuration was not taken over.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// These settings take a restart. Nothing was changed.
    #[error("{} cannot change without a restart", .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))]
    Restart(Vec<&'static str>),
    /// Certificates or keys cannot be used. Nothing was changed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Accounts cannot be vouched for. Nothing was changed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The system refused something.
    #[error("cannot start a thread")]
    System(#[source] io::Error),
    /// The server has stopped.
    #[error("the server has stopped")]
    Stopped,
}

/// What each account may keep.
pub(crate) fn limit_accounts(engine: &mut Engine, config: &Config) {
    for (name, store) in &config.accounts {
        let account = engine.account(name);
        engine.limit_account(account, *store);
    }
}

/// What subjects of each account become.
pub(crate) fn map_subjects(engine: &mut Engine, config: &Config) {
    for name in engine.account_names() {
        let account = engine.account(&name);
        engine.map_subjects(account, config.mappings.get(&name).cloned().unwrap_or_default());
    }
}

/// What differs and takes a restart, by the names of the configuration.
pub(crate) fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let jetstream = |config: &Config| {
        let own = config.jetstream.as_ref();
        own.map(|own| {
            let place = (own.store_dir.clone(), own.domain.clone());
            (place, own.max_file_store, own.max_memory_store)
        })
    };
    // The accounts of a configuration may be others, where they are nowhere else.
    let operators = |config: &Config| {
        config.operator.as_ref().map(|own| {
            let kept = (own.resolver != Resolver::Memory).then(|| own.preload.clone());
            (own.operators.clone(), own.resolver.clone(), kept)
        })
    };
    let websocket = |config: &Config| {
        config.websocket.as_ref().map(|own| {
            let tls = own.tls.as_ref().map(|tls| tls.verify);
            let whence = (own.same_origin, own.allowed_origins.clone(), own.cookies.clone());
            // Any free port stays the one that was found.
            let listen = (own.listen.port() != 0).then_some(own.listen);
            (listen, tls, whence, own.handshake_timeout)
        })
    };
    let tls = |config: &Config| config.tls.as_ref().map(|tls| (tls.verify, tls.allow_non_tls));
    let differs = [
        // Any free port stays the one that was found.
        ("listen", new.listen.port() != 0 && old.listen != new.listen),
        ("http", old.http.is_some() != new.http.is_some()),
        ("server_name", old.server_name != new.server_name),
        ("server_tags", old.server_tags != new.server_tags),
        ("jetstream", jetstream(old) != jetstream(new)),
        ("system_account", old.system_account != new.system_account),
        ("exports and imports", old.passages != new.passages),
        ("operator and resolver", operators(old) != operators(new)),
        ("websocket", websocket(old) != websocket(new)),
        ("leafnodes", old.leaf_nodes != new.leaf_nodes),
        // Certificates and keys may be others; whether there are any is what clients were told.
        ("tls", tls(old) != tls(new)),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// What changes of what clients are told, and of how long they may take.
pub(crate) fn changeable(new: &Config) -> Changeable {
    Changeable {
        ping_interval: new.ping_interval,
        ping_max: new.ping_max,
        auth_timeout: new.auth_timeout,
        max_payload: new.max_payload,
        auth_required: new.needs_credentials(),
        most: new.most,
    }
}

/// What becomes of those who are connected, by account and name.
pub(crate) fn standing(old: &Config, new: &Config) -> impl Fn(ConnId, &str, &str) -> Standing {
    let by_name = |config: &Config| -> BTreeMap<String, User> {
        config.users.iter().map(|user| (user.name.clone(), user.clone())).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let open = new.open_account.is_some() || new.is_open();
    let token = new.token.is_some() && old.token == new.token;
    move |_, account, name| {
        let Some(user) = after.get(name) else {
            // Somebody without a name may stay where nobody needs one, or with the token that they had.
            let stays =
                !before.contains_key(name) && if name == TOKEN_HOLDER { token } else { open };
            return if stays { Standing::Same } else { Standing::Gone };
        };
        let known = before.get(name);
        if user.account != account || known.is_none_or(|known| known.credential != user.credential)
        {
            return Standing::Gone;
        }
        if known.is_some_and(|known| known.permissions == user.permissions) {
            return Standing::Same;
        }
        Standing::May(user.permissions.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use watershed_engine::permit::Permissions;

    use super::*;
    use crate::auth::{ConnectionTypes, Credential};

    fn config(users: &[(&str, &str, &str)]) -> Config {
        let users = users.iter().map(|(name, password, account)| User {
            name: (*name).into(),
            credential: Credential::from_config(password),
            account: (*account).into(),
            permissions: None,
            connections: ConnectionTypes::default(),
        });
        Config { users: users.collect(), ..Config::default() }
    }

    #[test]
    fn who_is_not_who_they_were_has_to_go() {
        let old = config(&[("a", "1", "A"), ("b", "1", "A"), ("c", "1", "A"), ("d", "1", "A")]);
        let mut new = config(&[("a", "1", "A"), ("b", "2", "A"), ("c", "1", "B"), ("e", "1", "A")]);
        let permissions = Some(Arc::new(Permissions::default()));
        new.users.push(User { permissions: permissions.clone(), ..new.users[0].clone() });
        let judged = |new: &Config, name: &str| {
            standing(&old, new)(ConnId { slot: 0, number: 1 }, "A", name)
        };
        for name in ["b", "c", "d", ""] {
            assert_eq!(judged(&new, name), Standing::Gone, "{name}");
        }
        assert_eq!(judged(&new, "a"), Standing::May(permissions));
        new.users.pop();
        assert_eq!(judged(&new, "a"), Standing::Same);
        assert_eq!(judged(&config(&[]), ""), Standing::Same);
        assert_eq!(judged(&config(&[]), "a"), Standing::Gone);
    }

    #[test]
    fn what_takes_a_restart_is_named() {
        let old = Config::default();
        let new = Config { server_name: Some("x".into()), ping_max: 7, ..Config::default() };
        assert_eq!(needs_restart(&old, &new), ["server_name"]);
        assert_eq!(changeable(&new).ping_max, 7);
    }
}
