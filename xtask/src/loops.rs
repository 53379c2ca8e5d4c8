//! No loops of files: no file of a crate needs, over others, itself.
//!
//! A file needs another one if a path in it, imported or written out, leads to an item that the
//! other one defines. That a module shows to others what is in its children is no need of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::modules::{Source, Target, Tree};

/// A need of one file for another: the line, and the path there.
type Need = (usize, String);

/// The files of a crate, and what they need of each other.
#[derive(Debug)]
pub(crate) struct Needs {
    files: Vec<PathBuf>,
    needs: BTreeMap<usize, BTreeMap<usize, Need>>,
}

impl Needs {
    /// Reads the crate whose root is the file `root`.
    pub(crate) fn read(root: &Path, source: Source<'_>) -> anyhow::Result<Self> {
        let tree = Tree::read(root, source)?;
        let mut needs: BTreeMap<usize, BTreeMap<usize, Need>> = BTreeMap::new();
        for (at, module) in tree.modules.iter().enumerate() {
            for (path, line) in &module.written {
                let Some(Target::Item(from)) = tree.resolve(at, path) else { continue };
                let other = tree.modules[from].file;
                if other != module.file {
                    let need = || (*line, path.join("::"));
                    needs.entry(module.file).or_default().entry(other).or_insert_with(need);
                }
            }
        }
        Ok(Self { files: tree.files, needs })
    }

    fn of(&self, file: usize) -> impl Iterator<Item = usize> {
        self.needs.get(&file).into_iter().flat_map(|needs| needs.keys().copied())
    }

    /// The shortest way from a file over others back to itself, for each knot: files that all need
    /// each other, over others.
    fn shortest_loops(&self) -> Vec<Vec<usize>> {
        let mut known = BTreeSet::new();
        let mut loops = Vec::new();
        for file in 0..self.files.len() {
            if known.contains(&file) || self.way_back(file).is_none() {
                continue;
            }
            let all = self.reach(file);
            let knot = all.into_iter().filter(|other| self.reach(*other).contains(&file));
            let knot: Vec<usize> = knot.collect();
            loops.extend(knot.iter().filter_map(|file| self.way_back(*file)).min_by_key(Vec::len));
            known.extend(knot);
        }
        loops
    }

    /// All files that a file needs, over others.
    fn reach(&self, start: usize) -> BTreeSet<usize> {
        let (mut reached, mut left) = (BTreeSet::new(), vec![start]);
        while let Some(file) = left.pop() {
            left.extend(self.of(file).filter(|other| reached.insert(*other)));
        }
        reached
    }

    fn way_back(&self, start: usize) -> Option<Vec<usize>> {
        let mut came_from = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(file) = next.pop_front() {
            for other in self.of(file) {
                if other == start {
                    let mut way = vec![file];
                    while let Some(before) = way.last().and_then(|last| came_from.get(last)) {
                        way.push(*before);
                    }
                    way.reverse();
                    return Some(way);
                }
                came_from.entry(other).or_insert_with(|| {
                    next.push_back(other);
                    file
                });
            }
        }
        None
    }

    /// The shortest loop of each knot in words, with the lines that make it.
    pub(crate) fn describe_loops(&self, base: &Path) -> Vec<String> {
        let name = |file: usize| {
            let path = &self.files[file];
            path.strip_prefix(base).unwrap_or(path).display().to_string()
        };
        let describe = |way: Vec<usize>| {
            let others = way.iter().skip(1).chain(way.first());
            let steps = way.iter().zip(others).map(|(file, other)| {
                let (line, path) = &self.needs[file][other];
                format!("\n    {}:{line} needs {} (`{path}`)", name(*file), name(*other))
            });
            format!("files need each other in a loop:{}", steps.collect::<String>())
        };
        self.shortest_loops().into_iter().map(describe).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loops in a crate with these files.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let source = |path: &Path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| (*text).to_owned())
        };
        Needs::read(Path::new("src/lib.rs"), &source).unwrap().describe_loops(Path::new("src"))
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: Option<&str>) {
        let found = found(files).join("\n");
        let lines: Vec<&str> = found.lines().map(str::trim).collect();
        let heading = expected.map(|_| "files need each other in a loop:");
        let expected: Vec<&str> =
            heading.into_iter().chain(expected.unwrap_or_default().lines()).collect();
        assert_eq!(lines, expected);
    }

    const ROOT: (&str, &str) = ("src/lib.rs", "mod a;\nmod b;\n");

    #[test]
    fn imports_make_a_loop() {
        check(
            &[
                ROOT,
                ("src/a.rs", "use crate::b::B;\npub struct A(B);\n"),
                ("src/b.rs", "pub struct B;\nuse super::a;\nfn f(_: a::A) {}\n"),
            ],
            Some("a.rs:1 needs b.rs (`crate::b::B`)\nb.rs:3 needs a.rs (`a::A`)"),
        );
    }

    #[test]
    fn one_direction_is_no_loop() {
        check(
            &[
                ROOT,
                ("src/a.rs", "use crate::b::B;\npub struct A(B);\n"),
                // Naming a module needs nothing that it defines.
                ("src/b.rs", "use crate::a as _a;\npub struct B;\n"),
            ],
            None,
        );
    }

    #[test]
    fn tests_do_not_count() {
        check(
            &[
                ROOT,
                ("src/a.rs", "use crate::b::B;\npub struct A(B);\n"),
                (
                    "src/b.rs",
                    "pub struct B;\n#[cfg(test)]\nuse crate::a::A;\n#[cfg(test)]\nmod tests { use crate::a::A; }\n",
                ),
            ],
            None,
        );
    }

    #[test]
    fn what_a_parent_shows_is_no_need_of_it() {
        let child = ("src/a/c.rs", "use super::S;\npub struct C(S);\n");
        let parent = "mod c;\npub use c::C;\npub struct S;\n";
        check(&[ROOT, ("src/b.rs", ""), ("src/a/mod.rs", parent), child], None);
        let user = "mod c;\npub use c::C;\npub struct S;\nfn f(_: C) {}\n";
        check(
            &[ROOT, ("src/b.rs", ""), ("src/a/mod.rs", user), child],
            Some("a/mod.rs:4 needs a/c.rs (`C`)\na/c.rs:1 needs a/mod.rs (`super::S`)"),
        );
    }

    #[test]
    fn what_is_shown_elsewhere_is_needed_where_it_is_defined() {
        check(
            &[
                ("src/lib.rs", "mod a;\nmod b;\npub use b::*;\npub use a::A as Shown;\n"),
                ("src/a.rs", "pub struct A(crate::B);\n"),
                ("src/b.rs", "pub struct B;\nfn f(_: crate::Shown) {}\n"),
            ],
            Some("a.rs:1 needs b.rs (`crate::B`)\nb.rs:2 needs a.rs (`crate::Shown`)"),
        );
    }

    #[test]
    fn macros_are_looked_into() {
        check(
            &[
                ("src/lib.rs", "mod a;\nmod b;\n"),
                ("src/a.rs", "fn f() { assert_eq!(1, [crate::b::MADE][0]); }\npub fn g() {}\n"),
                ("src/b.rs", "make! { MADE = 1; }\nfn h() { println!(\"{:?}\", super::a::g()) }\n"),
            ],
            Some("a.rs:1 needs b.rs (`crate::b::MADE`)\nb.rs:2 needs a.rs (`super::a::g`)"),
        );
    }

    #[test]
    fn blocks_belong_to_their_file() {
        check(
            &[
                ROOT,
                (
                    "src/a.rs",
                    "pub mod inner { pub fn f() { super::g() } }\nfn g() { inner::f() }\n",
                ),
                ("src/b.rs", "fn f() { use crate::a::inner::f as other; other() }\n"),
            ],
            None,
        );
    }

    #[test]
    fn the_shortest_loop_is_shown() {
        check(
            &[
                ("src/lib.rs", "mod a;\nmod b;\nmod c;\n"),
                ("src/a.rs", "pub struct A(crate::b::B);\n"),
                ("src/b.rs", "pub struct B(crate::c::C);\n"),
                ("src/c.rs", "pub struct C(crate::a::A);\nfn f(_: crate::b::B) {}\n"),
            ],
            Some("b.rs:1 needs c.rs (`crate::c::C`)\nc.rs:2 needs b.rs (`crate::b::B`)"),
        );
    }

    #[test]
    fn each_knot_is_shown() {
        let two = found(&[
            ("src/lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n"),
            ("src/a.rs", "pub struct A(crate::b::B);\n"),
            ("src/b.rs", "pub struct B(crate::a::A, crate::c::C);\n"),
            ("src/c.rs", "pub struct C(crate::d::D);\n"),
            ("src/d.rs", "pub struct D(crate::c::C);\n"),
        ]);
        assert_eq!(two.len(), 2, "{two:?}");
    }
}
