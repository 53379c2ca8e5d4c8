//! `$SYS.REQ.USER.INFO`: who a connection is.

use serde::Serialize;
use serde_json::{Value, json};
use watershed_base::Now;
use watershed_wire::handshake::Info;

use crate::permit::{Permissions, Rules};
use crate::session::{Session, Until};
use crate::system::server;

/// The subject of the request. The one system request that every user may make.
pub(crate) const USER_INFO: &[u8] = b"$SYS.REQ.USER.INFO";

#[derive(Serialize)]
struct UserInfo<'a> {
    server: Value,
    data: Somebody<'a>,
}

#[derive(Serialize)]
struct Somebody<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_name: &'a str,
    account: &'a str,
    account_name: &'a str,
    /// Time that is left, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Value>,
}

/// Who somebody is, as JSON.
pub(crate) fn describe(info: &Info, now: Now, account: &str, session: &Session) -> Vec<u8> {
    let key = session.key.as_deref();
    let whole_seconds = |left: i64| left - left % 1_000_000_000;
    let left = |until: Until| whole_seconds(until.time.0.saturating_sub(now.wall.0).max(0));
    let reply = UserInfo {
        server: server(info, now.wall),
        data: Somebody {
            user: &session.user,
            account,
            user_name: key.map_or("", |key| &key.name),
            account_name: key.map_or(account, |key| &key.account_name),
            expires: session.bounds.until.map(left),
            permissions: session.permit().permissions().map(shown),
        },
    };
    serde_json::to_vec(&reply).expect("texts are JSON")
}

fn shown(permissions: &Permissions) -> Value {
    let rules = |rules: &Rules| {
        let mut shown = json!({});
        if let Some(allow) = &rules.allow {
            shown["allow"] = json!(allow);
        }
        if !rules.deny.is_empty() {
            shown["deny"] = json!(rules.deny);
        }
        shown
    };
    let mut all =
        json!({"publish": rules(&permissions.publish), "subscribe": rules(&permissions.subscribe)});
    if let Some(responses) = &permissions.responses {
        all["responses"] = json!(responses);
    }
    all
}
