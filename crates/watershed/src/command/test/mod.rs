//! `watershed test`: stories about topologies, offline and in virtual time, or on a server that runs somewhere.

mod host;
mod live;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use ignore::WalkBuilder;
use signal_hook::consts::{SIGINT, SIGTERM};
use watershed_story::{
    Passed, Publish, Step, Stories, Story, check, in_the_way, needs_the_clock, read,
};
use watershed_topology::SourceMap;
use watershed_topology::diagnostic::Severity;

use self::host::Host;
use self::live::{Ground, LiveServer};
use crate::connection::Typed;
use crate::exit::{Exit, Mistyped};
use crate::load::{DEFAULT_FILE, Loaded, Reading, beside, load, text};
use crate::secret::generate;
use crate::ui;
use crate::ui::story::{Ended, Told};

/// Play the stories of `*.story.yaml` files: what must become of messages when workers fail, time passes and
/// the server restarts. Offline, in virtual time: thirty days take milliseconds. With a server, on that one: stories in
/// which no time passes. What they make there is deleted again, and what is there already is never touched.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  watershed test
  watershed test examples --filter 'dead letter'
  watershed test -s nats://127.0.0.1:4222 --user admin
  watershed test --on up")]
pub(crate) struct Arguments {
    /// Files of stories, or folders to search for `*.story.yaml` [default: the current folder].
    files: Vec<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to each topology.
    #[arg(long)]
    env: Option<String>,
    /// Only stories whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Play on a server, and not in virtual time; `server` is the one of NATS_URL or of the topology.
    #[arg(long, value_enum, value_name = "WHICH")]
    on: Option<On>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    server: Typed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    /// The server of `up`, in this process, for these stories alone.
    Up,
    /// A server that runs somewhere; the same as naming one with -s.
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
    /// For a test report, as JUnit's XML.
    Junit,
}

/// What the names of files of stories end in.
const ENDINGS: [&str; 2] = [".story.yaml", ".story.yml"];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let on = match arguments.on {
        None if arguments.server.is_typed => Some(On::Server),
        Some(On::Up) if arguments.server.is_typed => {
            let usage = "--on up plays on a server of its own: leave -s out";
            return Err(Mistyped(usage.into()).into());
        }
        on => on,
    };
    let mut sources = SourceMap::default();
    let Some(files) = stories(arguments, &mut sources)? else { return Ok(Exit::Findings) };
    let format = if arguments.json { Format::Json } else { arguments.format };
    let mut told: Vec<Told> = Vec::new();
    let mut tell = |one: Told| {
        if format == Format::Human {
            ui::story::show(&sources, &one, told.last());
        }
        told.push(one);
    };
    let ended = if let Some(on) = on {
        play_live(arguments, on, &files, &mut tell)?
    } else {
        for (stories, loaded) in &files {
            for story in arguments.wanted(stories) {
                let ended = watershed_story::run(&loaded.topology, story).into();
                tell(Told { name: story.name.clone(), ended });
            }
        }
        Live::Over
    };
    if let Live::Refused = ended {
        return Ok(Exit::Refused);
    }
    if told.is_empty() {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        bail!("no story has `{filter}` in its name");
    }
    match format {
        Format::Human => ui::story::summary(&told),
        Format::Json => ui::story::json(&sources, &told),
        Format::Junit => ui::story::junit(&sources, &told),
    }
    if let Live::Interrupted = ended {
        bail!("interrupted");
    }
    let failed = told.iter().any(|one| matches!(one.ended, Ended::Failed(_)));
    Ok(if failed { Exit::Findings } else { Exit::Clean })
}

/// Reads stories and the topologies that they are about. `None` if something is wrong with them, which was shown.
fn stories(
    arguments: &Arguments,
    sources: &mut SourceMap,
) -> anyhow::Result<Option<Vec<(Stories, Loaded)>>> {
    let mut files = Vec::new();
    for path in found(&arguments.files)? {
        let file = sources.add(&path.display().to_string(), &text(&path)?);
        let (stories, mut wrong) = read(sources, file);
        if let Some(stories) = stories {
            let Some(loaded) = topology(&about(&path, &stories), arguments.env.clone())? else {
                return Ok(None);
            };
            wrong.extend(check(&stories, &loaded.topology));
            files.push((stories, loaded));
        }
        if !wrong.is_empty() {
            ui::diagnostic::findings(sources, &wrong);
            return Ok(None);
        }
    }
    Ok(Some(files))
}

impl Arguments {
    /// The stories that are to be played.
    fn wanted<'s>(&self, stories: &'s Stories) -> Vec<&'s Story> {
        let part = self.filter.as_deref();
        let wanted = |story: &&Story| part.is_none_or(|part| story.name.value.contains(part));
        stories.stories.iter().filter(wanted).collect()
    }
}

/// How stories on a server came to their end.
enum Live {
    /// All were played.
    Over,
    /// Something stands in the way, which was said.
    Refused,
    /// Somebody wanted it.
    Interrupted,
}

/// Plays stories on a server.
fn play_live(
    arguments: &Arguments,
    on: On,
    files: &[(Stories, Loaded)],
    tell: &mut impl FnMut(Told),
) -> anyhow::Result<Live> {
    let interrupts = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupts))
            .context("cannot listen for signals")?;
    }
    for (stories, loaded) in files {
        let stories = arguments.wanted(stories);
        if stories.is_empty() {
            continue;
        }
        let connection = &arguments.server.connection;
        let ground = match on {
            On::Up => Ground::Own(Box::new(Host::start(&loaded.topology)?)),
            On::Server => Ground::Named { connection, loaded },
        };
        let mut live = LiveServer::new(ground, Arc::clone(&interrupts))?;
        if !play_on(&mut live, on, loaded, &stories, tell)? {
            return Ok(Live::Refused);
        }
        if live.is_interrupted() {
            return Ok(Live::Interrupted);
        }
    }
    Ok(Live::Over)
}

/// Plays the stories of a topology on a server. `false` if something stands in the way, which was said.
fn play_on(
    live: &mut LiveServer<'_>,
    on: On,
    loaded: &Loaded,
    stories: &[&Story],
    tell: &mut impl FnMut(Told),
) -> anyhow::Result<bool> {
    let topology = &loaded.topology;
    let in_the_way = in_the_way(topology, live)?;
    if !in_the_way.is_empty() {
        let list = in_the_way.join(", ");
        ui::say(&format!(
            "error: the server has {list}: stories make the streams of `{}` and delete them, and touch no other. Play \
             them in another account, or with --on up",
            topology.name.value
        ));
        return Ok(false);
    }
    for story in stories {
        let why = needs_the_clock(topology, story, on == On::Up);
        let why = why.or_else(|| stranger(live, story));
        let ended = if let Some(why) = why {
            Ended::Skipped(why)
        } else {
            let mark = format!("story-{}", generate()?);
            watershed_story::run_on(topology, story, &mark, live)
                .map(|_| Passed { time: Duration::ZERO })
                .into()
        };
        tell(Told { name: story.name.clone(), ended });
        if live.is_interrupted() {
            break;
        }
    }
    Ok(true)
}

/// Why a story cannot be played that publishes as somebody who cannot connect.
fn stranger(live: &LiveServer<'_>, story: &Story) -> Option<String> {
    story.steps.iter().find_map(|step| match step {
        Step::Publish(Publish { user: Some(user), .. }) => {
            live.may_connect(&user.value).err().map(|error| format!("{error:#}"))
        }
        _ => None,
    })
}

/// The files of stories that are meant.
fn found(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let here = [PathBuf::from(".")];
    let named = if named.is_empty() { &here } else { named };
    let mut files = Vec::new();
    for path in named {
        if !path.exists() {
            bail!("no file or folder {}", path.display());
        }
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in WalkBuilder::new(path).build() {
            let path = entry?.into_path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if ENDINGS.iter().any(|ending| name.ends_with(ending)) && path.is_file() {
                inside.push(path.strip_prefix("./").map_or(path.clone(), Path::to_owned));
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    if files.is_empty() {
        let named: Vec<_> = named.iter().map(|path| path.display().to_string()).collect();
        let named = named.join(", ");
        bail!("no `*.story.yaml` in {named}: write one beside the topology, see docs/stories.md");
    }
    Ok(files)
}

/// The topology that a file of stories is about: the one that it names, or that of its folder.
fn about(path: &Path, stories: &Stories) -> PathBuf {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    if let Some(named) = &stories.topology {
        return folder.join(&named.value);
    }
    let file = folder.join(DEFAULT_FILE);
    if beside(&file).is_empty() { file } else { folder.to_owned() }
}

/// Reads a topology as `up` runs it. `None` if it has errors, which were shown.
fn topology(path: &Path, env: Option<String>) -> anyhow::Result<Option<Loaded>> {
    let reading = Reading { env, embedded: true, ..Reading::default() };
    let mut workspace = load(&[path.to_owned()], &reading)?;
    if workspace.worst() == Some(Severity::Error) {
        ui::diagnostic::show(&workspace);
        return Ok(None);
    }
    let Some(mut loaded) = workspace.topologies.pop() else {
        bail!("{} is not a topology", path.display());
    };
    (loaded.topology, _) = std::mem::take(&mut loaded.topology).embedded();
    Ok(Some(loaded))
}
