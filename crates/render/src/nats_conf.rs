//! The configuration of a nats-server on which topologies can be applied: what belongs to the server and not to
//! JetStream's API.
//!
//! The grammar is nats-server's own: strings in double quotes are literal, and `$NAME` without quotes is a
//! variable, by which secrets come from the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use watershed_topology::Topology;
use watershed_topology::model::{Access, Secret, Tls, User};
use watershed_topology::permission::{Permissions, Rules, permissions};
use watershed_topology::sharing::{Export, Import, Passage};
use watershed_wire::jetstream::check::Bounds;
use watershed_wire::time::go_duration;

use crate::secrets::Secrets;

/// Where streams are kept if no topology says it. The server's own default is a folder of temporary files.
const STORE: &str = "/data/jetstream";

pub(crate) fn render(topologies: &[&Topology]) -> Result<String, String> {
    Ok(with_secrets(topologies)?.0)
}

/// The configuration, and the variables that it takes passwords from.
pub(crate) fn with_secrets(topologies: &[&Topology]) -> Result<(String, Secrets), String> {
    let accounts = topologies.len() > 1
        || topologies.iter().any(|one| {
            let shares = !one.exports.is_empty() || !one.imports.is_empty();
            one.account.is_some() || !one.users.is_empty() || shares || !one.mappings.is_empty()
        });
    let mut secrets = Secrets::default();
    let mut body = String::new();
    listen(&mut body, topologies, accounts)?;
    jetstream(&mut body, topologies, accounts)?;
    if accounts {
        if topologies.iter().any(|one| one.server.token.is_some()) {
            return Err("`token` is for a server without users and accounts".to_owned());
        }
        body.push_str("\naccounts {\n");
        for topology in topologies {
            account(&mut body, topology, &mut secrets)?;
        }
        system(&mut body, topologies, &mut secrets)?;
        body.push_str("}\n");
    } else if let Some(token) = token(topologies, &mut secrets)? {
        let _ = writeln!(body, "\nauthorization {{ token: {token} }}");
    } else {
        body.push_str(
            "\n# Everybody may connect and do everything: declare `users` in the topology.\n",
        );
    }
    let names: Vec<&str> = topologies.iter().map(|one| one.name.value.as_str()).collect();
    let mut out = format!(
        "# nats-server for {}, written by `watershed render nats-conf`.\n",
        names.join(", ")
    );
    out.push_str("# Streams and consumers are not in it: `watershed apply` makes them.\n");
    secrets.say(&mut out);
    out.push_str(&body);
    Ok((out, secrets))
}

/// Where the server listens: one place for all.
fn listen(out: &mut String, topologies: &[&Topology], accounts: bool) -> Result<(), String> {
    let one = |what: &str, said: Vec<String>| -> Result<Option<String>, String> {
        let said: BTreeSet<String> = said.into_iter().collect();
        match said.len() {
            0 | 1 => Ok(said.into_iter().next()),
            _ => {
                let all: Vec<String> = said.into_iter().collect();
                Err(format!("the topologies disagree on `{what}`: {}", all.join(", ")))
            }
        }
    };
    let servers = || topologies.iter().map(|topology| &topology.server);
    let said = servers().filter_map(|server| Some(server.listen.as_ref()?.value.to_string()));
    let everywhere = if accounts { "0.0.0.0:4222" } else { "127.0.0.1:4222" };
    let at = one("listen", said.collect())?.unwrap_or_else(|| everywhere.to_owned());
    let _ = writeln!(out, "\nlisten: {}", quoted(&at));
    let said = servers().filter_map(|server| Some(server.http.as_ref()?.value.to_string()));
    if let Some(at) = one("http", said.collect())? {
        let _ = writeln!(out, "http: {}", quoted(&at));
    }
    let said = servers().filter_map(|server| Some(server.max_payload.as_ref()?.value.to_string()));
    if let Some(bytes) = one("max_payload", said.collect())? {
        let _ = writeln!(out, "max_payload: {bytes}");
    }
    let said = servers().filter_map(|server| Some(server.no_auth_user.as_ref()?.value.clone()));
    if let Some(name) = one("no_auth_user", said.collect())? {
        // The server knows who signs by the key.
        let mut users = topologies.iter().flat_map(|topology| &topology.users);
        let user = users.find(|user| user.name.value == name);
        let name = user.and_then(|user| user.nkey.as_ref()).map_or(&name, |key| &key.value);
        let _ = writeln!(out, "no_auth_user: {}", quoted(name));
    }
    let said = servers().filter_map(|server| server.tls.as_ref().map(|tls| block(&tls.value)));
    if let Some(tls) = one("tls", said.collect())? {
        let _ = writeln!(out, "tls {{ {tls} }}");
    }
    Ok(())
}

fn block(tls: &Tls) -> String {
    let files =
        [("cert_file", &tls.cert_file), ("key_file", &tls.key_file), ("ca_file", &tls.ca_file)];
    let files = files
        .iter()
        .filter_map(|(key, file)| file.as_ref().map(|file| format!("{key}: {}", quoted(file))));
    files.chain(tls.verify.then(|| "verify: true".to_owned())).collect::<Vec<_>>().join(", ")
}

/// The variable with the token that everybody shows.
fn token(topologies: &[&Topology], secrets: &mut Secrets) -> Result<Option<String>, String> {
    let Some((topology, token)) =
        topologies.iter().find_map(|one| Some((one, one.server.token.as_ref()?)))
    else {
        return Ok(None);
    };
    secrets.variable(topology.account_name(), "token", Some(&token.value)).map(Some)
}

/// JetStream of the server. What accounts may keep adds up.
fn jetstream(out: &mut String, topologies: &[&Topology], accounts: bool) -> Result<(), String> {
    let servers = || topologies.iter().map(|topology| &topology.server);
    let folders: BTreeSet<&str> =
        servers().filter_map(|server| Some(server.store_dir.as_ref()?.value.as_str())).collect();
    if folders.len() > 1 {
        let all: Vec<&str> = folders.into_iter().collect();
        return Err(format!("the topologies disagree on `store_dir`: {}", all.join(", ")));
    }
    let folder = folders.first().copied().unwrap_or(STORE);
    out.push_str("\njetstream {\n");
    let _ = writeln!(out, "  # On a disk that stays: in a container, a volume.");
    let _ = writeln!(out, "  store_dir: {}", quoted(folder));
    out.push_str("  # Acknowledged means on disk. Without this line the server syncs every two minutes, and a power cut\n");
    out.push_str("  # loses what it had acknowledged.\n  sync_interval: always\n");
    for (key, each) in [
        (
            "max_file_store",
            servers().map(|server| server.max_file_store.as_ref()).collect::<Vec<_>>(),
        ),
        ("max_memory_store", servers().map(|server| server.max_memory_store.as_ref()).collect()),
    ] {
        let all: Option<u64> = each.iter().map(|size| size.map(|size| size.value)).sum();
        if let Some(bytes) = all {
            let _ = writeln!(out, "  {key}: {bytes}");
        }
    }
    let domains: BTreeSet<&str> =
        servers().filter_map(|server| Some(server.domain.as_ref()?.value.as_str())).collect();
    match domains.len() {
        0 => {}
        1 => {
            let _ =
                writeln!(out, "  domain: {}", quoted(domains.first().copied().unwrap_or_default()));
        }
        _ => return Err("the topologies disagree on `domain`".to_owned()),
    }
    let mut limits: BTreeSet<String> =
        servers().map(|server| server_limits(&server.limits)).collect();
    limits.remove("");
    match limits.len() {
        0 => {}
        1 => {
            let _ =
                writeln!(out, "  limits {{ {} }}", limits.into_iter().next().unwrap_or_default());
        }
        _ => return Err("the topologies disagree on `jetstream.limits`".to_owned()),
    }
    out.push_str("}\n");
    if !accounts && servers().any(|server| !account_limits(&server.account).is_empty()) {
        return Err("limits of an account need an account: declare `users`".to_owned());
    }
    Ok(())
}

/// Users of the system account, from all topologies.
fn system(out: &mut String, topologies: &[&Topology], secrets: &mut Secrets) -> Result<(), String> {
    let is_system = |user: &&User| user.access == Access::System;
    let mut all = topologies
        .iter()
        .flat_map(|topology| {
            topology.users.iter().filter(is_system).map(move |user| (topology, user))
        })
        .peekable();
    if all.peek().is_none() {
        return Ok(());
    }
    // The server's own name of it: no other key is needed.
    out.push_str("  \"$SYS\" {\n    users: [\n");
    for (topology, user) in all {
        one_user(out, topology, user, secrets)?;
    }
    out.push_str("    ]\n  }\n");
    Ok(())
}

fn account(out: &mut String, topology: &Topology, secrets: &mut Secrets) -> Result<(), String> {
    let name = topology.account_name();
    let _ = writeln!(out, "  {} {{", quoted(name));
    let server = &topology.server;
    let mut limits = Vec::new();
    if let Some(bytes) = &server.max_memory_store {
        limits.push(format!("max_mem: {}", bytes.value));
    }
    if let Some(bytes) = &server.max_file_store {
        limits.push(format!("max_file: {}", bytes.value));
    }
    limits.extend(account_limits(&server.account));
    if limits.is_empty() {
        out.push_str("    jetstream: enabled\n");
    } else {
        let _ = writeln!(out, "    jetstream {{ {} }}", limits.join(", "));
    }
    out.push_str("    users: [\n");
    let own = || topology.users.iter().filter(|user| user.access != Access::System);
    if own().next().is_none() {
        let password = secrets.variable(name, name, None)?;
        let _ = writeln!(out, "      {{ user: {}, password: {password} }}", quoted(name));
    }
    for user in own() {
        one_user(out, topology, user, secrets)?;
    }
    out.push_str("    ]\n");
    for (key, lines) in [
        ("exports", topology.exports.iter().map(export).collect::<Vec<_>>()),
        ("imports", topology.imports.iter().map(import).collect()),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(out, "    {key}: [");
            for line in lines {
                let _ = writeln!(out, "      {{ {line} }}");
            }
            out.push_str("    ]\n");
        }
    }
    mappings(out, topology);
    out.push_str("  }\n");
    Ok(())
}

/// Mappings by what is published to: several share its messages.
fn mappings(out: &mut String, topology: &Topology) {
    let mut by_subject: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for mapping in &topology.mappings {
        let mut line = format!("destination: {}", quoted(&mapping.to.value));
        let _ = write!(line, ", weight: \"{}%\"", mapping.weight.unwrap_or(100));
        if let Some(cluster) = &mapping.cluster {
            let _ = write!(line, ", cluster: {}", quoted(cluster));
        }
        by_subject.entry(&mapping.subject.value).or_default().push(format!("{{ {line} }}"));
    }
    if by_subject.is_empty() {
        return;
    }
    out.push_str("    mappings: {\n");
    for (subject, lines) in by_subject {
        let _ = writeln!(out, "      {}: [ {} ]", quoted(subject), lines.join(", "));
    }
    out.push_str("    }\n");
}

fn one_user(
    out: &mut String,
    topology: &Topology,
    user: &User,
    secrets: &mut Secrets,
) -> Result<(), String> {
    let name = &user.name.value;
    if let Some(key) = &user.nkey {
        let _ = write!(out, "      {{ nkey: {}", quoted(&key.value));
    } else {
        let password = match &user.password {
            Some(Secret::Bcrypt(hash)) => quoted(hash),
            other => secrets.variable(topology.account_name(), name, other.as_ref())?,
        };
        let _ = write!(out, "      {{ user: {}, password: {password}", quoted(name));
    }
    if !user.allowed_connection_types.is_empty() {
        let types: Vec<String> = user
            .allowed_connection_types
            .iter()
            .map(|one| quoted(&one.value.to_uppercase()))
            .collect();
        let _ = write!(out, ", allowed_connection_types: [{}]", types.join(", "));
    }
    match permissions(topology, user) {
        None => out.push_str(" }\n"),
        Some(all) => {
            out.push_str("\n        permissions: {\n");
            sides(out, &all);
            out.push_str("        }\n      }\n");
        }
    }
    Ok(())
}

fn sides(out: &mut String, all: &Permissions) {
    for (side, rules) in [("publish", &all.publish), ("subscribe", &all.subscribe)] {
        let Rules { allow, deny } = rules;
        // An empty list allows everything there; what is allowed then is what nobody publishes.
        let nothing = || vec!["_watershed.nothing".to_owned()];
        let allow =
            allow.as_ref().map(|allow| if allow.is_empty() { nothing() } else { allow.clone() });
        let lists =
            [("allow", allow.as_ref()), ("deny", Some(deny).filter(|deny| !deny.is_empty()))];
        let lists: Vec<(&str, &Vec<String>)> =
            lists.into_iter().filter_map(|(key, list)| Some((key, list?))).collect();
        if lists.is_empty() {
            continue;
        }
        let _ = writeln!(out, "          {side}: {{");
        for (key, list) in lists {
            let _ = writeln!(out, "            {key}: [");
            for subject in list {
                let _ = writeln!(out, "              {}", quoted(subject));
            }
            out.push_str("            ]\n");
        }
        out.push_str("          }\n");
    }
    if let Some(responses) = &all.responses {
        let max = responses.max.map(|max| format!("max: {max}"));
        let expires =
            responses.expires.map(|time| format!("expires: {}", quoted(&go_duration(time))));
        let said: Vec<String> = max.into_iter().chain(expires).collect();
        let said =
            if said.is_empty() { "true".to_owned() } else { format!("{{ {} }}", said.join(", ")) };
        let _ = writeln!(out, "          allow_responses: {said}");
    }
}

fn export(export: &Export) -> String {
    let mut line = format!("{}: {}", export.passage.word(), quoted(&export.subject.value));
    if !export.accounts.is_empty() {
        let accounts: Vec<String> = export.accounts.iter().map(|one| quoted(&one.value)).collect();
        let _ = write!(line, ", accounts: [{}]", accounts.join(", "));
    }
    if let Some(response) = export.response.as_ref().filter(|_| export.passage == Passage::Service)
    {
        let _ = write!(line, ", response: {}", quoted(response));
    }
    line
}

fn import(import: &Import) -> String {
    let mut line = format!(
        "{}: {{ account: {}, subject: {} }}",
        import.passage.word(),
        quoted(&import.account.value),
        quoted(&import.subject.value)
    );
    for (key, said) in [("to", &import.to), ("prefix", &import.prefix)] {
        if let Some(said) = said {
            let _ = write!(line, ", {key}: {}", quoted(&said.value));
        }
    }
    line
}

/// Limits of an account in the words of nats.conf.
fn account_limits(bounds: &Bounds) -> Vec<String> {
    let mut limits: Vec<String> = bounds
        .numbers()
        .into_iter()
        .filter_map(|(name, number)| Some(format!("{name}: {}", number?)))
        .collect();
    if bounds.max_bytes_required {
        limits.push("max_bytes_required: true".to_owned());
    }
    limits
}

/// Limits for every account.
fn server_limits(bounds: &Bounds) -> String {
    let limits = bounds.numbers().into_iter().filter_map(|(name, number)| {
        let number = number?;
        Some(match name {
            "duplicate_window" => format!("{name}: {}", quoted(&go_duration(number))),
            _ => format!("{name}: {number}"),
        })
    });
    limits.collect::<Vec<_>>().join(", ")
}

/// A string of nats.conf.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
