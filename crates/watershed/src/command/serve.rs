//! `watershed serve`: the server alone, with nats-server's flags.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::level_filters::LevelFilter;
use watershed_server::{Config, Credential, JetStreamConfig, Server, User};

use crate::exit::Exit;

/// Runs the server alone, with nats-server's flags.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed serve -p 4222")]
pub(crate) struct Arguments {
    /// Address to listen on; loopback unless users are configured.
    #[arg(short, long, visible_alias = "net", value_name = "HOST")]
    addr: Option<IpAddr>,
    /// Port for clients; -1 for any free one.
    #[arg(short, long, default_value_t = 4222, allow_negative_numbers = true)]
    port: i32,
    /// Keep streams: JetStream.
    #[arg(long, visible_alias = "js")]
    jetstream: bool,
    /// Folder of the streams; implies --jetstream. ./.watershed/serve if only that is given.
    #[arg(long = "store_dir", visible_alias = "sd", value_name = "DIR")]
    store_dir: Option<PathBuf>,
    /// User that must connect.
    #[arg(long, requires = "pass")]
    user: Option<String>,
    /// Password of that user. Visible to everybody on this machine; prefer a configuration file.
    #[arg(long, requires = "user", env = "WATERSHED_PASS", hide_env_values = true)]
    pass: Option<String>,
    /// Write the addresses in use to a file in this folder.
    #[arg(long = "ports_file_dir", value_name = "DIR")]
    ports_file_dir: Option<PathBuf>,
    /// Log more.
    #[arg(short = 'D', long)]
    debug: bool,
    /// Bind and accept as nats-server does.
    #[arg(long, hide = true)]
    as_nats_server: bool,
}

/// The form with two dashes of a long flag that was typed with one, as Go's flags are.
pub(crate) fn long_form(argument: &OsStr) -> Option<OsString> {
    let text = argument.to_str()?;
    let name = text.strip_prefix('-').filter(|name| !name.starts_with('-'))?;
    let flag = name.split('=').next().unwrap_or_default();
    let long = [
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
    ];
    long.contains(&flag).then(|| format!("--{name}").into())
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let level = if arguments.debug { LevelFilter::DEBUG } else { LevelFilter::INFO };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    // Before anything that would have to be undone: a signal must find somebody who listens.
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    let server = Server::builder().config(config(arguments)?).start()?;
    let ports_file = arguments
        .ports_file_dir
        .as_ref()
        .map(|dir| dir.join(format!("nats-server_{}.ports", std::process::id())));
    if let Some(path) = &ports_file {
        let json = format!("{{\"nats\":[\"{}\"]}}", server.client_url());
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    tracing::info!("Listening for client connections on {}", server.local_addr());
    tracing::info!("Server is ready");
    signals.forever().next();
    tracing::info!("stopping");
    server.stop();
    if let Some(path) = &ports_file {
        let _ = std::fs::remove_file(path);
    }
    Ok(Exit::Clean)
}

fn config(arguments: &Arguments) -> anyhow::Result<Config> {
    let mut config = Config::default();
    if let (Some(name), Some(password)) = (&arguments.user, &arguments.pass) {
        config.users.push(User {
            name: name.clone(),
            credential: Credential::from_config(password),
            account: "$G".into(),
            permissions: None,
        });
    }
    if arguments.jetstream || arguments.store_dir.is_some() {
        let folder = arguments.store_dir.clone().unwrap_or_else(|| ".watershed/serve".into());
        config.jetstream = Some(JetStreamConfig::new(folder));
    }
    let everywhere = arguments.as_nats_server || !config.users.is_empty();
    let default = if everywhere { [0, 0, 0, 0] } else { [127, 0, 0, 1] };
    let host = arguments.addr.unwrap_or_else(|| default.into());
    if config.users.is_empty() && !host.is_loopback() {
        if !arguments.as_nats_server {
            anyhow::bail!(
                "{host} can be reached from other machines, and nobody would need a password: \
                 set --user and --pass, or listen on 127.0.0.1"
            );
        }
        tracing::warn!("anybody who reaches {host} may connect without a password");
    }
    let port = match arguments.port {
        -1 => 0,
        port => u16::try_from(port).with_context(|| format!("{port} is no port"))?,
    };
    config.listen = SocketAddr::new(host, port);
    Ok(config)
}
