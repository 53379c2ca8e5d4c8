//! A server's configuration from a `nats.conf`. A key that is not known here is refused by name: to
//! ignore one would be to run another server than the one that was asked for.

mod bounds;
mod mappings;
mod operator;
mod refused;
mod sharing;
mod tls;
mod users;
mod websocket;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use watershed_engine::{AccountStore, Most};
use watershed_wire::conf::{ConfError, Item, Pair, Value, parse};
use watershed_wire::time::parse_go_duration;

use self::sharing::Sharing;
use crate::config::{Config, DEFAULT_ACCOUNT, JetStreamConfig};

/// Files that include each other.
const INCLUDE_DEPTH_MAX: usize = 8;

/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// File.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What stands there is not right.
    #[error("{path}", path = path.display())]
    Wrong {
        /// File.
        path: PathBuf,
        /// Where, and why.
        source: ConfError,
    },
}

/// What a file says of things that are not the server's own business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Whether to log more.
    pub debug: bool,
    /// Whether the file says which address to listen on.
    pub host_is_said: bool,
    /// File to write the process's number to.
    pub pid_file: Option<PathBuf>,
    /// Whether clients may do without TLS, if there is any.
    pub allow_non_tls: bool,
    /// File to write the log to.
    pub log_file: Option<PathBuf>,
    /// Whether lines of the log begin with the time.
    pub log_time: Option<bool>,
    /// Folder for the file that says the ports.
    pub ports_file_dir: Option<PathBuf>,
    /// What is valid and cannot be meant, each with its line.
    pub warnings: Vec<String>,
}

/// Reads a configuration. `variable` looks up what the file itself does not set.
pub fn read_config(
    path: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(Config, Process), ConfigError> {
    let mut reader = Reader {
        variable,
        config: Config::default(),
        process: Process::default(),
        host: None,
        port: None,
        http_port: None,
        no_auth_user: None,
        trust: operator::Trust::default(),
        system_account: None,
        web_guest_line: 0,
        referred: BTreeSet::new(),
    };
    let pairs = load(path, 0)?;
    let wrong = |source| ConfigError::Wrong { path: path.to_owned(), source };
    reader.top(&pairs).map_err(wrong)?;
    reader.finish().map_err(wrong)
}

/// The entries of a file, with those of the files that it includes in their place.
fn load(path: &Path, depth: usize) -> Result<Vec<Pair>, ConfigError> {
    let read = |source| ConfigError::Read { path: path.to_owned(), source };
    let wrong = |source| ConfigError::Wrong { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(read)?.len() > FILE_BYTES_MAX {
        return Err(wrong(ConfError {
            line: 1,
            what: "this is too long to be a configuration".into(),
        }));
    }
    let text = std::fs::read_to_string(path).map_err(read)?;
    let mut all = Vec::new();
    for pair in parse(&text).map_err(wrong)? {
        if pair.key != "include" {
            all.push(pair);
            continue;
        }
        let Value::Text { text: inner, .. } = &pair.item.value else {
            return Err(wrong(error(&pair, "`include` names a file")));
        };
        if depth == INCLUDE_DEPTH_MAX {
            return Err(wrong(error(&pair, "these files include each other")));
        }
        let inner = path.parent().unwrap_or(Path::new(".")).join(inner);
        all.extend(load(&inner, depth + 1)?);
    }
    Ok(all)
}

/// A JetStream domain: subjects of its API have it as a token.
fn domain(pair: &Pair) -> Read<String> {
    let domain = text(pair)?;
    let is_token = |byte: u8| !matches!(byte, b'.' | b'*' | b'>') && !byte.is_ascii_whitespace();
    if domain.bytes().all(is_token) {
        return Ok(domain);
    }
    let what =
        format!("invalid `domain` `{domain}`: it is one token of a subject, without wildcards");
    Err(error(pair, what))
}

fn error(pair: &Pair, what: impl Into<String>) -> ConfError {
    ConfError { line: pair.place.line, what: what.into() }
}

type Read<T> = Result<T, ConfError>;

struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    config: Config,
    process: Process,
    host: Option<IpAddr>,
    port: Option<u16>,
    http_port: Option<u16>,
    no_auth_user: Option<(String, usize)>,
    system_account: Option<String>,
    /// Line of `no_auth_user` in `websocket`.
    web_guest_line: usize,
    trust: operator::Trust,
    /// Names that variables have.
    referred: BTreeSet<String>,
}

impl Reader<'_> {
    fn top(&mut self, pairs: &[Pair]) -> Read<()> {
        add_referred(pairs, &mut self.referred);
        for pair in &self.resolved(pairs)? {
            match pair.key.as_str() {
                "listen" => {
                    let (host, port) = address(pair)?;
                    (self.host, self.port) = (host.or(self.host), Some(port));
                }
                "host" | "net" => self.host = Some(parsed(pair, "an address")?),
                "port" => self.port = Some(port(pair)?),
                "http" => {
                    let (host, port) = address(pair)?;
                    let host = host.unwrap_or(IpAddr::from([0, 0, 0, 0]));
                    self.config.http = Some(SocketAddr::new(host, port));
                }
                "http_port" | "monitor_port" => self.http_port = Some(port(pair)?),
                "server_name" => self.config.server_name = Some(text(pair)?),
                "server_tags" => self.config.server_tags = tags(pair)?,
                "max_payload" => self.config.max_payload = number(pair)?,
                "max_connections" | "max_conn" => self.config.max_connections = number(pair)?,
                "max_control_line" => self.config.max_control_line = control_line(pair)?,
                "max_pending" => self.config.most.pending_bytes = number(pair)?,
                "max_subscriptions" | "max_subs" => {
                    self.config.most.subscriptions =
                        unless_zero(pair, Most::default().subscriptions)?;
                }
                "max_sub_tokens" | "max_subscription_tokens" => {
                    self.config.most.tokens = unless_zero(pair, Most::default().tokens)?;
                }
                "write_deadline" => self.config.most.write_deadline = duration(pair)?,
                "ping_interval" => self.config.ping_interval = duration(pair)?,
                "ping_max" => self.config.ping_max = number(pair)?,
                "jetstream" => self.jetstream(pair)?,
                "authorization" => self.authorization(pair)?,
                "tls" => self.config.tls = Some(tls::tls(pair)?),
                "websocket" | "ws" => self.websocket(pair)?,
                "allow_non_tls" => self.process.allow_non_tls = flag(pair)?,
                "accounts" => self.accounts(pair)?,
                "mappings" | "maps" => self.mappings(DEFAULT_ACCOUNT, pair)?,
                "system_account" | "system" => self.system_account = Some(text(pair)?),
                "operator" | "operators" | "root" | "roots" | "root_operator"
                | "root_operators" => self.operator(pair)?,
                "resolver" | "account_resolver" | "accounts_resolver" => self.resolver(pair)?,
                "resolver_preload" => self.resolver_preload(pair)?,
                "no_auth_user" => {
                    self.no_auth_user = Some((text(pair)?, pair.place.line));
                }
                "debug" | "trace" | "trace_verbose" => self.process.debug |= flag(pair)?,
                "logtime" => self.process.log_time = Some(flag(pair)?),
                "logfile" | "log_file" => self.process.log_file = Some(text(pair)?.into()),
                "ports_file_dir" => self.process.ports_file_dir = Some(text(pair)?.into()),
                "lame_duck_duration" => self.config.lame_duck_duration = lame_duck(pair)?,
                "lame_duck_grace_period" => self.config.lame_duck_grace = duration(pair)?,
                "leafnodes" | "leaf" => self.leaf_nodes(pair)?,
                "pid_file" | "pidfile" => self.process.pid_file = Some(text(pair)?.into()),
                // Where this server is for others of a cluster, which it is never in, and how often it says that
                // it can't reach one.
                "client_advertise" => drop(text(pair)?),
                "connect_error_reports" | "reconnect_error_reports" => drop(number::<u64>(pair)?),
                // Of messages that are traced in the log: none are.
                "max_traced_msg_len" => drop(number::<u64>(pair)?),
                // Only its own users see the system account: without any, it is off already.
                "no_system_account" | "no_system" | "no_sys_acc" => drop(flag(pair)?),
                _ => self.not_a_setting(pair)?,
            }
        }
        Ok(())
    }

    /// Accepts a key that some variable refers to. Any other one is refused.
    fn not_a_setting(&self, pair: &Pair) -> Read<()> {
        if self.referred.contains(&pair.key) { Ok(()) } else { Err(refused::refusal(pair)) }
    }

    /// A port is opened at which everybody is refused. To be one elsewhere is not possible.
    fn leaf_nodes(&mut self, pair: &Pair) -> Read<()> {
        let (mut host, mut own) = (None, None);
        for pair in map(pair)? {
            match pair.key.as_str() {
                "listen" => {
                    let (said, number) = address(pair)?;
                    (host, own) = (said.or(host), Some(number));
                }
                "host" | "net" => host = Some(parsed(pair, "an address")?),
                "port" => own = Some(port(pair)?),
                _ => self.not_a_setting(pair)?,
            }
        }
        let host = host.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        self.config.leaf_nodes = own.map(|port| SocketAddr::new(host, port));
        Ok(())
    }

    /// The same entries with variables replaced: by what was set before, else from outside.
    fn resolved(&self, pairs: &[Pair]) -> Read<Vec<Pair>> {
        let mut done: Vec<Pair> = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let item = self.resolve(&pair.item, &done)?;
            done.push(Pair { item, ..pair.clone() });
        }
        Ok(done)
    }

    fn resolve(&self, item: &Item, before: &[Pair]) -> Read<Item> {
        let value = match &item.value {
            Value::Variable(name) => match before.iter().rev().find(|pair| pair.key == *name) {
                Some(pair) => pair.item.value.clone(),
                None => self.look_up(name, item)?,
            },
            Value::List(items) => {
                let items = items.iter().map(|item| self.resolve(item, before));
                Value::List(items.collect::<Read<_>>()?)
            }
            Value::Map(pairs) => {
                let mut scope = before.to_vec();
                let mut done = Vec::with_capacity(pairs.len());
                for pair in pairs {
                    let item = self.resolve(&pair.item, &scope)?;
                    let pair = Pair { item, ..pair.clone() };
                    scope.push(pair.clone());
                    done.push(pair);
                }
                Value::Map(done)
            }
            other => other.clone(),
        };
        Ok(Item { value, place: item.place })
    }

    fn look_up(&self, name: &str, item: &Item) -> Read<Value> {
        let Some(text) = (self.variable)(name) else {
            let what = format!("the variable `{name}` is set neither here nor in the environment");
            return Err(ConfError { line: item.place.line, what });
        };
        // As nats-server does: what looks like a number is one.
        let parsed = parse(&format!("value: {text}")).ok();
        let value = parsed.and_then(|mut pairs| pairs.pop()).map(|pair| pair.item.value);
        Ok(value
            .filter(|value| matches!(value, Value::Integer(_) | Value::Flag(_)))
            .unwrap_or(Value::Text { text, quoted: true }))
    }

    fn jetstream(&mut self, pair: &Pair) -> Read<()> {
        let mut jetstream = JetStreamConfig::new(std::env::temp_dir().join("nats/jetstream"));
        let pairs = match &pair.item.value {
            Value::Map(pairs) => pairs.as_slice(),
            _ if enabled(pair)? => &[],
            _ => return Ok(()),
        };
        for pair in pairs {
            match pair.key.as_str() {
                "store_dir" | "storedir" => jetstream.store_dir = text(pair)?.into(),
                "max_memory_store" | "max_mem_store" | "max_mem" => {
                    jetstream.max_memory_store = room(pair, jetstream.max_memory_store)?;
                }
                "max_file_store" | "max_file" => {
                    jetstream.max_file_store = room(pair, jetstream.max_file_store)?;
                }
                "enabled" | "enable" if !flag(pair)? => return Ok(()),
                "enabled" | "enable" => {}
                // Requests with fields that are not known are refused, as by default there.
                "strict" if flag(pair)? => {}
                "limits" => jetstream.bounds = bounds::server_bounds(pair)?,
                "domain" => jetstream.domain = domain(pair)?,
                "sync" | "sync_interval" => self.sync_interval(pair)?,
                _ => self.not_a_setting(pair)?,
            }
        }
        self.config.jetstream = Some(jetstream);
        Ok(())
    }

    /// Whatever it says, nothing is acknowledged before it is synced.
    fn sync_interval(&mut self, pair: &Pair) -> Read<()> {
        if text(pair).as_deref() == Ok("always") {
            return Ok(());
        }
        duration(pair)?;
        self.process.warnings.push(format!(
            "line {}: `{}` is taken as `always`: a publish is synced before it is acknowledged, unless its stream \
             has `persist_mode: async`",
            pair.place.line, pair.key
        ));
        Ok(())
    }

    fn mappings(&mut self, account: &str, pair: &Pair) -> Read<()> {
        self.config.mappings.insert(account.to_owned(), mappings::mappings(pair)?);
        Ok(())
    }

    fn accounts(&mut self, pair: &Pair) -> Read<()> {
        let mut sharing = Sharing::default();
        for account in map(pair)? {
            sharing.account(&account.key);
            let mut store = AccountStore { enabled: false, ..AccountStore::default() };
            let mut defaults = users::Defaults::behind(&self.config.users);
            for pair in map(account)? {
                match pair.key.as_str() {
                    "users" => self.users(pair, &account.key)?,
                    users::DEFAULT_PERMISSIONS => defaults.read(pair)?,
                    "jetstream" => store = bounds::account_store(pair)?,
                    "exports" => sharing.exports(&account.key, pair)?,
                    "imports" => sharing.imports(&account.key, pair)?,
                    "mappings" | "maps" => self.mappings(&account.key, pair)?,
                    _ => self.not_a_setting(pair)?,
                }
            }
            defaults.apply(&mut self.config.users);
            self.config.accounts.insert(account.key.clone(), store);
        }
        self.config.passages = sharing.passages()?;
        Ok(())
    }

    fn finish(mut self) -> Read<(Config, Process)> {
        self.process.host_is_said = self.host.is_some();
        let host = self.host.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        self.config.listen = SocketAddr::new(host, self.port.unwrap_or(4222));
        if let Some(port) = self.http_port {
            self.config.http = Some(SocketAddr::new(host, port));
        }
        if let Some(tls) = &mut self.config.tls {
            tls.allow_non_tls = self.process.allow_non_tls;
        }
        let system_said = self.system_account.is_some();
        if let Some(name) = self.system_account.take() {
            self.config.system_account = name;
        }
        self.finish_trust(system_said)?;
        let of_web = self.config.websocket.as_ref().and_then(|web| web.no_auth_user.clone());
        let of_web = of_web.map(|name| (name, self.web_guest_line));
        for (name, line) in self.no_auth_user.iter().chain(&of_web) {
            if !self.config.users.iter().any(|user| user.name == *name) {
                let what = format!("`no_auth_user` names `{name}`, and there is no such user");
                return Err(ConfError { line: *line, what });
            }
        }
        self.config.no_auth_user = self.no_auth_user.map(|(name, _)| name);
        Ok((self.config, self.process))
    }
}

/// Tags, in small letters, each of them once: as nats-server keeps them.
fn tags(pair: &Pair) -> Read<Vec<String>> {
    let mut tags = Vec::new();
    for tag in texts(pair, "a list of tags")? {
        let tag = tag.trim().to_lowercase();
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// `host:port`, `:port` or a port.
fn address(pair: &Pair) -> Read<(Option<IpAddr>, u16)> {
    if let Value::Integer(_) = pair.item.value {
        return Ok((None, port(pair)?));
    }
    let text = text(pair)?.replace("localhost", "127.0.0.1");
    // -1 is any port that is free.
    let text = text.strip_suffix(":-1").map_or(text.clone(), |host| format!("{host}:0"));
    if let Some(port) = text.strip_prefix(':') {
        return port.parse().map(|port| (None, port)).map_err(|_| wrong(pair, "a port"));
    }
    let address: SocketAddr = text.parse().map_err(|_| wrong(pair, "an address and a port"))?;
    Ok((Some(address.ip()), address.port()))
}

/// Adds the names that entries refer to.
fn add_referred(pairs: &[Pair], names: &mut BTreeSet<String>) {
    fn inside(item: &Item, names: &mut BTreeSet<String>) {
        match &item.value {
            Value::Variable(own) => drop(names.insert(own.clone())),
            Value::List(items) => items.iter().for_each(|item| inside(item, names)),
            Value::Map(pairs) => add_referred(pairs, names),
            _ => {}
        }
    }
    for pair in pairs {
        inside(&pair.item, names);
    }
}

fn unknown(pair: &Pair) -> ConfError {
    error(pair, format!("`{}` is not known to this server", pair.key))
}

fn wrong(pair: &Pair, wanted: &str) -> ConfError {
    error(pair, format!("`{}` is {wanted}, and this is {}", pair.key, pair.item.value.kind()))
}

fn map(pair: &Pair) -> Read<&[Pair]> {
    match &pair.item.value {
        Value::Map(pairs) => Ok(pairs),
        _ => Err(wrong(pair, "a block")),
    }
}

fn text(pair: &Pair) -> Read<String> {
    match &pair.item.value {
        Value::Text { text, .. } => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        _ => Err(wrong(pair, "text")),
    }
}

/// A list of texts, or one of them.
fn texts(pair: &Pair, wanted: &str) -> Read<Vec<String>> {
    let items = match &pair.item.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&pair.item),
    };
    let text = |item: &Item| match &item.value {
        Value::Text { text, .. } => Ok(text.clone()),
        _ => Err(wrong(pair, wanted)),
    };
    items.iter().map(text).collect()
}

fn parsed<T: std::str::FromStr>(pair: &Pair, wanted: &str) -> Read<T> {
    let text = text(pair)?.replace("localhost", "127.0.0.1");
    text.parse()
        .map_err(|_| error(pair, format!("`{}` is {wanted}, and this is `{text}`", pair.key)))
}

fn number<T: TryFrom<i64>>(pair: &Pair) -> Read<T> {
    let Value::Integer(number) = pair.item.value else { return Err(wrong(pair, "a whole number")) };
    T::try_from(number)
        .map_err(|_| error(pair, format!("{number} is too much or too little for `{}`", pair.key)))
}

/// A limit; 0 for none, which is what there is without the key.
fn unless_zero(pair: &Pair, unsaid: usize) -> Read<usize> {
    Ok(Some(number(pair)?).filter(|limit| *limit > 0).unwrap_or(unsaid))
}

/// Longest control line. A subject must fit into a record of the store.
fn control_line(pair: &Pair) -> Read<usize> {
    const MOST: usize = 32 * 1024;
    let bytes = number(pair)?;
    if (1..=MOST).contains(&bytes) {
        return Ok(bytes);
    }
    Err(error(pair, format!("`{}` is at most {MOST} bytes for this server", pair.key)))
}

/// Bytes that streams may set aside; -1 is as much as without the key.
fn room(pair: &Pair, unsaid: u64) -> Read<u64> {
    if pair.item.value == Value::Integer(-1) { Ok(unsaid) } else { number(pair) }
}

/// A port; -1 is any that is free.
fn port(pair: &Pair) -> Read<u16> {
    match pair.item.value {
        Value::Integer(-1) => Ok(0),
        _ => number(pair),
    }
}

/// Shorter ones leave clients no time, nats-server says.
fn lame_duck(pair: &Pair) -> Read<Duration> {
    let duration = duration(pair)?;
    if duration < Duration::from_secs(30) {
        return Err(error(pair, "`lame_duck_duration` is at least 30 seconds"));
    }
    Ok(duration)
}

fn flag(pair: &Pair) -> Read<bool> {
    match pair.item.value {
        Value::Flag(flag) => Ok(flag),
        _ => Err(wrong(pair, "true or false")),
    }
}

fn enabled(pair: &Pair) -> Read<bool> {
    match &pair.item.value {
        Value::Flag(flag) => Ok(*flag),
        Value::Text { text, .. } if matches!(text.as_str(), "enabled" | "enable") => Ok(true),
        Value::Text { text, .. } if matches!(text.as_str(), "disabled" | "disable") => Ok(false),
        _ => Err(wrong(pair, "`enabled`, `disabled` or a block")),
    }
}

/// `2m`, or seconds.
fn duration(pair: &Pair) -> Read<Duration> {
    let text = match &pair.item.value {
        Value::Integer(_) => return number(pair).map(Duration::from_secs),
        Value::Float(seconds) => {
            return Duration::try_from_secs_f64(*seconds).map_err(|_| wrong(pair, "a duration"));
        }
        _ => text(pair)?,
    };
    let nanos = parse_go_duration(&text).and_then(|nanos| u64::try_from(nanos).ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| wrong(pair, "a duration such as `2m`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a configuration becomes, or what is wrong with it.
    fn read(text: &str) -> Result<(Config, Process), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nats.conf");
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.path().join("more.conf"), "server_name: included\n").unwrap();
        let variable = |name: &str| (name == "SECRET").then(|| "hush".to_owned());
        read_config(&path, &variable).map_err(|error| match error {
            ConfigError::Wrong { source, .. } => source.to_string(),
            ConfigError::Read { .. } => error.to_string(),
        })
    }

    #[test]
    fn a_configuration_with_accounts() {
        let (config, process) = read(
            r#"
            include ./more.conf
            listen: 127.0.0.1:4333
            http_port: 8333
            debug: true
            max_payload: 2MB
            server_tags: ["Az:One", "two ", "az:one", ""]
            JS_DIR: "/tmp/js"
            jetstream { store_dir: $JS_DIR, max_file: 10G, max_mem: 1Gb, sync_interval: always }
            accounts {
              A {
                jetstream { max_file: 1G }
                users = [ { user: a, password: $SECRET, permissions { publish: ["a.>", b], subscribe { deny: c } } } ]
              }
              B { users: [ { user: b, password: "$SECRET" } ], jetstream: enabled }
            }
            no_auth_user: b
            "#,
        )
        .unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:4333");
        assert_eq!(config.http.unwrap().to_string(), "127.0.0.1:8333");
        assert_eq!(config.server_name.as_deref(), Some("included"));
        assert_eq!((config.max_payload, process.debug), (2 << 20, true));
        assert_eq!(config.server_tags, ["az:one", "two"]);
        let jetstream = config.jetstream.unwrap();
        assert_eq!(jetstream.store_dir, Path::new("/tmp/js"));
        assert_eq!(
            (jetstream.max_file_store, jetstream.max_memory_store),
            (10_000_000_000, 1 << 30)
        );
        let [a, b] = config.users.as_slice() else { panic!() };
        // In quotes a variable is its own name.
        assert!(a.credential.accepts("hush") && b.credential.accepts("$SECRET"));
        assert_eq!(
            process.warnings,
            [
                "line 15: in quotes, `password` is the text `$SECRET` and not the variable: write $SECRET without quotes"
            ]
        );
        let permissions = a.permissions.as_ref().unwrap();
        assert_eq!(permissions.publish.allow.as_ref().unwrap().len(), 2);
        assert_eq!(permissions.subscribe.deny.len(), 1);
        assert_eq!(config.no_auth_user.as_deref(), Some("b"));
        assert_eq!(config.accounts["A"].max_file, Some(1_000_000_000));
    }

    /// The pattern of nats-server's own documentation.
    #[test]
    fn blocks_may_be_referred_to_where_they_are() {
        let (config, _) = read(
            r#"
            client_advertise: "example.net:4222"
            jetstream { strict: true }
            authorization {
              READER = { publish: [], subscribe: ["a.>"] }
              WRITER = { publish: ["a.>"] }
              users = [
                { user: r, password: x, permissions: $READER }
                { user: w, password: x, permissions: $WRITER }
              ]
            }
            "#,
        )
        .unwrap();
        let [reader, writer] = config.users.as_slice() else { panic!() };
        let allowed = |user: &crate::User| {
            let publish = &user.permissions.as_ref().unwrap().publish;
            publish.allow.as_ref().unwrap().len()
        };
        assert_eq!((allowed(reader), allowed(writer)), (0, 1));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, expected) in [
            ("jetstream { cipher: aes }", "line 1: `cipher` is not supported by this server"),
            ("a: 1", "line 1: `a` is not known to this server"),
            ("port: x", "line 1: `port` is a whole number, and this is text"),
            ("port: 70000", "line 1: 70000 is too much or too little for `port`"),
            (
                "\njetstream { domain: x.y }",
                "line 2: invalid `domain` `x.y`: it is one token of a subject, without wildcards",
            ),
            ("jetstream { strict: false }", "line 1: `strict` is not supported by this server"),
            ("authorization { P = { } }", "line 1: `P` is not known to this server"),
            ("cluster { }", "line 1: `cluster` is not supported by this server"),
            ("leafnodes { remotes: [] }", "line 1: `remotes` is not supported by this server"),
            ("lame_duck_duration: 1s", "line 1: `lame_duck_duration` is at least 30 seconds"),
            ("authorization { user: a }", "line 1: a user has a password, and a password a user"),
            (
                "server_name: $NONE",
                "line 1: the variable `NONE` is set neither here nor in the environment",
            ),
            (
                "jetstream { max_file_store: -2 }",
                "line 1: -2 is too much or too little for `max_file_store`",
            ),
            ("listen: nowhere", "line 1: `listen` is an address and a port, and this is text"),
        ] {
            assert_eq!(read(text).map(|_| ()), Err(expected.to_owned()), "{text}");
        }
    }
}
