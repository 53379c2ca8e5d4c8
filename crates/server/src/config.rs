//! What a server is told at its start.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use watershed_engine::{AccountStore, Mapping, Most, SYSTEM_ACCOUNT};
use watershed_wire::jetstream::check::Bounds;
use watershed_wire::limits::{CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX};
use watershed_wire::subject::transform::Transform;

use crate::auth::{Credential, User};

/// The name of the account that nobody names, as nats-server has it.
pub(crate) const DEFAULT_ACCOUNT: &str = "$G";

/// Where streams are kept and how much they may take.
#[derive(Debug, Clone)]
pub struct JetStreamConfig {
    /// Folder of the store; made if it isn't there. One process at a time uses it.
    pub store_dir: PathBuf,
    /// Bytes on disk that streams may set aside.
    pub max_file_store: u64,
    /// Bytes in memory that streams may set aside.
    pub max_memory_store: u64,
    /// Bounds of every account's streams and consumers.
    pub bounds: Bounds,
    /// Domain that it is; empty for none. One token of a subject.
    pub domain: String,
}

impl JetStreamConfig {
    /// A store in `folder`, bounded only by what the machine has.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        const UNBOUNDED: u64 = 1 << 50;
        Self {
            store_dir: folder.into(),
            max_file_store: UNBOUNDED,
            max_memory_store: UNBOUNDED,
            bounds: Bounds::default(),
            domain: String::new(),
        }
    }
}

/// What passes from one account to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Account in which it is published.
    pub from: String,
    /// Account in which it arrives.
    pub to: String,
    /// Subjects in the one, and what they become in the other.
    pub transform: Transform,
    /// What it is.
    pub kind: PassageKind,
}

/// What passes from one account to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassageKind {
    /// Messages.
    Messages,
    /// Requests; replies come back.
    Requests {
        /// Whether a request may have more than one reply.
        many: bool,
    },
}

/// Who begins with TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HandshakeFirst {
    /// The server, with `INFO` in clear, as NATS always did it.
    #[default]
    Never,
    /// The client, with the handshake: nothing is ever said in clear.
    Always,
    /// The client if it does so within this time; else it is one of those that wait for `INFO`.
    Within(Duration),
}

impl HandshakeFirst {
    /// What `auto` means.
    pub const AUTO: Self = Self::Within(Duration::from_millis(50));
}

/// A SHA-256.
pub type Digest = Vec<u8>;

/// TLS for clients.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// The server's certificate and those behind it, in PEM.
    pub cert_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
    /// Certificates of who vouches for clients, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub verify: bool,
    /// Whether a client is the user that its certificate names, whatever else it says.
    pub map: bool,
    /// SHA-256 of the public keys that clients may have, each as it stands in their certificate; empty for any.
    pub pinned_certs: BTreeSet<Digest>,
    /// Cipher suites that are offered, by their names in the TLS registry; empty for all.
    pub cipher_suites: Vec<String>,
    /// Curves that are offered, by nats-server's names for them; empty for all.
    pub curve_preferences: Vec<String>,
    /// Time for the handshake.
    pub timeout: Duration,
    /// Who begins.
    pub handshake_first: HandshakeFirst,
    /// Whether a client may do without TLS.
    pub allow_non_tls: bool,
    /// Whether TLS 1.2 is refused.
    pub only_tls13: bool,
}

impl TlsConfig {
    /// TLS with this certificate and key.
    pub fn new(cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        Self {
            cert_file: cert_file.into(),
            key_file: key_file.into(),
            ca_file: None,
            verify: false,
            map: false,
            pinned_certs: BTreeSet::new(),
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            timeout: Duration::from_secs(2),
            handshake_first: HandshakeFirst::default(),
            allow_non_tls: false,
            only_tls13: false,
        }
    }
}

/// WebSocket for clients.
#[derive(Debug, Clone)]
pub struct WebSocketConfig {
    /// Address; port 0 for any free one.
    pub listen: SocketAddr,
    /// TLS, if there is any.
    pub tls: Option<TlsConfig>,
    /// Whether pages may only come from the host that they connect to.
    pub same_origin: bool,
    /// Where pages may come from, as `https://example.org:8443`; empty for everywhere.
    pub allowed_origins: Vec<String>,
    /// Time for the request that becomes a connection.
    pub handshake_timeout: Duration,
    /// Cookies that hold credentials.
    pub cookies: WebSocketCookies,
    /// The user that a connection without any credential is; as for others without.
    pub no_auth_user: Option<String>,
}

/// Names of cookies that hold what a client leaves out of its `CONNECT`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebSocketCookies {
    /// The JWT of a user.
    pub jwt: Option<String>,
    /// A user's name.
    pub user: Option<String>,
    /// Their password.
    pub password: Option<String>,
    /// The token.
    pub token: Option<String>,
}

impl WebSocketConfig {
    /// WebSocket without TLS, at this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            same_origin: false,
            allowed_origins: Vec::new(),
            handshake_timeout: Duration::from_secs(2),
            cookies: WebSocketCookies::default(),
            no_auth_user: None,
        }
    }
}

/// Who vouches for accounts, and where their JWTs are.
#[derive(Clone, PartialEq, Eq)]
pub struct OperatorConfig {
    /// JWTs of the operators that are trusted.
    pub operators: Vec<String>,
    /// Where the JWTs of accounts are.
    pub resolver: Resolver,
    /// JWTs of accounts by public key, which are there from the start.
    pub preload: BTreeMap<String, String>,
}

/// Shows no JWT.
impl std::fmt::Debug for OperatorConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatorConfig").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

/// Where the JWTs of accounts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// In the configuration.
    Memory,
    /// In a folder, which users of the system account change.
    Full {
        /// The folder.
        folder: PathBuf,
        /// Whether accounts may be deleted.
        allow_delete: bool,
        /// Whether what is deleted is gone, and not only put aside.
        hard_delete: bool,
        /// Most accounts, if there is a limit.
        limit: Option<usize>,
    },
}

/// What a server is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address for clients; port 0 for any free one.
    pub listen: SocketAddr,
    /// TLS for clients, if there is any.
    pub tls: Option<TlsConfig>,
    /// WebSocket for clients, if there is any.
    pub websocket: Option<WebSocketConfig>,
    /// Address for monitoring; none without.
    pub http: Option<SocketAddr>,
    /// Time in which a monitoring request must have been sent, and in which the next one of the same
    /// connection must come.
    pub http_timeout: Duration,
    /// Name that clients are told; its id if there is none.
    pub server_name: Option<String>,
    /// What the server is tagged with, as monitoring shows it and the system account asks by it.
    pub server_tags: Vec<String>,
    /// Who may connect. Empty: everybody.
    pub users: Vec<User>,
    /// What everybody may show instead of being a user: their connections live in the account `$G`, and may
    /// do everything there.
    pub token: Option<Credential>,
    /// Operator mode, where there are no users but those for whom JWTs vouch.
    pub operator: Option<OperatorConfig>,
    /// Account whose users may ask about the server, by `$SYS.REQ.SERVER.PING` and the like. It keeps no streams.
    pub system_account: String,
    /// The user that a connection without any credential is, as in nats.conf. A credential that is
    /// shown must be right all the same. Without it, and with [`Config::users`] set, everybody
    /// needs a credential.
    pub no_auth_user: Option<String>,
    /// Account of everybody who does not name one of [`Config::users`], whatever credential they
    /// show: a server that is open, and has users of its own beside. With no users this is `$G`
    /// unless set.
    pub open_account: Option<String>,
    /// What each account may keep. One that is not here may keep what there is room for, unless
    /// others are here.
    pub accounts: BTreeMap<String, AccountStore>,
    /// What passes between accounts.
    pub passages: Vec<Passage>,
    /// Subjects of accounts that become others when a client publishes to them.
    pub mappings: BTreeMap<String, Vec<Mapping>>,
    /// Streams, if there are any: JetStream is off without.
    pub jetstream: Option<JetStreamConfig>,
    /// Longest message in bytes.
    pub max_payload: usize,
    /// Longest control line in bytes; that of `CONNECT` may have 16 KiB.
    pub max_control_line: usize,
    /// What one connection may take.
    pub most: Most,
    /// Bytes of memory for what all connections together have half sent. Beyond, the largest of those
    /// who send nothing more are closed.
    pub max_half_received: usize,
    /// Connections at once; fewer where the process may not open as many files.
    pub max_connections: usize,
    /// Where a port for leaf nodes is open, at which everybody is told that there are none; no such port
    /// without.
    pub leaf_nodes: Option<SocketAddr>,
    /// Time in which a server that is told to end gently has closed all connections.
    pub lame_duck_duration: Duration,
    /// Of that, time in which it closes none.
    pub lame_duck_grace: Duration,
    /// Time between pings.
    pub ping_interval: Duration,
    /// Pings that may go unanswered.
    pub ping_max: u32,
    /// Time in which a client must show its credential. With TLS it counts from the end of the
    /// handshake.
    pub auth_timeout: Duration,
    /// Time in which any client must have sent its first operation. Where a credential is needed,
    /// [`Config::auth_timeout`] counts if it is shorter.
    pub connect_timeout: Duration,
}

impl Config {
    /// Whether no credentials are configured, so that anybody may connect.
    pub fn is_open(&self) -> bool {
        self.users.is_empty() && self.token.is_none() && self.operator.is_none()
    }

    /// Whether everybody needs a credential.
    pub(crate) fn needs_credentials(&self) -> bool {
        !self.is_open() && self.no_auth_user.is_none() && self.open_account.is_none()
    }

    /// Whether anybody is known by a key.
    pub(crate) fn has_keys(&self) -> bool {
        self.users.iter().any(|user| matches!(user.credential, Credential::Nkey(_)))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            tls: None,
            websocket: None,
            http: None,
            // As nats-server.
            http_timeout: Duration::from_secs(5),
            server_name: None,
            server_tags: Vec::new(),
            users: Vec::new(),
            token: None,
            operator: None,
            system_account: SYSTEM_ACCOUNT.to_owned(),
            no_auth_user: None,
            open_account: None,
            accounts: BTreeMap::new(),
            passages: Vec::new(),
            mappings: BTreeMap::new(),
            jetstream: None,
            max_payload: PAYLOAD_BYTES_MAX,
            max_control_line: CONTROL_LINE_BYTES_MAX,
            most: Most::default(),
            max_half_received: 128 * 1024 * 1024,
            max_connections: 65_536,
            leaf_nodes: None,
            lame_duck_duration: Duration::from_mins(2),
            lame_duck_grace: Duration::from_secs(10),
            ping_interval: Duration::from_mins(2),
            ping_max: 2,
            auth_timeout: Duration::from_secs(2),
            // Clients send CONNECT within milliseconds. People who type it take longer.
            connect_timeout: Duration::from_secs(30),
        }
    }
}
