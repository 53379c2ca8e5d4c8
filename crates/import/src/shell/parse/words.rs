//! Words: quotes, variables, substitutions.

use super::super::syntax::{Change, Index, Parameter, Part, Word};
use super::reader::{DEPTH_MAX, Parser};

/// What ends a run of parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// White space and the signs of the shell.
    Word,
    /// A double quote.
    Quote,
    /// This byte, which is not taken.
    At(u8),
    /// The replaced part of `${x/a/b}`: a slash or the bracket.
    Slash,
    /// The end of the text.
    Text,
}

/// Signs that end a word.
const META: &[u8] = b" \t\n\r;&|()<>";

impl Parser<'_> {
    /// A word, if one begins here.
    pub(super) fn word(&mut self) -> Option<Word> {
        let start = self.at;
        let byte = self.peek()?;
        if META.contains(&byte) && !(self.sees("<(") || self.sees(">(")) {
            return None;
        }
        let parts = self.parts(Ends::Word);
        (self.at > start).then_some(Word { parts, start, end: self.at })
    }

    /// Parts until something ends them.
    pub(super) fn parts(&mut self, ends: Ends) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut bare = String::new();
        while let Some(byte) = self.peek() {
            let done = match ends {
                Ends::Word => {
                    META.contains(&byte)
                        && !(self.sees("<(") || self.sees(">("))
                        && !(byte == b'\r' && self.ahead(1) != Some(b'\n'))
                }
                Ends::Quote => byte == b'"',
                Ends::At(end) => byte == end,
                Ends::Slash => byte == b'/' || byte == b'}',
                Ends::Text => false,
            };
            if done {
                break;
            }
            let before = parts.len();
            let flat = matches!(ends, Ends::Quote | Ends::Text);
            if let Some(part) = self.special(byte, flat, &mut bare) {
                if !bare.is_empty() {
                    parts.insert(before, Part::Bare(std::mem::take(&mut bare)));
                }
                parts.push(part);
            }
        }
        if !bare.is_empty() {
            parts.push(Part::Bare(bare));
        }
        parts
    }

    /// One sign or part. Plain text goes to `bare`; `flat` is inside double quotes.
    fn special(&mut self, byte: u8, flat: bool, bare: &mut String) -> Option<Part> {
        let start = self.at;
        match byte {
            b'\\' => self.escaped(flat, bare),
            b'\'' if !flat => Some(self.single()),
            b'"' if !flat => Some(self.double()),
            b'$' => self.dollar(flat, bare),
            b'`' => Some(self.backquoted()),
            b'<' | b'>' if !flat && self.ahead(1) == Some(b'(') => {
                self.at += 2;
                self.nested();
                Some(Part::Other("a process in place of a file"))
            }
            _ => {
                self.at += self.width();
                bare.push_str(self.slice(start, self.at));
                None
            }
        }
    }

    fn escaped(&mut self, flat: bool, bare: &mut String) -> Option<Part> {
        self.at += 1;
        let start = self.at;
        let next = self.peek();
        if next == Some(b'\n') {
            self.at += 1;
            return None;
        }
        if flat && !next.is_some_and(|next| b"$`\"\\".contains(&next)) {
            bare.push('\\');
            return None;
        }
        if next.is_none() {
            bare.push('\\');
            return None;
        }
        self.at += self.width();
        Some(Part::Plain(self.slice(start, self.at).to_owned()))
    }

    fn single(&mut self) -> Part {
        self.at += 1;
        let start = self.at;
        if let Some(length) = self.slice(start, self.end).find('\'') {
            self.at = start + length + 1;
        } else {
            self.fault(start - 1, "a quote that is not closed");
            self.skip_line();
            return Part::Plain(self.slice(start, self.at).to_owned());
        }
        Part::Plain(self.slice(start, self.at - 1).to_owned())
    }

    fn double(&mut self) -> Part {
        let start = self.at;
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.depth -= 1;
            self.too_deep();
            return Part::Other("more nesting than is followed");
        }
        let parts = self.parts(Ends::Quote);
        self.depth -= 1;
        if self.eat("\"") {
            return Part::Double(parts);
        }
        // The rest of the text was taken into it: only this line is lost.
        self.fault(start, "a quote that is not closed");
        self.back(start);
        self.skip_line();
        Part::Other("a quote that is not closed")
    }

    fn dollar(&mut self, flat: bool, bare: &mut String) -> Option<Part> {
        let start = self.at;
        if self.sees("$((") {
            self.at += 3;
            let before = self.errors.len();
            if let Some(parts) = self.sum() {
                return Some(Part::Arithmetic(parts));
            }
            self.errors.truncate(before);
            self.at = start;
        }
        if self.eat("$(") {
            return Some(Part::Command(self.nested()));
        }
        if self.eat("${") {
            return Some(self.braced());
        }
        self.at += 1;
        match self.peek() {
            Some(b'\'') if !flat => return Some(self.ansi()),
            // A text for translation.
            Some(b'"') if !flat => return Some(self.double()),
            _ => {}
        }
        let name = self.name();
        if name.is_empty() {
            bare.push('$');
            return None;
        }
        Some(Part::Variable(Parameter { name, index: None, change: Change::None }))
    }

    /// `$'…'`.
    fn ansi(&mut self) -> Part {
        self.at += 1;
        let mut text = String::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' => {
                    self.at += 1;
                    return Part::Plain(text);
                }
                b'\\' => {
                    self.at += 1;
                    let start = self.at;
                    self.at += self.width();
                    text.push_str(match self.slice(start, self.at) {
                        "n" => "\n",
                        "t" => "\t",
                        other => other,
                    });
                }
                _ => {
                    let start = self.at;
                    self.at += self.width();
                    text.push_str(self.slice(start, self.at));
                }
            }
        }
        self.fault(self.at, "a quote that is not closed");
        Part::Plain(text)
    }

    /// A variable's name behind `$` or `${`: letters, a number, or one sign.
    fn name(&mut self) -> String {
        let start = self.at;
        match self.peek() {
            Some(byte) if byte.is_ascii_digit() => self.at += 1,
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    self.at += 1;
                }
            }
            Some(b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-') => self.at += 1,
            _ => {}
        }
        self.slice(start, self.at).to_owned()
    }

    /// Commands up to the closing bracket.
    pub(super) fn nested(&mut self) -> super::super::syntax::List {
        let start = self.at;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.depth -= 1;
            self.too_deep();
            return Vec::new();
        }
        let list = self.list(&[")"]);
        self.depth -= 1;
        if !self.eat(")") {
            self.fault(start, "a bracket that is not closed");
        }
        list
    }

    fn backquoted(&mut self) -> Part {
        let start = self.at + 1;
        let mut end = start;
        let mut escapes = false;
        loop {
            match self.bytes.get(end).filter(|_| end < self.end) {
                None => {
                    self.fault(self.at, "a back quote that is not closed");
                    self.skip_line();
                    return Part::Other("a back quote that is not closed");
                }
                Some(b'`') => break,
                Some(b'\\') => {
                    escapes = true;
                    end += 2;
                }
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        let inner = self.slice(start, end);
        let text =
            if escapes { inner.replace("\\`", "`").replace("\\$", "$") } else { inner.into() };
        Part::Backquoted { text, at: (!escapes).then_some(start) }
    }

    /// What stands in `$(( … ))`, or nothing if that is not how it ends.
    pub(super) fn sum(&mut self) -> Option<Vec<Part>> {
        let start = self.at;
        let mut open = 0_usize;
        let mut at = self.at;
        loop {
            match self.bytes.get(at).filter(|_| at < self.end)? {
                b'(' => open += 1,
                b')' if open > 0 => open -= 1,
                b')' => break,
                b'\n' => return None,
                _ => {}
            }
            at += 1;
        }
        if self.bytes.get(at + 1) != Some(&b')') {
            return None;
        }
        let parts = self.within(start, at);
        self.at = at + 2;
        Some(parts)
    }

    /// The parts of a piece of the text, as inside double quotes.
    pub(super) fn within(&mut self, start: usize, end: usize) -> Vec<Part> {
        let (at, before) = (self.at, self.end);
        self.at = start;
        self.end = end.min(before);
        self.depth += 1;
        let parts = if self.depth > DEPTH_MAX {
            self.too_deep();
            Vec::new()
        } else {
            self.parts(Ends::Text)
        };
        self.depth -= 1;
        self.at = at;
        self.end = before;
        parts
    }

    /// What stands behind `${`.
    fn braced(&mut self) -> Part {
        let start = self.at;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.depth -= 1;
            self.too_deep();
            return Part::Other("more nesting than is followed");
        }
        let sign = match self.peek() {
            Some(b'#') if self.ahead(1) != Some(b'}') => Some(Change::Length),
            Some(b'!') => Some(Change::Indirect),
            _ => None,
        };
        self.at += usize::from(sign.is_some());
        let mut name = self.name();
        // Arguments may have more digits here.
        while name.starts_with(|c: char| c.is_ascii_digit())
            && let Some(byte) = self.peek().filter(u8::is_ascii_digit)
        {
            name.push(char::from(byte));
            self.at += 1;
        }
        let index = self.index();
        let change = match sign {
            Some(change) => change,
            None => self.change(),
        };
        self.depth -= 1;
        let change = if self.peek() == Some(b'}') { change } else { Change::Unknown };
        // Whatever is left of it.
        while self.peek().is_some_and(|byte| byte != b'}' && byte != b'\n') {
            self.at += 1;
        }
        if !self.eat("}") {
            self.fault(start, "a bracket that is not closed");
        }
        Part::Variable(Parameter { name, index, change })
    }

    fn index(&mut self) -> Option<Index> {
        if !self.eat("[") {
            return None;
        }
        let index = match self.peek() {
            Some(b'@') => Index::Each,
            Some(b'*') => Index::Joined,
            _ => Index::At(self.parts(Ends::At(b']'))),
        };
        if !matches!(index, Index::At(_)) {
            self.at += 1;
        }
        self.eat("]");
        Some(index)
    }

    fn change(&mut self) -> Change {
        let Some(byte) = self.peek() else { return Change::Unknown };
        let doubled = self.ahead(1) == Some(byte);
        let colon = byte == b':';
        let sign = if colon { self.ahead(1) } else { Some(byte) };
        match (byte, sign) {
            (b'}', _) => Change::None,
            (_, Some(sign @ (b'-' | b'=' | b'+' | b'?'))) => {
                self.at += 1 + usize::from(colon);
                let with = self.parts(Ends::At(b'}'));
                Change::Instead { sign, empty: colon, with }
            }
            (b':', _) => {
                self.at += 1;
                let whole = self.parts(Ends::At(b'}'));
                slice(whole)
            }
            (b'#' | b'%', _) => {
                self.at += 1 + usize::from(doubled);
                let pattern = self.parts(Ends::At(b'}'));
                Change::Trim { front: byte == b'#', longest: doubled, pattern }
            }
            (b'/', _) => {
                self.at += 1 + usize::from(doubled);
                let pattern = self.parts(Ends::Slash);
                let with = if self.eat("/") { self.parts(Ends::At(b'}')) } else { Vec::new() };
                Change::Replace { all: doubled, pattern, with }
            }
            (b'^' | b',', _) => {
                self.at += 1 + usize::from(doubled);
                Change::Case { upper: byte == b'^', all: doubled }
            }
            _ => Change::Unknown,
        }
    }
}

/// `from:length`, whose parts were read as one.
fn slice(parts: Vec<Part>) -> Change {
    let mut from = Vec::new();
    let mut length: Option<Vec<Part>> = None;
    for part in parts {
        match (part, &mut length) {
            (Part::Bare(text), None) if text.contains(':') => {
                let (before, behind) = text.split_once(':').unwrap_or_default();
                from.push(Part::Bare(before.to_owned()));
                length = Some(vec![Part::Bare(behind.to_owned())]);
            }
            (part, None) => from.push(part),
            (part, Some(length)) => length.push(part),
        }
    }
    Change::Slice { from, length }
}
