//! One command, one file: load, call a function of a library, show.

pub(crate) mod apply;
pub(crate) mod backup;
pub(crate) mod dead;
pub(crate) mod destroy;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod key_value;
pub(crate) mod lint;
pub(crate) mod lsp;
pub(crate) mod mcp;
pub(crate) mod moving;
mod names;
pub(crate) mod next;
pub(crate) mod object;
pub(crate) mod plan;
pub(crate) mod publish;
pub(crate) mod purge;
pub(crate) mod release;
pub(crate) mod render;
pub(crate) mod request;
pub(crate) mod restore;
pub(crate) mod schema;
pub(crate) mod serve;
mod site;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod subscribe;
pub(crate) mod test;
pub(crate) mod top;
pub(crate) mod up;
pub(crate) mod verify;
pub(crate) mod view;
pub(crate) mod wait;
pub(crate) mod work;

use std::fs::OpenOptions;
use std::future::Future;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use watershed_client::{Client, NotReady, Options, wait};
use watershed_topology::observe::Observed;
use watershed_topology::plan::{Plan, Policy, plan, plan_by};
use watershed_topology::{Severity, Topology};

use self::names::Known;
use crate::connection::{Connection, duration, guard_account};
use crate::exit::{Exit, Mistyped};
use crate::load::{DEFAULT_FILE, Loaded, Reading, Workspace, beside, load};
use crate::saved::Saved;
use crate::ui;
use crate::ui::path::shown;

/// Which topology a command is about.
#[derive(Debug, Args)]
pub(crate) struct TopologyFile {
    /// Topology file, or a folder whose files are one topology [default: the current folder].
    file: Option<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to the file.
    #[arg(long)]
    env: Option<String>,
    /// Override `num_replicas` for every stream.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=5))]
    replicas: Option<i64>,
    /// Data directory that `watershed up --data` was given, to take passwords from.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What may be lost.
#[derive(Debug, Args)]
pub(crate) struct LossArguments {
    /// Let these streams or buckets lose messages where the change deletes some; or `all`.
    #[arg(long, value_name = "NAME")]
    allow_loss: Vec<String>,
    /// Move these streams, buckets or consumers (STREAM/CONSUMER) over to what the file says, in use as they
    /// are; or `all`.
    #[arg(long, value_name = "NAME")]
    migrate: Vec<String>,
    /// How long consumers that are moved over may take to acknowledge what they have.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    drain: Duration,
    /// Undo a migration of these streams that was cut off, or `all`.
    #[arg(long, value_name = "NAME")]
    back: Vec<String>,
    /// Delete what these streams or buckets, by their names now, were before they were migrated; or `all`.
    #[arg(long, value_name = "NAME")]
    drop_old: Vec<String>,
    /// Delete and recreate these streams, buckets or consumers (STREAM/CONSUMER), or `all`.
    #[arg(long, value_name = "NAME")]
    recreate: Vec<String>,
    /// Take over these unmanaged streams, with their consumers, or consumers (STREAM/CONSUMER), or `all`.
    #[arg(long, value_name = "NAME")]
    adopt: Vec<String>,
    /// Let `--migrate` take subjects, messages and consumers from streams of this other topology, or `all`.
    #[arg(long, value_name = "TOPOLOGY")]
    take_from: Vec<String>,
    /// Delete what the topology owns and no longer declares.
    #[arg(long)]
    prune: bool,
}

impl LossArguments {
    fn is_given(&self) -> bool {
        let names = [
            &self.allow_loss,
            &self.migrate,
            &self.drop_old,
            &self.recreate,
            &self.adopt,
            &self.take_from,
        ];
        self.prune || names.iter().any(|names| !names.is_empty())
    }

    /// The plan for one topology, and what the flags allow of it.
    pub(crate) fn plan(
        &self,
        topology: &Topology,
        observed: &Observed,
    ) -> Result<(Plan, Policy), Mistyped> {
        let first = plan(topology, observed);
        let policy = self.policy([(topology, &first)])?;
        Ok((plan_by(topology, observed, &policy.ways()), policy))
    }

    /// What the flags allow of these topologies' plans, whose names they must be.
    pub(crate) fn policy<'a>(
        &self,
        plans: impl IntoIterator<Item = (&'a Topology, &'a Plan)>,
    ) -> Result<Policy, Mistyped> {
        let known = Known::new(plans);
        Ok(Policy {
            allow_loss: known.named("--allow-loss", &self.allow_loss)?,
            migrate: known.named("--migrate", &self.migrate)?,
            drain: self.drain,
            back: known.named("--back", &self.back)?,
            drop_old: known.named("--drop-old", &self.drop_old)?,
            recreate: known.named("--recreate", &self.recreate)?,
            adopt: known.named("--adopt", &self.adopt)?,
            take_from: watershed_topology::plan::Names::from_words(&self.take_from),
            prune: self.prune,
        })
    }
}

/// How a topology was read.
enum Read {
    /// It is without errors.
    Good(Box<Loaded>),
    /// It has errors, which were shown.
    Bad(Exit),
}

impl TopologyFile {
    /// The saved plan that was named in place of a topology, if it was.
    fn saved(&self) -> anyhow::Result<Option<Saved>> {
        self.file.as_deref().map_or(Ok(None), Saved::read)
    }

    /// Reads the topology and runs what has to do with it and a server.
    pub(crate) fn run(
        &self,
        task: impl AsyncFnOnce(&Loaded) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        match self.read()? {
            Read::Good(loaded) => block_on(task(&loaded)),
            Read::Bad(exit) => Ok(exit),
        }
    }

    /// Reads the one topology; shows what is wrong with it, if it is wrong.
    fn read(&self) -> anyhow::Result<Read> {
        let paths: Vec<PathBuf> = self.file.iter().cloned().collect();
        let reading = Reading { env: self.env.clone(), ..Reading::default() };
        let mut workspace = load(&paths, &reading)?;
        if workspace.worst() == Some(Severity::Error) {
            ui::diagnostic::show(&workspace);
            return Ok(Read::Bad(Exit::Findings));
        }
        mention(&workspace);
        let mut loaded = workspace.topologies.pop().context("no topology")?;
        if loaded.path.is_file() {
            // What they declare would look as if it were declared no longer.
            for (other, name) in beside(&loaded.path) {
                if name.is_none_or(|name| name == loaded.topology.name.value) {
                    ui::say(&format!(
                        "note: {} is a part of `{}` as well and is not read: name the folder to read \
                         both",
                        shown(&other),
                        loaded.topology.name.value
                    ));
                }
            }
        }
        let of_server = [
            ("users", !loaded.topology.users.is_empty()),
            ("exports", !loaded.topology.exports.is_empty()),
            ("imports", !loaded.topology.imports.is_empty()),
        ];
        let of_server: Vec<&str> =
            of_server.into_iter().filter(|(_, some)| *some).map(|(what, _)| what).collect();
        if !of_server.is_empty() {
            ui::say(&format!(
                "note: {} are the server's configuration, which this does not look at: `watershed render nats-conf` writes \
                 it, `up` carries it out",
                of_server.join(", ")
            ));
        }
        loaded.data.clone_from(&self.data);
        if let Some(replicas) = self.replicas {
            loaded.topology = loaded.topology.with_replicas(replicas);
        }
        Ok(Read::Good(Box::new(loaded)))
    }
}

/// Says that there are findings which do not stop a command.
pub(crate) fn mention(workspace: &Workspace) {
    if workspace.worst().is_some_and(|worst| worst >= Severity::Warning) {
        ui::say(&format!("{} (see `watershed lint`)", ui::diagnostic::summary(workspace)));
    }
}

/// Which server a command talks to that is not about a topology.
#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// Topology file to take server address and credentials from [default: `watershed.yaml` here, if there is one
    /// and no server is named].
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to the file.
    #[arg(long, requires = "file")]
    env: Option<String>,
    /// Data directory that `watershed up --data` was given, to take passwords from.
    #[arg(long, value_name = "DIR", requires = "file")]
    data: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

impl ServerArguments {
    /// Connects, once.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        let loaded = self.loaded(false)?;
        self.connection.connect(loaded.as_ref()).await
    }

    /// What to connect to, and as whom.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        self.connection.options(self.loaded(false)?.as_ref())
    }

    /// Reads the topology that was named; else that of the current folder: if there `must_be` one, or if there is one and
    /// no server was named.
    pub(crate) fn loaded(&self, must_be: bool) -> anyhow::Result<Option<Loaded>> {
        let reading = Reading { env: self.env.clone(), ..Reading::default() };
        let paths: Vec<PathBuf> = self.file.iter().cloned().collect();
        let mut workspace = if must_be || !paths.is_empty() {
            load(&paths, &reading)?
        } else if !self.connection.is_foreign() && Path::new(DEFAULT_FILE).exists() {
            // What stands there may be wrong, or not be meant.
            load(&[], &reading).unwrap_or_default()
        } else {
            Workspace::default()
        };
        if must_be && workspace.worst() == Some(Severity::Error) {
            ui::diagnostic::show(&workspace);
            bail!("this topology has errors");
        }
        let mut loaded = workspace.topologies.pop();
        if let Some(loaded) = &mut loaded {
            loaded.data.clone_from(&self.data);
        }
        Ok(loaded)
    }
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} already exists and was not changed")
        }
        Err(error) => return Err(error).context(format!("cannot write {shown}")),
    };
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {shown}"))
}

/// Runs what waits for a server.
pub(crate) fn block_on<T>(task: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait for sockets")?;
    runtime.block_on(task)
}

/// Connects and waits until JetStream answers. `None` if it was not ready in time, which was said.
pub(crate) async fn ready(
    connection: &Connection,
    loaded: &Loaded,
    limit: Duration,
) -> anyhow::Result<Option<Client>> {
    let options = connection.options(Some(loaded))?;
    let shown = options.shown();
    let say = |cause: &str| ui::say(&format!("waiting for {shown}: {cause}"));
    match wait(&options, limit, say).await {
        Ok(client) => {
            guard_account(&client, loaded).await?;
            Ok(Some(client))
        }
        Err(error @ NotReady::InTime { .. }) => {
            ui::say(&format!("error: {shown} is {error}"));
            Ok(None)
        }
        Err(NotReady::Connect(error)) => Err(error.into()),
        Err(NotReady::Denied(denied)) => Err(denied.into()),
    }
}

/// How a command ends that would end with `exit`, if nothing is wrong but that some of what is there did
/// not answer.
fn unanswered(exit: Exit, plan: &Plan) -> Exit {
    let all = plan.refused.iter().all(|refusal| plan.unknown.contains(&refusal.target));
    if all && !plan.unknown.is_empty() { Exit::NotReady } else { exit }
}
