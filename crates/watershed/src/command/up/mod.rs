//! `watershed up`: a server on this machine that holds the topologies, verified.

mod declared;
mod mappings;
mod passages;
mod people;
mod report;
mod services;
mod suggest;
mod supervisor;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::level_filters::LevelFilter;
use watershed_client::{Backups, Client, Credential, Options, wait};
use watershed_page::Settings;
use watershed_server::{
    AccountStore, Bounds, Config, JetStreamConfig, Server, raise_descriptor_limit,
};
use watershed_topology::observe::Observed;
use watershed_topology::plan::{Plan, Policy, plan, plan_by};
use watershed_topology::source::{Span, Spanned};
use watershed_topology::verify::verify;
use watershed_topology::{Severity, Topology};

use self::people::People;
pub(crate) use self::people::may;
use super::{LossArguments, apply, block_on, mention, site};
use crate::data::{self, Choice, Place};
use crate::exit::{Exit, Mistyped};
use crate::load::{Loaded, Reading, Workspace, load};
use crate::ui;

/// Port for clients, unless somebody says otherwise.
const PORT: u16 = 4222;
/// Port for monitoring, unless somebody says otherwise.
const HTTP_PORT: u16 = 8222;

/// Longest wait for the server that was just started in this process.
const READY: Duration = Duration::from_secs(30);

/// Run a JetStream server with these topologies, in the foreground.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed up examples/persistent-events")]
pub(crate) struct Arguments {
    /// Topology files, or folders of them [default: the current folder].
    files: Vec<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to each file.
    #[arg(long)]
    env: Option<String>,
    /// Client address [default: the files', else 127.0.0.1:4222].
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// Monitoring address [default: the files', else 127.0.0.1:8222].
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<SocketAddr>,
    /// Data directory [default: the files' `store_dir`, else .watershed/<name> beside the file].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    loss: LossArguments,
    /// Run the services, too: their `command`, or `watershed work` with their `handlers`. What ends is started again.
    #[arg(long)]
    with_services: bool,
    /// Let the page at the monitoring address publish messages.
    #[arg(long)]
    page_publish: bool,
    /// Print a JSON summary once ready.
    #[arg(long)]
    json: bool,
    /// Log more details.
    #[arg(short = 'D', long)]
    debug: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let reading = Reading { env: arguments.env.clone(), embedded: true, ..Reading::default() };
    let mut workspace = load(&arguments.files, &reading)?;
    if workspace.worst() == Some(Severity::Error) {
        ui::diagnostic::show(&workspace);
        return Ok(Exit::Findings);
    }
    mention(&workspace);
    for path in &workspace.passed_over {
        ui::say(&format!("skipping {}: not a topology file (no `watershed:` key)", path.display()));
    }
    as_embedded(&mut workspace);
    let level = if arguments.debug { LevelFilter::DEBUG } else { LevelFilter::WARN };
    ui::log(level);
    // Before anything that would have to be undone: a signal must find somebody who listens.
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    let listen = agreed(&workspace, arguments.listen, "listen", PORT, |loaded| {
        loaded.topology.server.listen.as_ref()
    })?;
    let http = agreed(&workspace, arguments.http, "http", HTTP_PORT, |loaded| {
        loaded.topology.server.http.as_ref()
    })?;
    let passages = passages::passages(&workspace)?;
    let mappings = mappings::mappings(&workspace)?;
    let place = match data::choose(arguments.data.as_deref(), &workspace)? {
        Choice::Use(place) => place,
        Choice::Refused(text) => {
            ui::say(&format!("error: {text}"));
            return Ok(Exit::Refused);
        }
    };
    if arguments.with_services && !services::any(&workspace) {
        let usage = "--with-services: no service has a `command` or `handlers`";
        return Err(Mistyped(usage.into()).into());
    }
    let (people, mut kept) = People::settle(&workspace, &place.folder, listen)?;
    // Only now that nothing is missing is anything written.
    data::prepare(&place, &workspace)?;
    kept.save()?;
    let mut config = config(&workspace, listen, http, &place.folder, &people);
    (config.passages, config.mappings) = (passages, mappings);
    if let Err(error) = raise_descriptor_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let commands = Arc::new(OnceLock::new());
    let settings = Settings {
        declared: Some(declared::source(arguments, &reading, &commands)),
        publish: arguments.page_publish,
    };
    let builder = site::add(Server::builder(), &config, settings);
    let server = builder.config(config).start()?;
    let _ = commands.set(suggest::commands(arguments, &workspace, &server, &people));
    let exit = block_on(hold(arguments, &place, &workspace, &server, &people))?;
    if exit != Exit::Clean {
        server.stop();
        return Ok(exit);
    }
    if arguments.with_services {
        let programs = services::programs(arguments, &workspace, &server, &people)?;
        let left_out = services::left_out(&workspace);
        if !left_out.is_empty() {
            let names = left_out.join(", ");
            ui::say(&format!("not run, without a `command` or `handlers`: {names}"));
        }
        supervisor::run(programs, signals);
    } else {
        signals.forever().next();
    }
    ui::say("stopping: flushing to disk");
    server.stop();
    Ok(Exit::Clean)
}

/// What the embedded server runs otherwise, without a difference to clients; says so.
fn as_embedded(workspace: &mut Workspace) {
    for loaded in &mut workspace.topologies {
        let (topology, notes) = std::mem::take(&mut loaded.topology).embedded();
        for note in notes {
            ui::say(&format!("{}: {note}", topology.name.value));
        }
        loaded.topology = topology;
    }
}

/// What the flag says, else the files, which must agree.
fn agreed(
    workspace: &Workspace,
    flag: Option<SocketAddr>,
    key: &str,
    port: u16,
    said: impl Fn(&Loaded) -> Option<&Spanned<SocketAddr>>,
) -> anyhow::Result<SocketAddr> {
    if let Some(address) = flag {
        return Ok(address);
    }
    let said: Vec<_> = workspace.topologies.iter().filter_map(said).collect();
    let Some(first) = said.first() else {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    };
    if let Some(second) = said.iter().find(|other| other.value != first.value) {
        let place = |span: Span| workspace.sources.place(span).to_string();
        bail!(
            "{} and {} want different addresses for one server: choose one with --{key}",
            place(first.span),
            place(second.span)
        );
    }
    Ok(first.value)
}

fn config(
    workspace: &Workspace,
    listen: SocketAddr,
    http: SocketAddr,
    folder: &std::path::Path,
    people: &People,
) -> Config {
    let mut jetstream = JetStreamConfig::new(folder.join("store"));
    let sum = |limit: fn(&Loaded) -> Option<u64>| -> Option<u64> {
        let limits: Option<Vec<u64>> = workspace.topologies.iter().map(limit).collect();
        limits.map(|limits| limits.iter().fold(0_u64, |sum, limit| sum.saturating_add(*limit)))
    };
    if let Some(bytes) = sum(|l| l.topology.server.max_file_store.as_ref().map(|max| max.value)) {
        jetstream.max_file_store = bytes;
    }
    if let Some(bytes) = sum(|l| l.topology.server.max_memory_store.as_ref().map(|max| max.value)) {
        jetstream.max_memory_store = bytes;
    }
    let domains = workspace.topologies.iter().filter_map(|l| l.topology.server.domain.as_ref());
    if let Some(domain) = domains.map(|domain| &domain.value).next() {
        jetstream.domain.clone_from(domain);
    }
    let limits = workspace.topologies.iter().map(|loaded| loaded.topology.server.limits);
    jetstream.bounds = limits.fold(Bounds::default(), Bounds::and);
    let accounts = workspace
        .topologies
        .iter()
        .map(|loaded| (loaded.topology.account_name().to_owned(), store_of(&loaded.topology)));
    let mut config = Config {
        accounts: accounts.collect(),
        listen,
        http: Some(http),
        jetstream: Some(jetstream),
        users: people.users.clone(),
        open_account: people.open_account.clone(),
        no_auth_user: guest(workspace),
        ..Config::default()
    };
    let payloads =
        workspace.topologies.iter().filter_map(|l| l.topology.server.max_payload.as_ref());
    if let Some(bytes) = payloads.map(|max| max.value).max() {
        config.max_payload = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    config
}

/// What the account of a topology may keep.
pub(crate) fn store_of(topology: &Topology) -> AccountStore {
    let server = &topology.server;
    AccountStore {
        max_memory: server.max_memory_store.as_ref().map(|max| max.value),
        max_file: server.max_file_store.as_ref().map(|max| max.value),
        bounds: server.account,
        ..AccountStore::default()
    }
}

/// Who somebody is that shows no credentials, by the name that the server has for them.
fn guest(workspace: &Workspace) -> Option<String> {
    let topologies = || workspace.topologies.iter().map(|loaded| &loaded.topology);
    let name = &topologies().find_map(|one| one.server.no_auth_user.as_ref())?.value;
    let user = topologies().flat_map(|one| &one.users).find(|user| user.name.value == *name);
    let key = user.and_then(|user| user.nkey.as_ref());
    Some(key.map_or(name, |key| &key.value).clone())
}

/// A topology and the connection through which it is kept.
struct Held<'a> {
    loaded: &'a Loaded,
    client: Client,
    plan: Plan,
    observed: Observed,
}

/// Makes every topology true, or none of them.
async fn hold(
    arguments: &Arguments,
    place: &Place,
    workspace: &Workspace,
    server: &Server,
    people: &People,
) -> anyhow::Result<Exit> {
    let mut held = Vec::new();
    for loaded in &workspace.topologies {
        let (user, password) = people.keeper(loaded.topology.account_name());
        let options = Options {
            servers: server.client_url(),
            credential: Credential::Password { user, password },
            ..Options::default()
        };
        let client = wait(&options, READY, |cause| ui::say(&format!("waiting: {cause}"))).await?;
        let observed = client.observe(&loaded.topology).await?;
        let plan = plan(&loaded.topology, &observed);
        held.push(Held { loaded, client, plan, observed });
    }
    let plans = held.iter().map(|held| (&held.loaded.topology, &held.plan));
    let policy = arguments.loss.policy(plans)?;
    for Held { loaded, plan, observed, .. } in &mut held {
        *plan = plan_by(&loaded.topology, observed, &policy.ways());
    }
    if let Some(exit) = refused(&held, &policy) {
        return Ok(exit);
    }
    let mut seen: Vec<Observed> = Vec::new();
    for topology in &held {
        let Held { loaded, client, plan, .. } = topology;
        let backups = Backups::below(data::backups(&data::backup_home(loaded), plan, &policy)?);
        client.apply(plan, &policy, &backups, |_| {}).await?;
        let observed = client.observe(&loaded.topology).await?;
        let verdict = verify(&loaded.topology, &observed);
        if let Some(problem) = verdict.problems.first() {
            bail!("{problem}: the server took every step, and is not as declared");
        }
        seen.push(observed);
    }
    let plans: Vec<&Plan> = held.iter().map(|held| &held.plan).collect();
    if arguments.json {
        report::json(place, workspace, server, people);
    } else {
        report::show(arguments, place, workspace, server, people, &plans, &seen);
    }
    Ok(Exit::Clean)
}

/// Shows the plans that something stands in the way of.
fn refused(held: &[Held<'_>], policy: &Policy) -> Option<Exit> {
    let mut worst = None;
    for Held { plan, .. } in held {
        let blocked = plan.steps.iter().any(|step| policy.is_blocked_by(step));
        if blocked || !plan.refused.is_empty() {
            ui::plan::show(plan, policy);
            worst = worst.or(apply::refused(plan, policy));
        }
    }
    worst
}
