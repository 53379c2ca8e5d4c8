//! `$SYS.REQ.USER.INFO`: who a connection is.

use serde::Serialize;
use serde_json::{Value, json};
use watershed_base::Now;
use watershed_wire::handshake::Info;

use crate::permit::{Permissions, Rules};
use crate::session::Session;
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
    account: &'a str,
    account_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Value>,
}

/// Who somebody is, as JSON.
pub(crate) fn describe(info: &Info, now: Now, account: &str, session: &Session) -> Vec<u8> {
    let reply = UserInfo {
        server: server(info, now.wall),
        data: Somebody {
            user: &session.user,
            account,
            account_name: account,
            permissions: session.permit.permissions().map(shown),
        },
    };
    serde_json::to_vec(&reply).expect("texts are JSON")
}

fn shown(permissions: &Permissions) -> Value {
    let rules = |rules: &Rules| json!({"allow": rules.allow, "deny": rules.deny});
    json!({"publish": rules(&permissions.publish), "subscribe": rules(&permissions.subscribe)})
}
