//! `watershed lint`: what is wrong with a topology, offline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use watershed_topology::diagnostic::Edit;
use watershed_topology::source::FileId;
use watershed_topology::{Severity, Version};

use crate::exit::Exit;
use crate::load::{Reading, Workspace, load};
use crate::rewrite::rewrite;
use crate::ui;

/// Find what a server would refuse, ignore or destroy.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed lint examples/agentic-platform --deny warnings")]
pub(crate) struct Arguments {
    /// Topology files, or folders of them [default: the current folder]. Also files
    /// that other tools read: answers and lists as JSON, manifests, Terraform, shell scripts,
    /// nats.conf.
    files: Vec<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to each file.
    #[arg(long)]
    env: Option<String>,
    /// Target nats-server version, e.g. 2.14 [default: the file's, else 2.14].
    #[arg(long, value_name = "VERSION")]
    target_version: Option<Version>,
    /// Also report what this runtime does not support.
    #[arg(long, value_enum)]
    target: Option<Target>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Also fail on.
    #[arg(long, value_enum)]
    deny: Option<Deny>,
    /// Apply safe fixes.
    #[arg(long)]
    fix: bool,
}

/// Passes after which what is still wrong is left to people.
const FIX_PASSES_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
    /// For code scanning, as SARIF 2.1.0.
    Sarif,
    /// For a workflow on GitHub: annotations at the lines.
    Github,
    /// For a test report, as JUnit's XML.
    Junit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The embedded server of `watershed up`.
    Up,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// Warnings too.
    Warnings,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let reading = Reading {
        env: arguments.env.clone(),
        target: arguments.target_version,
        embedded: arguments.target == Some(Target::Up),
        foreign: true,
    };
    let mut workspace = load(&arguments.files, &reading)?;
    if arguments.fix {
        // One fix may bring another problem to light.
        for _ in 0..FIX_PASSES_MAX {
            if !fix(&workspace)? {
                break;
            }
            workspace = load(&arguments.files, &reading)?;
        }
    }
    match arguments.format {
        Format::Human if !arguments.json => ui::diagnostic::show(&workspace),
        Format::Human | Format::Json => ui::json::findings(&workspace),
        Format::Sarif => ui::sarif::show(&workspace),
        Format::Github => ui::github::show(&workspace),
        Format::Junit => ui::junit::show(&workspace),
    }
    let threshold = match arguments.deny {
        None => Severity::Error,
        Some(Deny::Warnings) => Severity::Warning,
    };
    let failed = workspace.worst().is_some_and(|worst| worst >= threshold);
    Ok(if failed { Exit::Findings } else { Exit::Clean })
}

/// Carries out the edits of all findings. Says whether there were any.
fn fix(workspace: &Workspace) -> anyhow::Result<bool> {
    let mut by_file: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
    for edit in workspace.diagnostics.iter().filter_map(|diagnostic| diagnostic.edit.as_ref()) {
        by_file.entry(edit.span.file).or_default().push(edit);
    }
    let mut any = false;
    for (file, mut edits) in by_file {
        let file = workspace.sources.file(file);
        edits.sort_by_key(|edit| (edit.span, &edit.text));
        edits.dedup_by_key(|edit| edit.span);
        let mut text = file.whole().to_owned();
        let extension = Path::new(&file.name).extension();
        let is_json = extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let mut before = text.len();
        let mut count = 0;
        // From the end, so that places in front stay where they are.
        for edit in edits.into_iter().rev() {
            let (start, end) = (edit.span.start as usize, edit.span.end as usize);
            if end <= before
                && let Some(new) = edit.written(&text, is_json)
            {
                text.replace_range(start..end, &new);
                before = start;
                count += 1;
            }
        }
        if count == 0 {
            continue;
        }
        any = true;
        rewrite(Path::new(&file.name), &text)?;
        ui::say(&format!("{}: fixed {}", file.name, ui::count(count, "problem")));
    }
    Ok(any)
}
