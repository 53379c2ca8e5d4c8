//! Reads topology files: from arguments to topologies and findings.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use watershed_topology::diagnostic::{ServerSays, sort};
use watershed_topology::limits::FILE_BYTES_MAX;
use watershed_topology::lower::{Lowered, lower};
use watershed_topology::source::Span;
use watershed_topology::{Diagnostic, Severity, SourceMap, Topology, lint};

/// The file that a command takes if none is named, and that a folder stands for.
const DEFAULT_FILE: &str = "watershed.yaml";

/// A topology and the folder that its relative paths start from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) topology: Topology,
    pub(crate) folder: PathBuf,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) sources: SourceMap,
    pub(crate) topologies: Vec<Loaded>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Files that are no topology.
    pub(crate) passed_over: Vec<PathBuf>,
}

impl Workspace {
    /// The worst that was found.
    pub(crate) fn worst(&self) -> Option<Severity> {
        self.diagnostics.iter().map(|diagnostic| diagnostic.severity).max()
    }

    /// How many findings are this bad.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}

/// Reads and lints the files that `paths` name, or the one in the current folder.
pub(crate) fn load(paths: &[PathBuf]) -> anyhow::Result<Workspace> {
    let mut workspace = Workspace::default();
    let default = [PathBuf::from(DEFAULT_FILE)];
    let paths = if paths.is_empty() { &default } else { paths };
    for path in paths {
        load_one(path, &mut workspace)?;
    }
    if workspace.topologies.is_empty() && workspace.diagnostics.is_empty() {
        let names: Vec<_> =
            workspace.passed_over.iter().map(|path| path.display().to_string()).collect();
        bail!("{} has no `watershed:` key: it is no topology", names.join(", "));
    }
    same_accounts(&mut workspace);
    sort(&mut workspace.diagnostics);
    Ok(workspace)
}

fn load_one(path: &Path, workspace: &mut Workspace) -> anyhow::Result<()> {
    let path = if path.is_dir() { path.join(DEFAULT_FILE) } else { path.to_owned() };
    let shown = path.display().to_string();
    let text = match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX as u64 => {
            bail!("{shown} is larger than {} MiB: it is no topology", FILE_BYTES_MAX >> 20)
        }
        _ => fs::read(&path).with_context(|| {
            format!("cannot read {shown}: name a topology file, or a folder with a {DEFAULT_FILE}")
        })?,
    };
    let text = String::from_utf8(text).map_err(|error| {
        anyhow::anyhow!(
            "{shown} is no text: byte {} is not UTF-8",
            error.utf8_error().valid_up_to()
        )
    })?;
    let file = workspace.sources.add(&shown, &text);
    let (lowered, mut diagnostics) = lower(&workspace.sources, file);
    match lowered {
        Lowered::NotATopology if diagnostics.is_empty() => workspace.passed_over.push(path),
        Lowered::NotATopology => {}
        Lowered::Topology(topology) => {
            // What follows a syntax error was not read: rules would find fault with its absence.
            if !diagnostics.iter().any(|diagnostic| diagnostic.code == "F001") {
                diagnostics.extend(lint::run(&topology));
            }
            let folder = path.parent().map(Path::to_owned).unwrap_or_default();
            workspace.topologies.push(Loaded { topology: *topology, folder });
        }
    }
    workspace.diagnostics.append(&mut diagnostics);
    Ok(())
}

/// One topology is one account.
fn same_accounts(workspace: &mut Workspace) {
    let mut found = Vec::new();
    for (index, second) in workspace.topologies.iter().enumerate() {
        for first in workspace.topologies.iter().take(index) {
            let place = |loaded: &Loaded| -> Span {
                let topology = &loaded.topology;
                topology.account.as_ref().map_or(topology.name.span, |account| account.span)
            };
            if first.topology.account_name() == second.topology.account_name() {
                let message = format!(
                    "two topologies live in the account `{}`",
                    second.topology.account_name()
                );
                found.push(
                    Diagnostic::new("F011", Severity::Error, place(second), message)
                        .other(place(first), "the other one")
                        .server(ServerSays::Nothing)
                        .fix("give one of them another `account`"),
                );
            }
        }
    }
    workspace.diagnostics.append(&mut found);
}
