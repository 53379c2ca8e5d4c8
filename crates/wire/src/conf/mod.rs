//! The grammar of `nats.conf`: keys with values, nested, with comments, variables and sizes.
//!
//! It is a relaxed one: a key is followed by `=`, `:`, a space or `{`; entries end with a line, a
//! comma or a semicolon; text needs no quotes. What each key means is its reader's business.

mod parse;
#[cfg(test)]
mod tests;

pub use parse::parse;

use thiserror::Error;

/// A place in the text: bytes from `start` up to `end`, and the line that it begins in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// First byte.
    pub start: usize,
    /// Byte behind the last one.
    pub end: usize,
    /// Line, from 1 on.
    pub line: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What it is.
    pub value: Value,
    /// Where.
    pub place: Place,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Key, as it is written.
    pub key: String,
    /// Where it stands.
    pub place: Place,
    /// Its value.
    pub item: Item,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text. In quotes, nothing in it has a meaning: `"$NAME"` is those five characters.
    Text {
        /// The text.
        text: String,
        /// Whether it was in quotes.
        quoted: bool,
    },
    /// A whole number, its suffix multiplied in: `k`, `m`, `g` are powers of 1000, with a `b` or an
    /// `ib` behind them powers of 1024.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true`, `yes`, `on`, or one of the opposites.
    Flag(bool),
    /// `[…]`.
    List(Vec<Item>),
    /// `{…}`.
    Map(Vec<Pair>),
    /// `$NAME`: a key that was set before, or an environment variable.
    Variable(String),
}

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct ConfError {
    /// Line, from 1 on.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Value {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Map(_) => "a block",
            Self::Variable(_) => "a variable",
        }
    }
}
