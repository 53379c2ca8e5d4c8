//! Commands as text.
//!
//! A line is a command of the `nats` tool (`nats …`; as a user of the system account: `sys …`), with `& ` before
//! it one that goes on while others run, or one of
//!
//! * `join`: waits until what goes on ends by itself
//! * `until TEXT`: waits until it has printed this, then interrupts it
//! * `stop`: interrupts it
//! * `write FILE TEXT`, `show FILE`: a file in the folder where commands run
//!
//! An indented line below, `REGEX -- REASON`, says which lines of the output differ between the servers, and why;
//! above the first step it counts for all of them. `$SERVER` is the server's id.

use std::path::Path;

use regex_lite::Regex;

/// Commands that run one after the other on a server of their own.
pub(super) struct Scenario {
    pub(super) name: String,
    /// What it is about.
    pub(super) about: String,
    pub(super) steps: Vec<Step>,
    /// Differences that may be anywhere.
    pub(super) everywhere: Vec<Difference>,
}

pub(super) struct Step {
    /// Where it stands in its file.
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) action: Action,
    pub(super) differences: Vec<Difference>,
}

impl Step {
    /// Whether it is a command of the tool.
    pub(super) fn is_command(&self) -> bool {
        matches!(self.action, Action::Run(_) | Action::Begin(_))
    }
}

pub(super) enum Action {
    Run(Words),
    Begin(Words),
    Join,
    Until(String),
    Stop,
    Write(String, String),
    Show(String),
}

/// A command line.
pub(super) struct Words {
    /// As a user of the system account.
    pub(super) system: bool,
    pub(super) arguments: Vec<String>,
}

/// What is not the same, for a reason.
pub(super) struct Difference {
    pub(super) line: usize,
    pub(super) lines: Regex,
    pub(super) reason: String,
}

/// All scenarios of a folder, by name.
pub(super) fn load(folder: &Path) -> Vec<Scenario> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Scenario {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let about = text.lines().next().unwrap().trim_start_matches("# ").to_owned();
    let mut scenario = Scenario { name, about, steps: Vec::new(), everywhere: Vec::new() };
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let invalid = format!("{}:{}: invalid step: {line}", path.display(), index + 1);
        if line.starts_with(' ') {
            let (regex, reason) = line.split_once(" -- ").expect(&invalid);
            let lines = Regex::new(regex.trim()).expect(&invalid);
            let difference = Difference { line: index + 1, lines, reason: reason.to_owned() };
            match scenario.steps.last_mut() {
                Some(step) => step.differences.push(difference),
                None => scenario.everywhere.push(difference),
            }
            continue;
        }
        let action = action(line).expect(&invalid);
        let text = line.to_owned();
        scenario.steps.push(Step { line: index + 1, text, action, differences: Vec::new() });
    }
    scenario
}

fn action(line: &str) -> Option<Action> {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match first {
        "nats" | "sys" => Action::Run(words(line)?),
        "&" => Action::Begin(words(rest)?),
        "join" => Action::Join,
        "until" => Action::Until(rest.to_owned()),
        "stop" => Action::Stop,
        "show" => Action::Show(rest.to_owned()),
        "write" => {
            let (file, text) = rest.split_once(' ')?;
            Action::Write(file.to_owned(), text.to_owned())
        }
        _ => return None,
    })
}

fn words(line: &str) -> Option<Words> {
    let mut words = shlex::split(line)?.into_iter();
    let system = words.next()? == "sys";
    Some(Words { system, arguments: words.collect() })
}
