//! `watershed test`: stories about topologies, offline and in virtual time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use ignore::WalkBuilder;
use watershed_story::{Stories, check, read};
use watershed_topology::diagnostic::Severity;
use watershed_topology::{SourceMap, Topology};

use crate::exit::Exit;
use crate::load::{DEFAULT_FILE, Reading, beside, load, text};
use crate::ui;
use crate::ui::story::Told;

/// Play the stories of `*.story.yaml` files: what must become of messages when workers fail, time passes and
/// the server restarts. Offline, in virtual time: thirty days take milliseconds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  watershed test
  watershed test examples --filter 'dead letter'")]
pub(crate) struct Arguments {
    /// Files of stories, or folders to search for `*.story.yaml` [default: the current folder].
    files: Vec<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to each topology.
    #[arg(long)]
    env: Option<String>,
    /// Only stories whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
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
    let mut sources = SourceMap::default();
    let mut told = Vec::new();
    let mut topologies = BTreeMap::new();
    let format = if arguments.json { Format::Json } else { arguments.format };
    for path in found(&arguments.files)? {
        let file = sources.add(&path.display().to_string(), &text(&path)?);
        let (stories, mut wrong) = read(&sources, file);
        if let Some(stories) = stories {
            let of = about(&path, &stories);
            if !topologies.contains_key(&of) {
                let Some(topology) = topology(&of, arguments.env.clone())? else {
                    return Ok(Exit::Findings);
                };
                topologies.insert(of.clone(), topology);
            }
            let Some(topology) = topologies.get(&of) else { continue };
            wrong.extend(check(&stories, topology));
            if wrong.is_empty() {
                play(&stories, topology, arguments, &sources, format, &mut told);
            }
        }
        if !wrong.is_empty() {
            ui::diagnostic::findings(&sources, &wrong);
            return Ok(Exit::Findings);
        }
    }
    if told.is_empty() {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        bail!("no story has `{filter}` in its name");
    }
    let failed = told.iter().any(|one: &Told| one.ended.is_err());
    match format {
        Format::Human => ui::story::summary(&told),
        Format::Json => ui::story::json(&sources, &told),
        Format::Junit => ui::story::junit(&sources, &told),
    }
    Ok(if failed { Exit::Findings } else { Exit::Clean })
}

fn play(
    stories: &Stories,
    topology: &Topology,
    arguments: &Arguments,
    sources: &SourceMap,
    format: Format,
    told: &mut Vec<Told>,
) {
    let wanted = |name: &str| arguments.filter.as_deref().is_none_or(|part| name.contains(part));
    for story in stories.stories.iter().filter(|story| wanted(&story.name.value)) {
        let one = Told { name: story.name.clone(), ended: watershed_story::run(topology, story) };
        if format == Format::Human {
            ui::story::show(sources, &one, told.last());
        }
        told.push(one);
    }
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
fn topology(path: &Path, env: Option<String>) -> anyhow::Result<Option<Topology>> {
    let reading = Reading { env, embedded: true, ..Reading::default() };
    let mut workspace = load(&[path.to_owned()], &reading)?;
    if workspace.worst() == Some(Severity::Error) {
        ui::diagnostic::show(&workspace);
        return Ok(None);
    }
    let Some(loaded) = workspace.topologies.pop() else {
        bail!("{} is not a topology", path.display());
    };
    let (topology, _) = loaded.topology.embedded();
    Ok(Some(topology))
}
