//! JWTs as NATS has them: a header, claims and a signature, in Base64 with dots between them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::{KeyPair, KeyPairType};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use watershed_wire::jetstream::json::object;
use watershed_wire::time::UnixNanos;

/// Longest JWT in bytes that is read, as of nats-server.
pub(crate) const JWT_BYTES_MAX: usize = 1024 * 1024;

/// Newest version of claims that is known.
const VERSION: i64 = 2;

/// Why a JWT is not accepted. Tells nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is longer than a megabyte.
    #[error("JWT is longer than 1 MiB")]
    TooLong,
    /// It does not have three parts in Base64.
    #[error("invalid JWT: three parts in Base64 are expected")]
    Parts,
    /// Its header names another algorithm than Ed25519.
    #[error("invalid JWT: unknown type or algorithm")]
    Algorithm,
    /// Its claims are no JSON, or not that of claims.
    #[error("invalid JWT: claims cannot be read")]
    Claims,
    /// It claims something else than what is expected here.
    #[error("invalid JWT: another kind of claims is expected")]
    Kind,
    /// The version is newer than what is known here.
    #[error("invalid JWT: unknown version")]
    Version,
    /// Who issued it, or whom it is about, has another kind of key.
    #[error("invalid JWT: invalid key of issuer or subject")]
    Key,
    /// It was not signed by its issuer.
    #[error("invalid JWT: the signature is not its issuer's")]
    Signature,
}

/// What a JWT is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Operator,
    Account,
    User,
    Activation,
    Generic,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Account => "account",
            Self::User => "user",
            Self::Activation => "activation",
            Self::Generic => "generic",
        }
    }

    /// Keys of the issuer and of the subject.
    fn keys(self) -> [&'static [KeyPairType]; 2] {
        use KeyPairType::{Account, Operator, User};
        match self {
            Self::Operator => [&[Operator], &[Operator]],
            Self::Account => [&[Operator], &[Account]],
            Self::User => [&[Account], &[User]],
            Self::Activation => [&[Account, Operator], &[Account]],
            Self::Generic => [&[Operator], &[Operator]],
        }
    }
}

/// Claims that their issuer has signed.
#[derive(Debug, Clone)]
pub(crate) struct Token<C> {
    /// Key of the subject.
    pub(crate) subject: String,
    /// Key of who signed it.
    pub(crate) issuer: String,
    /// Name of the subject.
    pub(crate) name: String,
    /// When it was issued, in seconds.
    pub(crate) issued: i64,
    /// When it ends, in seconds; 0 for never.
    pub(crate) expires: i64,
    /// When it begins, in seconds; 0 for at once.
    pub(crate) begins: i64,
    /// Whether it is of the first version.
    pub(crate) is_old: bool,
    pub(crate) claims: C,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    typ: String,
    alg: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    sub: String,
    iss: String,
    name: String,
    iat: i64,
    exp: i64,
    nbf: i64,
    /// Of the first version, which had here what is in `nats` since.
    r#type: String,
    issuer_account: String,
    tags: Vec<String>,
    nats: serde_json::Map<String, Value>,
}

impl<C: DeserializeOwned> Token<C> {
    /// Reads what somebody has sent, and checks its signature.
    pub(crate) fn read(text: &str, kind: Kind) -> Result<Self, TokenError> {
        if text.len() > JWT_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Parts);
        };
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Parts);
        let header: Header = object(&bytes(header)?).map_err(|_| TokenError::Algorithm)?;
        let known = ["ed25519", "ed25519-nkey"].contains(&header.alg.to_ascii_lowercase().as_str());
        if !header.typ.eq_ignore_ascii_case("jwt") || !known {
            return Err(TokenError::Algorithm);
        }
        let payload: Value = object(&bytes(claims)?).map_err(|_| TokenError::Claims)?;
        let payload = serde_json::from_value(without_nulls(payload));
        let mut own: Payload = payload.map_err(|_| TokenError::Claims)?;
        let is_old = !own.r#type.is_empty();
        let version = own.nats.get("version").and_then(Value::as_i64).unwrap_or_default();
        let old_signature = is_old || version <= 1;
        let said = match own.nats.get("type").and_then(Value::as_str) {
            _ if is_old => own.r#type.as_str(),
            said => said.unwrap_or_default(),
        };
        if version > VERSION {
            return Err(TokenError::Version);
        }
        // Who writes claims of no particular kind may leave it out.
        let fits = said == kind.name() || (kind == Kind::Generic && said.is_empty());
        if !fits {
            return Err(TokenError::Kind);
        }
        let [issuers, subjects] = kind.keys();
        let issuer = key_of(&own.iss, issuers).ok_or(TokenError::Key)?;
        key_of(&own.sub, subjects).ok_or(TokenError::Key)?;
        let end = header_and_claims(text, signature);
        let signed = if old_signature { claims } else { &text[..end] };
        let signature = bytes(signature)?;
        issuer.verify(signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
        if is_old {
            if !own.issuer_account.is_empty() {
                own.nats.insert("issuer_account".into(), own.issuer_account.into());
            }
            own.nats.insert("tags".into(), own.tags.into());
        }
        let nats = Value::Object(own.nats);
        let claims = serde_json::from_value(nats).map_err(|_| TokenError::Claims)?;
        Ok(Self {
            subject: own.sub,
            issuer: own.iss,
            name: own.name,
            issued: own.iat,
            expires: own.exp,
            begins: own.nbf,
            is_old,
            claims,
        })
    }

    /// Whether its time is now.
    pub(crate) fn is_current(&self, now: UnixNanos) -> bool {
        let seconds = now.0 / NANOS;
        !self.is_over(now) && (self.begins <= 0 || self.begins <= seconds)
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self, now: UnixNanos) -> bool {
        self.end().is_some_and(|end| end <= now)
    }

    /// When it ends, if ever.
    pub(crate) fn end(&self) -> Option<UnixNanos> {
        (self.expires > 0).then(|| UnixNanos(self.expires.saturating_mul(NANOS)))
    }
}

impl Token<serde_json::Map<String, Value>> {
    /// When a JWT was issued, in seconds, whatever its claims; `None` if it is invalid.
    pub(crate) fn issued_of(text: &str, kind: Kind) -> Option<i64> {
        Self::read(text, kind).ok().map(|token| token.issued)
    }
}

const NANOS: i64 = 1_000_000_000;

/// Where the signature's dot is.
fn header_and_claims(text: &str, signature: &str) -> usize {
    text.len() - signature.len() - 1
}

/// The key that a text is, if it is of one of these kinds.
fn key_of(text: &str, kinds: &[KeyPairType]) -> Option<KeyPair> {
    KeyPair::from_public_key(text).ok().filter(|key| kinds.contains(&key.key_pair_type()))
}

/// Whether a text is the public key of an account.
pub(crate) fn is_account(text: &str) -> bool {
    key_of(text, &[KeyPairType::Account]).is_some()
}

/// The same without what is `null`: Go writes lists and maps so that hold nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => {
            let items = items.into_iter().filter(|value| !value.is_null());
            Value::Array(items.map(without_nulls).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trust::claims::{AccountClaims, UserClaims};

    fn signed(header: &str, payload: &str, key: &KeyPair, old: bool) -> String {
        let [header, payload] = [header, payload].map(|text| URL_SAFE_NO_PAD.encode(text));
        let whole = format!("{header}.{payload}");
        let signature = key.sign(if old { payload.as_bytes() } else { whole.as_bytes() }).unwrap();
        format!("{whole}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn user(text: &str) -> Result<Token<UserClaims>, TokenError> {
        Token::read(text, Kind::User)
    }

    /// The first version has some of what it says elsewhere, and another algorithm and signature.
    #[test]
    fn both_versions_are_read() {
        let (account, own) = (KeyPair::new_account(), KeyPair::new_user().public_key());
        let issuer = account.public_key();
        let new = json!({
            "sub": own, "iss": issuer, "iat": 7, "exp": 9,
            "nats": {"type": "user", "version": 2, "issuer_account": "A", "tags": ["t"], "pub": {"allow": ["a"]}},
        });
        let old = json!({
            "sub": own, "iss": issuer, "iat": 7, "exp": 9, "type": "user", "issuer_account": "A",
            "tags": ["t"], "nats": {"pub": {"allow": ["a"]}, "src": "10.0.0.0/8,::/0"},
        });
        let header = |alg: &str| json!({"typ": "jwt", "alg": alg}).to_string();
        let new = signed(&header("ed25519-nkey"), &new.to_string(), &account, false);
        let old = signed(&header("ed25519"), &old.to_string(), &account, true);
        for (text, is_old) in [(new, false), (old, true)] {
            let token = user(&text).unwrap();
            assert_eq!(
                (token.subject.as_str(), token.issued, token.is_old),
                (own.as_str(), 7, is_old)
            );
            assert_eq!((token.claims.issuer_account.as_str(), token.claims.tags.len()), ("A", 1));
            assert_eq!(token.claims.may.publish.allow, ["a"]);
            let second = |seconds: i64| UnixNanos(seconds * NANOS);
            assert!(token.is_current(second(8)) && !token.is_current(second(9)));
        }
    }

    /// Whatever somebody sends is refused, by a reason that shows nothing of it.
    #[test]
    fn what_is_not_right_is_refused() {
        let (account, own) = (KeyPair::new_account(), KeyPair::new_user().public_key());
        let issuer = account.public_key();
        let header = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
        let claims = |nats: Value| json!({"sub": own, "iss": issuer, "nats": nats}).to_string();
        let whole = claims(json!({"type": "user", "version": 2}));
        let check = |text: &str, expected: TokenError| {
            assert_eq!(user(text).map(|_| ()), Err(expected), "{}", &text[..text.len().min(200)]);
        };
        let sign = |header: &str, payload: &str| signed(header, payload, &account, false);
        assert!(user(&sign(header, &whole)).is_ok());
        let nothing = json!({"type": "user", "version": 2, "tags": null, "src": [null], "pub": {"allow": null}});
        assert!(user(&sign(header, &claims(nothing))).is_ok());
        check("", TokenError::Parts);
        check("a.b", TokenError::Parts);
        check("a.b.c.d", TokenError::Parts);
        check("é.é.é", TokenError::Parts);
        check(&"a".repeat(JWT_BYTES_MAX + 1), TokenError::TooLong);
        for wrong in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"typ":"JWT","alg":"none"}"#,
            r#"{"typ":"X","alg":"ed25519"}"#,
        ] {
            check(&sign(wrong, &whole), TokenError::Algorithm);
        }
        let deep = "[".repeat(100_000);
        let deep_claims = format!(r#"{{"nats":{{"tags":{deep}"#);
        for wrong in [
            "",
            "[]",
            "7",
            &deep,
            &deep_claims,
            r#"{"iat":"x"}"#,
            r#"{"iat":1e300}"#,
            r#"{"nats":[]}"#,
        ] {
            check(&sign(header, wrong), TokenError::Claims);
        }
        let typed = |own: Value| claims(json!({"type": "user", "version": 2, "subs": own}));
        for wrong in [json!("x"), json!(1e30), json!([]), json!(u64::MAX)] {
            check(&sign(header, &typed(wrong)), TokenError::Claims);
        }
        check(&sign(header, &claims(json!({"type": "user", "version": 3}))), TokenError::Version);
        check(&sign(header, &claims(json!({"type": "account", "version": 2}))), TokenError::Kind);
        check(&sign(header, "{}"), TokenError::Kind);
        let other = KeyPair::new_account();
        check(&signed(header, &whole, &other, false), TokenError::Signature);
        check(&signed(header, &whole, &account, true), TokenError::Signature);
        let cut = sign(header, &whole);
        check(&cut[..cut.len() - 2], TokenError::Signature);
        let wrong_key = whole.replace(&issuer, &KeyPair::new_operator().public_key());
        check(&sign(header, &wrong_key), TokenError::Key);
        check(&sign(header, &whole.replace(&own, "")), TokenError::Key);
        let of_account = Token::<AccountClaims>::read(&sign(header, &whole), Kind::Account);
        assert_eq!(of_account.map(|_| ()), Err(TokenError::Kind));
    }

    /// Any byte that differs is seen, and none makes it panic.
    #[test]
    fn no_byte_may_differ() {
        let (account, own) = (KeyPair::new_account(), KeyPair::new_user().public_key());
        let payload = json!({
            "sub": own, "iss": account.public_key(), "nats": {"type": "user", "version": 2},
        });
        let header = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
        let text = signed(header, &payload.to_string(), &account, false);
        for index in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[index] = if other[index] == b'A' { b'Q' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            let last = index + 1 == text.len();
            assert!(user(&other).is_err() || last, "{index}");
            let _ = user(&text[..index]);
        }
    }
}
