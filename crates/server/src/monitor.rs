//! What a server says of itself, with nats-server's names: to whoever asks over HTTP, and to users of the system account.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use watershed_engine::{About, Damaged, Detail, Snapshot};
use watershed_wire::handshake::Info;
use watershed_wire::time::UnixNanos;

use crate::config::{Config, JetStreamConfig};

/// What does not change while a server runs.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) info: Info,
    pub(crate) start: UnixNanos,
    jetstream: Option<JetStreamConfig>,
    max_payload: usize,
    ping_interval: Duration,
    ping_max: u32,
    /// Where monitoring answers.
    pub(crate) http: Option<std::net::SocketAddr>,
    system_account: String,
}

impl Facts {
    pub(crate) fn new(config: &Config, info: Info, start: UnixNanos) -> Self {
        Self {
            info,
            start,
            jetstream: config.jetstream.clone(),
            max_payload: config.max_payload,
            ping_interval: config.ping_interval,
            ping_max: config.ping_max,
            http: config.http,
            system_account: config.system_account.clone(),
        }
    }

    /// `/varz`.
    pub(crate) fn variables(&self, snapshot: &Snapshot, now: UnixNanos) -> Json {
        let info = &self.info;
        let traffic = snapshot.traffic;
        let mut json = json!({
            "server_id": info.server_id,
            "server_name": info.server_name,
            "version": info.version,
            "proto": info.proto,
            "go": info.go,
            "host": info.host,
            "port": info.port,
            "auth_required": info.auth_required,
            "ping_interval": u64::try_from(self.ping_interval.as_nanos()).unwrap_or(u64::MAX),
            "ping_max": self.ping_max,
            "http_host": self.http.map_or_else(String::new, |http| http.ip().to_string()),
            "http_port": self.http.map_or(0, |http| http.port()),
            "max_payload": self.max_payload,
            "start": self.start,
            "now": now,
            "uptime": uptime(now.0.saturating_sub(self.start.0) / 1_000_000_000),
            "mem": resident_bytes(),
            "cores": cores(),
            "connections": snapshot.connections,
            "total_connections": snapshot.total_connections,
            "subscriptions": snapshot.subscriptions,
            "in_msgs": traffic.in_msgs,
            "out_msgs": traffic.out_msgs,
            "in_bytes": traffic.in_bytes,
            "out_bytes": traffic.out_bytes,
            "slow_consumers": traffic.slow_consumers,
        });
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
        about: About,
        asked: &Asked,
        snapshot: Snapshot,
        now: UnixNanos,
    ) -> Option<Json> {
        if !asked.is_meant(&self.info) {
            return None;
        }
        let data = match about {
            About::Id => {
                let Info { server_name, host, server_id, .. } = &self.info;
                return Some(json!({"name": server_name, "host": host, "id": server_id}));
            }
            About::Stats => {
                let stats = self.statistics(&snapshot);
                return Some(json!({"server": self.server(now), "statsz": stats}));
            }
            About::Variables => self.variables(&snapshot, now),
            About::JetStream => self.streams(snapshot, now),
            About::Health => match trouble(&snapshot) {
                None => json!({"status": "ok", "status_code": 200}),
                Some(error) => {
                    json!({"status": "unavailable", "status_code": 503, "error": error})
                }
            },
            About::Accounts => json!({
                "server_id": self.info.server_id,
                "now": now,
                "system_account": self.system_account,
                "accounts": snapshot.accounts,
            }),
        };
        Some(json!({"server": self.server(now), "data": data}))
    }

    /// What a question is answered that cannot be read.
    pub(crate) fn refusal(&self, why: &serde_json::Error, now: UnixNanos) -> Json {
        json!({"server": self.server(now), "error": {"code": 400, "description": why.to_string()}})
    }

    fn server(&self, now: UnixNanos) -> Json {
        let info = &self.info;
        json!({
            "name": info.server_name, "host": info.host, "id": info.server_id,
            "ver": info.version, "jetstream": info.jetstream, "time": now,
        })
    }

    fn statistics(&self, snapshot: &Snapshot) -> Json {
        let traffic = snapshot.traffic;
        let both = |messages: u64, bytes: u64| json!({"msgs": messages, "bytes": bytes});
        let (sent, received) =
            (both(traffic.out_msgs, traffic.out_bytes), both(traffic.in_msgs, traffic.in_bytes));
        let mut json = json!({
            "start": self.start,
            "mem": resident_bytes(),
            "cores": cores(),
            "cpu": 0,
            "connections": snapshot.connections,
            "total_connections": snapshot.total_connections,
            "active_accounts": snapshot.accounts.len(),
            "subscriptions": snapshot.subscriptions,
            "sent": sent,
            "received": received,
            "slow_consumers": traffic.slow_consumers,
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
        json!({
            "max_memory": jetstream.max_memory_store,
            "max_storage": jetstream.max_file_store,
            "store_dir": jetstream.store_dir.display().to_string(),
            "sync_always": true,
        })
    }
}

/// What is wrong with a server, for people.
pub(crate) fn trouble(snapshot: &Snapshot) -> Option<String> {
    match (snapshot.trouble, snapshot.damaged.as_slice()) {
        (Some(trouble), _) => Some(format!("JetStream is not available: {trouble}")),
        (None, []) => None,
        (None, [first, more @ ..]) => {
            let Damaged { account, stream, sequence } = first;
            let mut text =
                format!("message {sequence} of stream {stream} (account {account}) is damaged");
            if !more.is_empty() {
                let _ = write!(text, ", and {} more", more.len());
            }
            Some(text)
        }
    }
}

/// Which servers are to answer a question, and in how much detail.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    server_name: String,
    cluster: String,
    host: String,
    tags: Vec<String>,
    account: String,
    accounts: bool,
    streams: bool,
    #[serde(alias = "consumer")]
    consumers: bool,
    config: bool,
}

impl Asked {
    /// Reads what stands in a question.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, serde_json::Error> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(payload)
    }

    /// Whether a server is one of those that are to answer. This one is in no cluster and has no tags.
    fn is_meant(&self, info: &Info) -> bool {
        let fits = |wanted: &str, own: &str| wanted.is_empty() || own.contains(wanted);
        fits(&self.server_name, &info.server_name)
            && fits(&self.host, &info.host)
            && self.cluster.is_empty()
            && self.tags.is_empty()
    }

    /// What has to be looked at.
    pub(crate) fn detail(&self, about: About) -> Detail {
        if about != About::JetStream {
            return Detail::default();
        }
        let streams = self.streams || self.consumers;
        let account = (!self.account.is_empty()).then(|| self.account.clone());
        Detail {
            accounts: streams || self.accounts || account.is_some(),
            streams,
            consumers: self.consumers,
            config: self.config,
            account,
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Seconds as nats-server writes them: `1d2h3m4s`.
fn uptime(seconds: i64) -> String {
    let parts = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let mut rest = seconds;
    let mut text = String::new();
    for (length, unit) in parts {
        if rest >= length || !text.is_empty() {
            let _ = write!(text, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    format!("{text}{rest}s")
}

/// Memory that the process holds, where the system says so.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::uptime;

    #[test]
    fn uptimes_are_short() {
        assert_eq!((uptime(5), uptime(65)), ("5s".into(), "1m5s".into()));
        assert_eq!(uptime(90_061), "1d1h1m1s");
    }
}
