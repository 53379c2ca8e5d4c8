//! What users of the system account may ask about the server: `$SYS.REQ.SERVER.…`.
//!
//! The core knows who asks and what; what there is to say is known by the shell, which is handed the question.

use serde_json::{Value, json};
use watershed_base::AccountId;
use watershed_wire::handshake::Info;
use watershed_wire::time::UnixNanos;

/// Account whose users may ask, if no other is configured: nats-server's.
pub const SYSTEM_ACCOUNT: &str = "$SYS";

/// Account of whoever is in none, in events: nats-server's default one.
pub(crate) const ACCOUNT_OF_NOBODY: &str = "$G";

/// The server, as answers and events of the system account name it.
pub fn server(info: &Info, now: UnixNanos) -> Value {
    let mut server = json!({
        "name": info.server_name, "host": info.host, "id": info.server_id,
        "ver": info.version, "jetstream": info.jetstream, "time": now,
    });
    if !info.tags.is_empty() {
        server["tags"] = json!(info.tags);
    }
    if !info.domain.is_empty() {
        server["domain"] = info.domain.as_str().into();
    }
    server
}

/// A question about the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub about: About,
    /// Of which account, if the subject names one.
    pub of: Option<Box<[u8]>>,
    /// Where the answer goes.
    pub account: AccountId,
    /// Its subject.
    pub reply: Box<[u8]>,
    /// Which servers are to answer, and in how much detail: JSON, or nothing.
    pub payload: Box<[u8]>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// `STATSZ`, and a ping: what the server does.
    Stats,
    /// `VARZ`: what it is.
    Variables,
    /// `JSZ`: streams and consumers.
    JetStream,
    /// `HEALTHZ`: whether it is well.
    Health,
    /// `IDZ`: its name.
    Id,
    /// `ACCOUNTZ`: the names of its accounts, or what one of them is.
    Accounts,
    /// `CONNZ`: connections.
    Connections,
    /// `SUBSZ`: subscriptions.
    Subscriptions,
    /// `STATZ`: what each account does.
    AccountStatistics,
    /// `CONNS`: the same of one account, as an event.
    AccountConnections,
    /// `ROUTEZ`: connections to other servers of a cluster.
    Routes,
    /// `GATEWAYZ`: connections to other clusters.
    Gateways,
    /// `LEAFZ`: leaf nodes.
    LeafNodes,
    /// `RAFTZ`: what servers of a cluster agree on.
    Raft,
    /// `KICK`: that a connection goes.
    Kick,
    /// `LDM`: that a client is told to go elsewhere.
    LameDuck,
    /// `CLAIMS.…`: the JWTs of accounts.
    Claims(Claims),
}

/// What is asked of the JWTs of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// To keep one.
    Update,
    /// Whose there are.
    List,
    /// To forget some.
    Delete,
    /// All of them.
    Pack,
    /// That of one account.
    Lookup,
}

impl About {
    /// What a subject asks of the server with this id; `None` if it asks another one, or nothing that is answered.
    pub(crate) fn of(subject: &[u8], id: &[u8]) -> Option<(Self, Option<Box<[u8]>>)> {
        if let Some(rest) = subject.strip_prefix(b"$SYS.REQ.ACCOUNT.") {
            return Self::of_account(rest);
        }
        if let Some(rest) = subject.strip_prefix(b"$SYS.ACCOUNT.") {
            let name = rest.strip_suffix(b".CLAIMS.UPDATE")?;
            return Some((Self::Claims(Claims::Update), Some(name.into())));
        }
        if let Some(rest) = subject.strip_prefix(b"$SYS.REQ.CLAIMS.") {
            let what = match rest {
                b"UPDATE" => Claims::Update,
                b"LIST" => Claims::List,
                b"DELETE" => Claims::Delete,
                b"PACK" => Claims::Pack,
                _ => return None,
            };
            return Some((Self::Claims(what), None));
        }
        Some((Self::of_server(subject, id)?, None))
    }

    /// What a subject asks that is answered to any user, for the account that it is in.
    pub(crate) fn of_own(subject: &[u8]) -> Option<Self> {
        match subject {
            b"$SYS.REQ.ACCOUNT.PING.CONNZ" | b"$SYS.REQ.SERVER.PING.CONNZ" => {
                Some(Self::Connections)
            }
            b"$SYS.REQ.ACCOUNT.PING.STATZ" => Some(Self::AccountStatistics),
            _ => None,
        }
    }

    /// What is asked of one account, or of `PING`: of each.
    fn of_account(rest: &[u8]) -> Option<(Self, Option<Box<[u8]>>)> {
        for (end, what) in
            [(&b".CLAIMS.UPDATE"[..], Claims::Update), (b".CLAIMS.LOOKUP", Claims::Lookup)]
        {
            if let Some(name) = rest.strip_suffix(end) {
                return Some((Self::Claims(what), Some(name.into())));
            }
        }
        let dot = rest.iter().rposition(|byte| *byte == b'.')?;
        let (name, what) = (&rest[..dot], &rest[dot + 1..]);
        let about = match what {
            b"CONNZ" => Self::Connections,
            b"SUBSZ" => Self::Subscriptions,
            b"JSZ" => Self::JetStream,
            b"LEAFZ" => Self::LeafNodes,
            b"INFO" => Self::Accounts,
            b"CONNS" => Self::AccountConnections,
            b"STATZ" => Self::AccountStatistics,
            _ => return None,
        };
        Some((about, (name != b"PING").then(|| name.into())))
    }

    fn of_server(subject: &[u8], id: &[u8]) -> Option<Self> {
        let rest = subject.strip_prefix(b"$SYS.REQ.SERVER.")?;
        if rest == b"PING" {
            return Some(Self::Stats);
        }
        // What changes something is asked of one server.
        match rest.strip_prefix(id) {
            Some(b".KICK") => return Some(Self::Kick),
            Some(b".LDM") => return Some(Self::LameDuck),
            _ => {}
        }
        let rest = rest.strip_prefix(b"PING").or_else(|| rest.strip_prefix(id))?;
        Some(match rest.strip_prefix(b".")? {
            b"STATSZ" => Self::Stats,
            b"VARZ" => Self::Variables,
            b"JSZ" => Self::JetStream,
            b"HEALTHZ" => Self::Health,
            b"IDZ" => Self::Id,
            b"ACCOUNTZ" => Self::Accounts,
            b"CONNZ" => Self::Connections,
            b"SUBSZ" => Self::Subscriptions,
            b"ROUTEZ" => Self::Routes,
            b"GATEWAYZ" => Self::Gateways,
            b"LEAFZ" => Self::LeafNodes,
            b"RAFTZ" => Self::Raft,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_to_all_or_to_this_server() {
        let of = |subject: &str| About::of(subject.as_bytes(), b"NABC");
        let about = |subject: &str| of(subject).map(|(about, _)| about);
        let account = of("$SYS.REQ.ACCOUNT.A.B.CONNZ");
        assert_eq!(account, Some((About::Connections, Some((*b"A.B").into()))));
        assert_eq!(of("$SYS.REQ.ACCOUNT.PING.STATZ"), Some((About::AccountStatistics, None)));
        assert_eq!(about("$SYS.REQ.SERVER.PING"), Some(About::Stats));
        let claims = |what| Some(About::Claims(what));
        assert_eq!(about("$SYS.REQ.CLAIMS.LIST"), claims(Claims::List));
        let update = Some((About::Claims(Claims::Update), Some((*b"A").into())));
        assert_eq!(of("$SYS.REQ.ACCOUNT.A.CLAIMS.UPDATE"), update);
        assert_eq!(of("$SYS.ACCOUNT.A.CLAIMS.UPDATE"), update);
        assert_eq!(about("$SYS.REQ.SERVER.PING.JSZ"), Some(About::JetStream));
        assert_eq!(about("$SYS.REQ.SERVER.NABC.VARZ"), Some(About::Variables));
        assert_eq!(about("$SYS.REQ.SERVER.NABC.KICK"), Some(About::Kick));
        for other in [
            "$SYS.REQ.SERVER.NABD.VARZ",
            "$SYS.REQ.SERVER.NABC",
            "$SYS.REQ.SERVER.PING.FOO",
            "$SYS.REQ.SERVER.PING.KICK",
            "$SYS.REQ.SERVER.PINGX",
            "$SYS.REQ.ACCOUNT.CONNZ",
            "$SYS.REQ.CLAIMS.FOO",
            "$SYS.ACCOUNT.A.CONNECT",
            "$SYS.REQ",
        ] {
            assert_eq!(about(other), None, "{other}");
        }
    }
}
