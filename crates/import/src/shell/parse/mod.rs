//! The grammar of shells, as far as scripts of people use it.
//!
//! What is no shell does not end the reading: it is noted with its place, and the next line is read.
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
