//! `watershed import`: a topology out of what is there.

mod passwords;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use watershed_import::{Imported, comments, import, live};
use watershed_topology::call::CallError;
use watershed_topology::lower::is_name;
use watershed_topology::observe::Observed;
use watershed_topology::render::{Comments, render_checked};
use watershed_topology::source::{Span, Spanned};
use watershed_topology::{SourceMap, Topology};

use super::{block_on, write_new};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::load;
use crate::tree::{tree, with_included};
use crate::ui;

/// Error of a server for an account without JetStream.
const NOT_FOR_ACCOUNT: u16 = 10039;

/// Silence after which no other server of a cluster is waited for.
const QUIET: Duration = Duration::from_millis(500);

/// Write a topology file from files of other tools, or from a live server.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: watershed import k8s/nats-streams-init.yaml nats.conf -o watershed.yaml\n         \
    watershed import -s nats://127.0.0.1:4222"
)]
pub(crate) struct Arguments {
    /// Files, or folders to search: programs that use a client library, answers and lists as JSON,
    /// manifests, Terraform, nats.conf, shell scripts, also inside compose files, workflows, playbooks,
    /// Makefiles and Dockerfiles. Without any, the live server: the account of the user, or every
    /// account for a user of the system account.
    sources: Vec<PathBuf>,
    /// Name of the topology [default: imported].
    #[arg(long)]
    name: Option<String>,
    /// Of all accounts, only this one: of those that a user of the system account sees, or that a
    /// configuration has.
    #[arg(long)]
    account: Option<String>,
    /// Write to this (new) file instead of stdout; a directory if there are several accounts.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if let Some(name) = arguments.name.as_ref().filter(|name| !is_name(name)) {
        bail!("a topology's name is up to 64 letters, digits, `-` and `_`, and this is `{name}`");
    }
    if !arguments.sources.is_empty() {
        let (mut imported, above) = from_files(&arguments.sources)?;
        let whole = whole(&imported);
        let exit = if imported.accounts.is_empty() {
            write(arguments, imported, &above, arguments.output.as_deref())?
        } else {
            let accounts = std::mem::take(&mut imported.accounts);
            each(arguments, accounts, &imported, &above)?
        };
        return Ok(if whole { exit } else { Exit::Findings });
    }
    match block_on(from_server(&arguments.connection))? {
        Live::Account(observed) => {
            let silent = observed.all_silent();
            if !silent.is_empty() {
                ui::say(&format!(
                    "error: the servers that keep {} did not answer, and a file without them would be \
                     wrong: try again when they are back",
                    silent.join(", ")
                ));
                return Ok(Exit::NotReady);
            }
            let imported = durable(&observed);
            write(arguments, imported, &Comments::new(), arguments.output.as_deref())
        }
        Live::Accounts(accounts) => from_accounts(arguments, &accounts),
    }
}

/// Writes a topology out, or prints it.
fn write(
    arguments: &Arguments,
    mut imported: Imported,
    above: &Comments,
    output: Option<&Path>,
) -> anyhow::Result<Exit> {
    let name = arguments.name.clone().unwrap_or_else(|| "imported".to_owned());
    if imported.topology.name.value.is_empty() {
        imported.topology.name = Spanned::new(name, Span::default());
    }
    passwords::keep(&mut imported, output)?;
    let text = render_checked(&imported.topology, above);
    let streams = imported.topology.streams.len();
    let consumers = imported.topology.consumers().count();
    match output {
        None => ui::out(text.trim_end()),
        Some(path) => write_new(path, &text)?,
    }
    let to = output.map_or("stdout".into(), |path| path.display().to_string());
    ui::say(&format!(
        "imported {} and {} to {to}; run `watershed lint` on the result",
        ui::count(streams, "stream"),
        ui::count(consumers, "consumer")
    ));
    Ok(Exit::Clean)
}

/// What a server shows to these credentials.
enum Live {
    /// The account that they lead to.
    Account(Box<Observed>),
    /// Every account: they lead to the system's.
    Accounts(BTreeMap<String, Observed>),
}

async fn from_server(connection: &Connection) -> anyhow::Result<Live> {
    let client = connection.connect(None).await?;
    let error = match client.observe_everything().await {
        Ok(observed) => return Ok(Live::Account(Box::new(observed))),
        Err(error) => error,
    };
    // The system account has no streams of its own, and sees those of the others.
    let none = matches!(&error, CallError::NoJetStream)
        || matches!(&error, CallError::Refused(error) if error.err_code == NOT_FOR_ACCOUNT);
    if none && let Some(accounts) = client.observe_accounts(QUIET).await? {
        return Ok(Live::Accounts(accounts));
    }
    Err(error.into())
}

/// A live account, without the consumers that go with their clients.
fn durable(observed: &Observed) -> Imported {
    let all: usize = observed.streams.values().map(|stream| stream.consumers.len()).sum();
    let imported = live(observed);
    let left_out = all - imported.topology.consumers().count();
    for finding in &imported.findings {
        ui::say(&finding.message);
    }
    if left_out > 0 {
        ui::say(&format!(
            "{} without a durable name left out: they go with their clients",
            ui::count(left_out, "consumer")
        ));
    }
    imported
}

/// A topology for each account, in a folder of its own.
fn from_accounts(
    arguments: &Arguments,
    accounts: &BTreeMap<String, Observed>,
) -> anyhow::Result<Exit> {
    let names = || accounts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    if accounts.is_empty() {
        bail!("no account of this server has JetStream");
    }
    if let Some(wanted) = &arguments.account {
        let Some(observed) = accounts.get(wanted) else {
            bail!("no account `{wanted}` with JetStream, only {}", names());
        };
        let imported = of_account(wanted, observed);
        return write(arguments, imported, &Comments::new(), arguments.output.as_deref());
    }
    let Some(folder) = &arguments.output else {
        bail!(
            "these are several topologies, of the accounts {}: name one with --account, or a folder \
             for all of them with --output",
            names()
        );
    };
    for (name, observed) in accounts {
        let imported = of_account(name, observed);
        let folder = folder.join(&imported.topology.name.value);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        write(arguments, imported, &Comments::new(), Some(&folder.join("watershed.yaml")))?;
    }
    Ok(Exit::Clean)
}

/// The topologies of a configuration with several accounts: one of them, or each in a folder of its own.
fn each(
    arguments: &Arguments,
    accounts: Vec<Topology>,
    all: &Imported,
    above: &Comments,
) -> anyhow::Result<Exit> {
    let names: Vec<String> = accounts.iter().map(|one| one.account_name().to_owned()).collect();
    let names = names.join(", ");
    let known = accounts.iter().map(|one| one.streams.len()).sum::<usize>();
    let of = |mut topology: Topology, with_streams: bool| {
        if with_streams {
            topology.streams.clone_from(&all.topology.streams);
            topology.services.clone_from(&all.topology.services);
        }
        Imported { topology, passwords: all.passwords.clone(), ..Imported::default() }
    };
    if let Some(wanted) = &arguments.account {
        let Some(one) = accounts.into_iter().find(|one| one.account_name() == wanted) else {
            bail!("unknown account `{wanted}`: there are {names}");
        };
        let mut one = of(one, known == 0);
        if let Some(name) = &arguments.name {
            one.topology.name.value.clone_from(name);
        }
        return write(arguments, one, above, arguments.output.as_deref());
    }
    let Some(folder) = &arguments.output else {
        bail!(
            "these are several topologies, of the accounts {names}: name one with --account, or a folder for all of \
             them with --output"
        );
    };
    let mut exit = Exit::Clean;
    for account in accounts {
        let folder = folder.join(&account.name.value);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        write(arguments, of(account, false), above, Some(&folder.join("watershed.yaml")))?;
    }
    if known == 0 && !all.topology.streams.is_empty() {
        ui::say(&format!(
            "{} left out: name the account that they are of with --account",
            ui::count(all.topology.streams.len(), "stream")
        ));
        exit = Exit::Findings;
    }
    Ok(exit)
}

/// The topology of an account: named after it, as far as that is a name.
fn of_account(account: &str, observed: &Observed) -> Imported {
    let mut imported = durable(observed);
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = account.chars().take(64).map(fits).collect();
    imported.topology.name = Spanned::new(name, Span::default());
    imported
}

/// Whether everything was read; says what was not.
fn whole(imported: &Imported) -> bool {
    let parts = imported.partial.len();
    if parts > 0 {
        ui::say(&format!(
            "{} read in part: look for `# not read` in what was written, and complete it",
            ui::count(parts, "asset")
        ));
    }
    if imported.incomplete {
        ui::say("some of what these files declare was not read: see above");
    }
    parts == 0 && !imported.incomplete
}

/// The files that are named, and those of the folders that are.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut tree = tree(path)?;
        for (path, why) in &tree.passed_over {
            ui::say(&format!("{} is passed over: {why}", path.display()));
        }
        if tree.tests > 0 {
            let tests = ui::count(tree.tests, "test");
            ui::say(&format!("{tests} of programs in {} passed over", path.display()));
        }
        files.append(&mut tree.files);
    }
    Ok(files)
}

fn from_files(paths: &[PathBuf]) -> anyhow::Result<(Imported, Comments)> {
    let mut sources = SourceMap::default();
    let mut ids = Vec::new();
    let searched = paths.iter().any(|path| path.is_dir());
    for path in with_included(files(paths)?, paths) {
        match load::text(&path) {
            Ok(text) => ids.push(sources.add(&path.display().to_string(), &text)),
            Err(error) if searched && !paths.contains(&path) => {
                ui::say(&format!("{} is passed over: {error}", path.display()));
            }
            Err(error) => return Err(error),
        }
    }
    let (imported, others) = import(&sources, &ids);
    let unknown: Vec<&str> = others.iter().map(|file| sources.file(*file).name.as_str()).collect();
    if !imported.recognized {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("nothing in {} declares a stream, a consumer or a server", names.join(", "));
    }
    if searched {
        let read = ids.iter().filter(|file| !others.contains(file));
        let read: Vec<&str> = read.map(|file| sources.file(*file).name.as_str()).collect();
        ui::say(&format!(
            "read {}; nothing is declared in {}",
            read.join(", "),
            ui::count(others.len(), "other file")
        ));
    } else {
        for name in unknown {
            ui::say(&format!("{name} declares nothing that is known here and is passed over"));
        }
    }
    // What is wrong with a script is `lint`'s to say.
    for finding in imported.findings.iter().filter(|one| matches!(one.code, "I001" | "I002")) {
        ui::say(&format!("{}: {}", sources.place(finding.place.span), finding.message));
    }
    for (span, note) in &imported.notes {
        ui::say(&format!("{}: {note}", sources.place(*span)));
    }
    let above = comments(&sources, &imported);
    Ok((imported, above))
}
