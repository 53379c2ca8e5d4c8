//! `INFO` and `CONNECT`: what the two sides tell each other first.

use serde::{Deserialize, Serialize};

use crate::jetstream::json::object;

/// What a server says of itself, in the `INFO` line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// Public key or other unique id of this run of the server.
    pub server_id: String,
    /// Name, the id unless configured.
    pub server_name: String,
    /// What the server is tagged with. Clients are not told; the system account is.
    #[serde(skip)]
    pub tags: Vec<String>,
    /// Version of nats-server whose behaviour this server has.
    pub version: String,
    /// Protocol version.
    pub proto: u8,
    /// Commit that the server was built from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// Toolchain; clients print it.
    pub go: String,
    /// Host that the server listens on.
    pub host: String,
    /// Port that the server listens on.
    pub port: u16,
    /// Whether header blocks are understood.
    pub headers: bool,
    /// Whether a credential is needed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub auth_required: bool,
    /// Whether TLS is needed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls_required: bool,
    /// Whether clients must show a certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls_verify: bool,
    /// Whether TLS is possible.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls_available: bool,
    /// Longest message in bytes.
    pub max_payload: usize,
    /// Whether JetStream is on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub jetstream: bool,
    /// Number of this connection.
    pub client_id: u64,
    /// Address that the connection comes from.
    pub client_ip: String,
    /// Whether this follows a `CONNECT`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub connect_info: bool,
    /// Account that the connection lives in, once that is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    /// To be signed by clients with an nkey.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// Other addresses of this server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// Whether the server is about to stop and wants clients to leave.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ldm: bool,
    /// JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// JetStream API level (ADR-44).
    pub api_lvl: u32,
}

/// What a client says of itself, in the `CONNECT` line. Fields that servers do not read are ignored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connect {
    /// Whether every operation is answered with `+OK`. On unless the client says otherwise.
    pub verbose: bool,
    /// Whether subjects of publishes are checked. On unless the client says otherwise.
    pub pedantic: bool,
    /// Whether the client insists on TLS.
    pub tls_required: bool,
    /// Token.
    pub auth_token: Option<String>,
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub pass: Option<String>,
    /// Public nkey.
    pub nkey: Option<String>,
    /// User JWT.
    pub jwt: Option<String>,
    /// Signature of the nonce.
    pub sig: Option<String>,
    /// Name of the connection.
    pub name: String,
    /// Language of the client library.
    pub lang: String,
    /// Version of the client library.
    pub version: String,
    /// 0, or 1 for clients that take `INFO` at any time.
    pub protocol: i64,
    /// Whether the client's own subscriptions get what it publishes.
    pub echo: bool,
    /// Whether the client understands header blocks.
    pub headers: bool,
    /// Whether a request without listener is answered with a 503.
    pub no_responders: bool,
}

impl Connect {
    /// Reads the JSON of a `CONNECT` line. As for nats-server, `null` is absence: async-nats sends it
    /// for a name that nobody gave. `None` for what is no such JSON.
    pub fn decode(json: &[u8]) -> Option<Self> {
        object(json).ok()
    }

    /// Takes credentials that it does not have itself.
    pub fn fill_in(&mut self, other: Self) {
        let Self { auth_token, user, pass, jwt, .. } = self;
        for (own, other) in [
            (auth_token, other.auth_token),
            (user, other.user),
            (pass, other.pass),
            (jwt, other.jwt),
        ] {
            if own.as_ref().is_none_or(String::is_empty) {
                *own = other;
            }
        }
    }
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            verbose: true,
            pedantic: true,
            tls_required: false,
            auth_token: None,
            user: None,
            pass: None,
            nkey: None,
            jwt: None,
            sig: None,
            name: String::new(),
            lang: String::new(),
            version: String::new(),
            protocol: 0,
            echo: true,
            headers: false,
            no_responders: false,
        }
    }
}

/// Shows no secret: not the token, the password, the JWT or the signature.
impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect")
            .field("user", &self.user)
            .field("nkey", &self.nkey)
            .field("name", &self.name)
            .field("lang", &self.lang)
            .field("version", &self.version)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_have_the_servers_defaults() {
        let json = br#"{"lang":"x","unknown":1,"name":null,"echo":null}"#;
        let connect = Connect::decode(json).unwrap();
        assert!(connect.verbose && connect.pedantic && connect.echo && !connect.headers);
        assert_eq!((Connect::decode(b"{"), Connect::decode(b"[]")), (None, None));
    }

    #[test]
    fn a_password_is_never_shown() {
        let connect = Connect { pass: Some("s3cret".into()), ..Connect::default() };
        assert!(!format!("{connect:?}").contains("s3cret"));
    }
}
