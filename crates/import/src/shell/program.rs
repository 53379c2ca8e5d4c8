//! Other programs: the tool, and what runs it.

use std::rc::Rc;

use watershed_topology::source::Span;

use super::state::{Shell, unknown};
use super::syntax::{Command, Direction, Origin, Part, Unit, Word as Written};
use crate::tool::{self, Call};
use crate::word::{MARK, When, Word};

/// Commands that show their words, and run nothing.
const SHOWS: &[&str] = &["echo", "printf", "log", "info", "warn", "error", "die", "grep", "usage"];

impl Shell<'_> {
    /// Another program: the tool, something that runs it, or nothing of interest.
    pub(super) fn program(
        &mut self,
        unit: &Rc<Unit>,
        command: &Command,
        written: &[Written],
        words: &[Word],
        span: Span,
    ) -> Option<bool> {
        let thrown = command.redirects.iter().find(|redirect| match &redirect.kind {
            Direction::Out { to, both, .. } => {
                (*both || redirect.from == Some(2))
                    && super::words::literal(to).as_deref() == Some("/dev/null")
            }
            _ => false,
        });
        let thrown = thrown.map(|one| unit.place(one.start, one.start + 1));
        if let Some((text, why, origin)) = inline(unit, written, words) {
            return self.inner(&text, origin, unit, why);
        }
        let plain = |word: &Word| Word { text: word.text.replace(MARK, ""), ..word.clone() };
        let words: &[Word] = &words.iter().map(plain).collect::<Vec<_>>();
        let first = words.first()?;
        if SHOWS.contains(&first.text.as_str()) {
            self.print("", Some(&unknown(&first.text)));
            return None;
        }
        if let Some(at) = words.iter().position(|word| is_nsc(&word.text)).filter(|at| *at < 12) {
            let done = crate::nsc::call(self.importer, words.get(at..)?, span);
            if let (Err(why), false) = (done, self.never) {
                self.not_read(span, &why);
            }
            self.found |= self.importer.recognized;
            self.print("", Some(&"what `nsc` prints is not known here".to_owned()));
            return None;
        }
        let start = words.iter().enumerate().find_map(|(index, word)| {
            let name = word.text.as_str();
            // A variable that is set elsewhere, and is called like the tool.
            let meant = index == 0
                && word.unknown.as_ref().is_some_and(|why| why.to_lowercase().contains("nats"));
            let is = name == "nats" || name.ends_with("/nats") || meant;
            let rest = words.get(index..)?;
            (is && tool::is_call(rest)).then_some((index, meant))
        });
        let Some((start, meant)) = start else {
            self.print("", Some(&unknown(&format!("$({} …)", first.text))));
            self.passed_over(words, span);
            return None;
        };
        if first.text == "xargs" {
            self.not_read(
                span,
                "what `xargs` adds to this command is not known here: it was not read",
            );
            return None;
        }
        let call = words.get(start..)?.to_vec();
        let name = written.first().map_or(span, |word| unit.place(word.start, word.end));
        self.tool(call, meant, span, name, thrown)
    }

    /// A call of the tool.
    fn tool(
        &mut self,
        mut call: Vec<Word>,
        meant: bool,
        span: Span,
        name: Span,
        thrown: Option<Span>,
    ) -> Option<bool> {
        if meant && let Some(first) = call.first_mut() {
            let why = first.unknown.take().unwrap_or_default();
            let message = format!("{why}: it is taken for the `nats` tool");
            self.importer.findings.guess(first.span, message);
        }
        // The command, not where a variable that stands for it was written.
        if let Some(first) = call.first_mut() {
            first.span = name;
        }
        let stdin = self.inputs.last().cloned().flatten().map(|input| Word {
            text: input.whole.text.get(input.at..).unwrap_or_default().to_owned(),
            unknown: input.whole.unknown,
            span: input.span,
            many: false,
        });
        let path = tool::config(&call);
        let config = match path.and_then(Word::get) {
            None | Some("-" | "/dev/stdin") => stdin.clone(),
            Some(path) => self.read_file(path).map(|(output, place)| Word {
                text: output.text,
                unknown: output.unknown,
                span: place.unwrap_or(span),
                many: false,
            }),
        };
        let when = When { never: self.never, arms: self.arms.clone() };
        let outcome = tool::call(
            self.importer,
            &Call { words: &call, config: config.as_ref(), when, thrown, tried: self.tries > 0 },
        );
        self.found |= outcome.found;
        self.print("", Some(&"what `nats` prints is not known here".to_owned()));
        self.asked += 1;
        if self.importer.tool.waits > 0 { None } else { outcome.status }
    }

    /// A command that names the tool and what it makes, and was not read, says so.
    fn passed_over(&mut self, words: &[Word], span: Span) {
        let all: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let all = all.join(" ");
        let makes = |what: &str| all.contains(what);
        let known = [
            "stream add",
            "consumer add",
            "kv add",
            "object add",
            "stream create",
            "JS.API.STREAM.CREATE",
        ];
        let variable = words.first().and_then(|word| word.unknown.as_ref());
        // A wrapper that is defined elsewhere has the tool's own flags.
        let flags = ["--subjects", "--defaults", "--pull", "--max-age", "--config"];
        let wrapper = flags.iter().any(|flag| makes(flag));
        let meant = all.contains("nats") || variable.is_some() || wrapper;
        if known.iter().any(|what| makes(what)) && meant {
            let name = words.first().map_or("", |word| word.text.as_str());
            let message = match variable {
                Some(why) => format!("{why}: this command was not read"),
                None if wrapper && !all.contains("nats") => {
                    format!("what `{name}` runs is not known here: this command was not read")
                }
                None => "this names what the `nats` tool makes, and was not read".to_owned(),
            };
            self.not_read(span, &message);
        }
    }

    pub(super) fn not_read(&mut self, span: Span, message: &str) {
        self.importer.incomplete = true;
        self.importer.findings.skipped(span, message.to_owned());
        self.found = true;
    }
}

fn is_nsc(name: &str) -> bool {
    name == "nsc" || name.ends_with("/nsc")
}

/// `sh -c TEXT`, wherever it stands in a command.
fn inline(
    unit: &Rc<Unit>,
    written: &[Written],
    words: &[Word],
) -> Option<(String, Option<String>, Origin)> {
    let at = words.iter().position(|word| {
        matches!(word.text.rsplit('/').next(), Some("sh" | "bash" | "ash" | "zsh" | "ssh"))
    })?;
    let ssh = words.get(at).is_some_and(|word| word.text == "ssh");
    let rest = words.get(at + 1..)?;
    let script = if ssh {
        rest.last().filter(|word| word.text.contains(' '))?
    } else {
        let flag = rest.iter().position(|word| {
            word.text.starts_with('-') && !word.text.starts_with("--") && word.text.ends_with('c')
        })?;
        rest.get(flag + 1)?
    };
    // One that stands in single quotes is there to the byte.
    let at = written.iter().find_map(|word| match word.parts.as_slice() {
        [Part::Plain(text)] if *text == script.text => Some(word.start + 1),
        _ => None,
    });
    let origin = match (at, unit.origin) {
        (Some(at), Origin::At(by)) => Origin::At(at + by),
        _ => Origin::Within(script.span),
    };
    Some((script.text.clone(), script.unknown.clone(), origin))
}
