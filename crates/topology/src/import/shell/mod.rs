//! Shell scripts that call the `nats` tool.
//!
//! Variables, defaults, loops over words and functions are followed; what is beyond that is listed,
//! never guessed. A script is also read for what keeps people from seeing that it failed.

mod command;
mod flags;
mod words;

use std::collections::BTreeMap;

use self::words::{Raw, Then, Variable, Variables, Word, commands, word};
use super::Importer;
use crate::source::{FileId, Span, offset};

/// Commands that one script may run; a script with more is another kind of script.
const STEPS_MAX: usize = 10_000;

/// Calls inside calls.
const DEPTH_MAX: usize = 16;

/// Takes in a script, which stands in `file` at the same offsets.
pub(super) fn script(importer: &mut Importer, file: FileId, text: &str) {
    let all = commands(text);
    let mut shell = Shell {
        importer,
        file,
        text,
        variables: Variables::new(),
        functions: BTreeMap::new(),
        steps: 0,
        found: false,
    };
    shell.run(&all, 0);
    let found = shell.found;
    importer.recognized |= found;
}

struct Shell<'a, 't> {
    importer: &'a mut Importer,
    file: FileId,
    text: &'t str,
    variables: Variables,
    functions: BTreeMap<String, Vec<Raw>>,
    steps: usize,
    /// Whether there was any call of the tool.
    found: bool,
}

/// Words that stand in front of a command without being it.
const PREFIXES: &[&str] =
    &["if", "then", "else", "elif", "while", "until", "do", "!", "{", "exec", "time", "sudo"];

impl Shell<'_, '_> {
    fn span(&self, word: &Word) -> Span {
        Span { file: self.file, start: offset(word.start), end: offset(word.end) }
    }

    /// The first word of a command, as it is written.
    fn head(&self, raw: &Raw) -> &str {
        let written = |span: &(usize, usize)| self.text.get(span.0..span.1).unwrap_or_default();
        raw.words.first().map(written).unwrap_or_default()
    }

    fn run(&mut self, all: &[Raw], depth: usize) {
        let mut at = 0;
        while let Some(raw) = all.get(at) {
            self.steps += 1;
            if self.steps > STEPS_MAX || depth > DEPTH_MAX {
                return;
            }
            if let Some((name, body, behind)) = self.function(all, at) {
                self.functions.insert(name, body);
                at = behind;
            } else if self.head(raw) == "for" {
                at = self.run_loop(all, at, depth);
            } else {
                self.one(raw, all.get(at + 1), depth);
                at += 1;
            }
        }
    }

    /// A function that is defined at `at`: its name, its commands, what is behind it.
    fn function(&self, all: &[Raw], at: usize) -> Option<(String, Vec<Raw>, usize)> {
        let head = self.head(all.get(at)?);
        let keyword = head == "function";
        let name = if keyword {
            let span = all.get(at)?.words.get(1)?;
            self.text.get(span.0..span.1)?.trim_end_matches("()")
        } else {
            let brackets = |index: usize| all.get(index).map(|raw| self.head(raw));
            if brackets(at + 1) != Some("(") || brackets(at + 2) != Some(")") {
                return None;
            }
            head
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(is_name) {
            return None;
        }
        let open =
            (at..all.len()).find(|index| all.get(*index).is_some_and(|raw| self.opens(raw)))?;
        let close = self.closing(all, open, Self::opens, "}")?;
        Some((name.to_owned(), all.get(open..close)?.to_vec(), close + 1))
    }

    /// Whether a command begins with `{`, or ends with one as a function's head does.
    fn opens(&self, raw: &Raw) -> bool {
        raw.words.iter().any(|span| self.text.get(span.0..span.1) == Some("{"))
    }

    /// Where what opens at `open` is closed by the word `end`.
    fn closing(
        &self,
        all: &[Raw],
        open: usize,
        opens: impl Fn(&Self, &Raw) -> bool,
        end: &str,
    ) -> Option<usize> {
        let mut depth = 0_usize;
        for (index, raw) in all.iter().enumerate().skip(open) {
            if opens(self, raw) {
                depth += 1;
            }
            if self.head(raw) == end {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
        }
        None
    }

    /// `for NAME in WORD…; do …; done`: what is behind it.
    fn run_loop(&mut self, all: &[Raw], at: usize, depth: usize) -> usize {
        let is_loop =
            |shell: &Self, raw: &Raw| matches!(shell.head(raw), "for" | "while" | "until");
        let Some(end) = self.closing(all, at, is_loop, "done") else { return at + 1 };
        let words: Vec<Word> = all
            .get(at)
            .into_iter()
            .flat_map(|raw| &raw.words)
            .map(|span| word(self.text, *span, &self.variables))
            .collect();
        let body: Vec<Raw> = all.get(at + 1..end).unwrap_or_default().to_vec();
        if let [_, name, is_in, items @ ..] = words.as_slice()
            && is_in.text == "in"
            && items.iter().all(|item| item.unknown.is_none() && !item.text.contains(['*', '{']))
        {
            for item in items {
                for text in item.text.split_whitespace() {
                    let place = Some((item.start, item.end));
                    let value = Variable { text: text.to_owned(), place };
                    self.variables.insert(name.text.clone(), value);
                    self.run(&body, depth + 1);
                }
            }
            return end + 1;
        }
        // What it goes over is not known: what depends on it will say so.
        if let Some(name) = words.get(1) {
            self.variables.remove(&name.text);
        }
        self.run(&body, depth + 1);
        end + 1
    }

    fn one(&mut self, raw: &Raw, next: Option<&Raw>, depth: usize) {
        let words = raw.words.iter().map(|span| word(self.text, *span, &self.variables));
        let mut words: Vec<Word> = words.collect();
        let mut spans: Vec<(usize, usize)> = raw.words.clone();
        let front = words.iter().take_while(|word| PREFIXES.contains(&word.text.as_str())).count();
        words.drain(..front);
        spans.drain(..front);
        self.assign(&mut words, &mut spans);
        let Some(first) = words.first() else { return };
        if let Some(body) = self.functions.get(&first.text).cloned() {
            let saved = self.variables.clone();
            for (number, word) in words.iter().enumerate() {
                self.set(&number.to_string(), word);
            }
            for number in words.len()..10 {
                self.variables.remove(&number.to_string());
            }
            self.run(&body, depth + 1);
            self.variables = saved;
            return;
        }
        let tool =
            words.iter().position(|word| word.text == "nats" || word.text.ends_with("/nats"));
        let Some(tool) = tool else { return };
        let call = words.split_off(tool);
        command::hide(self, &call);
        if command::call(self, &call) {
            self.found = true;
            self.hidden(raw, &call, next);
        }
    }

    /// `NAME=value` in front of a command, or alone, or behind `local` and its like.
    fn assign(&mut self, words: &mut Vec<Word>, spans: &mut Vec<(usize, usize)>) {
        let declares = words.first().is_some_and(|word| {
            matches!(word.text.as_str(), "local" | "export" | "readonly" | "declare")
        });
        if declares {
            words.remove(0);
            spans.remove(0);
        }
        while let Some((start, end)) = spans.first().copied() {
            let written = self.text.get(start..end).unwrap_or_default();
            let Some((name, _)) = written.split_once('=') else { break };
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                break;
            }
            let value = word(self.text, (start + name.len() + 1, end), &self.variables);
            self.set(name, &value);
            words.remove(0);
            spans.remove(0);
        }
        if declares {
            words.clear();
        }
    }

    fn set(&mut self, name: &str, value: &Word) {
        let place = Some((value.start, value.end));
        match value.unknown {
            None => {
                let url = value.text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
                if url || name.contains("PASS") || name.contains("TOKEN") {
                    let span = self.span(value);
                    self.importer.secrets.push(span);
                }
                let value = Variable { text: value.text.clone(), place };
                self.variables.insert(name.to_owned(), value)
            }
            Some(_) => self.variables.remove(name),
        };
    }

    /// What keeps people from seeing that a command failed.
    fn hidden(&mut self, raw: &Raw, words: &[Word], next: Option<&Raw>) {
        let span = words.first().map(|first| self.span(first)).unwrap_or_default();
        if raw.then == Then::Or
            && let Some(next) = next
            && matches!(self.head(next), "true" | ":" | "echo" | "printf" | "log" | "log_error")
        {
            let message =
                "every failure of this is hidden, an overlap or a wrong flag too".to_owned();
            self.importer.findings.hidden(span, message);
        }
        if let Some(thrown) = words.iter().find(|word| {
            matches!(word.text.as_str(), "2>/dev/null" | "&>/dev/null" | ">/dev/null")
                && word.text != ">/dev/null"
        }) {
            let span = self.span(thrown);
            let message = "what the tool says about a failure is thrown away".to_owned();
            self.importer.findings.hidden(span, message);
        }
    }
}
