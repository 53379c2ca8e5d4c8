//! What a run does, while it does it: a line for each step, or JSON for programs.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use watershed_topology::plan::Step;

use super::path::shown;
use super::{out, say};

/// Tells of steps as they are done.
#[derive(Debug)]
pub(crate) struct Steps {
    json: bool,
    last: Instant,
    /// What was last said of a step that takes a while, and when.
    doing: Option<(String, Instant)>,
}

/// Time between two lines that only differ in their numbers.
const PACE: Duration = Duration::from_secs(2);

impl Steps {
    /// From now on; with `json`, a JSON object a line on standard output.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, last: Instant::now(), doing: None }
    }

    /// A step is done; `backup` is where what it replaced is kept.
    pub(crate) fn done(&mut self, step: &Step, backup: Option<&Path>) {
        let millis = self.last.elapsed().as_millis();
        self.last = Instant::now();
        self.doing = None;
        if self.json {
            line(&json!({
                "event": "step",
                "action": step.action.word(),
                "kind": step.target.kind(),
                "target": step.target.to_string(),
                "milliseconds": u64::try_from(millis).unwrap_or(u64::MAX),
                "backup": backup.map(shown),
            }));
            return;
        }
        let (kind, target) = (step.target.kind(), &step.target);
        say(&format!("{} {kind} {target} ({millis} ms)", step.action.past()));
        if let Some(folder) = backup {
            say(&format!("  what it was is in {}", shown(folder)));
        }
    }

    /// A step does this now.
    pub(crate) fn doing(&mut self, step: &Step, what: &str) {
        let plain = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
        if let Some((before, at)) = &self.doing
            && (before == what || plain(before) == plain(what) && at.elapsed() < PACE)
        {
            return;
        }
        self.doing = Some((what.to_owned(), Instant::now()));
        if self.json {
            line(&json!({
                "event": "doing",
                "action": step.action.word(),
                "kind": step.target.kind(),
                "target": step.target.to_string(),
                "text": what,
            }));
            return;
        }
        say(&format!("  {}: {what}", step.target));
    }
}

/// Prints an event on a line of its own.
pub(crate) fn line(json: &Json) {
    out(&json.to_string());
}
