//! Trees of the grammars, with bounds on how much of them is looked at.

use std::ops::ControlFlow;

use tree_sitter::{Language, Node, ParseOptions, Parser, Tree};
use watershed_topology::source::{FileId, Span, offset};

use super::syntax::{Expr, Kind, Op, Stmt};

/// Longest program that is read, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// Steps of the parser, in its own units, for each byte and beyond; a wild text takes more than any
/// program.
const STEPS_MAX: usize = 200_000;

/// Levels of expressions and blocks that are looked into.
pub(super) const DEPTH_MAX: usize = 100;

/// The tree of a text. `None` if it is too large or too wild.
pub(super) fn parse(language: &Language, text: &str) -> Option<Tree> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(language).ok()?;
    let mut steps = 0_usize;
    let mut progress = |_: &tree_sitter::ParseState| {
        steps += 1;
        if steps > STEPS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let bytes = text.as_bytes();
    let mut input = |at: usize, _| bytes.get(at..).unwrap_or_default();
    parser.parse_with_options(&mut input, None, Some(options))
}

/// How a language reads one node of its grammar, at a depth.
#[derive(Clone, Copy)]
pub(super) struct Grammar {
    pub(super) statement: fn(Source<'_>, Node<'_>, usize) -> Vec<Stmt>,
    pub(super) kind: fn(Source<'_>, Node<'_>, usize) -> Kind,
}

/// The text that a tree was made of.
#[derive(Clone, Copy)]
pub(super) struct Source<'t> {
    pub(super) file: FileId,
    pub(super) text: &'t str,
    pub(super) grammar: Grammar,
    /// Where the text begins in the file.
    pub(super) base: usize,
    /// The type whose methods are read.
    pub(super) own: &'t str,
}

impl<'t> Source<'t> {
    pub(super) fn span(&self, node: Node<'_>) -> Span {
        let range = node.byte_range();
        let (start, end) = (offset(self.base + range.start), offset(self.base + range.end));
        Span { file: self.file, start, end }
    }

    pub(super) fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// The statements that a node stands for. Empty below [`DEPTH_MAX`].
    pub(super) fn statement(self, node: Node<'_>, depth: usize) -> Vec<Stmt> {
        if depth > DEPTH_MAX { Vec::new() } else { (self.grammar.statement)(self, node, depth) }
    }

    /// The statements in a node.
    pub(super) fn block(self, node: Node<'_>, depth: usize) -> Vec<Stmt> {
        parts(node).into_iter().flat_map(|one| self.statement(one, depth + 1)).collect()
    }

    /// The statements in the part of a node with this name, if there is one.
    pub(super) fn body(self, node: Node<'_>, name: &str, depth: usize) -> Vec<Stmt> {
        node.child_by_field_name(name).map(|one| self.block(one, depth)).unwrap_or_default()
    }

    /// The expression that a node stands for. Nothing is known of it below [`DEPTH_MAX`].
    pub(super) fn expr(self, node: Node<'_>, depth: usize) -> Expr {
        let deep = depth > DEPTH_MAX;
        let none = Kind::Other(Vec::new());
        self.at(node, if deep { none } else { (self.grammar.kind)(self, node, depth + 1) })
    }

    /// An expression in the place of a node.
    pub(super) fn at(&self, node: Node<'_>, kind: Kind) -> Expr {
        Expr { span: self.span(node), kind }
    }

    pub(super) fn name(&self, node: Node<'_>) -> Expr {
        self.at(node, Kind::Name(self.text(node).to_owned()))
    }

    /// The operator between two values, where languages agree on what it does.
    pub(super) fn op(&self, node: Node<'_>) -> Op {
        match node.child_by_field_name("operator").map(|one| self.text(one)) {
            Some("+") => Op::Add,
            Some("-") => Op::Subtract,
            Some("*") => Op::Multiply,
            Some("/") => Op::Divide,
            Some("**") => Op::Power,
            Some("<<") => Op::Shift,
            Some("==" | "===") => Op::Equal,
            Some("!=" | "!==") => Op::Unequal,
            Some("<") => Op::Less,
            Some("<=") => Op::LessOrEqual,
            Some(">") => Op::More,
            Some(">=") => Op::MoreOrEqual,
            Some("&&") => Op::And,
            Some("||") => Op::Or,
            _ => Op::Other,
        }
    }

    /// A number as the languages write them: underscores, other bases, letters of a type behind.
    pub(super) fn number(&self, node: Node<'_>) -> Kind {
        number(self.text(node))
    }
}

/// A number as the languages write them.
fn number(text: &str) -> Kind {
    let plain = text.replace('_', "");
    let lower = plain.to_lowercase();
    let based = [("0x", 16), ("0b", 2), ("0o", 8)]
        .into_iter()
        .find_map(|(sign, base)| Some((lower.strip_prefix(sign)?, base)));
    if let Some((digits, base)) = based {
        let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
        let value = i128::from_str_radix(digits.get(..end).unwrap_or_default(), base);
        return value.map_or(Kind::Other(Vec::new()), Kind::Int);
    }
    let types = ["usize", "isize", "i128", "u128", "i64", "u64", "i32", "u32", "i16", "u16", "f64"];
    let own = types.iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
    let own = own.strip_suffix(['l', 'n']).unwrap_or(own);
    if let Ok(value) = own.parse::<i128>() {
        return Kind::Int(value);
    }
    let own = own.strip_suffix(['f', 'd']).unwrap_or(own);
    own.parse::<f64>()
        .ok()
        .filter(|one| one.is_finite())
        .map_or(Kind::Other(Vec::new()), Kind::Float)
}

/// The parts of a node that are no signs and no comments.
pub(super) fn parts(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    let all = node.named_children(&mut cursor);
    all.filter(|one| !one.kind().contains("comment")).collect()
}

/// The parts of a node under a name.
pub(super) fn fields<'t>(node: Node<'t>, name: &str) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.children_by_field_name(name, &mut cursor).filter(Node::is_named).collect()
}

/// Text between quotes with the escapes of C put in. What is not known as one stands for itself.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('0') => out.push('\0'),
            Some('\n') | None => {}
            Some(other @ ('\\' | '"' | '\'' | '`' | '$' | '{' | '}')) => out.push(other),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out
}
