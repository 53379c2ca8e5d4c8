//! Shell scripts that call the `nats` tool.
//!
//! A script is parsed as shells do (`parse`), and followed (`run`): variables, functions, branches,
//! loops over what is known, here-documents, `eval`, `sh -c`. What is not known here, because it comes
//! from outside, makes only what depends on it unknown. Nothing is run. The parser is one of our own:
//! the one that is published (brush-parser 0.4) gives wrong places behind here-documents, takes
//! exponential time for open brackets, overflows the stack at a thousand of them, and stops at the
//! first fault, with nothing of the rest.

mod arithmetic;
mod branches;
mod builtins;
mod condition;
mod expand;
mod filters;
mod loops;
mod parse;
mod pattern;
mod program;
mod run;
mod state;
mod syntax;
mod ways;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use watershed_topology::source::{FileId, SourceMap, Span};

use self::state::{Flow, Held, Shell, Ways};
use self::syntax::Origin;
use crate::importer::Importer;
use crate::word::Word;

/// The files of one reading.
#[derive(Clone, Copy)]
pub(super) struct Files<'s> {
    pub(super) sources: &'s SourceMap,
    pub(super) given: &'s [FileId],
}

/// Takes in a script, which stands in `file` at the same offsets.
pub(super) fn script(importer: &mut Importer, files: Files<'_>, file: FileId, text: &str) {
    run(importer, files, file, text, Origin::At(0));
}

/// Takes in a script that was put together of what stands at `span`.
pub(super) fn put_together(importer: &mut Importer, files: Files<'_>, span: Span, text: &str) {
    run(importer, files, span.file, text, Origin::Within(span));
}

fn run(importer: &mut Importer, files: Files<'_>, file: FileId, text: &str, origin: Origin) {
    let unit = Rc::new(parse::parse(file, text, origin));
    let name = Word::known(files.sources.file(file).name.clone(), Span { file, start: 0, end: 0 });
    let mut shell = Shell {
        importer,
        sources: files.sources,
        given: files.given,
        variables: BTreeMap::from([
            ("0".to_owned(), Held::One(name.clone())),
            ("BASH_SOURCE".to_owned(), Held::One(name)),
        ]),
        functions: BTreeMap::new(),
        arguments: None,
        locals: Vec::new(),
        outputs: Vec::new(),
        inputs: Vec::new(),
        written: BTreeMap::new(),
        flow: Flow::On,
        ways: Ways::default(),
        offered: BTreeSet::new(),
        offers: false,
        steps: 0,
        bytes: 0,
        depth: 0,
        arms: Vec::new(),
        conditions: 0,
        never: false,
        tries: 0,
        asked: 0,
        why: None,
        status: None,
        found: false,
    };
    shell.list(&unit, &unit.list);
    if shell.found {
        shell.faults(&unit);
    }
    let found = shell.found;
    importer.recognized |= found;
}
