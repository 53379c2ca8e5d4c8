//! `watershed serve`: the server alone, with nats-server's flags.

mod files;
mod log;
mod refused;
mod signal;

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use watershed_page::Settings;
use watershed_server::{
    Config, ConnectionTypes, Credential, JetStreamConfig, Process, Server, TlsConfig, User,
    raise_descriptor_limit, read_config,
};
use watershed_wire::jetstream::NATS_VERSION;

use self::files::Files;
use self::log::Log;
use self::refused::Refused;
use super::site;
use crate::exit::Exit;
use crate::private;
use crate::ui;

/// Port for clients, unless somebody says otherwise.
const PORT: u16 = 4222;

/// Run the server alone, with nats-server's flags.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed serve -p 4222")]
pub(crate) struct Arguments {
    /// Configuration file, in nats.conf's grammar. Flags override it.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and exit.
    #[arg(short = 't', long, requires = "config")]
    test: bool,
    /// Address to listen on; loopback unless users are configured.
    #[arg(short, long, visible_alias = "net", value_name = "HOST")]
    addr: Option<IpAddr>,
    /// Client port, -1 for any free one [default: the file's, else 4222].
    #[arg(short, long, allow_negative_numbers = true)]
    port: Option<i32>,
    /// Monitoring port [default: none].
    #[arg(short = 'm', long = "http_port", value_name = "PORT", allow_negative_numbers = true)]
    http_port: Option<i32>,
    /// Write the PID to this file.
    #[arg(short = 'P', long = "pid", value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Enable JetStream.
    #[arg(long, visible_alias = "js")]
    jetstream: bool,
    /// Storage directory; implies --jetstream [default with --jetstream: ./.watershed/serve].
    #[arg(long = "store_dir", visible_alias = "sd", value_name = "DIR")]
    store_dir: Option<PathBuf>,
    /// User name required for connections.
    #[arg(long, requires = "pass")]
    user: Option<String>,
    /// Password of that user. Visible to other users of this machine; prefer a configuration file.
    #[arg(long, requires = "user", env = "WATERSHED_PASS", hide_env_values = true)]
    pass: Option<String>,
    /// Token required for connections. Visible to other users of this machine; prefer a configuration file.
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with_all = ["user", "pass"],
        env = "WATERSHED_AUTH",
        hide_env_values = true
    )]
    auth: Option<String>,
    #[command(flatten)]
    tls: Tls,
    /// Write the addresses in use to a file in this folder.
    #[arg(long = "ports_file_dir", value_name = "DIR")]
    ports_file_dir: Option<PathBuf>,
    /// Log more details.
    #[arg(short = 'D', long)]
    debug: bool,
    /// The same as --debug; single operations are not logged.
    #[arg(short = 'V', long, action = clap::ArgAction::Count)]
    trace: u8,
    /// Server name [default: the file's, else a random one].
    #[arg(short = 'n', long = "server_name", visible_alias = "name", value_name = "NAME")]
    server_name: Option<String>,
    /// Write the log to this file. SIGUSR1 opens it again.
    #[arg(short = 'l', long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Begin lines of the log with the time [default: true].
    #[arg(short = 'T', long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    logtime: Option<bool>,
    /// Tell a running server: ldm, stop, quit, term, reopen, reload; PID is a number or a file.
    #[arg(long, visible_alias = "sl", value_name = "SIGNAL[=PID]")]
    signal: Option<String>,
    /// Address for other servers of a cluster, which there are none of. No effect.
    #[arg(long = "client_advertise", value_name = "ADDRESS", hide = true)]
    client_advertise: Option<String>,
    /// Print the version of nats-server whose behaviour this server has.
    #[arg(short = 'v', long)]
    version: bool,
    #[command(flatten)]
    refused: Refused,
    /// Bind and accept as nats-server does.
    #[arg(long, hide = true)]
    as_nats_server: bool,
}

/// TLS for clients.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "nats-server's flags have these names")]
struct Tls {
    /// Require TLS; needs --tlscert and --tlskey.
    #[arg(long, requires_all = ["tlscert", "tlskey"])]
    tls: bool,
    /// The server's certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tlskey")]
    tlscert: Option<PathBuf>,
    /// Private key of that certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tlscert")]
    tlskey: Option<PathBuf>,
    /// Require certificates of clients; needs --tlscacert.
    #[arg(long, requires = "tlscacert")]
    tlsverify: bool,
    /// Certificates of the authorities that sign clients' certificates, PEM.
    #[arg(long, value_name = "FILE", requires = "tlscert")]
    tlscacert: Option<PathBuf>,
}

impl Tls {
    /// What the flags say, on top of what the file says.
    fn apply(&self, config: &mut Config, process: &Process) {
        let (Some(cert), Some(key)) = (&self.tlscert, &self.tlskey) else { return };
        let file = config.tls.take();
        let mut tls = file.unwrap_or_else(|| TlsConfig::new(cert, key));
        (tls.cert_file, tls.key_file) = (cert.clone(), key.clone());
        tls.ca_file = self.tlscacert.clone().or(tls.ca_file);
        tls.verify |= self.tlsverify;
        tls.allow_non_tls = process.allow_non_tls;
        config.tls = Some(tls);
    }
}

/// The form with two dashes of a long flag that was typed with one, as Go's flags are.
pub(crate) fn long_form(argument: &OsStr) -> Option<OsString> {
    let text = argument.to_str()?;
    let name = text.strip_prefix('-').filter(|name| !name.starts_with('-'))?;
    let flag = name.split('=').next().unwrap_or_default();
    let command = Arguments::augment_args(clap::Command::new("serve"));
    let is_long = |own: &clap::Arg| {
        let mut names = own.get_all_aliases().unwrap_or_default().into_iter().chain(own.get_long());
        names.any(|name| name == flag)
    };
    // Clap adds the one that is asked for help by itself.
    let known = flag == "help" || command.get_arguments().any(is_long);
    known.then(|| format!("--{name}").into())
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.version {
        ui::out(&format!("nats-server: v{NATS_VERSION}"));
        return Ok(Exit::Clean);
    }
    if let Some(text) = &arguments.signal {
        signal::send(text)?;
        return Ok(Exit::Clean);
    }
    arguments.refused.check()?;
    let (config, process) = settings(arguments)?;
    if arguments.test {
        for warning in &process.warnings {
            ui::say(&format!("warning: {warning}"));
        }
        ui::say("the configuration is valid");
        return Ok(Exit::Clean);
    }
    let (path, with_time) = lines(arguments, &process);
    let log =
        Log::start(path, debug(arguments, &process), with_time).context("cannot write the log")?;
    for warning in &process.warnings {
        tracing::warn!("{warning}");
    }
    if config.users.is_empty() && !config.listen.ip().is_loopback() {
        let host = config.listen.ip();
        tracing::warn!("anybody who reaches {host} may connect without a password");
    }
    // Before anything that would have to be undone: a signal must find somebody who listens.
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])
        .context("cannot listen for signals")?;
    if let Some(jetstream) = &config.jetstream {
        let folder = &jetstream.store_dir;
        private::create(folder)
            .with_context(|| format!("cannot create the data directory {}", folder.display()))?;
    }
    if let Err(error) = raise_descriptor_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    tell_start(arguments, &config);
    let secure = config.tls.is_some();
    let page = site::is_possible(&config);
    let builder = site::add(Server::builder(), &config, Settings::default());
    let server = builder.config(config).start()?;
    let ports = arguments.ports_file_dir.as_ref().or(process.ports_file_dir.as_ref());
    let pid = arguments.pid_file.as_ref().or(process.pid_file.as_ref());
    let files = Files::write(ports.map(PathBuf::as_path), pid.map(PathBuf::as_path), &server)?;
    tracing::info!("Listening for client connections on {}", server.local_addr());
    if secure {
        tracing::info!("TLS required for client connections");
    }
    if let Some(address) = server.http_addr() {
        tracing::info!("Starting http monitor on {address}");
        if page {
            tracing::info!("Live page: http://{address}/");
        }
    }
    if let Some(url) = server.websocket_url() {
        tracing::info!("Listening for websocket clients on {url}");
    }
    if let Some(address) = server.leaf_nodes_addr() {
        tracing::info!("Listening for leafnode connections on {address}");
        tracing::warn!("leaf nodes are not supported: whoever connects there is refused");
    }
    tracing::info!("Server is ready");
    obey(arguments, signals, &server, &log);
    tracing::info!("Initiating Shutdown...");
    server.stop();
    drop(files);
    tracing::info!("Server Exiting..");
    Ok(Exit::Clean)
}

/// Says what starts, in the words that harnesses look for.
fn tell_start(arguments: &Arguments, config: &Config) {
    tracing::info!("Starting nats-server");
    tracing::info!("  Version:  {NATS_VERSION} (watershed {})", env!("CARGO_PKG_VERSION"));
    if let Some(name) = &config.server_name {
        tracing::info!("  Name:     {name}");
    }
    if let Some(path) = &arguments.config {
        tracing::info!("Using configuration file: {}", path.display());
    }
    if let Some(jetstream) = &config.jetstream {
        tracing::info!("Starting JetStream");
        tracing::info!("---------------- JETSTREAM ----------------");
        tracing::info!("  Store Directory: \"{}\"", jetstream.store_dir.display());
        tracing::info!("-------------------------------------------");
    }
}

/// Does what signals ask for, until one of them ends the server.
fn obey(arguments: &Arguments, mut signals: Signals, server: &Server, log: &Log) {
    for signal in signals.forever() {
        match signal {
            SIGHUP => match reload(arguments, server, log) {
                Ok(()) => tracing::info!("Reloaded server configuration"),
                Err(error) => {
                    tracing::error!("Failed to reload server configuration: {error:#}");
                }
            },
            SIGUSR1 => match log.reopen() {
                Ok(()) => tracing::info!("File log re-opened"),
                Err(error) => tracing::error!("cannot open the log again: {error}"),
            },
            SIGUSR2 => {
                tracing::info!("Entering lame duck mode, stop accepting new clients");
                server.lame_duck(|| {
                    // As if somebody had asked for it: the files go, and what is accepted is kept.
                    let _ = signal_hook::low_level::raise(SIGTERM);
                });
            }
            _ => return,
        }
    }
}

/// Reads the configuration again. All of it is taken over, or nothing.
fn reload(arguments: &Arguments, server: &Server, log: &Log) -> anyhow::Result<()> {
    let (config, process) = settings(arguments)?;
    if lines(arguments, &process) != (log.path(), log.has_time()) {
        anyhow::bail!("`log_file`, `logtime` cannot change without a restart");
    }
    for warning in &process.warnings {
        tracing::warn!("{warning}");
    }
    server.reload(config)?;
    log.set_debug(debug(arguments, &process));
    Ok(())
}

/// Where the log goes, and whether its lines begin with the time.
fn lines<'a>(arguments: &'a Arguments, process: &'a Process) -> (Option<&'a Path>, bool) {
    let path = arguments.log.as_ref().or(process.log_file.as_ref());
    let with_time = arguments.logtime.or(process.log_time).unwrap_or(true);
    (path.map(PathBuf::as_path), with_time)
}

fn debug(arguments: &Arguments, process: &Process) -> bool {
    arguments.debug || arguments.trace > 0 || process.debug
}

/// What the file says, and what the flags say against it.
fn settings(arguments: &Arguments) -> anyhow::Result<(Config, Process)> {
    let (mut config, process) = if let Some(path) = &arguments.config {
        read_config(path, &|name| std::env::var(name).ok())?
    } else {
        let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
        (Config { listen, ..Config::default() }, Process::default())
    };
    if let (Some(name), Some(password)) = (&arguments.user, &arguments.pass) {
        config.users.push(User {
            name: name.clone(),
            credential: Credential::from_config(password),
            account: "$G".into(),
            permissions: None,
            connections: ConnectionTypes::default(),
        });
    }
    if let Some(token) = &arguments.auth {
        if !config.users.is_empty() {
            anyhow::bail!("--auth excludes users: give them passwords, or leave them out");
        }
        config.token = Some(Credential::from_config(token));
    }
    arguments.tls.apply(&mut config, &process);
    // nats-server keeps nothing until it is told so, whatever folder it is given.
    let enabled = arguments.jetstream || config.jetstream.is_some() || !arguments.as_nats_server;
    if let Some(folder) = arguments.store_dir.as_ref().filter(|_| enabled) {
        let limits = config.jetstream.unwrap_or_else(|| JetStreamConfig::new(folder));
        config.jetstream = Some(JetStreamConfig { store_dir: folder.clone(), ..limits });
    } else if arguments.jetstream && config.jetstream.is_none() {
        config.jetstream = Some(JetStreamConfig::new(".watershed/serve"));
    }
    let anybody = config.is_open();
    let mut host = config.listen.ip();
    if let Some(said) = arguments.addr {
        host = said;
    } else if !process.host_is_said && anybody && !arguments.as_nats_server {
        host = IpAddr::from([127, 0, 0, 1]);
    }
    if anybody && !host.is_loopback() && !arguments.as_nats_server {
        anyhow::bail!(
            "{host} can be reached from other machines, and nobody would need a password: \
             set --user and --pass or --auth, or listen on 127.0.0.1"
        );
    }
    if arguments.server_name.is_some() {
        config.server_name.clone_from(&arguments.server_name);
    }
    let port = arguments.port.map(port_number).transpose()?;
    config.listen = SocketAddr::new(host, port.unwrap_or(config.listen.port()));
    if let Some(number) = arguments.http_port {
        config.http = Some(SocketAddr::new(host, port_number(number)?));
    }
    Ok((config, process))
}

fn port_number(number: i32) -> anyhow::Result<u16> {
    match number {
        -1 => Ok(0),
        number => u16::try_from(number).with_context(|| format!("invalid port {number}")),
    }
}
