//! `watershed fmt`: topology files in their usual form.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use similar::TextDiff;
use watershed_topology::format::format;

use crate::exit::Exit;
use crate::load::{parts, text};
use crate::rewrite::rewrite;
use crate::ui;
use crate::ui::path::shown;

/// Format topology files. Comments, the order of keys and what the file means stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed fmt --check examples/agentic-platform")]
pub(crate) struct Arguments {
    /// YAML files of topologies or stories, or folders of them; `-` formats standard input [default: the current folder].
    files: Vec<PathBuf>,
    /// Change nothing; name the files that would change and exit with 3.
    #[arg(long)]
    check: bool,
    /// Change nothing; show what would change and exit with 3.
    #[arg(long)]
    diff: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.files == [PathBuf::from("-")] {
        return standard_input();
    }
    let (mut changed, mut failed) = (false, false);
    for file in files(&arguments.files)? {
        let old = text(&file)?;
        let new = match format(&old) {
            Ok(new) => new,
            Err(error) => {
                ui::say(&format!("error: {}: {error}", shown(&file)));
                failed = true;
                continue;
            }
        };
        if new == old {
            continue;
        }
        changed = true;
        if arguments.diff {
            let name = file.display().to_string();
            let diff = TextDiff::from_lines(&old, &new);
            let diff = diff.unified_diff().header(&name, &name).to_string();
            ui::out(diff.trim_end());
        } else if arguments.check {
            ui::out(&file.display().to_string());
        } else {
            rewrite(&file, &new)?;
            ui::say(&format!("{}: formatted", file.display()));
        }
    }
    Ok(match (failed, changed && (arguments.check || arguments.diff)) {
        (true, _) => Exit::Error,
        (false, true) => Exit::Differs,
        (false, false) => Exit::Clean,
    })
}

/// Formats what an editor hands over, and hands it back.
fn standard_input() -> anyhow::Result<Exit> {
    let old = std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?;
    let new = format(&old).context("cannot format standard input")?;
    ui::out(new.trim_end_matches('\n'));
    Ok(Exit::Clean)
}

/// The files that were named, and those of the folders: topologies, their overlays and stories.
fn files(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let here = [PathBuf::from(".")];
    let mut found = Vec::new();
    for path in if named.is_empty() { &here } else { named } {
        if path.is_dir() {
            found.extend(within(path)?);
        } else if is_yaml(path) {
            found.push(path.clone());
        } else {
            bail!("{}: only YAML files are formatted", path.display());
        }
    }
    Ok(found)
}

/// The YAML files of a folder that are about a topology.
fn within(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let bases: Vec<PathBuf> = parts(folder)?
        .into_iter()
        .filter(|path| is_yaml(path) && text(path).is_ok_and(|text| is_topology(&text)))
        .collect();
    let mut found = Vec::new();
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let overlay = bases.iter().any(|base| {
            let stem = base.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.'))
        });
        let story = name.ends_with(".story.yaml") || name.ends_with(".story.yml");
        if path.is_file() && is_yaml(&path) && (overlay || story) {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("no topology file in {}", folder.display());
    }
    found.sort();
    Ok(found)
}

fn is_topology(text: &str) -> bool {
    let mut sources = watershed_topology::SourceMap::default();
    let file = sources.add("", text);
    watershed_topology::read::Document::new(&sources, file).is_topology()
}

fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml"))
}
