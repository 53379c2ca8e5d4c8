//! A text while it is parsed.

use super::super::syntax::Word;

/// Levels of nesting that are followed.
pub(super) const DEPTH_MAX: usize = 48;

/// Faults of one text that are kept.
const ERRORS_MAX: usize = 32;

/// How often a text is read again from somewhere.
const AGAIN_MAX: usize = 32;

/// A here-document whose body comes after the line.
pub(super) struct Pending {
    pub(super) number: usize,
    pub(super) end: String,
    pub(super) tabs: bool,
    pub(super) literal: bool,
}

/// A text while it is parsed.
pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
    pub(super) at: usize,
    /// Where the text ends, for this part of it.
    pub(super) end: usize,
    pub(super) depth: usize,
    pub(super) pending: Vec<Pending>,
    pub(super) documents: Vec<Word>,
    pub(super) errors: Vec<(usize, &'static str)>,
    /// How often something was read again.
    again: usize,
    /// Whether it was given up.
    stopped: bool,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            end: text.len(),
            depth: 0,
            pending: Vec::new(),
            documents: Vec::new(),
            errors: Vec::new(),
            again: 0,
            stopped: false,
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, by: usize) -> Option<u8> {
        let at = self.at + by;
        self.bytes.get(at).copied().filter(|_| at < self.end && !self.stopped)
    }

    /// Whether the text goes on with this.
    pub(super) fn sees(&self, what: &str) -> bool {
        let rest = self.bytes.get(self.at..self.end);
        rest.is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }

    pub(super) fn eat(&mut self, what: &str) -> bool {
        let sees = self.sees(what);
        self.at += if sees { what.len() } else { 0 };
        sees
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end.min(self.end)).unwrap_or_default()
    }

    /// The length of the character here, which is part of a word.
    pub(super) fn width(&self) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.chars().next().map_or(1, char::len_utf8)
    }

    pub(super) fn fault(&mut self, at: usize, what: &'static str) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push((at.min(self.text.len()), what));
        }
    }

    /// Goes back to read again from `at` on: a few times, then never.
    pub(super) fn back(&mut self, at: usize) {
        self.again += 1;
        self.at = if self.stopped || self.again > AGAIN_MAX { self.end } else { at };
    }

    /// What goes deeper than is followed ends the reading.
    pub(super) fn too_deep(&mut self) {
        self.fault(self.at, "more nesting than is followed");
        self.stopped = true;
        self.at = self.end;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// White space, comments and line ends that are escaped; not line ends.
    pub(super) fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\\') if self.ahead(1) == Some(b'\n') => self.at += 2,
                Some(b'\\') if self.ahead(1) == Some(b'\r') && self.ahead(2) == Some(b'\n') => {
                    self.at += 3;
                }
                Some(b'#') => self.skip_line(),
                _ => return,
            }
        }
    }

    pub(super) fn skip_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// Whether a reserved word stands here, alone.
    pub(super) fn sees_word(&self, word: &str) -> bool {
        let behind = self.ahead(word.len());
        self.sees(word)
            && behind.is_none_or(|byte| byte.is_ascii_whitespace() || b";&|()<>".contains(&byte))
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let sees = self.sees_word(word);
        self.at += if sees { word.len() } else { 0 };
        sees
    }
}

/// Whether a text can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
