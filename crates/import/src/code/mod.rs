//! Programs that make streams and consumers, publish and subscribe.
//!
//! A program is parsed by the grammar of its language (tree-sitter), lowered to expressions and
//! statements that all languages have in common (`syntax`), and followed as far as values are known
//! without running it (`run`, `evaluate`): constants, texts that are put together, loops over lists
//! that stand in the program, functions with their arguments. Calls of a client library are then what
//! the table of that library says (`library`). What comes from outside is said to be not read, with
//! its place. Nothing is run.

mod apply;
mod builtin;
mod builtin_typed;
mod collect;
mod declared;
mod evaluate;
mod fields;
mod fold;
mod go;
mod handler;
mod java;
mod javascript;
mod library;
mod machine;
mod python;
mod run;
mod rust;
mod services;
mod syntax;
mod tree;
mod value;

use std::collections::BTreeSet;

use watershed_topology::source::{FileId, SourceMap, Span};

use self::apply::Applier;
use self::declared::Declared;
use self::evaluate::is_client;
use self::library::{async_nats, jnats, nats_go, nats_js, nats_py};
use self::machine::{Machine, Program, Seen};
use self::services::Services;
use crate::importer::{Importer, Written};
use crate::script::Language;

/// Follows programs, and takes in what they declare. Returns the files that declare something.
pub(super) fn follow(
    importer: &mut Importer,
    sources: &SourceMap,
    programs: &[Written],
) -> BTreeSet<FileId> {
    let mut program = Program::default();
    for one in programs {
        let name = &sources.file(one.file).name;
        let path = if one.block { "" } else { name.as_str() };
        if !collect::add(&mut program, one.file, path, one.language, &one.text) {
            let span = Span { file: one.file, start: 0, end: 0 };
            importer.incomplete = true;
            let message = "this program is too long, or too wild, to be read: it was not read";
            importer.findings.skipped(span, message.into());
        }
    }
    let mut machine = Machine::new(&program, wants);
    machine.follow();
    if let Some(module) = machine.stopped.and_then(|module| program.modules.get(module)) {
        let span = Span { file: module.file, start: 0, end: 0 };
        importer.incomplete = true;
        let message =
            "there is too much to follow in these programs: from here on they were not read";
        importer.findings.skipped(span, message.into());
    }
    let mut all: Vec<Declared> = Vec::new();
    // Other libraries have calls of the same names: where nothing else says NATS, only what is a client's counts.
    let about: BTreeSet<FileId> =
        program.modules.iter().filter(|one| one.about).map(|one| one.file).collect();
    let counts =
        |seen: &&Seen| about.contains(&seen.span.file) || seen.callee.base().is_some_and(is_client);
    for seen in machine.seen.iter().filter(counts) {
        let (whats, library) = match seen.language {
            Language::Python => (nats_py::declared(sources, seen), "nats-py"),
            Language::Go => (nats_go::declared(sources, seen), "nats.go"),
            Language::Java => (jnats::declared(sources, seen), "jnats"),
            Language::Rust => (async_nats::declared(sources, seen), "async-nats"),
            Language::JavaScript | Language::TypeScript | Language::Tsx => {
                (nats_js::declared(sources, seen), "nats.js")
            }
        };
        let (span, module) = (seen.span, seen.module);
        let declared = |what| Declared { what, span, arms: seen.arms.clone(), module, library };
        all.extend(whats.into_iter().map(declared));
    }
    let declaring = all.iter().map(|one| one.span.file).collect();
    let services = Services::default();
    Applier { importer, sources, modules: &program.modules, services }.all(all);
    declaring
}

fn wants(language: Language, name: &str) -> bool {
    match language {
        Language::Python => nats_py::wants(name),
        Language::Go => nats_go::wants(name),
        Language::JavaScript | Language::TypeScript | Language::Tsx => nats_js::wants(name),
        Language::Rust => async_nats::wants(name),
        Language::Java => jnats::wants(name),
    }
}
