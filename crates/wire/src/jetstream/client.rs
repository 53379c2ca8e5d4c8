//! Clients as advisories name them (the schema `client_info_v1`).

use serde::{Deserialize, Serialize};

use super::stream::is_zero_u64;
use crate::time::UnixNanos;

/// Who asked for something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientInfo {
    /// When the connection began.
    pub start: UnixNanos,
    /// Address that it comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Its number.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub id: u64,
    /// Account.
    pub acc: String,
    /// User, if it has a name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Name of the connection.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Language of the client library.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lang: String,
    /// Version of the client library.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ver: String,
    /// Name of the server that it is connected to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// What kind of connection it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Which protocol it speaks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_type: String,
}
