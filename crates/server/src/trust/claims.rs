//! The claims of JWTs (ADR-14), as the JWT libraries write them. A missing number is 0, which allows nothing; -1 allows
//! everything.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use watershed_engine::permit::{Permissions, Responses, Rules};

/// What an operator says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OperatorClaims {
    pub(crate) signing_keys: Vec<String>,
    pub(crate) system_account: String,
    pub(crate) strict_signing_key_usage: bool,
}

/// What an operator says of an account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AccountClaims {
    pub(crate) imports: Vec<Import>,
    pub(crate) exports: Vec<Export>,
    pub(crate) limits: AccountLimits,
    pub(crate) signing_keys: Vec<SigningKey>,
    /// Until when those who were issued are revoked, in seconds, by user; `*` for all of them.
    pub(crate) revocations: BTreeMap<String, i64>,
    pub(crate) default_permissions: UserPermissions,
    pub(crate) mappings: BTreeMap<String, Vec<WeightedMapping>>,
    pub(crate) authorization: Authorization,
    pub(crate) trace: Option<Value>,
    pub(crate) tags: Vec<String>,
}

/// One of what a subject becomes when something is published to it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WeightedMapping {
    pub(crate) subject: String,
    #[serde(default)]
    weight: u64,
    /// The cluster in which alone it is meant; empty for none.
    #[serde(default)]
    pub(crate) cluster: String,
}

impl WeightedMapping {
    /// Of how many messages; all if it is not said.
    pub(crate) fn percent(&self) -> u64 {
        if self.weight == 0 { 100 } else { self.weight }
    }
}

/// Who else decides who somebody is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Authorization {
    pub(crate) auth_users: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AccountLimits {
    pub(crate) subs: i64,
    pub(crate) payload: i64,
    pub(crate) imports: i64,
    pub(crate) exports: i64,
    pub(crate) wildcards: bool,
    pub(crate) disallow_bearer: bool,
    pub(crate) conn: i64,
    #[serde(flatten)]
    pub(crate) store: StoreLimits,
    pub(crate) tiered_limits: BTreeMap<String, StoreLimits>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct StoreLimits {
    pub(crate) mem_storage: i64,
    pub(crate) disk_storage: i64,
    pub(crate) streams: i64,
    pub(crate) consumer: i64,
    pub(crate) max_ack_pending: i64,
    pub(crate) mem_max_stream_bytes: i64,
    pub(crate) disk_max_stream_bytes: i64,
    pub(crate) max_bytes_required: bool,
}

/// A key that issues users beside the account's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum SigningKey {
    Plain(String),
    /// The users that it issues may do what stands here.
    Scoped(Box<Scope>),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Scope {
    pub(crate) kind: String,
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) template: UserPermissions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sharing {
    Stream,
    Service,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Import {
    #[serde(rename = "type")]
    pub(crate) sharing: Sharing,
    #[serde(default)]
    pub(crate) subject: String,
    #[serde(default)]
    pub(crate) account: String,
    #[serde(default)]
    pub(crate) token: String,
    /// What it was called before `local_subject`.
    #[serde(default)]
    pub(crate) to: String,
    #[serde(default)]
    pub(crate) local_subject: String,
    #[serde(default)]
    pub(crate) share: bool,
    #[serde(default)]
    pub(crate) allow_trace: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Export {
    #[serde(rename = "type")]
    pub(crate) sharing: Sharing,
    #[serde(default)]
    pub(crate) subject: String,
    #[serde(default)]
    pub(crate) token_req: bool,
    #[serde(default)]
    pub(crate) revocations: BTreeMap<String, i64>,
    #[serde(default)]
    pub(crate) response_type: String,
    #[serde(default)]
    pub(crate) service_latency: Option<Value>,
    /// How long an answer may take, in nanoseconds.
    #[serde(default)]
    pub(crate) response_threshold: i64,
    #[serde(default)]
    pub(crate) allow_trace: bool,
    /// Which token of the subject, counted from 1, must be the importing account; 0 for none.
    #[serde(default)]
    pub(crate) account_token_position: usize,
}

/// What one account allows another to import.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ActivationClaims {
    #[serde(default)]
    pub(crate) subject: String,
    pub(crate) kind: Sharing,
    #[serde(default)]
    pub(crate) issuer_account: String,
}

/// Accounts that are to be forgotten.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DeleteClaims {
    pub(crate) accounts: Vec<String>,
}

/// What an account says of a user.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserClaims {
    #[serde(flatten)]
    pub(crate) may: UserPermissions,
    pub(crate) issuer_account: String,
    pub(crate) tags: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct UserPermissions {
    #[serde(rename = "pub")]
    pub(crate) publish: Permission,
    #[serde(rename = "sub")]
    pub(crate) subscribe: Permission,
    pub(crate) resp: Option<Responses>,
    pub(crate) subs: Option<i64>,
    pub(crate) data: Option<i64>,
    pub(crate) payload: Option<i64>,
    pub(crate) src: Sources,
    pub(crate) times: Vec<TimeRange>,
    pub(crate) times_location: String,
    pub(crate) bearer_token: bool,
    pub(crate) proxy_required: bool,
    pub(crate) allowed_connection_types: Vec<String>,
}

impl UserPermissions {
    /// Whether nothing at all is said, as of a user whose signing key says it.
    pub(crate) fn is_empty(&self) -> bool {
        let zero = |number: Option<i64>| number.unwrap_or_default() == 0;
        zero(self.subs)
            && zero(self.data)
            && zero(self.payload)
            && *self
                == Self {
                    subs: self.subs,
                    data: self.data,
                    payload: self.payload,
                    ..Self::default()
                }
    }

    /// What may be published and subscribed to; `None` for everything. Fails on an invalid subject.
    pub(crate) fn permissions(&self) -> Result<Option<Permissions>, &'static str> {
        let nothing = Permission::default();
        if self.publish == nothing && self.subscribe == nothing && self.resp.is_none() {
            return Ok(None);
        }
        // Unlike in nats.conf, an empty list is none.
        let allow = |own: &Permission| (!own.allow.is_empty()).then(|| own.allow.clone());
        let (publish, subscribe) = (&self.publish, &self.subscribe);
        let publish = Rules::of_publishes(allow(publish).as_deref(), &publish.deny)
            .map_err(|_| "invalid subject in permissions to publish")?;
        let subscribe = Rules::of_subscriptions(allow(subscribe).as_deref(), &subscribe.deny)
            .map_err(|_| "invalid subject in permissions to subscribe")?;
        Ok(Some(Permissions::new(publish, subscribe, self.resp)))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Permission {
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct TimeRange {
    pub(crate) start: String,
    pub(crate) end: String,
}

/// Networks: a list, or in the first version one text with commas.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Sources {
    List(Vec<String>),
    Text(String),
}

impl Default for Sources {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Sources {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let (list, text) = match self {
            Self::List(list) => (list.as_slice(), ""),
            Self::Text(text) => (&[][..], text.as_str()),
        };
        let of_text = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        list.iter().map(String::as_str).chain(of_text)
    }
}
