//! Shell scripts that call the `nats` tool.
//!
//! Variables, defaults, loops over words and functions are followed; what is beyond that is listed,
//! never guessed. A script is also read for what keeps people from seeing that it failed.

mod command;
mod flags;
mod state;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use self::state::Shell;
use self::words::{Raw, Then, Variable, Variables, Word, commands, word};
use crate::importer::Importer;
use watershed_topology::source::{FileId, Span, offset};

/// Work that one script may be: commands that run, long ones counting more. A script that is more
/// than that is another kind of script.
const STEPS_MAX: usize = 20_000;

/// Bytes of a command that count as one step.
const STEP_BYTES: usize = 256;

/// Steps of a script that was given up.
const STOPPED: usize = usize::MAX / 2;

/// Calls inside calls.
const DEPTH_MAX: usize = 16;

/// Takes in a script, which stands in `file` at the same offsets.
pub(super) fn script(importer: &mut Importer, file: FileId, text: &str) {
    let commands = commands(text);
    let ends = ends(text, &commands);
    let whole = 0..commands.len();
    let mut shell = Shell {
        importer,
        file,
        text,
        commands: Rc::new(commands),
        ends,
        variables: Variables::new(),
        functions: BTreeMap::new(),
        steps: 0,
        found: false,
    };
    shell.run(whole, 0);
    let found = shell.found;
    importer.recognized |= found;
}

/// Words that stand in front of a command without being it.
const PREFIXES: &[&str] =
    &["if", "then", "else", "elif", "while", "until", "do", "!", "{", "exec", "time", "sudo"];

/// The first word of a command that is no loop's or condition's, as it is written.
fn head<'t>(text: &'t str, raw: &Raw) -> &'t str {
    let written = raw.words.iter().map(|span| text.get(span.0..span.1).unwrap_or_default());
    let mut words = written.skip_while(|word| PREFIXES.contains(word) && *word != "while");
    words.next().unwrap_or_default()
}

/// Where each command that opens a block or a loop is closed.
fn ends(text: &str, commands: &[Raw]) -> BTreeMap<usize, usize> {
    let (mut blocks, mut loops, mut ends) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (index, raw) in commands.iter().enumerate() {
        let has = |word: &str| raw.words.iter().any(|span| text.get(span.0..span.1) == Some(word));
        let closed = match head(text, raw) {
            "}" => blocks.pop(),
            "done" => loops.pop(),
            _ => None,
        };
        if let Some(open) = closed {
            ends.insert(open, index);
        }
        if has("{") {
            blocks.push(index);
        }
        if has("for") || has("while") || has("until") {
            loops.push(index);
        }
    }
    ends
}

impl Shell<'_, '_> {
    fn run(&mut self, range: Range<usize>, depth: usize) {
        let commands = Rc::clone(&self.commands);
        let mut at = range.start;
        while let Some(raw) = commands.get(at).filter(|_| at < range.end) {
            let bytes: usize = raw.words.iter().map(|(start, end)| end - start).sum();
            self.steps += 1 + bytes / STEP_BYTES;
            if self.steps > STEPS_MAX || depth > DEPTH_MAX {
                return self.too_much(raw);
            }
            if let Some((name, body)) = self.function(&commands, at) {
                at = body.end + 1;
                self.functions.insert(name, body);
            } else if head(self.text, raw) == "for" {
                at = self.run_loop(raw, at, depth);
            } else {
                self.one(raw, commands.get(at + 1), depth);
                at += 1;
            }
        }
    }

    /// Says, once, that the script is more than is followed.
    fn too_much(&mut self, raw: &Raw) {
        if self.steps < STOPPED {
            let (start, end) = raw.words.first().copied().unwrap_or_default();
            let span = Span { file: self.file, start: offset(start), end: offset(end) };
            let message = "the script does more than is followed: nothing from here on was read";
            self.importer.findings.skipped(span, message.to_owned());
        }
        // Whoever called this has no steps left either.
        self.steps = STOPPED;
    }

    /// A function that is defined at `at`: its name and its commands.
    fn function(&self, commands: &[Raw], at: usize) -> Option<(String, Range<usize>)> {
        let first = head(self.text, commands.get(at)?);
        let (name, behind) = if first == "function" {
            let span = commands.get(at)?.words.get(1)?;
            (self.text.get(span.0..span.1)?.trim_end_matches("()"), at)
        } else {
            let is = |index: usize, word: &str| {
                commands.get(index).is_some_and(|raw| head(self.text, raw) == word)
            };
            if !is(at + 1, "(") || !is(at + 2, ")") {
                return None;
            }
            (first, at + 3)
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(is_name) {
            return None;
        }
        // The block begins here, or behind the brackets that the keyword may have.
        let open = (behind..behind + 4).find(|index| self.ends.contains_key(index))?;
        Some((name.to_owned(), open..*self.ends.get(&open)?))
    }

    /// `for NAME in WORD…; do …; done`: what is behind it.
    fn run_loop(&mut self, raw: &Raw, at: usize, depth: usize) -> usize {
        let Some(end) = self.ends.get(&at).copied() else { return at + 1 };
        let words = raw.words.iter().map(|span| word(self.text, *span, &self.variables));
        let words: Vec<Word> = words.skip_while(|word| word.text != "for").collect();
        if let [_, name, is_in, items @ ..] = words.as_slice()
            && is_in.text == "in"
            && items.iter().all(|item| item.unknown.is_none() && !item.text.contains(['*', '{']))
        {
            for item in items {
                for text in item.text.split_whitespace() {
                    let place = Some((item.start, item.end));
                    let value = Variable { text: text.to_owned(), place };
                    self.variables.insert(name.text.clone(), value);
                    self.run(at + 1..end, depth + 1);
                }
            }
            return end + 1;
        }
        // What it goes over is not known: what depends on it will say so.
        if let Some(name) = words.get(1) {
            self.variables.remove(&name.text);
        }
        self.run(at + 1..end, depth + 1);
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
            self.run(body, depth + 1);
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
            && matches!(
                head(self.text, next),
                "true" | ":" | "echo" | "printf" | "log" | "log_error"
            )
        {
            let message =
                "every failure of this command is hidden, including overlaps and wrong flags"
                    .to_owned();
            self.importer.findings.hidden(span, message);
        }
        let thrown = |word: &&Word| matches!(word.text.as_str(), "2>/dev/null" | "&>/dev/null");
        if let Some(thrown) = words.iter().find(thrown) {
            let span = self.span(thrown);
            let message = "what the tool says about a failure is thrown away".to_owned();
            self.importer.findings.hidden(span, message);
        }
    }
}
