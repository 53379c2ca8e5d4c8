//! A topology file in its usual form: indentation, spaces, blank lines. What stands in the file stays as it is,
//! comments and the order of keys included.
//!
//! Only what lies between the tokens of a text is written anew, and the result is read again: if it did not say the
//! same, the file would be left alone.

use std::ops::Range;

use thiserror::Error;

use crate::source::{FileId, SourceMap};
use crate::yaml::{Node, Value, parse_all, scalars};

/// Why a text stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotFormatted {
    /// It cannot be read.
    #[error("invalid YAML: `watershed lint` says where")]
    Invalid,
    /// It has what this cannot write.
    #[error("unsupported YAML: {0}")]
    Unsupported(&'static str),
    /// The result would say something else.
    #[error("this layout cannot be changed without a change of what it means")]
    Meaning,
}

/// Columns of one level.
const STEP: usize = 2;

/// The text in its usual form.
pub fn format(text: &str) -> Result<String, NotFormatted> {
    let unix = text.replace("\r\n", "\n");
    let tokens = tokens(&unix)?;
    let out = Writer::new(&unix).write(&tokens)?;
    if !same(&unix, &out) {
        return Err(NotFormatted::Meaning);
    }
    Ok(if unix.len() == text.len() { out } else { out.replace('\n', "\r\n") })
}

/// Whether two texts say the same.
fn same(left: &str, right: &str) -> bool {
    let read = |text: &str| {
        let mut sources = SourceMap::default();
        let file: FileId = sources.add("", text);
        parse_all(file, text)
    };
    let ((left, wrong), (right, also)) = (read(left), read(right));
    let codes = |all: &[crate::Diagnostic]| all.iter().map(|one| one.code).collect::<Vec<_>>();
    codes(&wrong) == codes(&also)
        && left.len() == right.len()
        && left.iter().zip(&right).all(|(left, right)| alike(left, right))
}

fn alike(left: &Node, right: &Node) -> bool {
    match (&left.value, &right.value) {
        (Value::Scalar(left), Value::Scalar(right)) => left == right,
        (Value::Sequence(left), Value::Sequence(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| alike(a, b))
        }
        (Value::Mapping(left), Value::Mapping(right)) => {
            let entry = |(a, b): (&crate::yaml::Entry, &crate::yaml::Entry)| {
                a.key == b.key && alike(&a.node, &b.node)
            };
            left.len() == right.len() && left.iter().zip(right).all(entry)
        }
        _ => false,
    }
}

/// A piece of a text that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    at: Range<usize>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A text, a number, a word or an alias.
    Scalar,
    /// A text behind `|` or `>`.
    Block,
    Comment,
    Dash,
    Colon,
    Comma,
    Open,
    Close,
    /// An anchor or a tag.
    Property,
    /// `---`, `...` or a directive: a line of its own.
    Line,
}

/// The tokens of a text, in their order.
fn tokens(text: &str) -> Result<Vec<Token>, NotFormatted> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, block) in scalars(text).ok_or(NotFormatted::Invalid)? {
        between(text, from..at.start, &mut found)?;
        from = at.end;
        found.push(Token { at, kind: if block { Kind::Block } else { Kind::Scalar } });
    }
    between(text, from..text.len(), &mut found)?;
    Ok(found)
}

/// The tokens between two scalars.
fn between(text: &str, range: Range<usize>, found: &mut Vec<Token>) -> Result<(), NotFormatted> {
    let mut at = range.start;
    while at < range.end {
        let rest = text.get(at..range.end).ok_or(NotFormatted::Invalid)?;
        let line = rest.find('\n').unwrap_or(rest.len());
        let begins_line = at == 0 || text.get(..at).is_some_and(|before| before.ends_with('\n'));
        let first = rest.chars().next().ok_or(NotFormatted::Invalid)?;
        let (kind, length) = match first {
            ' ' | '\t' | '\n' => {
                at += 1;
                continue;
            }
            '#' => (Kind::Comment, rest.get(..line).unwrap_or_default().trim_end().len()),
            '-' if begins_line && rest.starts_with("---") => (Kind::Line, 3),
            '.' if begins_line && rest.starts_with("...") => (Kind::Line, 3),
            '%' if begins_line => {
                (Kind::Line, rest.get(..line).unwrap_or_default().trim_end().len())
            }
            '-' => (Kind::Dash, 1),
            ':' => (Kind::Colon, 1),
            ',' => (Kind::Comma, 1),
            '[' | '{' => (Kind::Open, 1),
            ']' | '}' => (Kind::Close, 1),
            '&' | '!' => {
                let ends = |c: char| c.is_whitespace() || "[]{},".contains(c);
                (Kind::Property, rest.find(ends).unwrap_or(rest.len()))
            }
            '?' => return Err(NotFormatted::Unsupported("keys behind `?`")),
            _ => return Err(NotFormatted::Unsupported("signs before the first line")),
        };
        found.push(Token { at: at..at + length, kind });
        at += length;
    }
    Ok(())
}

/// A mapping or a list in block style.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// Column in the text.
    old: usize,
    /// Column in the result.
    new: usize,
    /// Whether it is a list.
    list: bool,
}

/// A comment that stands alone in its line, until it is known what it stands above.
struct Waiting<'t> {
    text: &'t str,
    column: usize,
    blank: bool,
}

/// A line of the result, without its comment.
#[derive(Default)]
struct Line {
    text: String,
    /// The comment behind it, and its column in the text.
    comment: Option<(String, usize)>,
}

struct Writer<'t> {
    text: &'t str,
    /// Offset of each line of the text.
    starts: Vec<usize>,
    lines: Vec<Line>,
    levels: Vec<Level>,
    waiting: Vec<Waiting<'t>>,
    /// Brackets that are open.
    depth: usize,
    /// By line of the text: columns of its first key and of that one's value.
    keys: Vec<Option<(usize, usize)>>,
}

impl<'t> Writer<'t> {
    fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts: Vec<usize> = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        let keys = vec![None; starts.len()];
        Self {
            text,
            starts,
            lines: Vec::new(),
            levels: Vec::new(),
            waiting: Vec::new(),
            depth: 0,
            keys,
        }
    }

    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at) - 1
    }

    fn column(&self, at: usize) -> usize {
        let start = self.starts.get(self.line(at)).copied().unwrap_or_default();
        self.text.get(start..at).unwrap_or_default().chars().count()
    }

    fn of(&self, token: &Token) -> &'t str {
        self.text.get(token.at.clone()).unwrap_or_default()
    }

    /// How often the text breaks between two tokens.
    fn breaks(&self, before: Option<&Token>, token: &Token) -> usize {
        let from = before.map_or(0, |before| before.at.end);
        let gap = self.text.get(from..token.at.start).unwrap_or_default();
        gap.matches('\n').count()
    }

    fn write(mut self, tokens: &[Token]) -> Result<String, NotFormatted> {
        self.find_keys(tokens);
        let mut before: Option<&Token> = None;
        for token in tokens {
            let breaks = self.breaks(before, token);
            if before.is_none() || breaks > 0 {
                self.begin(token, breaks > 1 && before.is_some());
            } else if let Some(before) = before {
                let whole = before.kind == Kind::Line || token.kind == Kind::Line;
                if whole && token.kind != Kind::Comment {
                    return Err(NotFormatted::Unsupported("content in the line of a `---`"));
                }
                self.go_on(before, token);
            }
            match token.kind {
                Kind::Open => self.depth += 1,
                Kind::Close => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            before = Some(token);
        }
        self.flush(None);
        Ok(self.finish())
    }

    /// Finds the first key of each line, and where its value stands.
    fn find_keys(&mut self, tokens: &[Token]) {
        for window in tokens.windows(3) {
            let [key, colon, value] = window else { continue };
            let shape = (key.kind, colon.kind);
            let alone = value.kind != Kind::Comment && self.breaks(Some(colon), value) == 0;
            if shape != (Kind::Scalar, Kind::Colon) || !alone {
                continue;
            }
            let found = (self.column(key.at.start), self.column(value.at.start));
            let line = self.line(key.at.start);
            if let Some(first) = self.keys.get_mut(line) {
                first.get_or_insert(found);
            }
        }
    }

    /// A token that is the first of its line.
    fn begin(&mut self, token: &Token, blank: bool) {
        let column = self.column(token.at.start);
        let text = self.of(token);
        if token.kind == Kind::Comment {
            self.waiting.push(Waiting { text, column, blank });
            return;
        }
        let indent = if token.kind == Kind::Line {
            self.levels.clear();
            0
        } else if self.depth > 0 {
            self.inside(token.kind == Kind::Close)
        } else {
            let before = self.levels.clone();
            let indent = self.place(column, token.kind == Kind::Dash);
            self.flush_above(&before, column, indent);
            indent
        };
        self.flush(Some(indent));
        if blank {
            self.blank();
        }
        let text = self.shifted(token, indent, indent);
        self.lines.push(Line { text: format!("{:indent$}{text}", ""), comment: None });
    }

    /// The column of what begins a line between brackets.
    fn inside(&self, closes: bool) -> usize {
        let base = self.levels.last().map_or(0, |level| level.new);
        base + STEP * (self.depth - usize::from(closes))
    }

    /// The new column of what begins a line at `column`.
    fn place(&mut self, column: usize, list: bool) -> usize {
        let deeper =
            |level: &&Level| level.old > column || level.old == column && level.list && !list;
        while self.levels.last().as_ref().is_some_and(deeper) {
            self.levels.pop();
        }
        match self.levels.last() {
            Some(level) if level.old == column && level.list == list => level.new,
            outer => {
                let new = outer.map_or(0, |level| level.new + STEP);
                self.levels.push(Level { old: column, new, list });
                new
            }
        }
    }

    /// Writes the comments that wait above a line. One that is set in as a level that ends here belongs to that.
    fn flush_above(&mut self, before: &[Level], column: usize, indent: usize) {
        for comment in std::mem::take(&mut self.waiting) {
            let level = before.iter().rev().find(|level| level.old == comment.column);
            let level = level.filter(|_| comment.column > column);
            self.comment(&comment, level.map_or(indent, |level| level.new));
        }
    }

    /// Writes the comments that wait.
    fn flush(&mut self, indent: Option<usize>) {
        for comment in std::mem::take(&mut self.waiting) {
            let level = self.levels.iter().rev().find(|level| level.old == comment.column);
            let new = indent.or(level.map(|level| level.new)).unwrap_or(0);
            self.comment(&comment, new);
        }
    }

    fn comment(&mut self, comment: &Waiting<'_>, indent: usize) {
        if comment.blank {
            self.blank();
        }
        let text = format!("{:indent$}{}", "", comment.text);
        self.lines.push(Line { text, comment: None });
    }

    fn blank(&mut self) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
    }

    /// A token behind another one in the same line.
    fn go_on(&mut self, before: &Token, token: &Token) {
        let column = self.column(token.at.start);
        if token.kind == Kind::Comment {
            let text = self.of(token).to_owned();
            if let Some(line) = self.lines.last_mut() {
                line.comment = Some((text, column));
            }
            return;
        }
        if before.kind == Kind::Dash && self.depth == 0 {
            let new = self.levels.last().map_or(0, |level| level.new) + STEP;
            self.levels.push(Level { old: column, new, list: token.kind == Kind::Dash });
        }
        let space = self.space(before, token, column);
        let level = self.levels.last().map_or(0, |level| level.new);
        let more = if self.depth > 0 { self.inside(false) } else { level + STEP };
        let text = self.shifted(token, level, more);
        if let Some(line) = self.lines.last_mut() {
            line.text.extend(std::iter::repeat_n(' ', space));
            line.text.push_str(&text);
        }
    }

    /// Spaces between two tokens of a line.
    fn space(&self, before: &Token, token: &Token, column: usize) -> usize {
        let closes_list = token.kind == Kind::Close && self.of(token) == "]";
        match (before.kind, token.kind) {
            (Kind::Open, Kind::Close) | (_, Kind::Comma) => 0,
            (_, Kind::Colon) => usize::from(self.of(before).starts_with('*')),
            _ if closes_list => 0,
            (Kind::Open, _) if self.of(before) == "[" => 0,
            (Kind::Colon, _) if self.depth == 0 => self.aligned(before, token, column),
            _ => 1,
        }
    }

    /// Spaces behind a colon: as many as there are where values of the lines around stand below each other.
    fn aligned(&self, colon: &Token, token: &Token, column: usize) -> usize {
        let line = self.line(token.at.start);
        let at = |line: Option<usize>| self.keys.get(line?).copied().flatten();
        let Some((key, value)) = at(Some(line)).filter(|(_, value)| *value == column) else {
            return 1;
        };
        let with = |other: Option<(usize, usize)>| other == Some((key, value));
        if !with(at(line.checked_sub(1))) && !with(at(Some(line + 1))) {
            return 1;
        }
        // Spaces before the colon go, and what stands behind it stays where it is.
        let start = self.starts.get(line).copied().unwrap_or_default();
        let before = self.text.get(start..colon.at.start).unwrap_or_default();
        (value - before.trim_end().chars().count()).saturating_sub(1).max(1)
    }

    /// The text of a token, each of its lines but the first one set in anew.
    fn shifted(&self, token: &Token, level: usize, more: usize) -> String {
        let text = self.of(token);
        let Some((first, rest)) = text.split_once('\n') else { return text.to_owned() };
        let mut out = first.to_owned();
        if token.kind != Kind::Block {
            for line in rest.split('\n') {
                let line = line.trim_start();
                out.push('\n');
                if !line.is_empty() {
                    out.extend(std::iter::repeat_n(' ', more));
                    out.push_str(line);
                }
            }
            return out;
        }
        let given =
            first.chars().find_map(|c| c.to_digit(10)).and_then(|n| usize::try_from(n).ok());
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let full = rest.split('\n').filter(|line| !line.trim().is_empty());
        let least = full.map(indent).min().unwrap_or_default();
        let old = match (given, self.levels.last()) {
            (Some(given), Some(level)) => level.old + given,
            _ => least,
        };
        let new = level + given.unwrap_or(STEP);
        for line in rest.split('\n') {
            out.push('\n');
            if let Some(content) = line.get(old..).filter(|content| !content.is_empty()) {
                out.extend(std::iter::repeat_n(' ', new));
                out.push_str(content);
            }
        }
        out
    }

    /// The lines with their comments: below each other where they were, if they still can be.
    fn finish(self) -> String {
        let width = |line: &Line| {
            let last = line.text.rsplit('\n').next().unwrap_or_default();
            last.chars().count()
        };
        let fitting = |line: &Line| {
            let (_, column) = line.comment.as_ref()?;
            (width(line) < *column).then_some(*column)
        };
        let columns: Vec<usize> = self.lines.iter().filter_map(fitting).collect();
        let mut out = String::new();
        for line in &self.lines {
            out.push_str(&line.text);
            if let Some((comment, column)) = &line.comment {
                let together = columns.iter().filter(|other| *other == column).count() > 1;
                let kept = fitting(line).filter(|_| together);
                let spaces = kept.map_or(1, |column| column - width(line));
                out.extend(std::iter::repeat_n(' ', spaces));
                out.push_str(comment);
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests;
