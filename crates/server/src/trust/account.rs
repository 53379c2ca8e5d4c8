//! One account, as its operator's JWT has it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use thiserror::Error;
use watershed_engine::permit::Permissions;
use watershed_engine::{AccountStore, Mapping};
use watershed_wire::jetstream::check::Bounds;

use super::claims::{
    AccountClaims, AccountLimits, ActivationClaims, Import, SigningKey, StoreLimits,
    UserPermissions, WeightedMapping,
};
use super::operators::Operators;
use super::schedule::Schedule;
use super::token::{Kind, Token, TokenError, is_account};

/// Why an account's JWT does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccountError {
    /// The token is invalid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Whoever issued it vouches for no account here.
    #[error("invalid account: its issuer is not a trusted operator")]
    Untrusted,
    /// It holds more than its own limits allow.
    #[error("invalid account: more {0} than the operator allows")]
    Limit(&'static str),
    /// What stands in it is not valid.
    #[error("invalid account: {0}")]
    Invalid(&'static str),
    /// It needs what this server does not have.
    #[error("`{0}` of an account is not supported by this server")]
    Unsupported(&'static str),
}

/// An account that its operator vouches for.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) token: Token<AccountClaims>,
    /// Keys that issue users: the account's own, and signing keys, of which some say what those may do.
    signers: HashMap<String, Signer>,
    /// What allows each import to be made, where it has a token that counts.
    activations: Vec<Option<Token<ActivationClaims>>>,
    /// What users without permissions of their own may do; `None` for everything.
    pub(crate) default_permissions: Option<Arc<Permissions>>,
    /// What its subjects become.
    pub(crate) mappings: Vec<Mapping>,
}

/// A key that issues users.
#[derive(Debug, Clone)]
pub(crate) enum Signer {
    /// Their JWTs say what they may do.
    Plain,
    /// It says so itself.
    Scoped(Box<Template>),
}

/// What a scoped signing key says of the users that it issues.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) may: UserPermissions,
    pub(crate) schedule: Schedule,
}

impl Account {
    /// Reads a JWT that one of the operators must have signed.
    pub(crate) fn read(jwt: &str, operators: &Operators) -> Result<Self, AccountError> {
        let token: Token<AccountClaims> = Token::read(jwt, Kind::Account)?;
        if !operators.trust(&token.issuer) {
            return Err(AccountError::Untrusted);
        }
        let claims = &token.claims;
        check(claims)?;
        let mut signers = HashMap::from([(token.subject.clone(), Signer::Plain)]);
        for key in &claims.signing_keys {
            let (key, signer) = match key {
                SigningKey::Plain(key) => (key, Signer::Plain),
                SigningKey::Scoped(scope) if scope.kind == "user_scope" => {
                    let may = scope.template.clone();
                    may.permissions_or_template().map_err(AccountError::Invalid)?;
                    let schedule = Schedule::read(&may.times, &may.times_location)
                        .ok_or(AccountError::Invalid("unknown time or place"))?;
                    (&scope.key, Signer::Scoped(Box::new(Template { may, schedule })))
                }
                SigningKey::Scoped(_) => {
                    return Err(AccountError::Invalid("unknown scope of a signing key"));
                }
            };
            if !is_account(key) {
                return Err(AccountError::Invalid("a signing key is not a key of an account"));
            }
            signers.insert(key.clone(), signer);
        }
        let default = claims.default_permissions.permissions().map_err(AccountError::Invalid)?;
        let mappings = mappings(&claims.mappings)?;
        let activation = |own: &Import| Token::read(&own.token, Kind::Activation).ok();
        let activations = claims.imports.iter().map(activation).collect();
        let default_permissions = default.map(Arc::new);
        Ok(Self { token, signers, activations, default_permissions, mappings })
    }

    /// What it imports, each with what allows it.
    pub(crate) fn imports(
        &self,
    ) -> impl Iterator<Item = (&Import, Option<&Token<ActivationClaims>>)> {
        self.token.claims.imports.iter().zip(self.activations.iter().map(Option::as_ref))
    }

    /// A key that issues users; `None` for one that issues none.
    pub(crate) fn signer(&self, key: &str) -> Option<&Signer> {
        self.signers.get(key)
    }

    /// Whether those of this user that were issued until then have been taken back.
    pub(crate) fn has_revoked(&self, user: &str, issued: i64) -> bool {
        is_revoked(&self.token.claims.revocations, user, issued)
    }

    /// Most connections at once.
    pub(crate) fn connections_max(&self) -> Option<usize> {
        limit(self.token.claims.limits.conn)
    }

    /// What it may keep. One server keeps one copy: of limits by number of copies, those of one count.
    pub(crate) fn store(&self) -> AccountStore {
        let AccountLimits { store, tiered_limits, .. } = &self.token.claims.limits;
        let tier = tiered_limits.get("R1").copied();
        let own = if tiered_limits.is_empty() { *store } else { tier.unwrap_or_default() };
        let StoreLimits { mem_storage, disk_storage, streams, consumer, .. } = own;
        let bytes = |number: i64| u64::try_from(number).ok();
        let positive = |number: i64| (number > 0).then_some(number);
        AccountStore {
            enabled: mem_storage != 0 || disk_storage != 0,
            max_memory: bytes(mem_storage),
            max_file: bytes(disk_storage),
            bounds: Bounds {
                max_streams: positive(streams),
                max_consumers: positive(consumer),
                max_ack_pending: positive(own.max_ack_pending),
                max_bytes_required: own.max_bytes_required,
                disk_max_stream_bytes: positive(own.disk_max_stream_bytes),
                memory_max_stream_bytes: positive(own.mem_max_stream_bytes),
                ..Bounds::default()
            },
        }
    }
}

/// What its subjects become. What is only meant in a cluster is left out.
fn mappings(claims: &BTreeMap<String, Vec<WeightedMapping>>) -> Result<Vec<Mapping>, AccountError> {
    let mapping = |(source, all): (&String, &Vec<WeightedMapping>)| {
        let own = all.iter().filter(|one| one.cluster.is_empty());
        let own: Vec<_> = own.map(|one| (one.subject.as_str(), one.percent())).collect();
        Mapping::new(source, &own)
            .map_err(|_| AccountError::Invalid("invalid mapping of a subject"))
    };
    claims.iter().map(mapping).collect()
}

/// A limit; `None` if it is negative, which means unlimited.
pub(crate) fn limit(number: i64) -> Option<usize> {
    usize::try_from(number).ok()
}

/// Whether what was issued to somebody, or to all, has been taken back.
pub(crate) fn is_revoked(revocations: &BTreeMap<String, i64>, whose: &str, issued: i64) -> bool {
    [whose, "*"].iter().any(|key| revocations.get(*key).is_some_and(|until| *until >= issued))
}

/// Refuses what this server does not have, and what is more than the account may have.
fn check(claims: &AccountClaims) -> Result<(), AccountError> {
    let traces = claims.exports.iter().any(|own| own.allow_trace)
        || claims.imports.iter().any(|own| own.allow_trace);
    let unsupported = [
        ("authorization", !claims.authorization.auth_users.is_empty()),
        ("trace", claims.trace.is_some()),
        ("service_latency", claims.exports.iter().any(|own| own.service_latency.is_some())),
        ("response_threshold", claims.exports.iter().any(|own| own.response_threshold != 0)),
        ("allow_trace", traces),
        ("share", claims.imports.iter().any(|own| own.share)),
    ];
    if let Some((name, _)) = unsupported.iter().find(|(_, there)| *there) {
        return Err(AccountError::Unsupported(name));
    }
    let limits = &claims.limits;
    if limit(limits.imports).is_some_and(|most| claims.imports.len() > most) {
        return Err(AccountError::Limit("imports"));
    }
    if let Some(most) = limit(limits.exports) {
        if claims.exports.len() > most {
            return Err(AccountError::Limit("exports"));
        }
        let wild = |subject: &str| subject.split('.').any(|token| matches!(token, "*" | ">"));
        if !limits.wildcards && claims.exports.iter().any(|own| wild(&own.subject)) {
            return Err(AccountError::Limit("wildcards in exports"));
        }
    }
    if !limits.tiered_limits.is_empty() && limits.store != StoreLimits::default() {
        return Err(AccountError::Invalid("limits both by number of copies and without"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_carried_out_is_refused_by_name() {
        for (name, claims) in [
            ("authorization", json!({"authorization": {"auth_users": ["U"]}})),
            ("trace", json!({"trace": {"dest": "a"}})),
            (
                "service_latency",
                json!({"exports": [{"type": "service", "service_latency": {"results": "a"}}]}),
            ),
            (
                "response_threshold",
                json!({"exports": [{"type": "service", "response_threshold": 1}]}),
            ),
            ("allow_trace", json!({"exports": [{"type": "service", "allow_trace": true}]})),
            ("allow_trace", json!({"imports": [{"type": "stream", "allow_trace": true}]})),
            ("share", json!({"imports": [{"type": "service", "share": true}]})),
        ] {
            let claims: AccountClaims = serde_json::from_value(claims).unwrap();
            assert_eq!(check(&claims), Err(AccountError::Unsupported(name)));
        }
    }
}
