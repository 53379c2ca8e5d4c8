//! `watershed serve`: the server alone, with nats-server's flags.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::level_filters::LevelFilter;
use watershed_server::{
    Config, Credential, JetStreamConfig, Process, Server, TlsConfig, User, raise_descriptor_limit,
    read_config,
};

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
    #[command(flatten)]
    tls: Tls,
    /// Write the addresses in use to a file in this folder.
    #[arg(long = "ports_file_dir", value_name = "DIR")]
    ports_file_dir: Option<PathBuf>,
    /// Log more details.
    #[arg(short = 'D', long)]
    debug: bool,
    /// The same as --debug; single operations are not logged.
    #[arg(short = 'V', long)]
    trace: bool,
    /// Bind and accept as nats-server does.
    #[arg(long, hide = true)]
    as_nats_server: bool,
}

/// TLS for clients.
#[derive(Debug, Args)]
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
    fn apply(&self, config: &mut Config) {
        let (Some(cert), Some(key)) = (&self.tlscert, &self.tlskey) else { return };
        let file = config.tls.take();
        let mut tls = file.unwrap_or_else(|| TlsConfig::new(cert, key));
        (tls.cert_file, tls.key_file) = (cert.clone(), key.clone());
        tls.ca_file = self.tlscacert.clone().or(tls.ca_file);
        tls.verify |= self.tlsverify;
        config.tls = Some(tls);
    }
}

/// The form with two dashes of a long flag that was typed with one, as Go's flags are.
pub(crate) fn long_form(argument: &OsStr) -> Option<OsString> {
    let text = argument.to_str()?;
    let name = text.strip_prefix('-').filter(|name| !name.starts_with('-'))?;
    let flag = name.split('=').next().unwrap_or_default();
    let long = [
        "config",
        "test",
        "http_port",
        "pid",
        "trace",
        "addr",
        "net",
        "port",
        "jetstream",
        "js",
        "store_dir",
        "sd",
        "user",
        "pass",
        "ports_file_dir",
        "debug",
        "tls",
        "tlscert",
        "tlskey",
        "tlsverify",
        "tlscacert",
    ];
    long.contains(&flag).then(|| format!("--{name}").into())
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let (config, process) = settings(arguments)?;
    if arguments.test {
        for warning in &process.warnings {
            ui::say(&format!("warning: {warning}"));
        }
        ui::say("the configuration is valid");
        return Ok(Exit::Clean);
    }
    let debug = arguments.debug || arguments.trace || process.debug;
    let level = if debug { LevelFilter::DEBUG } else { LevelFilter::INFO };
    ui::log(level);
    for warning in &process.warnings {
        tracing::warn!("{warning}");
    }
    if config.users.is_empty() && !config.listen.ip().is_loopback() {
        let host = config.listen.ip();
        tracing::warn!("anybody who reaches {host} may connect without a password");
    }
    // Before anything that would have to be undone: a signal must find somebody who listens.
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    if let Some(jetstream) = &config.jetstream {
        let folder = &jetstream.store_dir;
        private::create(folder)
            .with_context(|| format!("cannot create the data directory {}", folder.display()))?;
    }
    if let Err(error) = raise_descriptor_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let secure = config.tls.is_some();
    let server = Server::builder().config(config).start()?;
    let files = Files::write(arguments, &process, &server)?;
    tracing::info!("Listening for client connections on {}", server.local_addr());
    if secure {
        tracing::info!("TLS required for client connections");
    }
    if let Some(address) = server.http_addr() {
        tracing::info!("Starting http monitor on {address}");
    }
    tracing::info!("Server is ready");
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        tracing::warn!("reload is not supported yet: the configuration stays as it was");
    }
    tracing::info!("stopping");
    server.stop();
    drop(files);
    Ok(Exit::Clean)
}

/// Files that say where the server is, for as long as it is there.
struct Files(Vec<PathBuf>);

impl Files {
    fn write(arguments: &Arguments, process: &Process, server: &Server) -> anyhow::Result<Self> {
        let mut files = Self(Vec::new());
        let number = std::process::id();
        if let Some(dir) = &arguments.ports_file_dir {
            let mut ports = json!({"nats": [server.client_url()]});
            if let Some(address) = server.http_addr() {
                ports["monitoring"] = json!([format!("http://{address}")]);
            }
            files.add(dir.join(format!("nats-server_{number}.ports")), &ports.to_string())?;
        }
        if let Some(path) = arguments.pid_file.as_ref().or(process.pid_file.as_ref()) {
            files.add(path.clone(), &number.to_string())?;
        }
        Ok(files)
    }

    fn add(&mut self, path: PathBuf, text: &str) -> anyhow::Result<()> {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        self.0.push(path);
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
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
        });
    }
    arguments.tls.apply(&mut config);
    if let Some(folder) = &arguments.store_dir {
        let limits = config.jetstream.unwrap_or_else(|| JetStreamConfig::new(folder));
        config.jetstream = Some(JetStreamConfig { store_dir: folder.clone(), ..limits });
    } else if arguments.jetstream && config.jetstream.is_none() {
        config.jetstream = Some(JetStreamConfig::new(".watershed/serve"));
    }
    let anybody = config.users.is_empty();
    let mut host = config.listen.ip();
    if let Some(said) = arguments.addr {
        host = said;
    } else if !process.host_is_said && anybody && !arguments.as_nats_server {
        host = IpAddr::from([127, 0, 0, 1]);
    }
    if anybody && !host.is_loopback() && !arguments.as_nats_server {
        anyhow::bail!(
            "{host} can be reached from other machines, and nobody would need a password: \
             set --user and --pass, or listen on 127.0.0.1"
        );
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
