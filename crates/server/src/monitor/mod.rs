//! What a server says of itself, with nats-server's names: to whoever asks over HTTP, and to users of the system account.

pub(crate) mod clients;
pub(crate) mod connz;
pub(crate) mod health;
mod uptime;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use watershed_engine::{
    About, AccountStatistics, Detail, Engine, Most, Question, Snapshot, Traffic, server,
};
use watershed_wire::handshake::Info;
use watershed_wire::time::UnixNanos;

use self::clients::ClientAsked;
use self::connz::{Options, SubsOptions};
use self::uptime::uptime;
use crate::config::{Config, JetStreamConfig, WebSocketConfig};

/// What does not change while a server runs.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) info: Info,
    pub(crate) start: UnixNanos,
    jetstream: Option<JetStreamConfig>,
    max_payload: usize,
    max_control_line: usize,
    most: Most,
    ping_interval: Duration,
    ping_max: u32,
    /// Where monitoring answers.
    pub(crate) http: Option<std::net::SocketAddr>,
    system_account: String,
    /// Those that may keep streams; `None` for all.
    accounts_with_streams: Option<Vec<String>>,
    max_connections: usize,
    auth_timeout: Duration,
    /// What `/varz` says of WebSocket.
    websocket: Json,
}

/// What is said: all of it, or what stands beside who says it.
enum Said {
    Whole(Json),
    Data(Json),
}

impl Facts {
    pub(crate) fn new(config: &Config, info: Info, start: UnixNanos) -> Self {
        Self {
            info,
            start,
            jetstream: config.jetstream.clone(),
            max_payload: config.max_payload,
            max_control_line: config.max_control_line,
            most: config.most,
            ping_interval: config.ping_interval,
            ping_max: config.ping_max,
            http: config.http,
            system_account: config.system_account.clone(),
            accounts_with_streams: (!config.accounts.is_empty()).then(|| {
                let keep = config.accounts.iter().filter(|(_, own)| own.enabled);
                keep.map(|(name, _)| name.clone()).collect()
            }),
            max_connections: config.max_connections,
            auth_timeout: config.auth_timeout,
            websocket: config.websocket.as_ref().map_or_else(|| json!({}), websocket),
        }
    }

    /// Takes over what a new configuration has changed.
    pub(crate) fn change(&mut self, config: &Config, info: Info) {
        let new = Self::new(config, info, self.start);
        *self = Self { http: self.http, jetstream: self.jetstream.clone(), ..new };
    }

    /// `/varz`.
    pub(crate) fn variables(&self, snapshot: &Snapshot, now: UnixNanos) -> Json {
        let info = &self.info;
        let Traffic { counts, slow_consumers } = snapshot.traffic;
        let mut json = json!({
            "server_id": info.server_id,
            "server_name": info.server_name,
            "version": info.version,
            "proto": info.proto,
            "go": info.go,
            "host": info.host,
            "port": info.port,
            "auth_required": info.auth_required,
            "ping_interval": nanos(self.ping_interval),
            "ping_max": self.ping_max,
            "http_host": self.http.map_or_else(String::new, |http| http.ip().to_string()),
            "http_port": self.http.map_or(0, |http| http.port()),
            "http_base_path": "",
            "https_port": 0,
            "auth_timeout": self.auth_timeout.as_secs_f64(),
            "max_connections": self.max_connections,
            "max_control_line": self.max_control_line,
            "max_payload": self.max_payload,
            "max_pending": self.most.pending_bytes,
            "system_account": self.system_account,
            "cluster": {}, "gateway": {}, "leaf": {}, "mqtt": {}, "websocket": self.websocket,
            "routes": 0, "remotes": 0, "leafnodes": 0,
            "start": self.start,
            "now": now,
            "uptime": uptime(now.0.saturating_sub(self.start.0) / 1_000_000_000),
            "mem": resident_bytes(),
            "cores": cores(),
            "connections": snapshot.connections,
            "total_connections": snapshot.total_connections,
            "subscriptions": snapshot.subscriptions,
            "in_msgs": counts.in_msgs,
            "out_msgs": counts.out_msgs,
            "in_bytes": counts.in_bytes,
            "out_bytes": counts.out_bytes,
            "slow_consumers": slow_consumers,
        });
        json["write_deadline"] = json!(nanos(self.most.write_deadline));
        if self.most.subscriptions != Most::default().subscriptions {
            json["max_subscriptions"] = json!(self.most.subscriptions);
        }
        if !info.tags.is_empty() {
            json["tags"] = json!(info.tags);
        }
        if let Some(jetstream) = self.usage(snapshot) {
            json["jetstream"] = jetstream;
        }
        json
    }

    /// `/jsz`.
    pub(crate) fn streams(&self, snapshot: Snapshot, now: UnixNanos) -> Json {
        let mut json = json!({"server_id": self.info.server_id, "now": now});
        let Json::Object(object) = &mut json else { return json };
        match snapshot.jetstream {
            None => {
                object.insert("disabled".into(), true.into());
            }
            Some(jetstream) => {
                object.insert("config".into(), self.jetstream_config());
                if let Ok(Json::Object(fields)) = serde_json::to_value(jetstream) {
                    object.extend(fields);
                }
            }
        }
        json
    }

    /// What a question of the system account is answered; `None` if other servers are meant.
    pub(crate) fn answer(
        &self,
        question: &Question,
        engine: &mut Engine,
        now: UnixNanos,
    ) -> Option<Json> {
        let asked: Asked = match read(&question.payload) {
            Ok(asked) => asked,
            Err(why) => return Some(self.refusal(&why, now)),
        };
        if !asked.is_meant(&self.info) {
            return None;
        }
        let data = match self.data(question, &asked, engine, now) {
            Ok(Said::Whole(json)) => return Some(json),
            Ok(Said::Data(data)) => data,
            Err(why) => return Some(self.refusal(&why, now)),
        };
        Some(json!({"server": self.server(now), "data": data}))
    }

    fn data(
        &self,
        question: &Question,
        asked: &Asked,
        engine: &mut Engine,
        now: UnixNanos,
    ) -> Result<Said, String> {
        let account = question.of.as_deref().map(String::from_utf8_lossy);
        let server = &self.info.server_id;
        let mut snapshot = || engine.snapshot(&asked.detail(question.about, account.as_deref()));
        Ok(Said::Data(match question.about {
            About::Id => {
                let Info { server_name, host, server_id, .. } = &self.info;
                let id = json!({"name": server_name, "host": host, "id": server_id});
                return Ok(Said::Whole(id));
            }
            About::Stats => {
                let stats = self.statistics(&snapshot());
                return Ok(Said::Whole(json!({"server": self.server(now), "statsz": stats})));
            }
            About::Variables => self.variables(&snapshot(), now),
            About::JetStream => self.streams(snapshot(), now),
            About::Health => health::answer(engine, &read(&question.payload)?),
            About::Accounts => match account {
                None => return Ok(self.accounts_asked(&asked.account, engine, now)),
                Some(name) => self.account(&name, &engine.account_statistics())?,
            },
            About::Connections => {
                let mut options: Options = read(&question.payload)?;
                if let Some(name) = account {
                    options.only(&name);
                }
                let which = options.which()?;
                let found = engine.connections(&which, options.is_detailed());
                connz::connz(&options, server, now, found)
            }
            About::Subscriptions => {
                let options = match account {
                    Some(name) => SubsOptions::of_account(&name),
                    None => read(&question.payload)?,
                };
                subscriptions(&options, server, now, engine)
            }
            About::AccountStatistics => {
                let all = engine.account_statistics();
                match account {
                    None => connz::accstatz(server, now, &all, asked.include_unused),
                    Some(name) => {
                        let own: Vec<_> = all.into_iter().filter(|own| own.name == name).collect();
                        connz::accstatz(server, now, &own, true)
                    }
                }
            }
            About::AccountConnections => {
                let all = engine.account_statistics();
                let name = account.unwrap_or_default();
                let own = all.iter().find(|own| own.name == name);
                let own = own.ok_or_else(|| format!("Account {name} does not exist"))?;
                let mut event = connz::account_statistics(own);
                event["type"] = "io.nats.server.advisory.v1.account_connections".into();
                event["timestamp"] = json!(now);
                event["server"] = self.server(now);
                return Ok(Said::Whole(event));
            }
            About::Kick | About::LameDuck => {
                let asked: ClientAsked = read(&question.payload)?;
                return Ok(self.carried_out(asked.carry_out(question.about, engine), now));
            }
            About::Routes => self.routes(now),
            About::Gateways => self.gateways(now),
            About::LeafNodes => self.leaf_nodes(now),
            // No group of servers agrees on anything here.
            About::Raft => json!({}),
            About::Claims(_) => return Err("there are no claims".to_owned()),
        }))
    }

    /// What is answered where something was to be done.
    fn carried_out(&self, done: Result<(), &str>, now: UnixNanos) -> Said {
        let mut said = json!({"server": self.server(now)});
        if let Err(why) = done {
            said["error"] = json!({"code": 500, "description": why});
        }
        Said::Whole(said)
    }

    /// `ACCOUNTZ`, which may name one of them.
    fn accounts_asked(&self, named: &str, engine: &Engine, now: UnixNanos) -> Said {
        let all = engine.account_statistics();
        let mut data = self.accounts(&all, now);
        if named.is_empty() {
            return Said::Data(data);
        }
        match self.account(named, &all) {
            Ok(account) => {
                if let Some(data) = data.as_object_mut() {
                    data.remove("accounts");
                }
                data["account_detail"] = account;
                Said::Data(data)
            }
            Err(why) => Said::Whole(json!({
                "server": self.server(now), "error": {"code": 500, "description": why},
            })),
        }
    }

    /// `/accountz`.
    pub(crate) fn accounts(&self, accounts: &[AccountStatistics], now: UnixNanos) -> Json {
        json!({
            "server_id": self.info.server_id,
            "now": now,
            "system_account": self.system_account,
            "accounts": accounts.iter().map(|own| &own.name).collect::<Vec<_>>(),
        })
    }

    /// `/accountz` of one account.
    pub(crate) fn account(
        &self,
        name: &str,
        accounts: &[AccountStatistics],
    ) -> Result<Json, String> {
        let found = accounts.iter().find(|own| own.name == name);
        let own = found.ok_or_else(|| format!("Account {name} does not exist"))?;
        let enabled = self.accounts_with_streams.as_ref();
        let keeps = enabled.is_none_or(|some| some.iter().any(|own| own == name));
        Ok(json!({
            "account_name": own.name,
            "name_tag": own.name,
            "update_time": self.start,
            "is_system": own.name == self.system_account,
            "expired": false,
            "complete": true,
            "jetstream_enabled":
                self.jetstream.is_some() && keeps && own.name != self.system_account,
            "leafnode_connections": 0,
            "client_connections": own.connections,
            "subscriptions": own.subscriptions,
        }))
    }

    /// Name of the system account.
    #[cfg(feature = "monitoring")]
    pub(crate) fn system_account(&self) -> &str {
        &self.system_account
    }

    /// `/routez`: this server is alone.
    pub(crate) fn routes(&self, now: UnixNanos) -> Json {
        let Info { server_id, server_name, .. } = &self.info;
        json!({
            "server_id": server_id, "server_name": server_name, "now": now,
            "num_routes": 0, "routes": [],
        })
    }

    /// `/gatewayz`: this server is alone.
    pub(crate) fn gateways(&self, now: UnixNanos) -> Json {
        json!({
            "server_id": self.info.server_id, "now": now,
            "outbound_gateways": {}, "inbound_gateways": {},
        })
    }

    /// `/leafz`: nobody may be a leaf node of this server.
    pub(crate) fn leaf_nodes(&self, now: UnixNanos) -> Json {
        json!({"server_id": self.info.server_id, "now": now, "leafnodes": 0, "leafs": []})
    }

    /// What a question is answered that cannot be read.
    fn refusal(&self, why: &str, now: UnixNanos) -> Json {
        json!({"server": self.server(now), "error": {"code": 400, "description": why}})
    }

    /// An answer beside who says it.
    pub(crate) fn beside(&self, mut answer: Json, now: UnixNanos) -> Json {
        answer["server"] = self.server(now);
        answer
    }

    fn server(&self, now: UnixNanos) -> Json {
        server(&self.info, now)
    }

    fn statistics(&self, snapshot: &Snapshot) -> Json {
        let Traffic { counts, slow_consumers } = snapshot.traffic;
        let mut json = json!({
            "start": self.start,
            "mem": resident_bytes(),
            "cores": cores(),
            "cpu": 0,
            "connections": snapshot.connections,
            "total_connections": snapshot.total_connections,
            "active_accounts": snapshot.accounts.len(),
            "subscriptions": snapshot.subscriptions,
            "sent": counts.sent(),
            "received": counts.received(),
            "slow_consumers": slow_consumers,
            "active_servers": 1,
        });
        if let Some(jetstream) = self.usage(snapshot) {
            json["jetstream"] = jetstream;
        }
        json
    }

    /// How JetStream is configured, and what it holds.
    fn usage(&self, snapshot: &Snapshot) -> Option<Json> {
        let jetstream = snapshot.jetstream.as_ref()?;
        Some(json!({
            "config": self.jetstream_config(),
            "stats": {
                "memory": jetstream.memory,
                "storage": jetstream.storage,
                "reserved_memory": jetstream.reserved_memory,
                "reserved_storage": jetstream.reserved_storage,
                "accounts": jetstream.accounts,
                "ha_assets": jetstream.ha_assets,
                "api": jetstream.api,
            },
        }))
    }

    fn jetstream_config(&self) -> Json {
        let Some(jetstream) = &self.jetstream else { return Json::Null };
        let mut config = json!({
            "max_memory": jetstream.max_memory_store,
            "max_storage": jetstream.max_file_store,
            "store_dir": jetstream.store_dir.display().to_string(),
            "sync_always": true,
            "strict": true,
        });
        if !jetstream.domain.is_empty() {
            config["domain"] = jetstream.domain.as_str().into();
        }
        config
    }
}

/// How WebSocket is configured.
fn websocket(config: &WebSocketConfig) -> Json {
    let nanos = u64::try_from(config.handshake_timeout.as_nanos()).unwrap_or(u64::MAX);
    json!({
        "host": config.listen.ip().to_string(),
        "port": config.listen.port(),
        "handshake_timeout": nanos,
        "same_origin": config.same_origin,
        "allowed_origins": config.allowed_origins,
        "compression": false,
        "no_tls": config.tls.is_none(),
        "no_auth_user": config.no_auth_user,
    })
}

/// Which servers are to answer a question, and in how much detail.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    server_name: String,
    cluster: String,
    host: String,
    tags: Vec<String>,
    /// Whether names are whole ones.
    exact_match: bool,
    account: String,
    accounts: bool,
    streams: bool,
    consumers: bool,
    /// The same in a question about JetStream; in one about health, whose.
    consumer: Json,
    config: bool,
    include_unused: bool,
}

/// Reads what stands in a question; without a body it asks for nothing in particular.
fn read<T: Default + for<'a> Deserialize<'a>>(payload: &[u8]) -> Result<T, String> {
    if payload.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}

/// `/subsz`.
pub(crate) fn subscriptions(
    options: &SubsOptions,
    server: &str,
    now: UnixNanos,
    engine: &Engine,
) -> Json {
    let account = Some(options.account.as_str()).filter(|name| !name.is_empty());
    let test = Some(options.test.as_str()).filter(|subject| !subject.is_empty());
    let (offset, limit) = options.page();
    let found = engine.subscriptions(account, test, offset, limit);
    let all = test.map_or(found.0, |_| engine.subscriptions(account, None, 0, 0).0);
    connz::subsz(options, server, now, all, found)
}

impl Asked {
    /// Whether a server is one of those that are to answer. This one is in no cluster.
    fn is_meant(&self, info: &Info) -> bool {
        let fits = |wanted: &str, own: &str| {
            wanted.is_empty() || if self.exact_match { own == wanted } else { own.contains(wanted) }
        };
        fits(&self.server_name, &info.server_name)
            && fits(&self.host, &info.host)
            && self.cluster.is_empty()
            && self.tags.iter().all(|tag| info.tags.contains(&tag.to_lowercase()))
    }

    /// What has to be looked at.
    fn detail(&self, about: About, of: Option<&str>) -> Detail {
        if about != About::JetStream {
            return Detail::default();
        }
        let consumers = self.consumers || self.consumer == true;
        let streams = self.streams || consumers;
        let named = of.map(str::to_owned);
        let account = named.or_else(|| (!self.account.is_empty()).then(|| self.account.clone()));
        Detail {
            accounts: streams || self.accounts || account.is_some(),
            streams,
            consumers,
            config: self.config,
            account,
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory that the process holds, where the system says so.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.map_or(0, |kib| kib * 1024)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
