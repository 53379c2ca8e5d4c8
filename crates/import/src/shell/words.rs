//! Shell as far as command lines need it: words with their places, variables, continuations.

use std::collections::BTreeMap;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// The text, without quotes, variables put in.
    pub(super) text: String,
    /// Where it stands.
    pub(super) start: usize,
    /// The byte behind it.
    pub(super) end: usize,
    /// A variable in it whose value is not known.
    pub(super) unknown: Option<String>,
}

/// What separates a command from the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// A line, `;` or `&`.
    Next,
    /// `||`.
    Or,
    /// `&&`.
    And,
    /// `|`.
    Pipe,
}

/// A command as it is written: variables are put in when it runs.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    /// Where its words stand.
    pub(super) words: Vec<(usize, usize)>,
    /// What follows it.
    pub(super) then: Then,
}

/// The commands of a script, in their order.
pub(super) fn commands(text: &str) -> Vec<Raw> {
    let bytes = text.as_bytes();
    let mut commands = Vec::new();
    let mut words = Vec::new();
    let mut at = 0;
    let mut finish = |words: &mut Vec<(usize, usize)>, then| {
        if !words.is_empty() {
            commands.push(Raw { words: std::mem::take(words), then });
        }
    };
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        match (byte, next) {
            (b'\\', Some(b'\n')) => at += 2,
            (b'\\', Some(b'\r')) if bytes.get(at + 2) == Some(&b'\n') => at += 3,
            (b'\n' | b';', _) => {
                finish(&mut words, Then::Next);
                at += 1;
            }
            (b'|', Some(b'|')) => {
                finish(&mut words, Then::Or);
                at += 2;
            }
            (b'&', Some(b'&')) => {
                finish(&mut words, Then::And);
                at += 2;
            }
            (b'|', _) => {
                finish(&mut words, Then::Pipe);
                at += 1;
            }
            (b'&', _) if next != Some(&b'>') => {
                finish(&mut words, Then::Next);
                at += 1;
            }
            (b'(' | b')' | b'}', _) if *byte != b'}' || words.is_empty() => {
                // The ends of blocks are commands of their own.
                finish(&mut words, Then::Next);
                words.push((at, at + 1));
                finish(&mut words, Then::Next);
                at += 1;
            }
            (b'#', _) => {
                let rest = text.get(at..).unwrap_or_default();
                at += rest.find('\n').unwrap_or(rest.len());
            }
            (byte, _) if byte.is_ascii_whitespace() => at += 1,
            _ => {
                let end = word_end(bytes, at);
                words.push((at, end));
                at = end;
            }
        }
    }
    finish(&mut words, Then::Next);
    commands
}

/// The byte behind the word that begins at `at`.
fn word_end(bytes: &[u8], mut at: usize) -> usize {
    let start = at;
    let mut quote = None;
    while let Some(byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(b'\''), b'\'') | (Some(b'"'), b'"') => quote = None,
            (Some(b'\''), _) => {}
            (_, b'\\') => at += 1,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b'$') if matches!(bytes.get(at + 1), Some(b'{' | b'(')) => {
                at = closing(bytes, at + 1);
            }
            (None, b'(' | b')') if at > start => break,
            (None, b';' | b'|' | b'\n') => break,
            // `2>&1` and `&>` are parts of a word.
            (None, b'&') if bytes.get(at.wrapping_sub(1)) != Some(&b'>') && at > start => break,
            (None, byte) if byte.is_ascii_whitespace() => break,
            (None, _) => {}
        }
        at += 1;
    }
    at.min(bytes.len()).max(start + 1)
}

/// Where the bracket that opens at `at` closes.
fn closing(bytes: &[u8], at: usize) -> usize {
    let (open, close) = if bytes.get(at) == Some(&b'{') { (b'{', b'}') } else { (b'(', b')') };
    let mut depth = 0_usize;
    for (index, byte) in bytes.iter().enumerate().skip(at) {
        if *byte == open {
            depth += 1;
        } else if *byte == close {
            depth -= 1;
            if depth == 0 {
                return index;
            }
        }
    }
    bytes.len()
}

/// Bytes of a word, with what its variables hold. What is longer is no word of anybody.
const WORD_BYTES_MAX: usize = 64 * 1024;

/// What a variable holds, and where that was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Variable {
    pub(super) text: String,
    pub(super) place: Option<(usize, usize)>,
}

/// Variables by name.
pub(super) type Variables = BTreeMap<String, Variable>;

/// A word with variables put in, as `variables` knows them. A word that is one variable and nothing
/// else stands where its value was written.
pub(super) fn word(text: &str, (start, end): (usize, usize), variables: &Variables) -> Word {
    let raw = text.get(start..end).unwrap_or_default();
    let mut out = Word { text: String::new(), start, end, unknown: None };
    let name = raw.trim_matches('"').strip_prefix('$').map(|name| name.trim_matches(['{', '}']));
    let name = name.map(|name| name.split(":-").next().unwrap_or(name));
    if let Some((start, end)) = name.and_then(|name| variables.get(name)?.place) {
        (out.start, out.end) = (start, end);
    }
    let (mut quote, mut rest) = (None, raw);
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = behind;
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), c) => out.text.push(c),
            (_, '\\') => {
                let escaped = rest.chars().next();
                rest = rest.get(escaped.map_or(0, char::len_utf8)..).unwrap_or_default();
                out.text.extend(escaped.filter(|c| *c != '\n'));
            }
            (None, '\'' | '"') => quote = Some(c),
            (_, '$') => rest = variable(rest, variables, &mut out),
            (_, c) => out.text.push(c),
        }
        if out.text.len() > WORD_BYTES_MAX {
            out.text.clear();
            out.unknown = Some("a long text".to_owned());
            break;
        }
    }
    out
}

/// Puts in the variable that `rest` begins with; what is behind it.
fn variable<'r>(rest: &'r str, variables: &Variables, out: &mut Word) -> &'r str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(inner) = rest.strip_prefix('{') {
        let Some(close) = inner.find('}') else { return "" };
        let (body, behind) = (inner.get(..close).unwrap_or_default(), &inner[close + 1..]);
        let length = body.find(|c| !is_name(c)).unwrap_or(body.len());
        let (name, operation) = body.split_at(length);
        let fallback = operation.strip_prefix(":-").or_else(|| operation.strip_prefix('-'));
        match (variables.get(name), fallback, operation) {
            (Some(value), _, "") | (Some(value), Some(_), _) => out.text.push_str(&value.text),
            (None, Some(fallback), _) => out.text.push_str(fallback.trim_matches(['"', '\''])),
            _ => out.unknown = Some(name.to_owned()),
        }
        return behind;
    }
    if rest.starts_with('(') {
        out.unknown = Some("$(…)".to_owned());
        return rest.find(')').and_then(|close| rest.get(close + 1..)).unwrap_or_default();
    }
    let digit = rest.starts_with(|c: char| c.is_ascii_digit());
    let length = if digit { 1 } else { rest.find(|c| !is_name(c)).unwrap_or(rest.len()) };
    let (name, behind) = rest.split_at(length);
    match variables.get(name) {
        _ if name.is_empty() => out.text.push('$'),
        Some(value) => out.text.push_str(&value.text),
        None => out.unknown = Some(name.to_owned()),
    }
    behind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let one = Variable { text: "1".into(), place: None };
        let variables = [("A".to_owned(), one)].into();
        let all = commands(text);
        let lines: Vec<String> = all
            .iter()
            .map(|raw| {
                let words = raw.words.iter().map(|span| {
                    let word = word(text, *span, &variables);
                    match word.unknown {
                        Some(name) => format!("?{name}"),
                        None => word.text,
                    }
                });
                format!("{} {:?}", words.collect::<Vec<_>>().join("|"), raw.then)
            })
            .collect();
        assert_eq!(lines, expected, "{text}");
    }

    #[test]
    fn words_are_the_shells() {
        check("nats stream \\\n  add X # no\nb", &["nats|stream|add|X Next", "b Next"]);
        check("a 'x y' \"$A ${A} $B\" ${C:-d}", &["a|x y|?B|d Next"]);
        check("a || true; b && c | d", &["a Or", "true Next", "b And", "c Pipe", "d Next"]);
        check("a >/dev/null 2>&1", &["a|>/dev/null|2>&1 Next"]);
        check("f() { a $1; }", &["f Next", "( Next", ") Next", "{|a|?1 Next", "} Next"]);
        check("a=\"b c\" --x='>' it\\'s", &["a=b c|--x=>|it's Next"]);
        check("x $(date) y", &["x|?$(…)|y Next"]);
    }
}
