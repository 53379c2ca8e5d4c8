//! The files of a folder that may declare something.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ignore::WalkBuilder;
use watershed_topology::limits::FILE_BYTES_MAX;

/// Files of one folder that are read at most.
const FILES_MAX: usize = 5_000;

/// Bytes of all of them.
const BYTES_MAX: u64 = 128 << 20;

/// Levels of folders that are looked into.
const DEPTH_MAX: usize = 24;

/// Folders that hold other people's files.
const OTHERS: &[&str] = &[
    ".git",
    "node_modules",
    "target",
    "vendor",
    ".terraform",
    ".venv",
    "venv",
    "site-packages",
    "__pycache__",
    "dist",
];

/// Endings of files that may declare something.
const ENDINGS: &[&str] = &[
    "sh",
    "bash",
    "json",
    "yaml",
    "yml",
    "tf",
    "conf",
    "mk",
    "dockerfile",
    "py",
    "go",
    "js",
    "mjs",
    "cjs",
    "jsx",
    "ts",
    "mts",
    "cts",
    "tsx",
    "rs",
    "java",
    // Of these it is said that they are not read, if they declare something.
    "tpl",
    "cs",
    "fs",
    "kt",
    "kts",
    "scala",
    "groovy",
    "clj",
    "rb",
    "php",
    "ex",
    "exs",
    "swift",
    "dart",
    "cpp",
    "cc",
    "ps1",
];

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<PathBuf>,
    /// What is not read though its name would do, and why.
    pub(crate) passed_over: Vec<(PathBuf, &'static str)>,
    /// Tests of programs, which are not read unless they are named: what they make is not kept.
    pub(crate) tests: usize,
}

/// Endings of programs.
const PROGRAMS: &[&str] =
    &["py", "go", "js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "rs", "java"];

impl Tree {
    /// The programs among the files.
    pub(crate) fn programs(self) -> impl Iterator<Item = PathBuf> {
        let is_program = |path: &PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| PROGRAMS.contains(&ending))
        };
        self.files.into_iter().filter(is_program)
    }
}

/// The files below `root` that may declare something, in their order. What `.gitignore` names is left
/// out, and no link is followed.
pub(crate) fn tree(root: &Path) -> anyhow::Result<Tree> {
    let mut walk = WalkBuilder::new(root);
    walk.hidden(false).follow_links(false).require_git(false).max_depth(Some(DEPTH_MAX));
    walk.sort_by_file_path(Ord::cmp);
    walk.filter_entry(|entry| {
        let name = entry.file_name().to_str().unwrap_or_default();
        !OTHERS.contains(&name)
    });
    let mut tree = Tree::default();
    let mut bytes = 0;
    for entry in walk.build() {
        let entry = entry.with_context(|| format!("cannot list {}", root.display()))?;
        let name = entry.file_name().to_str().unwrap_or_default();
        if !entry.file_type().is_some_and(|kind| kind.is_file()) || !may_declare(name) {
            continue;
        }
        let path = entry.path().to_owned();
        if is_test(path.strip_prefix(root).unwrap_or(&path)) {
            tree.tests += 1;
            continue;
        }
        let length = entry.metadata().map_or(0, |metadata| metadata.len());
        let why = if length > FILE_BYTES_MAX as u64 {
            Some("too large")
        } else if tree.files.len() >= FILES_MAX || bytes + length > BYTES_MAX {
            Some("too many files: name a folder further in")
        } else {
            None
        };
        if let Some(why) = why {
            tree.passed_over.push((path, why));
        } else {
            bytes += length;
            tree.files.push(path);
        }
    }
    Ok(tree)
}

/// The same files, and those that configurations of nats-server among `named` include: as far as they are in the folder
/// of that configuration, and no link.
pub(crate) fn with_included(mut files: Vec<PathBuf>, named: &[PathBuf]) -> Vec<PathBuf> {
    for conf in named.iter().filter(|path| path.extension().is_some_and(|end| end == "conf")) {
        let parent = conf.parent().unwrap_or(Path::new(""));
        let folder = if parent == Path::new("") { Path::new(".") } else { parent };
        let Ok(root) = folder.canonicalize() else { continue };
        let mut open = vec![conf.clone()];
        while let Some(path) = open.pop() {
            let Ok(text) = crate::load::text(&path) else { continue };
            for name in watershed_import::includes(&text) {
                let found = path.parent().unwrap_or(Path::new("")).join(name);
                let is_file = found.symlink_metadata().is_ok_and(|file| file.is_file());
                let inside = found.canonicalize().is_ok_and(|found| found.starts_with(&root));
                if is_file && inside && !files.contains(&found) && files.len() < FILES_MAX {
                    files.push(found.clone());
                    open.push(found);
                }
            }
        }
    }
    files
}

/// Whether a file is a test of a program, by its name or a folder of its own.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let by_name = match ending {
        "py" => stem.starts_with("test_") || stem.ends_with("_test") || stem == "conftest",
        "go" | "rs" => stem.ends_with("_test"),
        "java" | "kt" | "scala" | "groovy" | "cs" | "fs" => {
            stem.ends_with("Test") || stem.ends_with("Tests") || stem.ends_with("IT")
        }
        "rb" | "exs" | "ex" | "php" => stem.ends_with("_test") || stem.ends_with("_spec"),
        "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" => {
            // `.d.ts` are declarations of types.
            let last = stem.rsplit_once('.').map(|(_, last)| last);
            matches!(last, Some("test" | "spec" | "d")) || stem.ends_with("_test")
        }
        _ => return false,
    };
    let folders = path.parent().into_iter().flat_map(Path::components);
    let in_folder = folders.filter_map(|one| one.as_os_str().to_str()).any(|one| {
        matches!(one, "tests" | "test" | "__tests__" | "testdata") || one.ends_with("Tests")
    });
    by_name || in_folder
}

/// Whether a file may declare something, by its name. Markdown is read if it is named itself: what it
/// shows is often an example.
fn may_declare(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
        || matches!(name, "Makefile" | "GNUmakefile" | "makefile")
        || name.starts_with("Dockerfile")
        || name.starts_with("Containerfile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_searched() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for name in [
            "a/init.sh",
            ".github/ci.yml",
            "Makefile",
            "x.c",
            "README.md",
            "gone/b.yaml",
            "a/bus.py",
            "a/test_bus.py",
            "src/bus.test.ts",
            "tests/all.rs",
            "tests/init.sh",
        ] {
            write(name, "");
        }
        write("node_modules/c.json", "");
        write(".gitignore", "gone/\n");
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        let tree = tree(folder.path()).unwrap();
        let names = tree.files.iter().map(|path| path.strip_prefix(folder.path()).unwrap());
        let names: Vec<_> = names.map(|path| path.display().to_string()).collect();
        let expected = [".github/ci.yml", "Makefile", "a/bus.py", "a/init.sh", "tests/init.sh"];
        assert_eq!(names, expected);
        assert_eq!(tree.tests, 3);
    }
}
