//! Reads topology files: from arguments to topologies and findings.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use watershed_import::import;
use watershed_topology::diagnostic::sort;
use watershed_topology::limits::FILE_BYTES_MAX;
use watershed_topology::lint::allow::allowed_in;
use watershed_topology::lint::embedded;
use watershed_topology::read::{Document, read};
use watershed_topology::sharing::{between, strangers};
use watershed_topology::source::FileId;
use watershed_topology::{Diagnostic, Severity, SourceMap, Topology, Version};

use crate::tree::{tree, with_included};
use crate::ui::path::word;

/// The file that a command takes if none is named, and that a folder stands for.
pub(crate) const DEFAULT_FILE: &str = "watershed.yaml";

/// A topology and where it is.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) topology: Topology,
    /// The file or the folder that was named.
    pub(crate) path: PathBuf,
    /// The folder that its relative paths start from.
    pub(crate) folder: PathBuf,
    /// Where `up` keeps its data, if a flag said so.
    pub(crate) data: Option<PathBuf>,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) sources: SourceMap,
    pub(crate) topologies: Vec<Loaded>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// How many findings are allowed by a comment.
    pub(crate) allowed: usize,
    /// Files of other formats that were linted.
    pub(crate) foreign: usize,
    /// Files that a search found.
    found: Vec<(PathBuf, FileId)>,
    /// Files that are no topology, and what is wrong with them as YAML.
    others: Vec<(PathBuf, FileId, Vec<Diagnostic>)>,
    /// Files that are no topology.
    pub(crate) passed_over: Vec<PathBuf>,
    /// Files that a search found, in which nothing is declared.
    pub(crate) searched: usize,
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

/// How files are to be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// The environment whose overlays count.
    pub(crate) env: Option<String>,
    /// Version of the server that is linted for.
    pub(crate) target: Option<Version>,
    /// Whether it is to run on the embedded server.
    pub(crate) embedded: bool,
    /// Whether files of other formats are read as well.
    pub(crate) foreign: bool,
}

/// Reads and lints the topologies that `paths` name, or the one in the current folder.
pub(crate) fn load(paths: &[PathBuf], reading: &Reading) -> anyhow::Result<Workspace> {
    let mut workspace = Workspace::default();
    let default = [here()];
    let whole = paths.is_empty();
    let paths = if whole { &default } else { paths };
    let mut all = paths.to_vec();
    if reading.foreign {
        all = with_included(all, paths);
    }
    for path in &all {
        let before = workspace.topologies.len();
        load_one(path, reading, &mut workspace)?;
        if reading.foreign && (whole || path.is_dir()) {
            programs(before, &mut workspace)?;
        }
    }
    if reading.foreign {
        lint_foreign(&mut workspace, reading);
    }
    // What cannot be read at all may well have been meant as a topology.
    for (file, _, mut diagnostics) in std::mem::take(&mut workspace.others) {
        if diagnostics.is_empty() || !workspace.topologies.is_empty() {
            workspace.passed_over.push(file);
        } else {
            workspace.diagnostics.append(&mut diagnostics);
        }
    }
    if workspace.topologies.is_empty() && workspace.diagnostics.is_empty() && workspace.foreign == 0
    {
        if !workspace.found.is_empty() {
            let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            bail!("nothing in {} declares a stream, a consumer or a server", names.join(", "));
        }
        let names: Vec<_> =
            workspace.passed_over.iter().map(|path| path.display().to_string()).collect();
        if workspace.passed_over.iter().all(|path| is_yaml(path)) {
            bail!("{}: not a topology file (no `watershed:` key)", names.join(", "));
        }
        bail!("nothing in {} declares a stream, a consumer or a server", names.join(", "));
    }
    let accounts: Vec<_> =
        workspace.topologies.iter().map(|loaded| loaded.topology.sharing()).collect();
    workspace.diagnostics.append(&mut between(&accounts));
    let all: Vec<_> = workspace.topologies.iter().map(|loaded| &loaded.topology).collect();
    workspace.diagnostics.append(&mut strangers(&all));
    sort(&mut workspace.diagnostics);
    Ok(workspace)
}

/// The topology in the current folder: all of its files, which may be one.
fn here() -> PathBuf {
    let folder = Path::new(".");
    let alone = beside(&folder.join(DEFAULT_FILE)).is_empty();
    if alone { DEFAULT_FILE.into() } else { folder.into() }
}

/// The other files in the folder of a topology file that are topologies, or parts of one, with the name
/// that each gives.
pub(crate) fn beside(file: &Path) -> Vec<(PathBuf, Option<String>)> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let others = parts(folder).unwrap_or_default();
    let others = others.into_iter().filter(|other| other.file_name() != file.file_name());
    let topologies = others.filter_map(|other| {
        let mut sources = SourceMap::default();
        let id = sources.add("", &text(&other).ok()?);
        let document = Document::new(&sources, id);
        let name = document.name().map(str::to_owned);
        document.is_topology().then_some((other, name))
    });
    topologies.collect()
}

/// A file, or the files of a folder, are one topology.
fn load_one(path: &Path, reading: &Reading, workspace: &mut Workspace) -> anyhow::Result<()> {
    let mut search = false;
    let (folder, files) = if path.is_dir() {
        let (files, all) = within(path, reading)?;
        search = all;
        (path.to_owned(), files)
    } else {
        refuse_overlay(path)?;
        (path.parent().map(Path::to_owned).unwrap_or_default(), vec![path.to_owned()])
    };
    let (mut base, mut others) = (Vec::new(), Vec::new());
    for file in &files {
        let text = match text(file) {
            Ok(text) => text,
            // A folder may hold anything; what was named, or is the file itself, is read or refused.
            Err(_) if path.is_dir() && !file.ends_with(DEFAULT_FILE) => {
                workspace.passed_over.push(file.clone());
                continue;
            }
            Err(error) => return Err(error),
        };
        let id = workspace.sources.add(&file.display().to_string(), &text);
        if reading.foreign && !is_yaml(file) {
            others.push((file, id, Vec::new()));
            continue;
        }
        let document = Document::new(&workspace.sources, id);
        if document.is_topology() {
            base.push((file, document));
        } else {
            others.push((file, id, document.into_diagnostics()));
        }
    }
    for (file, id, diagnostics) in others {
        if search {
            // Whatever else is wrong with a file that was not named is not asked here.
            workspace.found.push((file.clone(), id));
        } else if base.is_empty() {
            workspace.others.push((file.clone(), id, diagnostics));
        } else {
            workspace.passed_over.push(file.clone());
        }
    }
    if base.is_empty() {
        return Ok(());
    }
    let mut overlays = Vec::new();
    if let Some(env) = &reading.env {
        let named = base.iter().filter_map(|(file, _)| overlay(file, env));
        for file in named.collect::<Vec<_>>() {
            overlays.push(document(&file, workspace)?);
        }
        if overlays.is_empty() {
            let first = base.first().map(|(file, _)| file.with_extension(format!("{env}.yaml")));
            bail!("missing {}", first.unwrap_or_default().display());
        }
    }
    let base = base.into_iter().map(|(_, document)| document).collect();
    let mut read = read(&workspace.sources, base, overlays, reading.target);
    for secret in &read.topology.secrets {
        workspace.sources.hide(*secret);
    }
    // A file that has errors of its own may not be what was meant.
    let fine = read.diagnostics.iter().all(|found| found.severity < Severity::Error);
    if reading.embedded && fine {
        workspace.diagnostics.extend(embedded(&read.topology));
    }
    let (topology, path) = (read.topology, path.to_owned());
    workspace.topologies.push(Loaded { topology, path, folder, data: None });
    workspace.diagnostics.append(&mut read.diagnostics);
    workspace.allowed += read.allowed;
    Ok(())
}

/// Reads the programs in the folder of a topology, the last one that was read, and says how they differ from it.
fn programs(before: usize, workspace: &mut Workspace) -> anyhow::Result<()> {
    let Some(loaded) = workspace.topologies.get(before) else { return Ok(()) };
    let here = Path::new(".");
    let folder = if loaded.folder == Path::new("") { here } else { &loaded.folder };
    let mut files = Vec::new();
    for path in tree(folder)?.programs() {
        // What was not named is read as far as it can be.
        if let Ok(text) = text(&path) {
            files.push(workspace.sources.add(&path.display().to_string(), &text));
        }
    }
    let mut found = watershed_import::against(&workspace.sources, &loaded.topology, &files);
    workspace.allowed += allowed_in(&workspace.sources, &files, &mut found);
    workspace.diagnostics.append(&mut found);
    Ok(())
}

/// The files of a folder: the parts of a topology, or, where there is none and other formats are read
/// as well, all that may declare something, and that they are.
fn within(folder: &Path, reading: &Reading) -> anyhow::Result<(Vec<PathBuf>, bool)> {
    let topology = |files: &[PathBuf]| {
        files.iter().any(|file| {
            let mut sources = SourceMap::default();
            let read = text(file).map(|text| {
                let id = sources.add("", &text);
                Document::new(&sources, id)
            });
            read.is_ok_and(|document| document.is_topology())
        })
    };
    match parts(folder) {
        Ok(files) if !reading.foreign || topology(&files) => Ok((files, false)),
        Err(error) if !reading.foreign => Err(error),
        _ => {
            let files = tree(folder)?.files;
            if files.is_empty() {
                bail!("nothing in {} could declare a stream", folder.display());
            }
            Ok((files, true))
        }
    }
}

/// Takes the files of other formats, which count as one system, out of those that are no topology.
fn lint_foreign(workspace: &mut Workspace, reading: &Reading) {
    let named = workspace.others.iter().map(|(_, file, _)| *file);
    let files: Vec<FileId> = named.chain(workspace.found.iter().map(|(_, file)| *file)).collect();
    let (imported, others) = import(&workspace.sources, &files);
    if !imported.recognized {
        return;
    }
    let (mut found, allowed) =
        watershed_import::lint(&workspace.sources, &files, &imported, reading.target);
    for secret in &imported.topology.secrets {
        workspace.sources.hide(*secret);
    }
    workspace.diagnostics.append(&mut found);
    workspace.allowed += allowed;
    workspace.others.retain(|(_, file, _)| others.contains(file));
    workspace.found.retain(|(_, file)| others.contains(file));
    workspace.searched = workspace.found.len();
    workspace.foreign = files.len() - others.len();
}

fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

/// The files in a folder that may be parts of a topology: those that are no overlay.
pub(crate) fn parts(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = folder.display();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {shown}"))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {shown}"))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.is_file() && is_yaml(&path) && !stem.is_empty() && !stem.contains('.') {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("no {DEFAULT_FILE} in {shown}, nor any other file that could be a topology");
    }
    found.sort();
    Ok(found)
}

/// The overlay of a file for an environment, if it is there.
fn overlay(file: &Path, env: &str) -> Option<PathBuf> {
    let candidates = ["yaml", "yml", "json"].map(|end| file.with_extension(format!("{env}.{end}")));
    candidates.into_iter().find(|path| path.is_file())
}

/// An overlay says only what differs: alone it is no topology.
fn refuse_overlay(path: &Path) -> anyhow::Result<()> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let Some((name, env)) = stem.rsplit_once('.') else { return Ok(()) };
    let base = path.with_file_name(format!("{name}.yaml"));
    if base.is_file() && is_yaml(path) {
        let (shown, base) = (path.display(), base.display());
        bail!("{shown} is an overlay of {base}: name that one, with --env {}", word(env));
    }
    Ok(())
}

fn document(path: &Path, workspace: &mut Workspace) -> anyhow::Result<Document> {
    let text = text(path)?;
    let file = workspace.sources.add(&path.display().to_string(), &text);
    Ok(Document::new(&workspace.sources, file))
}

/// The text of a file that could be a topology.
pub(crate) fn text(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let bytes = match fs::metadata(path) {
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX as u64 => {
            bail!("{shown} is larger than {} MiB: not a topology file", FILE_BYTES_MAX >> 20)
        }
        _ => fs::read(path).with_context(|| {
            format!("cannot read {shown}: name a topology file, or a folder with a {DEFAULT_FILE}")
        })?,
    };
    String::from_utf8(bytes).map_err(|error| {
        anyhow::anyhow!(
            "{shown} is not text: byte {} is not UTF-8",
            error.utf8_error().valid_up_to()
        )
    })
}
