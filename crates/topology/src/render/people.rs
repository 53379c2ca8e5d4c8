//! Users and secrets as a file has them.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::value::{Comments, comment, inline, quoted, shown};
use crate::model::{Access, Grant, Granted, Secret, Tls, Topology, User};
use crate::schema::{CONNECTIONS, Kind, RESPONSES, RULES, TLS};
use crate::source::Spanned;

/// What comments call a user.
pub fn about_user(name: &str) -> String {
    format!("user {name}")
}

/// Who may connect, each in a line.
pub(super) fn users(out: &mut String, topology: &Topology, comments: &Comments) {
    for (index, user) in topology.users.iter().enumerate() {
        if index == 0 {
            out.push_str("\nusers:\n");
        }
        comment(out, 2, comments, &about_user(&user.name.value));
        let _ = writeln!(out, "  {}: {{ {} }}", quoted(&user.name.value), one(user).join(", "));
    }
}

fn one(user: &User) -> Vec<String> {
    let mut fields = Vec::new();
    fields.extend(user.password.as_ref().map(|secret| format!("password: {}", reference(secret))));
    fields.extend(user.nkey.as_ref().map(|key| format!("nkey: {}", quoted(&key.value))));
    match &user.access {
        Access::Admin => fields.push("role: admin".to_owned()),
        Access::Service(name) => fields.push(format!("service: {}", quoted(&name.value))),
        Access::System => fields.push("system: true".to_owned()),
        Access::Listed => {}
    }
    if let Some(prefix) = &user.inbox_prefix {
        fields.push(format!("inbox_prefix: {}", quoted(&prefix.value)));
    }
    let types: Json = user.allowed_connection_types.iter().map(|one| one.value.as_str()).collect();
    for field in CONNECTIONS.iter().filter(|_| !user.allowed_connection_types.is_empty()) {
        fields.push(format!("{}: {}", field.name, shown(&types, field.kind)));
    }
    let permissions = grant(&user.permissions);
    if !permissions.is_empty() || user.access == Access::Listed {
        fields.push(format!("permissions: {{ {} }}", permissions.join(", ")));
    }
    fields
}

fn grant(grant: &Grant) -> Vec<String> {
    let mut fields = Vec::new();
    for (side, granted) in [("publish", &grant.publish), ("subscribe", &grant.subscribe)] {
        if !granted.is_empty() {
            fields.push(format!("{side}: {}", rules(granted)));
        }
    }
    if let Some(responses) = &grant.responses {
        let said = [("max", responses.value.max), ("expires", responses.value.expires)];
        let said: Map<String, Json> = said
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), json!(value?))))
            .collect();
        let shown = if said.is_empty() { "true".to_owned() } else { inline(&said, &[RESPONSES]) };
        fields.push(format!("allow_responses: {shown}"));
    }
    fields
}

/// A list of what is allowed, or both lists.
fn rules(granted: &Granted) -> String {
    let list =
        |all: &[Spanned<String>]| -> Json { all.iter().map(|one| one.value.as_str()).collect() };
    let allow = granted.allow.as_deref().map(list);
    if let (Some(allow), []) = (&allow, granted.deny.as_slice()) {
        return shown(allow, Kind::Filters);
    }
    let mut fields = Map::new();
    fields.extend(allow.map(|allow| ("allow".to_owned(), allow)));
    fields.insert("deny".to_owned(), list(&granted.deny));
    inline(&fields, &[RULES])
}

/// Where a secret is.
pub(super) fn reference(secret: &Secret) -> String {
    match secret {
        Secret::Env(name) => format!("{{ env: {} }}", quoted(name)),
        Secret::File(path) => format!("{{ file: {} }}", quoted(path)),
        // In quotes: a `$` in it is none of YAML's business, and a `/` neither.
        Secret::Bcrypt(hash) => Json::from(hash.as_str()).to_string(),
    }
}

/// Files with certificates.
pub(super) fn tls(tls: &Tls) -> String {
    let mut fields = Map::new();
    for (key, file) in
        [("cert_file", &tls.cert_file), ("key_file", &tls.key_file), ("ca_file", &tls.ca_file)]
    {
        fields.extend(file.as_ref().map(|file| (key.to_owned(), file.as_str().into())));
    }
    if tls.verify {
        fields.insert("verify".to_owned(), true.into());
    }
    inline(&fields, &[TLS])
}
