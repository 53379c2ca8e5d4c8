//! `$SYS.REQ.USER.INFO`: who a connection is.

use serde::Serialize;
use serde_json::{Value, json};
use watershed_wire::op::Publish;

use crate::account::AccountId;
use crate::engine::Engine;
use crate::permit::{Permissions, Rules};

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

impl Engine {
    /// Answers who the connection in `slot` is.
    pub(crate) fn user_info(&mut self, slot: usize, account: AccountId, message: &Publish<'_>) {
        let session = &self.sessions[slot];
        let name = &self.accounts[account.0 as usize].name;
        let info = &self.settings.info;
        let reply = UserInfo {
            server: json!({
                "name": info.server_name,
                "host": info.host,
                "id": info.server_id,
                "ver": info.version,
                "jetstream": info.jetstream,
                "time": self.now.wall,
            }),
            data: Somebody {
                user: &session.user,
                account: name,
                account_name: name,
                permissions: session.permit.permissions().map(shown),
            },
        };
        let body = serde_json::to_vec(&reply).expect("texts are JSON");
        self.reply(account, message.reply.unwrap_or_default(), b"", &body);
    }
}

fn shown(permissions: &Permissions) -> Value {
    let rules = |rules: &Rules| json!({"allow": rules.allow, "deny": rules.deny});
    json!({"publish": rules(&permissions.publish), "subscribe": rules(&permissions.subscribe)})
}
