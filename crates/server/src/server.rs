//! A running server, and how one is started.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use mio::Poll;
use thiserror::Error;
use watershed_engine::{AccountStore, CoreSettings, Engine, JetStreamSettings, Settings};
use watershed_wire::handshake::Info;
use watershed_wire::ident::unique_id;
use watershed_wire::jetstream::{API_LEVEL, NATS_VERSION};

use crate::auth::Authenticator;
use crate::clock::{Clock, entropy};
use crate::config::{Config, JetStreamConfig, PassageKind, Resolver, WebSocketConfig};
use crate::descriptors::connections_max;
use crate::door::{self, Door};
use crate::http::Http;
#[cfg(feature = "monitoring")]
use crate::http::Site;
use crate::inbound::Inbound;
use crate::leaf_nodes::LeafNodes;
use crate::monitor::Facts;
use crate::place::store_folder;
use crate::reload::{ReloadError, limit_accounts, map_subjects};
use crate::shard::{Command, Parts, Remote, Shard};
use crate::store::{Storage, Store, StoreError};
use crate::thread::spawn;
use crate::tls::{Acceptor, Handshakes, TlsError};
use crate::trust::{Gate, TrustError};
use crate::web::WebEntry;

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}")]
    Bind {
        /// Address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be opened. Nothing in it was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// TLS cannot be offered.
    #[error("cannot offer TLS")]
    Tls(#[from] TlsError),
    /// Accounts cannot be vouched for.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The system refused something that every server needs.
    #[error("cannot {what}")]
    System {
        /// What was refused.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    config: Config,
    #[cfg(feature = "monitoring")]
    site: Option<Site>,
}

impl Builder {
    /// Takes all settings at once.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Listens for clients here; port 0 for any free one.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listen = address;
        self
    }

    /// Keeps streams in this folder, within the limits of the configuration if there is one.
    pub fn store_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        let new = JetStreamConfig::new(folder);
        let store_dir = new.store_dir.clone();
        self.config.jetstream.get_or_insert(new).store_dir = store_dir;
        self
    }

    /// Answers monitoring requests here; port 0 for any free one.
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.config.http = Some(address);
        self
    }

    /// Answers with these pages, too, where monitoring answers; the function is told where clients connect. One of
    /// them is `/`; their paths are none of monitoring's. Nobody is asked who they are: that is theirs to do.
    #[cfg(feature = "monitoring")]
    pub fn site(
        mut self,
        site: impl Fn(SocketAddr) -> axum::Router + Send + Sync + 'static,
    ) -> Self {
        self.site = Some(Site::new(site));
        self
    }

    /// Starts the server. When this returns, clients can connect.
    pub fn start(self) -> Result<Server, StartError> {
        #[cfg(feature = "monitoring")]
        let site = self.site;
        let config = self.config;
        // Before anything that would have to be undone.
        let acceptor = config.tls.as_ref().map(Acceptor::load).transpose()?;
        let (listener, address) = listen(config.listen)?;
        let (web, websocket_url) = config.websocket.as_ref().map(web_entry).transpose()?.unzip();
        let system = |what| move |source| StartError::System { what, source };
        let [seed, id_low, id_high, key @ ..] = random()?;
        let poll = Poll::new().map_err(system("wait for sockets"))?;
        let (remote, commands) = Shard::remote(&poll).map_err(system("wake a thread"))?;
        let monitoring = config.http.map(bind).transpose()?;
        let info = info(&config, address, [id_low, id_high]);
        let settings = settings(&config, info.clone(), seed, key);
        let mut engine = Engine::new(settings);
        tell_accounts(&mut engine, &config);
        let authenticator =
            Authenticator::new(&config, &mut engine, &remote).map_err(system("start a thread"))?;
        let shakes = acceptor.is_some() || web.as_ref().is_some_and(WebEntry::is_secure);
        let handshakes = shakes.then(|| Handshakes::start(&remote)).transpose();
        let handshakes = handshakes.map_err(system("start a thread"))?;
        let clock = Clock::new();
        let gate = Gate::start(&config, &mut engine, &remote, clock.now().wall)?;
        let storage = storage(&config, &mut engine, clock, &remote)?;
        let mut facts = Facts::new(&config, info, clock.now().wall);
        if let Some(listener) = &monitoring {
            facts.http = listener.local_addr().ok();
        }
        #[cfg(feature = "monitoring")]
        let start = |listener, patience, remote| {
            Http::start(listener, patience, remote, site.map(|site| site.make(address)))
        };
        #[cfg(not(feature = "monitoring"))]
        let start = Http::start;
        let http = monitoring
            .map(|listener| start(listener, config.http_timeout, remote.clone()))
            .transpose()
            .map_err(system("answer monitoring requests"))?;
        let leaf_nodes = config.leaf_nodes.map(leaf_nodes).transpose()?;
        let config = Box::new(config);
        let parts = Parts {
            facts,
            poll,
            listener,
            engine,
            authenticator,
            gate,
            acceptor,
            handshakes,
            web,
            door: Door::new(connections_max(config.max_connections), config.connect_timeout),
            inbound: Inbound::new(config.max_half_received),
            commands,
            clock,
            storage,
            remote: remote.clone(),
            config,
        };
        let shard = Shard::new(parts).map_err(system("watch the listening socket"))?;
        let thread = spawn("watershed", move || shard.run()).map_err(system("start a thread"))?;
        Ok(Server { address, websocket_url, http, leaf_nodes, remote, thread: Some(thread) })
    }
}

/// Random numbers, which nobody can guess.
fn random() -> Result<[u64; 5], StartError> {
    let mut random = [0; 5];
    for word in &mut random {
        let what = "get random numbers";
        *word = entropy().map_err(|error| StartError::System { what, source: error.into() })?;
    }
    Ok(random)
}

/// Listens for clients, and where.
fn listen(address: SocketAddr) -> Result<(mio::net::TcpListener, SocketAddr), StartError> {
    let bind = |source| StartError::Bind { address, source };
    let listener = door::listen(address).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    Ok((listener, address))
}

/// Opens the store, if there is to be one.
fn storage(
    config: &Config,
    engine: &mut Engine,
    clock: Clock,
    remote: &Remote,
) -> Result<Option<Storage>, StartError> {
    let Some(jetstream) = &config.jetstream else { return Ok(None) };
    let store = Store::open(&store_folder(&jetstream.store_dir), engine, clock.now())?;
    let system = |source| StartError::System { what: "start a thread", source };
    Ok(Some(store.start(remote).map_err(system)?))
}

/// Tells whoever asks for leaf nodes that there are none.
fn leaf_nodes(address: SocketAddr) -> Result<LeafNodes, StartError> {
    let system = |source| StartError::System { what: "start a thread", source };
    LeafNodes::start(bind(address)?).map_err(system)
}

/// Listens for those who speak WebSocket.
fn web_entry(config: &WebSocketConfig) -> Result<(WebEntry, String), StartError> {
    let (listener, address) = listen(config.listen)?;
    let scheme = if config.tls.is_some() { "wss" } else { "ws" };
    Ok((WebEntry::new(config, listener, address.port())?, format!("{scheme}://{address}")))
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Bind { address, source })
}

fn info(config: &Config, address: SocketAddr, id: [u64; 2]) -> Info {
    let id = unique_id(id);
    Info {
        server_name: config.server_name.clone().unwrap_or_else(|| id.clone()),
        tags: config.server_tags.clone(),
        server_id: id,
        version: NATS_VERSION.into(),
        proto: 1,
        go: concat!("watershed ", env!("CARGO_PKG_VERSION")).into(),
        host: address.ip().to_string(),
        port: address.port(),
        headers: true,
        max_payload: config.max_payload,
        auth_required: config.needs_credentials(),
        tls_required: config.tls.as_ref().is_some_and(|tls| !tls.allow_non_tls),
        tls_available: config.tls.as_ref().is_some_and(|tls| tls.allow_non_tls),
        tls_verify: config.tls.as_ref().is_some_and(|tls| tls.verify),
        jetstream: config.jetstream.is_some(),
        domain: config.jetstream.as_ref().map(|own| own.domain.clone()).unwrap_or_default(),
        api_lvl: API_LEVEL,
        ..Info::default()
    }
}

fn settings(config: &Config, info: Info, seed: u64, key: [u64; 2]) -> Settings {
    Settings {
        core: CoreSettings {
            info,
            ping_interval: config.ping_interval,
            ping_max: config.ping_max,
            auth_timeout: config.auth_timeout,
            seed,
            key,
            most: config.most,
            system_account: config.system_account.clone(),
            keeps_claims: config
                .operator
                .as_ref()
                .is_some_and(|operator| operator.resolver != Resolver::Memory),
        },
        jetstream: config.jetstream.as_ref().map(|jetstream| JetStreamSettings {
            bounds: jetstream.bounds,
            ..JetStreamSettings::new(jetstream.max_file_store, jetstream.max_memory_store)
        }),
    }
}

/// Tells the engine what accounts may keep, and what passes between them.
fn tell_accounts(engine: &mut Engine, config: &Config) {
    limit_accounts(engine, config);
    for name in config.mappings.keys() {
        engine.account(name);
    }
    map_subjects(engine, config);
    // It keeps no streams, as on nats-server.
    let system = engine.account(&config.system_account);
    engine.limit_account(system, AccountStore { enabled: false, ..AccountStore::default() });
    for passage in &config.passages {
        let [from, to] = [&passage.from, &passage.to].map(|name| engine.account(name));
        let transform = passage.transform.clone();
        match passage.kind {
            PassageKind::Messages => engine.pass_messages(from, to, transform),
            PassageKind::Requests { many } => engine.pass_requests(from, to, transform, many),
        }
    }
}

/// A running server. Stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    websocket_url: Option<String>,
    http: Option<Http>,
    leaf_nodes: Option<LeafNodes>,
    remote: Remote,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Settings to start a server with.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Address that clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// URL that clients connect to by WebSocket, if they may.
    pub fn websocket_url(&self) -> Option<&str> {
        self.websocket_url.as_deref()
    }

    /// Address of the monitoring, if there is any.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(Http::address)
    }

    /// Address of the port for leaf nodes, at which everybody is refused, if there is one.
    pub fn leaf_nodes_addr(&self) -> Option<SocketAddr> {
        self.leaf_nodes.as_ref().map(LeafNodes::address)
    }

    /// URL that clients connect to.
    pub fn client_url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Takes over another configuration, or nothing of it. Users that are gone, or have another password or
    /// account, are closed; what others may do changes at once.
    pub fn reload(&self, config: Config) -> Result<(), ReloadError> {
        let (answer, answered) = channel();
        let answer = Box::new(move |outcome| drop(answer.send(outcome)));
        self.remote.send(Command::Reload(Box::new(config), answer));
        answered.recv().unwrap_or(Err(ReloadError::Stopped))
    }

    /// Takes no further connection, asks clients to go elsewhere, and closes those who stay, over the time that the
    /// configuration gives them. Returns at once; `over` is called once all are gone and the server stops.
    pub fn lame_duck(&self, over: impl FnOnce() + Send + 'static) {
        self.remote.send(Command::LameDuck(Box::new(over)));
    }

    /// Stops the server and waits until it has.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Before the loop that it asks.
        self.http.take();
        self.remote.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
