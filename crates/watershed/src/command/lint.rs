//! `watershed lint`: what is wrong with a topology, offline.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use watershed_topology::Severity;

use crate::exit::Exit;
use crate::load::load;
use crate::ui;

/// Finds what a server would refuse, ignore or destroy.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed lint examples/agentic-platform --deny warnings")]
pub(crate) struct Arguments {
    /// Topology files, or folders with a watershed.yaml; that of the current folder if absent.
    files: Vec<PathBuf>,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The same as --format json.
    #[arg(long)]
    json: bool,
    /// What makes the command fail besides errors.
    #[arg(long, value_enum)]
    deny: Option<Deny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// Warnings too.
    Warnings,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let workspace = load(&arguments.files)?;
    if arguments.json || arguments.format == Format::Json {
        ui::json::findings(&workspace);
    } else {
        ui::diagnostic::show(&workspace);
    }
    let threshold = match arguments.deny {
        None => Severity::Error,
        Some(Deny::Warnings) => Severity::Warning,
    };
    let failed = workspace.worst().is_some_and(|worst| worst >= threshold);
    Ok(if failed { Exit::Findings } else { Exit::Clean })
}
