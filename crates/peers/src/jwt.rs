//! JWTs for tests, as the libraries of NATS make them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// When JWTs are issued that say nothing else, in seconds.
pub const ISSUED: i64 = 1_700_000_000;

/// A JWT of a subject, with these claims, signed by `issuer`. `more` goes beside them.
pub fn sign(
    kind: &str,
    subject: &str,
    issuer: &KeyPair,
    claims: Value,
    more: &[(&str, Value)],
) -> String {
    let mut claims = claims;
    claims["type"] = kind.into();
    claims["version"] = 2.into();
    let mut payload = json!({
        "sub": subject, "iss": issuer.public_key(), "iat": ISSUED, "name": "name", "nats": claims,
    });
    for (key, value) in more {
        payload[*key] = value.clone();
    }
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    signed(&header, &payload, issuer)
}

/// A header and a payload, signed.
///
/// # Panics
///
/// If `issuer` has no seed.
pub fn signed(header: &Value, payload: &Value, issuer: &KeyPair) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(payload));
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(text.as_bytes()).expect("there is a seed"));
    format!("{text}.{signature}")
}

/// Limits that allow everything.
pub fn unlimited() -> Value {
    json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    })
}

/// An operator and a system account.
pub struct Operator {
    /// Key that signs accounts.
    pub key: KeyPair,
    /// Key of the system account.
    pub system: KeyPair,
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}

impl Operator {
    /// One with keys that nobody else has.
    pub fn new() -> Self {
        Self { key: KeyPair::new_operator(), system: KeyPair::new_account() }
    }

    /// Its own JWT.
    pub fn jwt(&self) -> String {
        let claims = json!({"system_account": self.system.public_key()});
        sign("operator", &self.key.public_key(), &self.key, claims, &[])
    }

    /// The JWT of an account, in which nothing is limited but by `claims`.
    pub fn account(&self, account: &KeyPair, claims: Value) -> String {
        self.account_issued(account, claims, &[])
    }

    /// The same, and `more` beside the claims.
    pub fn account_issued(
        &self,
        account: &KeyPair,
        mut claims: Value,
        more: &[(&str, Value)],
    ) -> String {
        let mut limits = unlimited();
        for (key, value) in claims["limits"].as_object().cloned().unwrap_or_default() {
            limits[key] = value;
        }
        claims["limits"] = limits;
        sign("account", &account.public_key(), &self.key, claims, more)
    }

    /// The JWT of the system account, which keeps no streams.
    pub fn system_account(&self) -> String {
        let none = json!({"limits": {"mem_storage": 0, "disk_storage": 0}});
        self.account(&self.system, none)
    }

    /// A configuration with these accounts in memory.
    pub fn configuration(&self, accounts: &[(&KeyPair, String)]) -> String {
        let system = self.system_account();
        let line = |key: &KeyPair, jwt: &str| format!("  {}: \"{jwt}\"\n", key.public_key());
        let mut all = line(&self.system, &system);
        for (key, jwt) in accounts {
            all += &line(key, jwt);
        }
        format!("operator: \"{}\"\nresolver: MEMORY\nresolver_preload {{\n{all}}}\n", self.jwt())
    }
}

/// The JWT of a user who may do everything but what `claims`, an object, say.
///
/// # Panics
///
/// If `claims` are no object.
pub fn user(user: &KeyPair, issuer: &KeyPair, mut claims: Value, more: &[(&str, Value)]) -> String {
    let own = claims.as_object_mut().expect("claims are an object");
    for limit in ["subs", "data", "payload"] {
        own.entry(limit).or_insert_with(|| (-1).into());
    }
    sign("user", &user.public_key(), issuer, claims, more)
}

/// What a client keeps of a user: a JWT and the seed, in one file.
///
/// # Panics
///
/// If `user` has no seed.
pub fn credentials(jwt: &str, user: &KeyPair) -> String {
    let seed = user.seed().expect("there is a seed");
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}
