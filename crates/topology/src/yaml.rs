//! YAML as a tree of nodes that know where they stand.
//!
//! Errors are collected: what can be read is returned whatever else is wrong. Aliases are written
//! out (bounded), `<<` merges, a key given twice is an error.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use crate::diagnostic::{Diagnostic, Severity};
use crate::limits::{DEPTH_MAX, NODES_MAX};
use crate::source::{FileId, SourceMap, Span, offset};

/// A value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands; for an alias, where its anchor stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, number or word.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in their order.
    Mapping(Vec<Entry>),
}

/// A text, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// How it was written.
    pub style: Style,
}

/// How a text was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is: may be a number or a word with a meaning.
    Plain,
    /// In quotes: text.
    Quoted,
    /// Behind `|` or `>`.
    Block,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where it stands.
    pub key_span: Span,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Whether nothing is written here, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar)
            if scalar.style == Style::Plain && matches!(scalar.text.as_str(), "" | "~" | "null"))
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::Sequence(items) => items.iter().map(Self::size).sum(),
            Value::Mapping(entries) => entries.iter().map(|entry| entry.node.size()).sum(),
        }
    }
}

/// Reads the one document of a file. `None` for an empty one.
pub fn parse(sources: &SourceMap, file: FileId) -> (Option<Node>, Vec<Diagnostic>) {
    let builder = Builder::new(file, &sources.file(file).text);
    let (mut roots, diagnostics) = builder.read();
    (roots.pop(), diagnostics)
}

/// Reads all documents of `text`, which stands in `file` at the same offsets.
pub fn parse_all(file: FileId, text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut builder = Builder::new(file, text);
    builder.documents_max = usize::MAX;
    builder.read()
}

/// Where the scalars and aliases of a text stand, in their order, and whether each is a block. `None` if it is not YAML.
pub(crate) fn scalars(text: &str) -> Option<Vec<(std::ops::Range<usize>, bool)>> {
    let builder = Builder::new(FileId::default(), text);
    let mut found = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let block = match event {
            Event::Scalar(_, style, ..) => {
                matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
            }
            Event::Alias(_) => false,
            _ => continue,
        };
        let span = builder.span(span);
        let span = if block { builder.block_span(span) } else { builder.quoted_span(span) };
        if span.start < span.end {
            found.push((span.start as usize..span.end as usize, block));
        }
    }
    Some(found)
}

fn error(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code, Severity::Error, span, message.into())
}

/// A collection that is still open.
struct Open {
    start: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    /// Entries, and a key that waits for its value.
    Mapping(Vec<Entry>, Option<Node>),
}

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    /// Offset of each character, if not all are one byte long.
    offsets: Option<Vec<u32>>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    roots: Vec<Node>,
    documents: usize,
    /// Documents that one file may hold.
    documents_max: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(file: FileId, text: &'a str) -> Self {
        // The parser counts characters.
        let offsets = (!text.is_ascii()).then(|| {
            let ends = std::iter::once(text.len());
            text.char_indices().map(|(at, _)| at).chain(ends).map(offset).collect()
        });
        Self {
            file,
            text,
            offsets,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            nodes: 0,
            roots: Vec::new(),
            documents: 0,
            documents_max: 1,
            diagnostics: Vec::new(),
        }
    }

    fn byte(&self, marker: Marker) -> u32 {
        let at = match &self.offsets {
            None => offset(marker.index()),
            Some(offsets) => offsets.get(marker.index()).copied().unwrap_or(u32::MAX),
        };
        at.min(offset(self.text.len()))
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let (start, mut end) = (self.byte(span.start), self.byte(span.end));
        // Some events end behind the white space that follows them.
        let inside = self.text.get(start as usize..end as usize).unwrap_or_default();
        end -= offset(inside.len() - inside.trim_end().len());
        Span { file: self.file, start, end: end.max(start) }
    }

    /// A block of text from the sign that begins it.
    fn block_span(&self, span: Span) -> Span {
        let before = self.text.get(..span.start as usize).unwrap_or_default();
        match before.rfind(['>', '|']) {
            Some(sign) => Span { start: offset(sign), end: span.end, ..span },
            None => span,
        }
    }

    /// A text in quotes up to its closing one: the parser's ends behind a comment that follows it.
    fn quoted_span(&self, span: Span) -> Span {
        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return span;
        };
        let mut signs = text.char_indices().skip(1).peekable();
        while let Some((at, sign)) = signs.next() {
            let doubled = quote == '\'' && signs.peek().is_some_and(|(_, next)| *next == quote);
            if sign == quote && !doubled {
                return Span { end: span.start + offset(at + 1), ..span };
            }
            if sign == '\\' && quote == '"' || sign == quote {
                signs.next();
            }
        }
        span
    }

    fn take(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> Result<(), Box<Diagnostic>> {
        let span = self.span(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                self.anchors.clear();
                if self.documents > self.documents_max {
                    return Err(error(
                        "F001",
                        span,
                        "a topology is one document; a second one begins here",
                    )
                    .fix("put the second document into a file of its own")
                    .into());
                }
                Ok(())
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    let message = "this alias stands inside its own anchor";
                    return Err(error("F001", span, message).into());
                };
                self.nodes += node.size();
                self.place(node, 0)
            }
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let span = match style {
                    Style::Block => self.block_span(span),
                    Style::Quoted | Style::Plain => self.quoted_span(span),
                };
                let value = Value::Scalar(Scalar { text: text.into_owned(), style });
                self.nodes += 1;
                self.place(Node { span, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.push(span, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                self.push(span, anchor, Content::Mapping(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
        }
    }

    fn push(
        &mut self,
        start: Span,
        anchor: usize,
        content: Content,
    ) -> Result<(), Box<Diagnostic>> {
        if self.open.len() == DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} levels of nesting");
            return Err(error("F001", start, message).into());
        }
        self.nodes += 1;
        self.open.push(Open { start, anchor, content });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Box<Diagnostic>> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (value, last) = match open.content {
            Content::Sequence(items) => {
                let last = items.last().map(|item| item.span.end);
                (Value::Sequence(items), last)
            }
            Content::Mapping(entries, _) => {
                let entries = self.merged(entries);
                let last = entries.last().map(|entry| entry.node.span.end);
                (Value::Mapping(entries), last)
            }
        };
        // In block style, the end is only seen at the next token: the last value is the end.
        let closed_by_bracket = self.text.get(end.start as usize..end.end as usize);
        let end = match closed_by_bracket {
            Some("}" | "]") => end.end,
            _ => last.unwrap_or(end.start),
        };
        let span = Span { end: end.max(open.start.start), ..open.start };
        self.place(Node { span, value }, open.anchor)
    }

    /// Puts a complete node where it belongs.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Box<Diagnostic>> {
        if self.nodes > NODES_MAX {
            let message = format!("aliases make this more than {NODES_MAX} values");
            return Err(error("F001", node.span, message).into());
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.roots.push(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping(entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(Node { span, value: Value::Scalar(scalar) }) => {
                    entries.push(Entry { key: scalar.text, key_span: span, node });
                }
                Some(other) => {
                    let diagnostic = error("F001", other.span, "a key is a single value");
                    self.diagnostics.push(diagnostic);
                }
            },
        }
        Ok(())
    }

    /// Entries with what `<<` brings, each key once.
    fn merged(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut own: Vec<Entry> = Vec::with_capacity(entries.len());
        let mut places: BTreeMap<String, Span> = BTreeMap::new();
        let mut inherited = Vec::new();
        for entry in entries {
            if entry.key == "<<" {
                inherited.push(entry.node);
                continue;
            }
            if let Some(first) = places.get(&entry.key) {
                let diagnostic =
                    error("F002", entry.key_span, format!("`{}` is given twice", entry.key))
                        .other(*first, "first given here");
                self.diagnostics.push(diagnostic);
                continue;
            }
            places.insert(entry.key.clone(), entry.key_span);
            own.push(entry);
        }
        for node in inherited {
            let sources = match node {
                Node { value: Value::Sequence(items), .. } => items,
                node => vec![node],
            };
            for source in sources {
                let Value::Mapping(entries) = source.value else {
                    let message = "`<<` takes in a mapping, or a list of mappings";
                    let diagnostic = error("F001", source.span, message);
                    self.diagnostics.push(diagnostic);
                    continue;
                };
                for entry in entries {
                    if !places.contains_key(&entry.key) {
                        places.insert(entry.key.clone(), entry.key_span);
                        own.push(entry);
                    }
                }
            }
        }
        own
    }

    /// An error of the parser, with the traps that subjects are in YAML explained.
    fn scan_error(&self, found: &ScanError) -> Diagnostic {
        let at = self.byte(*found.marker());
        let line_start = self.text.get(..at as usize).and_then(|before| before.rfind('\n'));
        let line = self.text.get(line_start.map_or(0, |start| start + 1)..).unwrap_or_default();
        let line = line.lines().next().unwrap_or_default();
        let rest = self.text.get(at as usize..).unwrap_or_default();
        let length = rest.chars().next().map_or(0, char::len_utf8);
        let span = Span { file: self.file, start: at, end: at + offset(length) };
        let mut diagnostic = error("F001", span, format!("invalid YAML: {}", found.info()));
        if rest.starts_with('*') || line.contains(" *") || line.contains("[*") {
            diagnostic = diagnostic
                .note(
                    "in YAML an unquoted `*` begins an alias, the name of something written before",
                )
                .fix("put a subject that begins with `*` in quotes: \"*.created\"");
        } else if rest.starts_with('>') || line.contains("[>") || line.contains(", >") {
            diagnostic = diagnostic
                .note("in YAML an unquoted `>` begins a block of text")
                .fix("put the subject `>` in quotes: \">\"");
        } else if line.starts_with('\t') || rest.starts_with('\t') {
            diagnostic = diagnostic.fix("indent with spaces: YAML allows no tab here");
        } else if line.matches(": ").count() > 1 {
            diagnostic = diagnostic.fix("put a text that holds `: ` in quotes");
        }
        diagnostic
    }

    fn read(mut self) -> (Vec<Node>, Vec<Diagnostic>) {
        for event in Parser::new_from_str(self.text) {
            let step = match event {
                Ok((event, span)) => self.take(event, span),
                Err(error) => Err(Box::new(self.scan_error(&error))),
            };
            if let Err(diagnostic) = step {
                self.diagnostics.push(*diagnostic);
                break;
            }
        }
        self.finish()
    }

    fn finish(mut self) -> (Vec<Node>, Vec<Diagnostic>) {
        // What a syntax error left open is closed, so that the rest can be looked at.
        while !self.open.is_empty() {
            let at = offset(self.text.len());
            let end = Span { file: self.file, start: at, end: at };
            if self.close(end).is_err() {
                break;
            }
        }
        (self.roots, self.diagnostics)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn print(sources: &SourceMap, node: &Node, depth: usize, out: &mut String) {
        let place = sources.place(node.span);
        let place = format!("{}:{}", place.line, place.column);
        match &node.value {
            Value::Scalar(scalar) => {
                let _ = writeln!(out, "{:depth$}{place} {:?}", "", scalar.text);
            }
            Value::Sequence(items) => {
                let _ = writeln!(out, "{:depth$}{place} list", "");
                for item in items {
                    print(sources, item, depth + 2, out);
                }
            }
            Value::Mapping(entries) => {
                let _ = writeln!(out, "{:depth$}{place} mapping", "");
                for entry in entries {
                    let _ = writeln!(out, "{:depth$}  {}", "", entry.key);
                    print(sources, &entry.node, depth + 4, out);
                }
            }
        }
    }

    fn tree(text: &str) -> String {
        let mut sources = SourceMap::default();
        let file = sources.add("f", text);
        let (root, diagnostics) = parse(&sources, file);
        let mut out = String::new();
        if let Some(root) = root {
            print(&sources, &root, 0, &mut out);
        }
        for diagnostic in diagnostics {
            let _ = writeln!(out, "{}", diagnostic.plain(&sources));
        }
        out
    }

    #[test]
    fn nodes_know_where_they_stand() {
        insta::assert_snapshot!(tree("é: [a, 'b c']\nx:\n  - 1\n  - {k: v}\n"), @r#"
        1:1 mapping
          é
            1:4 list
              1:5 "a"
              1:8 "b c"
          x
            3:3 list
              3:5 "1"
              4:5 mapping
                k
                  4:9 "v"
        "#);
    }

    #[test]
    fn a_text_in_quotes_ends_at_its_quote() {
        let texts = ["'x # y'  # z", "\"a\\\"#b\" # c", "'it''s' # d"];
        let ends = texts.map(|text| {
            let mut sources = SourceMap::default();
            let file = sources.add("f", text);
            sources.text(parse(&sources, file).0.unwrap().span).to_owned()
        });
        assert_eq!(ends, ["'x # y'", "\"a\\\"#b\"", "'it''s'"]);
    }

    #[test]
    fn aliases_and_merges_are_written_out() {
        insta::assert_snapshot!(
            tree("base: &b {a: 1, b: 2}\nmore:\n  <<: *b\n  b: 3\nsame: *b\n"), @r#"
        1:1 mapping
          base
            1:7 mapping
              a
                1:14 "1"
              b
                1:20 "2"
          more
            3:3 mapping
              b
                4:6 "3"
              a
                1:14 "1"
          same
            1:7 mapping
              a
                1:14 "1"
              b
                1:20 "2"
        "#
        );
    }

    #[test]
    fn traps_are_explained() {
        insta::assert_snapshot!(tree("subjects: [*.x]\n"), @r#"
        1:1 mapping
          subjects
            1:11 list
        f:1:12: error[F001]: invalid YAML: while parsing node, found unknown anchor
          note: in YAML an unquoted `*` begins an alias, the name of something written before
          help: put a subject that begins with `*` in quotes: "*.created"
        "#);
        insta::assert_snapshot!(tree("a:\n\tb: 1\n"), @"
        1:1 mapping
        f:2:2: error[F001]: invalid YAML: tabs disallowed within this context (block indentation)
          help: indent with spaces: YAML allows no tab here
        ");
        insta::assert_snapshot!(tree("a: 1\na: 2\n"), @r#"
        1:1 mapping
          a
            1:4 "1"
        f:2:1: error[F002]: `a` is given twice
          f:1:1: first given here
        "#);
        insta::assert_snapshot!(tree("subjects: [a, >]\n"), @r#"
        1:1 mapping
          subjects
            1:11 list
              1:12 "a"
              1:15 ">"
        "#);
        insta::assert_snapshot!(tree("text: a: b\n"), @r#"
        1:1 mapping
          text
            1:7 "a"
        f:1:8: error[F001]: invalid YAML: mapping values are not allowed in this context
          help: put a text that holds `: ` in quotes
        "#);
        insta::assert_snapshot!(tree("a: 1\n---\nb: 2\n"), @r#"
        1:1 mapping
          a
            1:4 "1"
        f:2:1: error[F001]: a topology is one document; a second one begins here
          help: put the second document into a file of its own
        "#);
    }

    #[test]
    fn bombs_are_bounded() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            let _ = writeln!(text, "a{level}: &a{level} [{items}]");
        }
        assert!(tree(&text).contains("aliases make this more than 1000000 values"));
        for open in ["[", "{a: ", "- ", "a:\n  "] {
            assert!(tree(&open.repeat(100_000)).contains("error[F00"), "{open}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[-a*&>|:{}\\[\\], \"'\n\té#!%@<0]{0,60}") {
            fn check(node: &Node, text: &str) {
                let span = node.span.start as usize..node.span.end as usize;
                assert!(text.get(span).is_some(), "{node:?}");
                match &node.value {
                    Value::Scalar(_) => {}
                    Value::Sequence(items) => {
                        for item in items {
                            check(item, text);
                        }
                    }
                    Value::Mapping(entries) => {
                        for entry in entries {
                            check(&entry.node, text);
                        }
                    }
                }
            }
            tree(&text);
            let mut sources = SourceMap::default();
            let file = sources.add("f", &text);
            if let (Some(root), _) = parse(&sources, file) {
                check(&root, &text);
            }
        }
    }
}
