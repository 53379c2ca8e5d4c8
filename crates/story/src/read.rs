//! From text to stories.

use watershed_topology::diagnostic::{Diagnostic, Severity};
use watershed_topology::lower::Reader;
use watershed_topology::model::ConsumerName;
use watershed_topology::quantity;
use watershed_topology::source::{FileId, SourceMap, Span, Spanned};
use watershed_topology::yaml::{self, Entry, Node, Value};

use crate::answer;
use crate::limits::TIMES_MAX;
use crate::story::{Answer, Compare, Expected, Fact, Outcome, Publish, Step, Stories, Story, What};

/// Keys of a step that say what happens: a step has one of them.
const ACTIONS: [&str; 7] = ["publish", "worker", "stop", "advance", "restart", "purge", "expect"];

/// Keys of what must be true.
const FACTS: [&str; 5] = ["messages", "delivered", "done", "unprocessed", "dead"];

/// Reads a file of stories. What is wrong with it is said with the codes of topology files.
pub fn read(sources: &SourceMap, file: FileId) -> (Option<Stories>, Vec<Diagnostic>) {
    let (root, diagnostics) = yaml::parse(sources, file);
    let mut stage = Stage { reader: Reader::default() };
    stage.reader.diagnostics = diagnostics;
    let stories = root.map(|root| stage.stories(&root));
    let diagnostics = stage.reader.diagnostics;
    let failed = diagnostics.iter().any(|one| one.severity == Severity::Error);
    (stories.filter(|_| !failed), diagnostics)
}

/// Reads stories with what reads topologies.
struct Stage {
    reader: Reader,
}

impl Stage {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.reader.error("F004", span, message);
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        Some(Spanned::new(self.reader.text(node, what)?, node.span))
    }

    fn stories(&mut self, root: &Node) -> Stories {
        let mut topology = None;
        let mut stories = Vec::new();
        if let Some(entry) = root.get("watershed") {
            let message = "this is a topology, and stories stand in a file of their own";
            let found = Diagnostic::new("F004", Severity::Error, entry.key_span, message.into());
            self.reader.push(found.fix("name its folder, or a `*.story.yaml`"));
            return Stories { topology, stories };
        }
        for entry in self.reader.mapping(root, "a file of stories") {
            match entry.key.as_str() {
                "topology" => topology = self.text(&entry.node, "topology"),
                "stories" => {
                    for story in self.reader.mapping(&entry.node, "`stories`") {
                        stories.extend(self.story(story));
                    }
                }
                _ => self.reader.unknown(entry, &["topology", "stories"], "a file of stories"),
            }
        }
        if stories.is_empty() && self.reader.diagnostics.is_empty() {
            self.error(root.span, "missing `stories`");
        }
        Stories { topology, stories }
    }

    fn story(&mut self, entry: &Entry) -> Option<Story> {
        let Value::Sequence(items) = &entry.node.value else {
            let kind = entry.node.kind();
            self.error(entry.node.span, format!("a story is a list, and this is {kind}"));
            return None;
        };
        let steps = items.iter().filter_map(|item| self.step(item)).collect();
        Some(Story { name: Spanned::new(entry.key.clone(), entry.key_span), steps })
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        let entries = self.reader.mapping(node, "a step");
        let is_action = |entry: &&Entry| {
            let key = entry.key.as_str();
            // What a publish must come to is a part of it.
            ACTIONS.contains(&key) && (key != "expect" || node.get("publish").is_none())
        };
        let mut actions = entries.iter().filter(is_action);
        let Some(action) = actions.next() else {
            match entries.first() {
                Some(entry) => self.reader.unknown(entry, &ACTIONS, "a step"),
                None if matches!(node.value, Value::Mapping(_)) => {
                    self.error(node.span, "a step says what happens, and this one is empty");
                }
                None => {}
            }
            return None;
        };
        if let Some(other) = actions.next() {
            let message = format!("`{}` and `{}` are two steps", action.key, other.key);
            let found = Diagnostic::new("F004", Severity::Error, other.key_span, message);
            self.reader.push(found.fix("begin another step with `- `"));
            return None;
        }
        let value = &action.node;
        match action.key.as_str() {
            "publish" => self.publish(value, entries),
            "worker" => {
                self.only(entries, &["worker", "answers"]);
                let answers = node.get("answers").map(|entry| &entry.node);
                Some(Step::Worker {
                    consumer: self.consumer(value)?,
                    answers: self.answers(answers)?,
                })
            }
            "stop" => {
                self.only(entries, &["stop"]);
                Some(Step::Stop { consumer: self.consumer(value)? })
            }
            "advance" => {
                self.only(entries, &["advance"]);
                Some(Step::Advance { time: self.duration(value)? })
            }
            "restart" => {
                self.only(entries, &["restart"]);
                let what = self.text(value, "restart")?;
                if what.value != "server" {
                    self.error(what.span, "only the server can be restarted");
                }
                Some(Step::Restart)
            }
            "purge" => {
                self.only(entries, &["purge", "subject"]);
                let subject = node.get("subject").map(|entry| &entry.node);
                let subject = subject.and_then(|node| self.text(node, "subject"));
                let stream = self.text(value, "purge")?;
                Some(Step::Purge { stream, subject: subject.map(|subject| subject.value) })
            }
            _ => {
                self.only(entries, &["expect"]);
                Some(self.facts(value))
            }
        }
    }

    /// Says which keys of a step do not belong there.
    fn only(&mut self, entries: &[Entry], known: &[&str]) {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let what = format!("the step `{}`", known.first().copied().unwrap_or_default());
            self.reader.unknown(entry, known, &what);
        }
    }

    fn publish(&mut self, value: &Node, entries: &[Entry]) -> Option<Step> {
        self.only(entries, &["publish", "payload", "headers", "times", "as", "expect"]);
        let subject = self.text(value, "publish")?;
        let expect = Spanned::new(Outcome::Stored, subject.span);
        let mut publish = Publish {
            subject,
            payload: String::new(),
            headers: Vec::new(),
            times: 1,
            user: None,
            expect,
        };
        for entry in entries {
            let node = &entry.node;
            match entry.key.as_str() {
                "payload" => publish.payload = self.text(node, "payload")?.value,
                "headers" => {
                    for header in self.reader.mapping(node, "`headers`") {
                        let value = self.text(&header.node, &header.key)?;
                        publish.headers.push((header.key.clone(), value.value));
                    }
                }
                "times" => publish.times = self.count(node, "times", TIMES_MAX)?,
                "as" => publish.user = Some(self.text(node, "as")?),
                "expect" => publish.expect = self.outcome(node)?,
                _ => {}
            }
        }
        Some(Step::Publish(publish))
    }

    fn count(&mut self, node: &Node, what: &str, max: u64) -> Option<u64> {
        let text = self.text(node, what)?;
        let number = quantity::count(&text.value).and_then(|number| u64::try_from(number).ok());
        if number.is_none_or(|number| number > max) {
            let message =
                format!("`{what}` is a number from 0 to {max}, and this is `{}`", text.value);
            self.error(text.span, message);
            return None;
        }
        number
    }

    fn outcome(&mut self, node: &Node) -> Option<Spanned<Outcome>> {
        let text = self.text(node, "expect")?;
        let outcome = match text.value.as_str() {
            "stored" => Some(Outcome::Stored),
            "duplicate" => Some(Outcome::Duplicate),
            "nobody" => Some(Outcome::Nobody),
            "denied" => Some(Outcome::Denied),
            other => other.parse().ok().map(Outcome::Refused),
        };
        if outcome.is_none() {
            let message = format!("unknown outcome `{}` of a publish", text.value);
            let found = Diagnostic::new("F004", Severity::Error, text.span, message);
            self.reader.push(
                found.note(
                    "it is stored, duplicate, nobody, denied, or an error code such as 10071",
                ),
            );
        }
        outcome.map(|outcome| Spanned::new(outcome, text.span))
    }

    fn duration(&mut self, node: &Node) -> Option<Spanned<i64>> {
        let nanos = self.reader.duration(node, "advance")?;
        if nanos < 0 {
            self.error(node.span, "time does not go back");
            return None;
        }
        Some(Spanned::new(nanos, node.span))
    }

    fn consumer(&mut self, node: &Node) -> Option<Spanned<ConsumerName>> {
        let text = self.text(node, "consumer")?;
        let name = ConsumerName::parse(&text.value);
        if name.is_none() {
            let message =
                format!("`{}` is not a consumer: write it as STREAM/CONSUMER", text.value);
            self.error(text.span, message);
        }
        Some(Spanned::new(name?, text.span))
    }

    fn answers(&mut self, node: Option<&Node>) -> Option<Vec<Answer>> {
        let Some(node) = node else { return Some(vec![Answer::Done]) };
        let items = match &node.value {
            Value::Sequence(items) if !items.is_empty() => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut answers = Vec::new();
        for item in items {
            let text = self.text(item, "answers")?;
            match answer::parse(&text.value) {
                Ok(answer) => answers.push(answer),
                Err(message) => {
                    let found = Diagnostic::new("F004", Severity::Error, text.span, message);
                    self.reader.push(found.note(answer::KNOWN));
                    return None;
                }
            }
        }
        Some(answers)
    }

    fn facts(&mut self, node: &Node) -> Step {
        let mut facts = Vec::new();
        for entry in self.reader.mapping(node, "`expect`") {
            if !FACTS.contains(&entry.key.as_str()) {
                self.reader.unknown(entry, &FACTS, "`expect`");
                continue;
            }
            for one in self.reader.mapping(&entry.node, &format!("`{}`", entry.key)) {
                facts.extend(self.fact(&entry.key, one));
            }
        }
        Step::Expect { facts }
    }

    fn fact(&mut self, key: &str, entry: &Entry) -> Option<Fact> {
        let name = Spanned::new(entry.key.clone(), entry.key_span);
        let what = if key == "messages" {
            What::Messages(name)
        } else {
            let Some(name) = ConsumerName::parse(&entry.key) else {
                let message = format!("`{key}` is about consumers: write STREAM/CONSUMER");
                self.error(entry.key_span, message);
                return None;
            };
            let name = Spanned::new(name, entry.key_span);
            match key {
                "delivered" => What::Delivered(name),
                "done" => What::Done(name),
                "unprocessed" => What::Unprocessed(name),
                _ => What::Dead(name),
            }
        };
        Some(Fact { what, expected: self.expected(&entry.node)? })
    }

    /// `3`, `>= 3` or `<= 3`.
    fn expected(&mut self, node: &Node) -> Option<Spanned<Expected>> {
        let text = self.text(node, "expect")?;
        let (compare, number) = match text.value.trim() {
            plain if plain.starts_with(">=") => (Compare::AtLeast, plain.trim_start_matches(">=")),
            plain if plain.starts_with("<=") => (Compare::AtMost, plain.trim_start_matches("<=")),
            plain => (Compare::Equal, plain),
        };
        let number = quantity::count(number.trim()).and_then(|number| u64::try_from(number).ok());
        let Some(number) = number else {
            let message = format!("`{}` is not a number, `>= 3` or `<= 3`", text.value);
            self.error(text.span, message);
            return None;
        };
        Some(Spanned::new(Expected { compare, number }, text.span))
    }
}
