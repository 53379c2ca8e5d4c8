//! `watershed move`: takes what a topology has on one server to another one.

mod standing;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use watershed_client::{Client, Needed, Options, Way, is_half_restored, load_context};
use watershed_topology::observe::{Observed, ObservedStream};
use watershed_topology::plan::Plan;
use watershed_topology::verify::verify;

use self::standing::{Standing, positions, standing};
use super::TopologyFile;
use crate::alone::{Gap, LockArguments, alone};
use crate::connection::{Connection, config_home};
use crate::exit::Exit;
use crate::load::Loaded;
use crate::ui::path::{quoted, shown};
use crate::ui::progress::Progress;
use crate::ui::prompt::confirm;
use crate::{data, private, ui};

/// Take the streams of a topology, with messages and consumers, from one server to another one, and compare
/// them. Nothing changes where they are now.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed move watershed.yaml --to nats://prod:4222

Stop publishers and workers first: what the old server gets meanwhile is not on the new one. When
this was cut off, run it again: it goes on.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    /// Server to take them to: URL, or several with commas.
    #[arg(long, value_name = "URL", required_unless_present = "to_context")]
    to: Option<String>,
    /// File with credentials for that server.
    #[arg(long, value_name = "FILE")]
    to_creds: Option<PathBuf>,
    /// Context of the `nats` command line tool for that server.
    #[arg(long, value_name = "NAME")]
    to_context: Option<String>,
    /// Skip the confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    connection: Connection,
}

impl Arguments {
    /// The connection to the new server.
    async fn connect(&self) -> anyhow::Result<Client> {
        let mut options = match &self.to_context {
            Some(name) => load_context(&config_home()?, name)?,
            None => Options::default(),
        };
        options.timeout = self.connection.timeout();
        if let Some(servers) = &self.to {
            options.servers.clone_from(servers);
        }
        if let Some(file) = &self.to_creds {
            options.credential = watershed_client::Credential::CredentialsFile(file.clone());
        }
        Ok(Client::connect(&options).await?)
    }
}

/// A stream to take along, as it is now.
struct Move {
    name: String,
    here: ObservedStream,
    /// How many copies of it there are to be.
    replicas: usize,
    /// Whether what an earlier run has taken along is replaced.
    again: bool,
}

/// What became of the whole.
#[derive(Default)]
struct Outcome {
    moved: usize,
    /// Streams whose old server has got more.
    went_on: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let done = arguments.topology.run(async |loaded| {
        let from = arguments.connection.connect(Some(loaded)).await?;
        let to = arguments.connect().await?;
        let (here, there) = (from.observe(&loaded.topology).await?, to.observe_everything().await?);
        let (source, target) = (from.whereabouts().await, to.whereabouts().await);
        ui::out(&format!("{}, from {source} to {target}", loaded.topology.name.value));
        let Some(moves) = plan(loaded, (&from, &here), (&to, &there)).await? else {
            ui::say("error: refused, and nothing was changed");
            return Ok(Exit::Refused);
        };
        if !moves.is_empty()
            && !arguments.yes
            && let Err(exit) = confirm(&format!("take this to {target}?"))
        {
            return Ok(exit);
        }
        let plan = Plan { topology: loaded.topology.name.value.clone(), ..Plan::default() };
        let (gap, patience) = (Gap::default(), arguments.lock.lock_wait);
        let mut outcome = Outcome::default();
        if !moves.is_empty() {
            let task = Box::pin(take_all(loaded, &from, &to, &moves));
            match alone(&to, &plan.topology, &plan, patience, &gap, MOVE, task).await? {
                Ok(done) => outcome = done,
                Err(exit) => return Ok(exit),
            }
        }
        end(loaded, &to, &outcome).await
    })?;
    Ok(done)
}

/// What goes on with a run that was cut off.
const MOVE: &str = "run `watershed move` again";

/// What is to be taken along, in an order in which what is copied comes before its copies. `None` if something is in
/// the way, which is said.
async fn plan(
    loaded: &Loaded,
    (from, here): (&Client, &Observed),
    (to, there): (&Client, &Observed),
) -> anyhow::Result<Option<Vec<Move>>> {
    let mut moves = Vec::new();
    let mut refused = false;
    let mut needed = Needed::default();
    let silent = |name: &str| here.is_silent(name, None) || there.is_silent(name, None);
    for stream in &loaded.topology.streams {
        let name = &stream.name.value;
        if silent(name) {
            bail!("`{name}` is there, and the server that keeps it does not answer");
        }
        let Some(own) = here.streams.get(name) else {
            ui::out(&format!("  - {name} is not on the old server: `watershed apply` creates it"));
            continue;
        };
        // A server that is alone keeps one.
        let replicas = if there.server.clustered { stream.config.num_replicas.max(1) } else { 1 };
        let replicas = usize::try_from(replicas)?;
        let messages = ui::count(usize::try_from(own.info.state.messages)?, "message");
        let consumers = ui::count(own.consumers.len(), "consumer");
        // What a run left that was cut off is replaced.
        let other = there.streams.get(name).filter(|other| !is_half_restored(other));
        let again = match other {
            None => {
                for subject in &own.info.config.subjects {
                    let taken = to.stream_of(subject).await?;
                    if let Some(other) = taken.filter(|other| other != name) {
                        ui::out(&format!("  ! {name}: `{subject}` is stored by `{other}` there"));
                        refused = true;
                    }
                }
                false
            }
            Some(other) => match standing(name, (from, own), (to, other)).await? {
                Standing::Same => {
                    ui::out(&format!("  = {name} is there already: {messages}, {consumers}"));
                    continue;
                }
                Standing::Behind => true,
                Standing::Other(why) => {
                    ui::out(&format!("  ! {name} is there already, and is another one: {why}"));
                    refused = true;
                    continue;
                }
            },
        };
        let anew = if again { ", once more: the old server has got more since" } else { "" };
        ui::out(&format!("  + {name}: {messages}, {consumers}{anew}"));
        if other.is_none() {
            let (config, state) = (&own.info.config, &own.info.state);
            let consumers = own.consumers.len();
            needed.add(config.storage, state.bytes, config.max_bytes, replicas, consumers);
        }
        moves.push(Move { name: name.clone(), here: own.clone(), replicas, again });
    }
    if let Err(why) = to.check_space(&needed).await {
        ui::out(&format!("  ! there is not enough room for all of this there: {why}"));
        refused = true;
    }
    moves.sort_by_key(|one| {
        let config = &one.here.info.config;
        (config.mirror.is_some(), !config.sources.is_empty())
    });
    Ok((!refused).then_some(moves))
}

async fn take_all(
    loaded: &Loaded,
    from: &Client,
    to: &Client,
    moves: &[Move],
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let home = data::backup_home(loaded);
    let folder = home.join("moving");
    if !moves.is_empty() {
        if let Some(above) = home.parent().filter(|above| above.ends_with(private::DEFAULT)) {
            private::create(above)?;
            private::ignore(above)?;
        }
        private::create(&folder).with_context(|| format!("cannot create {}", shown(&folder)))?;
    }
    for one in moves {
        let at = folder.join(&one.name);
        if at.exists() {
            // Of a run that was cut off.
            std::fs::remove_dir_all(&at)
                .with_context(|| format!("cannot remove {}", shown(&at)))?;
        }
        let failed = || format!("`{}` was not moved; run it again to go on", one.name);
        if !take(from, to, one, &at).await.with_context(failed)? {
            outcome.went_on.push(one.name.clone());
        }
        outcome.moved += 1;
        std::fs::remove_dir_all(&at).with_context(|| format!("cannot remove {}", shown(&at)))?;
    }
    let _ = std::fs::remove_dir(&folder);
    Ok(outcome)
}

/// Takes a stream along, and compares. Says whether the old one is still as it was.
async fn take(from: &Client, to: &Client, one: &Move, folder: &Path) -> anyhow::Result<bool> {
    let name = &one.name;
    let mut progress = Progress::new(format!("moving {name}"));
    let all = one.here.info.state.messages;
    let backup = from.back_up(name, folder, |count| progress.tell(count, all)).await?;
    if one.again {
        // It was looked at before a person agreed.
        let there = to.look_at(name).await?.with_context(|| format!("`{name}` is gone there"))?;
        let here = from.look_at(name).await?.with_context(|| format!("`{name}` is gone"))?;
        match standing(name, (from, &here), (to, &there)).await? {
            Standing::Same | Standing::Behind => to.delete_stream(name).await?,
            Standing::Other(why) => bail!("`{name}` was changed there since: {why}"),
        }
    }
    let mut backup = backup;
    if let Some(config) = backup.config.as_object_mut() {
        config.insert("num_replicas".to_owned(), one.replicas.into());
    }
    let restored = to.restore(&backup, name, false, |count| progress.tell(count, all)).await?;
    drop(progress);
    let there = to.look_at(name).await?.with_context(|| format!("`{name}` is gone there"))?;
    let state = &there.info.state;
    let got = to.sums(name, state).await?;
    let exact = matches!(restored.way, Way::Archive { .. });
    let sent = backup.sums(if exact { state.first_seq } else { 0 })?;
    let same = match exact {
        true => sent.exact == got.exact,
        false if restored.altered > 0 => sent.bare == got.bare,
        false => sent.content == got.content,
    };
    if !same {
        bail!(
            "it has {} of {} there, and not the same ones (what was sent is in {}): delete it there first",
            got.messages,
            ui::count(usize::try_from(sent.messages)?, "message"),
            quoted(folder)
        );
    }
    let sum = if exact { &got.exact } else { &got.content };
    ui::say(&format!(
        "moved {name}: {}, {}; compared: SHA-256 {}",
        ui::count(usize::try_from(got.messages)?, "message"),
        ui::count(there.consumers.len(), "consumer"),
        &sum[..16]
    ));
    super::restore::tell(&restored);
    // The old one as it is now: what it has got since is not there.
    let here = from.look_at(name).await?.with_context(|| format!("`{name}` is gone"))?;
    let (old, now) = (&one.here.info.state, &here.info.state);
    let stands = (old.messages, old.last_seq) == (now.messages, now.last_seq)
        && positions(&one.here) == positions(&here);
    if !stands {
        return Ok(false);
    }
    if exact && positions(&here) != positions(&there) {
        bail!("its consumers are elsewhere there than where they were");
    }
    if exact && from.sums(name, now).await?.exact != got.exact && now.messages == got.messages {
        bail!("what the old server has is not what it sent");
    }
    Ok(true)
}

/// Says what came of it, and what is left to do.
async fn end(loaded: &Loaded, to: &Client, outcome: &Outcome) -> anyhow::Result<Exit> {
    if !outcome.went_on.is_empty() {
        ui::say(&format!(
            "error: the old server went on with {} meanwhile: stop publishers and workers, and run it again",
            outcome.went_on.join(", ")
        ));
        return Ok(Exit::Differs);
    }
    let verdict = verify(&loaded.topology, &to.observe(&loaded.topology).await?);
    for problem in &verdict.problems {
        ui::say(&problem.to_string());
    }
    let moved = ui::count(outcome.moved, "stream");
    if verdict.problems.is_empty() {
        let held = ui::count(verdict.held.len(), "asset");
        ui::say(&format!("moved {moved}, compared and verified: {held} as declared"));
        return Ok(Exit::Clean);
    }
    ui::say(&format!(
        "moved {moved} and compared; what else the file declares there, `watershed apply` does"
    ));
    Ok(Exit::Differs)
}
