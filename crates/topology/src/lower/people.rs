//! Who publishes, who consumes, who may connect, and to what.

use std::net::SocketAddr;

use serde_json::Value as Json;
use watershed_wire::jetstream::check::Bounds;

use super::fields::{Fields, Reader, is_plain};
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{
    Access, ConsumerName, Grant, Handler, Places, Responses, Runs, Secret, ServerSettings, Service,
    Tls, Topology, User,
};
use crate::schema::{CONNECTIONS, PERMISSIONS, RESPONSES, RULES, SERVER, SERVICE, nearest};
use crate::source::{Span, Spanned};
use crate::yaml::{Entry, Node, Value};

pub(super) fn services(reader: &mut Reader, node: &Node, topology: &mut Topology) {
    for entry in reader.mapping(node, "`services`") {
        let what = format!("service `{}`", entry.key);
        let entries = reader.mapping(&entry.node, &what);
        let fields = reader.fields(entries, &[SERVICE], &[], &what);
        let name = Spanned::new(entry.key.clone(), entry.key_span);
        let mut service = Service { name, ..Service::default() };
        service.replicas = Spanned::new(1, entry.key_span);
        service.publishes = texts(&fields, "publishes");
        service.reads = texts(&fields, "reads");
        service.writes = texts(&fields, "writes");
        service.requests = texts(&fields, "requests");
        service.replies = texts(&fields, "replies");
        service.ensures = texts(&fields, "ensures");
        let consumes = texts(&fields, "consumes").into_iter();
        service.consumes = consumes.filter_map(|text| consumer_name(reader, &text)).collect();
        if let Some(number) = fields.json.get("replicas").and_then(Json::as_u64) {
            service.replicas = Spanned::new(number, fields.place("replicas"));
        }
        if let Some(nanos) = fields.json.get("handler_timeout").and_then(Json::as_i64) {
            service.handler_timeout = Some(Spanned::new(nanos, fields.place("handler_timeout")));
        }
        if let Some(number) = fields.json.get("concurrency").and_then(Json::as_u64) {
            service.concurrency = Some(Spanned::new(number, fields.place("concurrency")));
        }
        if let Some(flag) = fields.json.get("idempotent").and_then(Json::as_bool) {
            service.idempotent = Some(Spanned::new(flag, fields.place("idempotent")));
        }
        service.handlers = handlers(reader, &fields, &service);
        service.command = command(reader, &fields, &service);
        topology.services.push(service);
    }
}

/// A consumer that is named as STREAM/consumer.
fn consumer_name(reader: &mut Reader, text: &Spanned<String>) -> Option<Spanned<ConsumerName>> {
    let Some(name) = ConsumerName::parse(&text.value) else {
        let message = format!("`{}` does not say which stream the consumer is of", text.value);
        let diagnostic = Diagnostic::new("F004", Severity::Error, text.span, message);
        reader.push(diagnostic.fix(format!("write `STREAM/{}`", text.value)));
        return None;
    };
    Some(Spanned::new(name, text.span))
}

/// What handles the messages of consumers that a service reads: a command or an endpoint for each.
fn handlers(reader: &mut Reader, fields: &Fields, service: &Service) -> Vec<Handler> {
    let all = fields.json.get("handlers").and_then(Json::as_object);
    let mut found = Vec::new();
    for (key, what) in all.into_iter().flatten() {
        let span = fields.place(&format!("handlers.{key}"));
        let Some(consumer) = consumer_name(reader, &Spanned::new(key.clone(), span)) else {
            continue;
        };
        if !service.consumes.iter().any(|read| read.value == consumer.value) {
            let message = format!("`{}` does not consume `{key}`", service.name.value);
            let diagnostic = Diagnostic::new("F004", Severity::Error, span, message);
            reader.push(diagnostic.fix(format!("add `{key}` to `consumes`")));
        }
        let command: Vec<String> = what
            .get("command")
            .and_then(Json::as_array)
            .map(|words| words.iter().filter_map(Json::as_str).map(str::to_owned).collect())
            .unwrap_or_default();
        let http = what.get("http").and_then(Json::as_str);
        let runs = match (command.first(), http) {
            (Some(program), None) if !program.is_empty() => Runs::Command(command),
            (None, Some(url)) => {
                if let Err(problem) = endpoint(url) {
                    let place = fields.place(&format!("handlers.{key}.http"));
                    let diagnostic = Diagnostic::new("F004", Severity::Error, place, problem);
                    reader.push(diagnostic.fix("write it as in `http://127.0.0.1:8080/jobs`"));
                }
                Runs::Http(url.to_owned())
            }
            _ => {
                let message = format!("the handler of `{key}` is a `command` or an `http` URL");
                let diagnostic = Diagnostic::new("F004", Severity::Error, span, message);
                reader.push(diagnostic.fix("write `{ command: [./handler] }`"));
                continue;
            }
        };
        found.push(Handler { consumer, runs });
    }
    found
}

/// The program that a service is, where it says so.
fn command(reader: &mut Reader, fields: &Fields, service: &Service) -> Vec<String> {
    let words: Vec<String> = texts(fields, "command").into_iter().map(|word| word.value).collect();
    let name = &service.name.value;
    let problem = match words.first() {
        _ if fields.json.get("command").is_none() => None,
        Some(program) if program.is_empty() => Some("names no program"),
        None => Some("names no program"),
        Some(_) if !service.handlers.is_empty() => {
            Some("stands beside `handlers`, which `watershed work` runs instead")
        }
        Some(_) => None,
    };
    let Some(problem) = problem else { return words };
    let message = format!("the `command` of `{name}` {problem}");
    let diagnostic = Diagnostic::new("F004", Severity::Error, fields.place("command"), message);
    reader.push(diagnostic.fix("write `command: [./service, --verbose]`, or leave it out"));
    Vec::new()
}

/// Whether a URL is one that messages can be sent to.
fn endpoint(url: &str) -> Result<(), String> {
    if url.starts_with("https://") {
        return Err(
            "`https` is not supported: name an endpoint on this machine or in this pod".into()
        );
    }
    let rest = url.strip_prefix("http://").ok_or(format!("`{url}` is not an http URL"))?;
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    if host.is_empty() || host.contains('@') || url.contains(bad) {
        return Err(format!("`{url}` is not a valid URL of a handler"));
    }
    Ok(())
}

fn texts(fields: &Fields, name: &str) -> Vec<Spanned<String>> {
    let list = fields.json.get(name).and_then(Json::as_array);
    let spanned = |(index, text): (usize, &Json)| {
        let span = fields.place(&format!("{name}.{index}"));
        Spanned::new(text.as_str().unwrap_or_default().to_owned(), span)
    };
    list.into_iter().flatten().enumerate().map(spanned).collect()
}

const USER_KEYS: &[&str] = &[
    "password",
    "nkey",
    "role",
    "service",
    "system",
    "permissions",
    "inbox_prefix",
    "allowed_connection_types",
];

pub(super) fn users(reader: &mut Reader, node: &Node, topology: &mut Topology) {
    for entry in reader.mapping(node, "`users`") {
        if let Some(user) = user(reader, entry) {
            topology.users.push(user);
        }
    }
}

/// What is said of a user, before it is known whether it fits together.
#[derive(Default)]
struct Said {
    password: Option<Secret>,
    nkey: Option<Spanned<String>>,
    access: Option<Access>,
    permissions: Option<(Grant, Span)>,
    inbox_prefix: Option<Spanned<String>>,
    connection_types: Vec<Spanned<String>>,
}

fn user(reader: &mut Reader, entry: &Entry) -> Option<User> {
    let what = format!("user `{}`", entry.key);
    let mut said = Said::default();
    for inner in reader.mapping(&entry.node, &what) {
        said.take(reader, inner, &what);
    }
    let name = Spanned::new(entry.key.clone(), entry.key_span);
    let listed = said.permissions.is_some().then_some(Access::Listed);
    let Some(access) = said.access.or(listed) else {
        let message =
            format!("{what} needs a `service`, a `role`, `permissions` or `system: true`");
        let diagnostic = Diagnostic::new("F006", Severity::Error, name.span, message);
        reader.push(
            diagnostic
                .fix("name the service whose permissions the user gets, or write `role: admin`"),
        );
        return None;
    };
    let (permissions, span) = said.permissions.unwrap_or_default();
    if let (Some(key), Some(_)) = (&said.nkey, &said.password) {
        let message = "a user signs with an `nkey` or shows a `password`, one of them";
        reader.error("F004", key.span, message);
    }
    let more = [&permissions.publish, &permissions.subscribe].iter().any(|one| one.allow.is_some());
    if access == Access::Admin && (more || permissions.responses.is_some()) {
        let message = "an admin may do everything: `allow` adds nothing";
        let diagnostic = Diagnostic::new("F004", Severity::Error, span, message.into());
        reader.push(diagnostic.fix("leave out `role: admin`, or write `deny`"));
    }
    Some(User {
        name,
        password: said.password,
        nkey: said.nkey,
        allowed_connection_types: said.connection_types,
        access,
        permissions,
        inbox_prefix: said.inbox_prefix,
    })
}

impl Said {
    fn take(&mut self, reader: &mut Reader, inner: &Entry, what: &str) {
        match inner.key.as_str() {
            "password" => self.password = secret(reader, &inner.node),
            "nkey" => self.nkey = nkey(reader, &inner.node),
            "allowed_connection_types" => {
                let fields = reader.fields(std::slice::from_ref(inner), &[CONNECTIONS], &[], what);
                self.connection_types = texts(&fields, "allowed_connection_types");
                connection_types(reader, &self.connection_types);
            }
            "role" => {
                if reader.text(&inner.node, "role").is_some_and(|role| role != "admin") {
                    let message = "`admin` is the only role; everybody else has a `service`";
                    reader.error("F004", inner.node.span, message);
                }
                one_access(reader, inner, &mut self.access, Access::Admin);
            }
            "service" => {
                let Some(name) = reader.text(&inner.node, "service") else { return };
                let service = Access::Service(Spanned::new(name, inner.node.span));
                one_access(reader, inner, &mut self.access, service);
            }
            "system" => {
                if reader.flag(&inner.node, "system") == Some(true) {
                    one_access(reader, inner, &mut self.access, Access::System);
                }
            }
            "permissions" => {
                self.permissions = Some((grant(reader, &inner.node), inner.key_span));
            }
            "inbox_prefix" => {
                let text = reader.text(&inner.node, "inbox_prefix");
                self.inbox_prefix = text.map(|text| Spanned::new(text, inner.node.span));
            }
            other => {
                if nearest(other, USER_KEYS.iter().copied()) == Some("password") {
                    reader.secrets.push(inner.node.span);
                }
                reader.unknown(inner, USER_KEYS, "a user");
            }
        }
    }
}

/// The public key of a user. It is no secret; what begins with `SU` is one.
fn nkey(reader: &mut Reader, node: &Node) -> Option<Spanned<String>> {
    let text = reader.text(node, "nkey")?;
    if text.starts_with("SU") {
        reader.secrets.push(node.span);
        let message = "this is the seed of a key, which is a secret";
        let diagnostic = Diagnostic::new("F008", Severity::Error, node.span, message.into());
        reader.push(diagnostic.fix("write the public key, which begins with `U`"));
        return None;
    }
    if !is_public_nkey(&text) {
        let message = format!("`{text}` is not the public key of a user");
        let diagnostic = Diagnostic::new("F004", Severity::Error, node.span, message);
        reader.push(diagnostic.note("it has 56 letters and digits, and begins with `U`"));
    }
    Some(Spanned::new(text, node.span))
}

/// Whether a text looks like the public key of a user; the last letters of one are a check sum, which a server looks at.
pub fn is_public_nkey(text: &str) -> bool {
    let fits = |c: char| matches!(c, 'A'..='Z' | '2'..='7');
    text.len() == 56 && text.starts_with('U') && text.chars().all(fits)
}

/// Ways in which a user may connect, in nats-server's words.
pub const CONNECTION_TYPES: &[&str] =
    &["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"];

fn connection_types(reader: &mut Reader, said: &[Spanned<String>]) {
    let known = |name: &str| CONNECTION_TYPES.iter().any(|one| one.eq_ignore_ascii_case(name));
    for one in said.iter().filter(|one| !known(&one.value)) {
        let message = format!("unknown connection type `{}`", one.value);
        let diagnostic = Diagnostic::new("F004", Severity::Error, one.span, message);
        reader.push(diagnostic.note(format!("it is one of {}", CONNECTION_TYPES.join(", "))));
    }
}

/// Permissions in the words of nats.conf: lists of what is allowed, or `allow` and `deny`.
fn grant(reader: &mut Reader, node: &Node) -> Grant {
    let mut grant = Grant::default();
    for entry in reader.mapping(node, "`permissions`") {
        let granted = match entry.key.as_str() {
            "publish" => &mut grant.publish,
            "subscribe" => &mut grant.subscribe,
            "allow_responses" => {
                grant.responses = responses(reader, &entry.node);
                continue;
            }
            _ => {
                let known = PERMISSIONS.iter().map(|field| field.name);
                let known: Vec<&str> = known.chain(["allow_responses"]).collect();
                reader.unknown(entry, &known, "`permissions`");
                continue;
            }
        };
        let what = format!("`{}`", entry.key);
        let fields = if let Value::Mapping(entries) = &entry.node.value {
            reader.fields(entries, &[RULES], &[], &what)
        } else {
            let allow = Entry { key: "allow".to_owned(), ..entry.clone() };
            reader.fields(std::slice::from_ref(&allow), &[RULES], &[], &what)
        };
        granted.allow = fields.json.contains_key("allow").then(|| texts(&fields, "allow"));
        granted.deny = texts(&fields, "deny");
    }
    grant
}

/// `true`, or how many and for how long.
fn responses(reader: &mut Reader, node: &Node) -> Option<Spanned<Responses>> {
    let said = if let Value::Mapping(entries) = &node.value {
        let fields = reader.fields(entries, &[RESPONSES], &[], "`allow_responses`");
        let of = |name: &str| fields.json.get(name).and_then(Json::as_i64);
        Responses { max: of("max"), expires: of("expires") }
    } else {
        reader.flag(node, "allow_responses").filter(|allowed| *allowed)?;
        Responses::default()
    };
    Some(Spanned::new(said, node.span))
}

fn one_access(reader: &mut Reader, entry: &Entry, old: &mut Option<Access>, new: Access) {
    if old.is_some() {
        let message = "a user has a `service`, a `role` or `system: true`, and one of them only";
        reader.error("F004", entry.key_span, message);
    }
    *old = Some(new);
}

/// Work below which a hash is guessed too soon, as the exponent that bcrypt has for it.
pub const BCRYPT_COST_MIN: u32 = 10;

/// The cost of a bcrypt hash, if a text is one.
pub fn bcrypt_cost(text: &str) -> Option<u32> {
    let rest = text.strip_prefix("$2")?.trim_start_matches(['a', 'b', 'x', 'y']);
    let (cost, _) = rest.strip_prefix('$')?.split_once('$')?;
    cost.parse().ok().filter(|_| text.len() == 60)
}

/// What is wrong with a hash of this cost.
pub fn weak_hash(cost: u32) -> String {
    format!("a bcrypt hash of cost {cost} is soon guessed by whoever has the file")
}

/// A reference to a secret. A secret itself is refused, and not repeated.
fn secret(reader: &mut Reader, node: &Node) -> Option<Secret> {
    if let Value::Scalar(scalar) = &node.value
        && !node.is_null()
    {
        // The name of a variable is none.
        if !scalar.text.starts_with('$') || scalar.text.starts_with("$2") {
            reader.secrets.push(node.span);
        }
        if let Some(cost) = bcrypt_cost(&scalar.text) {
            if cost < BCRYPT_COST_MIN {
                let found = Diagnostic::new("F010", Severity::Warning, node.span, weak_hash(cost));
                reader.push(found.fix("hash it with a cost of 11, as `nats server passwd` does"));
            }
            return Some(Secret::Bcrypt(scalar.text.clone()));
        }
        let variable = scalar.text.strip_prefix('$').map(|name| name.trim_matches(['{', '}']));
        let diagnostic = if let Some(name) = variable {
            let message = "variables are not expanded: this text would become the password";
            Diagnostic::new("F008", Severity::Error, node.span, message.into())
                .fix(format!("write `{{ env: {name} }}`"))
                .rewrite(format!("{{ env: {name} }}"))
        } else {
            let message = "a password is not written into the file";
            Diagnostic::new("F008", Severity::Error, node.span, message.into())
                .note("whoever reads the file or its history would have it")
                .fix("write `{ env: NAME }` or `{ file: PATH }`, or a bcrypt hash")
        };
        reader.push(diagnostic);
        return None;
    }
    let entries = reader.mapping(node, "a reference to a secret");
    match entries {
        [entry] if entry.key == "env" => reader.text(&entry.node, "env").map(Secret::Env),
        [entry] if entry.key == "file" => reader.text(&entry.node, "file").map(Secret::File),
        _ => {
            let message = "a reference to a secret is `{ env: NAME }` or `{ file: PATH }`";
            reader.error("F004", node.span, message);
            None
        }
    }
}

pub(super) fn server(reader: &mut Reader, node: &Node, settings: &mut ServerSettings) {
    let entries = reader.mapping(node, "`server`");
    let fields = reader.fields(entries, &[SERVER], &[], "`server`");
    settings.listen = address(reader, entries, "listen", 4222);
    settings.http = address(reader, entries, "http", 8222);
    let size = |json: Option<&Json>, path: &str| {
        let bytes = json.and_then(Json::as_i64).and_then(|bytes| u64::try_from(bytes).ok())?;
        Some(Spanned::new(bytes, fields.place(path)))
    };
    settings.max_payload = size(fields.json.get("max_payload"), "max_payload");
    let text = |json: &Json, path: &str, name: &str| {
        let text = json.get(name)?.as_str()?.to_owned();
        Some(Spanned::new(text, fields.place(&format!("{path}{name}"))))
    };
    let whole = Json::Object(fields.json.clone());
    settings.no_auth_user = text(&whole, "", "no_auth_user");
    if let Some(tls) = fields.json.get("tls") {
        let file = |name: &str| tls.get(name).and_then(Json::as_str).map(str::to_owned);
        let verify = tls.get("verify").and_then(Json::as_bool).unwrap_or_default();
        let tls = Tls {
            cert_file: file("cert_file"),
            key_file: file("key_file"),
            ca_file: file("ca_file"),
            verify,
        };
        settings.tls = Some(Spanned::new(tls, fields.place("tls")));
    }
    if let Some(token) = fields.json.get("token") {
        let of = |name: &str| token.get(name).and_then(Json::as_str).map(str::to_owned);
        let secret = of("env").map(Secret::Env).or_else(|| of("file").map(Secret::File));
        settings.token = secret.map(|secret| Spanned::new(secret, fields.place("token")));
    }
    let Some(jetstream) = fields.json.get("jetstream") else { return };
    settings.domain = text(jetstream, "jetstream.", "domain");
    settings.store_dir = jetstream
        .get("store_dir")
        .and_then(Json::as_str)
        .map(|text| Spanned::new(text.to_owned(), fields.place("jetstream.store_dir")));
    let limit = |name: &str| size(jetstream.get(name), &format!("jetstream.{name}"));
    settings.max_file_store = limit("max_file_store");
    settings.max_memory_store = limit("max_memory_store");
    bounds(jetstream, settings);
    let own = fields
        .places
        .iter()
        .filter_map(|(path, span)| Some((path.strip_prefix("jetstream.")?.to_owned(), *span)));
    settings.places = Places { name: node.span, fields: own.collect() };
}

/// The bounds that `jetstream` has for the account, and in `limits` for every account.
fn bounds(jetstream: &Json, settings: &mut ServerSettings) {
    let numbers = |json: &Json| {
        let mut bounds = Bounds::default();
        for (name, _) in bounds.numbers() {
            let number = json.get(name).and_then(Json::as_i64).filter(|number| *number > 0);
            if let Some(bound) = bounds.number_mut(name) {
                *bound = number;
            }
        }
        bounds
    };
    settings.account = numbers(jetstream);
    settings.account.max_bytes_required =
        jetstream.get("max_bytes_required") == Some(&Json::Bool(true));
    let limits = jetstream.get("limits").unwrap_or(&Json::Null);
    settings.limits = numbers(limits);
    settings.max_ha_assets = limits.get("max_ha_assets").and_then(Json::as_u64);
}

/// `host:port`, `:port`, or a port alone on loopback.
fn address(
    reader: &mut Reader,
    entries: &[Entry],
    key: &str,
    port: u16,
) -> Option<Spanned<SocketAddr>> {
    let entry = entries.iter().find(|entry| entry.key == key)?;
    let text = reader.text(&entry.node, key)?;
    let alone = text.parse::<u16>().ok().filter(|_| is_plain(&entry.node));
    let parsed = match alone {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port))),
        None => text.replace("localhost", "127.0.0.1").parse().ok(),
    };
    let Some(address) = parsed else {
        let message = format!("`{key}` is an address and a port, and this is `{text}`");
        let diagnostic = Diagnostic::new("F004", Severity::Error, entry.node.span, message);
        reader.push(diagnostic.fix(format!("write it as in `127.0.0.1:{port}`")));
        return None;
    };
    Some(Spanned::new(address, entry.node.span))
}
