//! Text to values.

use super::{ConfError, Item, Pair, Place, Value};

/// Nesting of blocks and lists.
const DEPTH_MAX: usize = 32;

/// Reads a configuration.
pub fn parse(text: &str) -> Result<Vec<Pair>, ConfError> {
    let mut parser = Parser { text, at: 0, line: 1, depth: 0 };
    parser.skip(true);
    // The whole of it may be one block: JSON.
    if parser.peek() != Some('{') {
        return parser.pairs(None);
    }
    let pairs = parser.nested(|parser| parser.pairs(Some('}')))?;
    parser.skip(true);
    if parser.peek().is_some() {
        return Err(parser.error("this is behind the block that is the whole configuration"));
    }
    Ok(pairs)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn error(&self, what: impl Into<String>) -> ConfError {
        ConfError { line: self.line, what: what.into() }
    }

    /// Passes over white space and comments; over ends of entries too, if that is asked for.
    fn skip(&mut self, ends: bool) {
        loop {
            match self.peek() {
                Some('#') => self.skip_line(),
                Some('/') if self.rest().starts_with("//") => self.skip_line(),
                Some(',' | ';') if ends => {
                    self.bump();
                }
                Some(c) if c.is_whitespace() && (ends || c != '\n') => {
                    self.bump();
                }
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.bump();
        }
    }

    fn place(&self, start: usize, line: usize) -> Place {
        Place { start, end: self.at, line }
    }

    /// Entries up to `end`, or to the end of the text.
    fn pairs(&mut self, end: Option<char>) -> Result<Vec<Pair>, ConfError> {
        let opened = self.line;
        let mut pairs = Vec::new();
        loop {
            self.skip(true);
            match (self.peek(), end) {
                (None, None) => return Ok(pairs),
                (None, Some(_)) => {
                    return Err(ConfError {
                        line: opened,
                        what: "this block is not closed".into(),
                    });
                }
                (Some(c), Some(end)) if c == end => {
                    self.bump();
                    return Ok(pairs);
                }
                (Some('}' | ']' | ')'), _) => return Err(self.error("nothing is open here")),
                _ => pairs.push(self.pair()?),
            }
        }
    }

    fn pair(&mut self) -> Result<Pair, ConfError> {
        let (start, line) = (self.at, self.line);
        let key = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.word(&['=', ':', '{', '[', ',', ';', '}', ']']).to_owned(),
        };
        if key.is_empty() {
            return Err(self.error("a key is missing"));
        }
        let place = self.place(start, line);
        self.skip(false);
        if matches!(self.peek(), Some('=' | ':')) {
            self.bump();
            self.skip(false);
        }
        // A block may begin on the next line.
        if self.peek() == Some('\n') {
            let (at, line) = (self.at, self.line);
            self.skip(true);
            if !matches!(self.peek(), Some('{' | '[')) {
                (self.at, self.line) = (at, line);
                return Err(self.error(format!("`{key}` has no value")));
            }
        }
        if self.peek().is_none() {
            return Err(self.error(format!("`{key}` has no value")));
        }
        let item = self.item()?;
        Ok(Pair { key, place, item })
    }

    fn item(&mut self) -> Result<Item, ConfError> {
        let (start, line) = (self.at, self.line);
        let value = match self.peek() {
            Some(quote @ ('"' | '\'')) => Value::Text { text: self.quoted(quote)?, quoted: true },
            Some('{') => Value::Map(self.nested(|parser| parser.pairs(Some('}')))?),
            Some('[') => Value::List(self.nested(Self::list)?),
            Some('(') => Value::Text { text: self.block()?, quoted: true },
            _ => plain(self.word(&[',', ';', '}', ']'])),
        };
        let empty = matches!(&value, Value::Text { text, quoted: false } if text.is_empty());
        if empty {
            return Err(self.error("a value is missing"));
        }
        Ok(Item { value, place: self.place(start, line) })
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ConfError>,
    ) -> Result<T, ConfError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(format!("more than {DEPTH_MAX} levels of nesting")));
        }
        self.bump();
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn list(&mut self) -> Result<Vec<Item>, ConfError> {
        let opened = self.line;
        let mut items = Vec::new();
        loop {
            self.skip(true);
            match self.peek() {
                None => {
                    return Err(ConfError { line: opened, what: "this list is not closed".into() });
                }
                Some(']') => {
                    self.bump();
                    return Ok(items);
                }
                Some('}' | ')') => return Err(self.error("nothing is open here")),
                Some(_) => items.push(self.item()?),
            }
        }
    }

    /// Characters up to white space, a comment or one of `ends`.
    fn word(&mut self, ends: &[char]) -> &'a str {
        let start = self.at;
        while let Some(c) = self.peek() {
            if c.is_whitespace() || c == '#' || ends.contains(&c) {
                break;
            }
            self.bump();
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn quoted(&mut self, quote: char) -> Result<String, ConfError> {
        let opened = self.line;
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None => {
                    return Err(ConfError { line: opened, what: "a quote is not closed".into() });
                }
                Some(c) if c == quote => return Ok(text),
                Some('\\') if quote == '"' => text.push(self.escaped()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, ConfError> {
        match self.bump() {
            Some('t') => Ok('\t'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('x') => {
                let digits = self.rest().get(..2).unwrap_or_default();
                let code = u8::from_str_radix(digits, 16)
                    .map_err(|_| self.error("`\\x` is followed by two hexadecimal digits"))?;
                self.bump();
                self.bump();
                Ok(char::from(code))
            }
            _ => Err(self
                .error("this is no escape: `\\t`, `\\n`, `\\r`, `\\\"`, `\\\\` and `\\xNN` are")),
        }
    }

    /// `( … )` on lines of its own: text as it is.
    fn block(&mut self) -> Result<String, ConfError> {
        let opened = self.line;
        self.bump();
        let Some(length) = self.rest().find("\n)") else {
            return Err(ConfError {
                line: opened,
                what: "a text in parentheses is not closed".into(),
            });
        };
        let end = self.at + length;
        let text = self.text.get(self.at..end).unwrap_or_default().trim_start_matches('\n');
        while self.at < end + 2 {
            self.bump();
        }
        Ok(text.to_owned())
    }
}

/// What a word without quotes means.
fn plain(word: &str) -> Value {
    // A hash of a password is no variable, as nats-server has it.
    let hash = word.starts_with("$2a$");
    if let Some(name) = word.strip_prefix('$').filter(|name| !name.is_empty() && !hash) {
        return Value::Variable(name.to_owned());
    }
    match word.to_lowercase().as_str() {
        "true" | "yes" | "on" => return Value::Flag(true),
        "false" | "no" | "off" => return Value::Flag(false),
        _ => {}
    }
    if let Some(number) = integer(word) {
        return Value::Integer(number);
    }
    match word.parse::<f64>() {
        Ok(number) if word.contains('.') && number.is_finite() => Value::Float(number),
        _ => Value::Text { text: word.to_owned(), quoted: false },
    }
}

/// A whole number with its suffix.
fn integer(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, suffix) = digits.split_at_checked(end)?;
    let number: i64 = number.parse().ok()?;
    let suffix = suffix.to_lowercase();
    let base: i64 = if suffix.len() > 1 { 1024 } else { 1000 };
    let power = match suffix.as_str() {
        "" => 0,
        "k" | "kb" | "ki" | "kib" => 1,
        "m" | "mb" | "mi" | "mib" => 2,
        "g" | "gb" | "gi" | "gib" => 3,
        "t" | "tb" | "ti" | "tib" => 4,
        _ => return None,
    };
    let number = number.checked_mul(base.checked_pow(power)?)?;
    Some(if word.starts_with('-') { -number } else { number })
}
