//! What a configuration says of the server itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use watershed_wire::conf::{Pair, Value};
use watershed_wire::jetstream::check::Bounds;
use watershed_wire::time::parse_go_duration;

use super::{Reader, find, map};
use watershed_topology::model::Tls;
use watershed_topology::source::Spanned;

/// Keys whose values are durations, wherever they stand.
const DURATIONS: &[&str] = &[
    "sync_interval",
    "sync",
    "ping_interval",
    "write_deadline",
    "lame_duck_duration",
    "lame_duck_grace_period",
    "duplicate_window",
];

impl Reader<'_> {
    pub(super) fn server(&mut self, pairs: &[Pair]) {
        for pair in pairs {
            match pair.key.to_lowercase().as_str() {
                "jetstream" => self.jetstream(pair),
                "max_payload" => {
                    self.importer.server.max_payload = self.size(&pair.item);
                }
                "listen" | "port" | "net" | "host" => self.listen(pair),
                "authorization" | "accounts" => {}
                "tls" => self.tls(pair),
                "http" | "http_port" | "monitor_port" => self.monitoring(pair),
                "no_auth_user" => {
                    self.importer.server.no_auth_user = self.texts(&pair.item);
                }
                "cluster" | "gateway" | "leafnodes" | "leaf" | "mqtt" | "websocket" | "ws" => {
                    let span = self.span(pair.place);
                    let message =
                        format!("`{}` is not taken over: topologies cannot say it", pair.key);
                    self.importer.notes.push((span, message));
                }
                _ => continue,
            }
            self.importer.recognized = true;
        }
        self.durations(pairs);
        self.names(pairs);
    }

    fn jetstream(&mut self, pair: &Pair) {
        let inner = map(&pair.item);
        let mut of =
            |names: &[&str]| find(inner, names).and_then(|pair| self.store_size(&pair.item));
        let file = of(&["max_file_store", "max_file", "store_max", "max_store"]);
        let memory = of(&["max_memory_store", "max_mem_store", "max_mem", "max_memory"]);
        let folder = find(inner, &["store_dir", "storedir"]);
        let folder = folder.and_then(|pair| self.texts(&pair.item));
        let domain = find(inner, &["domain"]).and_then(|pair| self.texts(&pair.item));
        self.importer.jetstream = Some(self.span(pair.place));
        let server = &mut self.importer.server;
        server.max_file_store = file;
        server.max_memory_store = memory;
        server.store_dir = folder;
        server.domain = domain;
        if let Some(limits) = find(inner, &["limits"]) {
            self.limits(map(&limits.item));
        }
        let on = !matches!(pair.item.value, Value::Flag(false));
        if on && find(inner, &["sync_interval", "sync"]).is_none() {
            let span = self.span(pair.place);
            self.importer.findings.unsynced(span);
        }
    }

    /// Certificates: the files that they are in.
    fn tls(&mut self, pair: &Pair) {
        let mut tls = Tls::default();
        for pair in map(&pair.item) {
            let file = self.texts(&pair.item).map(|file| file.value);
            match (pair.key.to_lowercase().as_str(), &pair.item.value) {
                ("cert_file", _) => tls.cert_file = file,
                ("key_file", _) => tls.key_file = file,
                ("ca_file", _) => tls.ca_file = file,
                ("verify", Value::Flag(flag)) => tls.verify = *flag,
                ("timeout", _) => {}
                _ => {
                    let span = self.span(pair.place);
                    let message = format!("`{}` of `tls` is not taken over", pair.key);
                    self.importer.incomplete = true;
                    self.importer.notes.push((span, message));
                }
            }
        }
        self.importer.server.tls = Some(Spanned::new(tls, self.span(pair.place)));
    }

    fn monitoring(&mut self, pair: &Pair) {
        self.importer.server.http = self.address(pair);
    }

    /// What the server allows every account.
    fn limits(&mut self, pairs: &[Pair]) {
        let mut bounds = Bounds::default();
        for pair in pairs {
            let number = match &pair.item.value {
                Value::Integer(number) => Some(*number).filter(|number| *number > 0),
                Value::Text { text, .. } => parse_go_duration(text),
                _ => None,
            };
            let key = pair.key.to_lowercase();
            match (key.as_str(), bounds.number_mut(&key)) {
                ("max_ha_assets", _) => {
                    self.importer.server.max_ha_assets =
                        number.and_then(|number| u64::try_from(number).ok());
                }
                ("max_ack_pending" | "max_request_batch" | "duplicate_window", Some(bound)) => {
                    *bound = number;
                }
                _ => continue,
            }
            let span = self.span(pair.item.place);
            self.importer.server.places.fields.insert(format!("limits.{key}"), span);
        }
        self.importer.server.limits = bounds;
    }

    fn listen(&mut self, pair: &Pair) {
        self.importer.listens = self.address(pair);
    }

    /// An address, or a port at every one.
    fn address(&self, pair: &Pair) -> Option<Spanned<SocketAddr>> {
        let anywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let address = match &pair.item.value {
            Value::Integer(port) => {
                u16::try_from(*port).ok().map(|port| SocketAddr::from((anywhere, port)))
            }
            Value::Text { text, .. } => {
                text.replace("localhost", "127.0.0.1").parse().ok().or_else(|| {
                    let port = text.strip_prefix(':').unwrap_or(text).parse().ok()?;
                    Some(SocketAddr::from((anywhere, port)))
                })
            }
            _ => None,
        };
        let span = self.span(pair.item.place);
        address.map(|address| Spanned::new(address, span))
    }

    /// Durations without quotes whose unit is a factor: `2m` is two million.
    fn durations(&mut self, pairs: &[Pair]) {
        for pair in pairs {
            let written = self.written(pair.item.place);
            if DURATIONS.iter().any(|key| pair.key.eq_ignore_ascii_case(key))
                && let Value::Integer(seconds) = pair.item.value
                && written.ends_with(|c: char| c.is_ascii_alphabetic())
            {
                let message = format!("`{written}` is the number {seconds} here, in seconds");
                let fix = format!("write it in quotes: \"{written}\"");
                let span = self.span(pair.item.place);
                self.importer.findings.no_duration(span, message).fix = Some(fix);
            }
            self.durations(map(&pair.item));
        }
    }

    fn names(&mut self, pairs: &[Pair]) {
        let name = find(pairs, &["server_name"]);
        let cluster = find(pairs, &["cluster"]);
        let inner = cluster.map(|pair| map(&pair.item)).unwrap_or_default();
        let cluster_name = find(inner, &["name", "cluster_name"]);
        for (what, pair) in [("server", name), ("cluster", cluster_name)] {
            let Some(pair) = pair else { continue };
            let text = self.texts(&pair.item).unwrap_or_default().value;
            if text.contains(char::is_whitespace) {
                let message = format!("white space in the name of a {what}: `{text}`");
                self.refused(pair.item.place, message);
            }
        }
        if let (Some(cluster), None, Some(_)) = (cluster, name, find(pairs, &["jetstream"])) {
            let message = "a server of a cluster that keeps streams has a `server_name`".to_owned();
            self.refused(cluster.place, message);
        }
    }
}
