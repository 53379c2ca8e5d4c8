//! Rules of the tree that no compiler knows: which crate may use which, that files do not need each
//! other in loops, how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::loops::Needs;

/// The arrows between crates, complete. A new one needs a paragraph in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("store", &[]),
    ("archive", &["wire"]),
    ("base", &["wire"]),
    ("core", &["base", "wire"]),
    ("jetstream", &["archive", "base", "store", "wire"]),
    ("engine", &["base", "core", "jetstream", "store", "wire"]),
    ("topology", &["wire"]),
    ("import", &["topology", "wire"]),
    ("render", &["topology", "wire"]),
    ("lsp", &["topology", "wire"]),
    ("client", &["archive", "topology", "wire"]),
    ("server", &["engine", "store", "wire"]),
    ("worker", &["client", "topology", "wire"]),
    ("page", &["client", "topology", "wire", "worker"]),
    (
        "watershed",
        &[
            "client", "import", "lsp", "page", "render", "server", "story", "topology", "wire",
            "worker",
        ],
    ),
    ("story", &["engine", "store", "topology", "wire"]),
    ("sim", &["engine", "peers", "store", "topology", "wire"]),
    ("bench", &["wire"]),
    ("peers", &[]),
    ("xtask", &[]),
];

/// Code lines of a file, tests and comments not counted. What is a uniform table may be longer.
const CODE_LINES_MAX: usize = 600;

/// Crates that decide and never do: no async runtime, no sockets, no threads.
const PURE: &[&str] = &[
    "wire",
    "store",
    "archive",
    "base",
    "core",
    "jetstream",
    "engine",
    "topology",
    "import",
    "render",
    "lsp",
    "story",
];

/// Crates whose files still need each other in loops. The list only gets shorter: a crate that is
/// free of loops is taken off it, and no other is put on it.
const KNOTTED: &[&str] = &["bench", "server", "store", "watershed"];

/// What a pure crate does not depend on.
const NOT_PURE: &[&str] = &["tokio", "mio", "async-nats", "rustix", "getrandom", "socket2"];

pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cannot read the workspace")?;
    let mut findings = Vec::new();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for package in &metadata.packages {
        let name = short(&package.name);
        let Some(allowed) = arrows.get(name) else {
            findings.push(format!("crate `{name}` has no row in the table of arrows"));
            continue;
        };
        for dependency in &package.dependencies {
            let target = short(&dependency.name);
            let inner = dependency.path.is_some();
            let normal = dependency.kind == DependencyKind::Normal;
            if inner && normal && !allowed.contains(&target) {
                findings.push(format!("crate `{name}` must not use `{target}`"));
            }
            if normal && PURE.contains(&name) && NOT_PURE.contains(&dependency.name.as_str()) {
                findings.push(format!("pure crate `{name}` must not use `{}`", dependency.name));
            }
        }
    }
    let root = metadata.workspace_root.as_std_path();
    for package in &metadata.packages {
        findings.extend(loops_of(package)?);
    }
    for file in rust_files(&root.join("crates"))? {
        let text = fs::read_to_string(&file)?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let lines = code_lines(&text);
        let test = name.contains("tests");
        if lines > CODE_LINES_MAX && !test && !name.ends_with("table.rs") {
            findings.push(format!("{name} has {lines} lines of code: find its second subject"));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("the tree is not tidy:\n  {}", findings.join("\n  "))
}

/// Loops of files in a crate that is to have none, or the lack of any in one that may.
fn loops_of(package: &Package) -> anyhow::Result<Vec<String>> {
    let name = short(&package.name);
    let read = |path: &Path| fs::read_to_string(path).ok();
    let base = package.manifest_path.parent().context("a crate has a folder")?.as_std_path();
    let mut loops = Vec::new();
    for target in &package.targets {
        if target.is_lib() || target.is_bin() {
            let needs = Needs::read(target.src_path.as_std_path(), &read)?;
            loops.extend(
                needs
                    .describe_loops(base)
                    .into_iter()
                    .map(|text| format!("crate `{name}`: {text}")),
            );
        }
    }
    if !KNOTTED.contains(&name) {
        return Ok(loops);
    }
    let free =
        loops.is_empty().then(|| format!("crate `{name}` has no loops: take it off KNOTTED"));
    Ok(free.into_iter().collect())
}

fn short(package: &str) -> &str {
    package.strip_prefix("watershed-").unwrap_or(package)
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn code_lines(text: &str) -> usize {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let line = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    code.lines().filter(line).count()
}
