//! `watershed init`: a file to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::exit::Exit;
use crate::ui;

/// What a new file says.
const STARTER: &str = include_str!("starter.yaml");

/// Writes a topology to start from, with comments.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed init && watershed up")]
pub(crate) struct Arguments {
    /// File to write; never one that is there.
    #[arg(default_value = "watershed.yaml")]
    file: PathBuf,
    /// Name of the topology; else that of the folder.
    #[arg(long)]
    name: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let shown = arguments.file.display();
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => folder_name(arguments)?,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        bail!("`{name}` is no name of a topology: up to 64 letters, digits, `-` and `_`");
    }
    let mut file = match OpenOptions::new().write(true).create_new(true).open(&arguments.file) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} is there already, and stays as it is")
        }
        Err(error) => return Err(error).context(format!("cannot write {shown}")),
    };
    let text = STARTER.replace("NAME", &name);
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {shown}"))?;
    ui::say(&format!("wrote {shown}: `watershed lint` checks it, `watershed up` runs it"));
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
