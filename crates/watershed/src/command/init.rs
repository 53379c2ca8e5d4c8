//! `watershed init`: a file to start from.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use watershed_topology::lower::is_name;

use super::write_new;
use crate::exit::Exit;
use crate::ui;

/// What a new file says.
const STARTER: &str = include_str!("starter.yaml");

/// Stories about it.
const STORIES: &str = include_str!("starter.story.yaml");

/// Write a commented starter topology, and stories about it that `watershed test` plays.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed init && watershed up")]
pub(crate) struct Arguments {
    /// New file to write.
    #[arg(default_value = "watershed.yaml")]
    file: PathBuf,
    /// Name of the topology [default: the folder's].
    #[arg(long)]
    name: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let shown = arguments.file.display();
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => folder_name(arguments)?,
    };
    if !is_name(&name) {
        bail!("invalid topology name `{name}`: up to 64 letters, digits, `-` and `_`");
    }
    write_new(&arguments.file, &STARTER.replace("NAME", &name))?;
    ui::say(&format!("wrote {shown}: `watershed lint` checks it, `watershed up` runs it"));
    let stories = arguments.file.with_extension("story.yaml");
    if !stories.exists() {
        write_new(&stories, STORIES)?;
        ui::say(&format!("wrote {}: `watershed test` plays it", stories.display()));
    }
    Ok(Exit::Clean)
}

/// The name of the folder of the file, as a topology can have it.
fn folder_name(arguments: &Arguments) -> anyhow::Result<String> {
    let folder = arguments.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| ".".as_ref());
    let folder =
        folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = name.unwrap_or_default().chars().map(plain).take(64).collect();
    Ok(if name.is_empty() { "topology".into() } else { name })
}
