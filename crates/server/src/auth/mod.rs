//! Authentication. Secrets come in with the configuration and with `CONNECT`, and go no further.

mod credential;
mod holder;
mod nkey;
mod workers;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_engine::permit::Permissions;
use watershed_engine::{ConnId, Engine, Identity, Key};
use watershed_wire::handshake::Connect;

pub use self::credential::Credential;
pub(crate) use self::holder::Holder;
use self::holder::Subjects;
pub use self::nkey::Nkey;
pub(crate) use self::workers::Worker;
use self::workers::{Hashed, Hashes, Signed, signatures};
use crate::config::{Config, DEFAULT_ACCOUNT, TlsConfig};
use crate::shard::Remote;

/// Name of a client that connects with the token, as on nats-server.
pub(crate) const TOKEN_HOLDER: &str = "[REDACTED]";

/// Somebody who may connect.
#[derive(Debug, Clone)]
pub struct User {
    /// Name; of a user with a key, that key.
    pub name: String,
    /// What proves that it is them.
    pub credential: Credential,
    /// Account that their connections live in.
    pub account: String,
    /// What they may do; `None` for everything.
    pub permissions: Option<Arc<Permissions>>,
    /// How they may connect.
    pub connections: ConnectionTypes,
}

/// How a user may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionTypes {
    /// Over TCP, with TLS or without.
    pub standard: bool,
    /// By WebSocket.
    pub websocket: bool,
}

/// How somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over TCP, with TLS or without.
    Standard,
    /// By WebSocket.
    WebSocket,
}

impl ConnectionTypes {
    /// Nothing is allowed.
    pub(crate) const NONE: Self = Self { standard: false, websocket: false };

    /// Whether somebody may come like this.
    pub(crate) fn allows(self, way: Way) -> bool {
        match way {
            Way::Standard => self.standard,
            Way::WebSocket => self.websocket,
        }
    }

    /// Allows a way by nats-server's name for it. Says whether that is one.
    pub(crate) fn allow(&mut self, name: &str) -> bool {
        match name.to_ascii_uppercase().as_str() {
            "STANDARD" => self.standard = true,
            "WEBSOCKET" => self.websocket = true,
            "LEAFNODE" | "LEAFNODE_WS" | "MQTT" | "MQTT_WS" | "IN_PROCESS" => {}
            _ => return false,
        }
        true
    }
}

impl Default for ConnectionTypes {
    fn default() -> Self {
        Self { standard: true, websocket: true }
    }
}

/// Decides who a connection is.
pub(crate) struct Authenticator {
    users: HashMap<String, Known>,
    /// The token that all clients without a name of their own share.
    token: Option<(Credential, Identity)>,
    /// Who it is that shows no credential, if nobody needs one.
    anonymous: Option<Identity>,
    /// The same of those who come by WebSocket.
    anonymous_by_web: Option<Identity>,
    /// How those come who are the user that their certificate names.
    mapped: ConnectionTypes,
    /// Users whose names are distinguished names.
    subjects: Subjects,
    /// Who it is that shows a credential of no known user; nobody unless the server is open.
    stranger: Option<Identity>,
    /// Where hashes are checked, if there are any.
    hashes: Option<Hashes>,
    /// Where signatures are checked, if anybody has a key.
    signatures: Option<Worker<Signed>>,
}

/// A user, as the engine is told of them.
struct Known {
    credential: Credential,
    identity: Identity,
    connections: ConnectionTypes,
}

/// What is known at once.
pub(crate) enum Verdict {
    /// This is who it is, or that it is nobody.
    Now(Option<Identity>),
    /// The answer comes as a [`crate::shard::Command::Authenticated`].
    Later,
}

/// A connection that says who it is.
pub(crate) struct Claim {
    pub(crate) conn: ConnId,
    /// Address that it comes from.
    pub(crate) source: IpAddr,
    pub(crate) way: Way,
    /// Who it is by its certificate, if it has shown one.
    pub(crate) holder: Option<Holder>,
    pub(crate) connect: Connect,
    /// What it was given to sign.
    pub(crate) nonce: String,
}

impl Authenticator {
    pub(crate) fn new(config: &Config, engine: &mut Engine, remote: &Remote) -> io::Result<Self> {
        let users: HashMap<_, _> =
            config.users.iter().map(|user| (user.name.clone(), known(user, engine))).collect();
        let open = match &config.open_account {
            Some(name) => Some(name.as_str()),
            None => config.is_open().then_some(DEFAULT_ACCOUNT),
        };
        let stranger = open.map(|name| Identity::new(engine.account(name), "", None));
        let named = config.no_auth_user.as_ref().and_then(|name| users.get(name));
        let anonymous = named.map(|user| user.identity.clone()).or_else(|| stranger.clone());
        let named = config.websocket.as_ref().and_then(|web| web.no_auth_user.as_ref());
        let named = named.and_then(|name| users.get(name)).map(|user| user.identity.clone());
        let anonymous_by_web = named.or_else(|| anonymous.clone());
        let token = config.token.clone().map(|token| {
            (token, Identity::new(engine.account(DEFAULT_ACCOUNT), TOKEN_HOLDER, None))
        });
        let credentials = users.values().map(|user| &user.credential);
        let credentials = credentials.chain(token.iter().map(|(token, _)| token));
        let hashes: Vec<String> =
            credentials.filter_map(|own| own.hash()).map(str::to_owned).collect();
        let hashes = if hashes.is_empty() { None } else { Some(Hashes::start(hashes, remote)?) };
        let signatures = config.has_keys().then(|| signatures(remote)).transpose()?;
        let maps = |tls: Option<&TlsConfig>| tls.is_some_and(|tls| tls.map);
        let mapped = ConnectionTypes {
            standard: maps(config.tls.as_ref()),
            websocket: maps(config.websocket.as_ref().and_then(|web| web.tls.as_ref())),
        };
        let subjects = Subjects::of(users.keys());
        Ok(Self {
            users,
            token,
            anonymous,
            anonymous_by_web,
            mapped,
            subjects,
            stranger,
            hashes,
            signatures,
        })
    }

    /// Who a connection without a credential is.
    pub(crate) fn anonymous(&self, way: Way) -> Option<Identity> {
        match way {
            _ if self.maps(way) => None,
            Way::Standard => self.anonymous.clone(),
            Way::WebSocket => self.anonymous_by_web.clone(),
        }
    }

    /// Whether whoever comes like this is the user that their certificate names.
    pub(crate) fn maps(&self, way: Way) -> bool {
        self.mapped.allows(way)
    }

    /// Whether connections are given something to sign.
    pub(crate) fn wants_signatures(&self) -> bool {
        self.signatures.is_some()
    }

    /// Who shows this credential. Whoever has a plain password or token gets in at once; where there are
    /// hashes, everybody whose password or token is wrong waits as long as for one of them.
    pub(crate) fn check(&self, claim: Claim) -> Verdict {
        if self.maps(claim.way) {
            // As on nats-server, a user who has a password shows that as well.
            let user = self.of_certificate(&claim).map(str::to_owned);
            if user.is_none() {
                return Verdict::Now(None);
            }
            let connect = Connect { user, ..claim.connect };
            return self.check_secret(Claim { connect, ..claim });
        }
        let nkey = claim.connect.nkey.as_deref().unwrap_or_default();
        match &self.signatures {
            Some(signatures) if !nkey.is_empty() => self.check_key(claim, signatures),
            _ => self.check_secret(claim),
        }
    }

    /// Who the certificate of a connection names, if that is a user.
    fn of_certificate<'c>(&'c self, claim: &'c Claim) -> Option<&'c str> {
        let holder = claim.holder.as_ref()?;
        let mut names = holder.names.iter().map(String::as_str).chain(self.subjects.user(holder));
        names.find(|name| self.users.contains_key(*name))
    }

    fn check_key(&self, claim: Claim, signatures: &Worker<Signed>) -> Verdict {
        let Claim { conn, source, way, connect, nonce, .. } = claim;
        let user = self.users.get(connect.nkey.as_deref().unwrap_or_default());
        let Some(Known { credential: Credential::Nkey(key), identity, connections }) = user else {
            return Verdict::Now(None);
        };
        if !connections.allows(way) {
            return Verdict::Now(None);
        }
        let (key, identity) = (Nkey::clone(key), identity.clone());
        let signature = connect.sig.unwrap_or_default();
        let fits = signatures.check(source, conn, Signed { key, nonce, signature, identity });
        if fits { Verdict::Later } else { Verdict::Now(None) }
    }

    fn check_secret(&self, claim: Claim) -> Verdict {
        let Claim { conn, source, way, connect, .. } = claim;
        let name = connect.user.unwrap_or_default();
        let user = self.users.get(&name).filter(|user| user.connections.allows(way));
        let (known, offered) = match (user, &self.token) {
            (None, Some((token, identity))) if name.is_empty() => {
                (Some((token, identity)), connect.auth_token)
            }
            (user, _) => (user.map(|user| (&user.credential, &user.identity)), connect.pass),
        };
        let offered = offered.unwrap_or_default();
        let (hash, identity) = match known {
            None if self.stranger.is_some() => return Verdict::Now(self.stranger.clone()),
            Some((Credential::Bcrypt(hash), identity)) => (Some(hash), Some(identity.clone())),
            Some((plain, identity)) if plain.accepts(&offered) => {
                return Verdict::Now(Some(identity.clone()));
            }
            _ => (None, None),
        };
        let Some(hashes) = &self.hashes else { return Verdict::Now(None) };
        let hash = hash.cloned().unwrap_or_else(|| hashes.any(&name));
        let fits = hashes.worker.check(source, conn, Hashed { offered, hash, identity });
        if fits { Verdict::Later } else { Verdict::Now(None) }
    }

    /// A connection whose credential was being checked is gone.
    pub(crate) fn forget(&self, conn: ConnId, source: IpAddr) {
        if let Some(hashes) = &self.hashes {
            hashes.worker.forget(source, conn);
        }
        if let Some(signatures) = &self.signatures {
            signatures.forget(source, conn);
        }
    }
}

fn known(user: &User, engine: &mut Engine) -> Known {
    let account = engine.account(&user.account);
    let mut identity = Identity::new(account, &user.name, user.permissions.clone());
    if matches!(user.credential, Credential::Nkey(_)) {
        let (issuer, account_name) = (user.account.clone(), user.account.clone());
        identity.key = Some(Arc::new(Key { issuer, account_name, ..Key::default() }));
    }
    let (credential, connections) = (user.credential.clone(), user.connections);
    Known { credential, identity, connections }
}

#[cfg(test)]
mod tests {
    use mio::Poll;
    use watershed_engine::Settings;

    use super::*;
    use crate::shard::Shard;

    /// An answer at once is only for those who may come in: all others take as long as a hash.
    #[test]
    fn a_refusal_says_nothing_about_names() {
        let hash = bcrypt::hash("s3", 4).unwrap();
        let user = |name: &str, password: &str| User {
            name: name.into(),
            credential: Credential::from_config(password),
            account: "A".into(),
            permissions: None,
            connections: ConnectionTypes::default(),
        };
        let config =
            Config { users: vec![user("plain", "s3"), user("hashed", &hash)], ..Config::default() };
        let mut engine = Engine::new(Settings::default());
        let (remote, _commands) = Shard::remote(&Poll::new().unwrap()).unwrap();
        let authenticator = Authenticator::new(&config, &mut engine, &remote).unwrap();
        for (name, pass, at_once) in [
            ("plain", "s3", true),
            ("plain", "s4", false),
            ("hashed", "s3", false),
            ("hashed", "s4", false),
            ("nobody", "s3", false),
        ] {
            let (user, pass) = (Some(name.into()), Some(pass.into()));
            let connect = Connect { user, pass, ..Connect::default() };
            let conn = ConnId { slot: 0, number: 1 };
            let (source, nonce) = ([10, 0, 0, 1].into(), String::new());
            let verdict = authenticator.check(Claim {
                conn,
                source,
                way: Way::Standard,
                holder: None,
                connect,
                nonce,
            });
            let found = matches!(verdict, Verdict::Now(Some(_)));
            assert_eq!(found, at_once, "{name}");
            assert!(found || matches!(verdict, Verdict::Later), "{name}");
        }
    }
}
