//! The grammar of shells, as far as scripts of people use it.
//!
//! A syntax error does not end the reading: its place is noted, and reading goes on at the next line.
//! Nesting is bounded, and no character is looked at more often than there are levels.

mod commands;
mod reader;
mod words;

use watershed_topology::source::FileId;

use self::reader::Parser;
use super::syntax::{Origin, Unit};

/// Parses a text that stands at `origin`.
pub(super) fn parse(file: FileId, text: &str, origin: Origin) -> Unit {
    let mut parser = Parser::new(text);
    let list = parser.script();
    Unit { list, documents: parser.documents, file, origin, errors: parser.errors }
}

#[cfg(test)]
mod tests;
