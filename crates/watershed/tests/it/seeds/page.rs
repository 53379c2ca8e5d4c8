//! A page of docs/seeds: what a document says, line by line, and the commands that show what becomes of it here.
//!
//! A table row whose first cell is a number or a range is a claim: that line of the document. A `console` block
//! is a run; its first line says which lines it is about. A block with a file's name is that file.

use std::collections::BTreeSet;
use std::ops::Range;

/// Begins another part of a page.
const NEW_PART: &str = "<!-- from here on with a new server -->";

/// Stands for any part of a line, and alone on a line for any number of lines.
const ANYTHING: &str = "…";

#[derive(Debug, Default)]
pub(super) struct Page {
    /// Topology that the servers of this page begin with.
    pub(super) topology: String,
    /// Its `--env`, if it has one.
    pub(super) environment: Option<String>,
    /// Lines that the document has.
    pub(super) lines: usize,
    /// Of these, the ones without a claim: headings, rules, fences, blank ones.
    pub(super) bare: BTreeSet<usize>,
    pub(super) claims: Vec<Claim>,
    /// What is run, in parts that have a server of their own.
    pub(super) parts: Vec<Vec<Block>>,
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Claim {
    /// Line of the page.
    pub(super) at: usize,
    pub(super) lines: BTreeSet<usize>,
}

#[derive(Debug)]
pub(super) enum Block {
    File { name: String, text: String },
    Run(Run),
}

#[derive(Debug)]
pub(super) struct Run {
    /// Line of the page.
    pub(super) at: usize,
    /// Lines of the document.
    pub(super) lines: BTreeSet<usize>,
    /// The only server that it runs on: `up` or `nats-server`.
    pub(super) only: Option<String>,
    pub(super) commands: Vec<Command>,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) typed: String,
    pub(super) expected: Vec<String>,
    pub(super) code: i32,
    /// Lines of the page that hold what is expected.
    pub(super) span: Range<usize>,
}

impl Page {
    #[track_caller]
    pub(super) fn read(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let mut page = Self { parts: vec![Vec::new()], ..Self::default() };
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            if let Some(info) = line.strip_prefix("```") {
                let length = lines[at + 1..].iter().position(|line| *line == "```");
                let end = at + 1 + length.unwrap_or_else(|| panic!("line {}: no end", at + 1));
                page.block(info, at + 1, &lines[at + 1..end]);
                at = end;
            } else if let Some(row) = line.strip_prefix("| ") {
                let first = row.split(" | ").next().unwrap_or_default();
                if first.starts_with(|c: char| c.is_ascii_digit()) {
                    page.claims.push(Claim { at: at + 1, lines: numbers(first) });
                }
            } else if *line == NEW_PART {
                page.parts.push(Vec::new());
            } else {
                page.setting(line);
            }
            at += 1;
        }
        page
    }

    /// A line of the comment at the top.
    fn setting(&mut self, line: &str) {
        match line.split_once(": ") {
            Some(("topology", value)) => value.clone_into(&mut self.topology),
            Some(("environment", value)) => self.environment = Some(value.to_owned()),
            Some(("lines", value)) => self.lines = value.parse().unwrap(),
            Some(("bare", value)) => self.bare = numbers(value),
            _ => {}
        }
    }

    fn block(&mut self, info: &str, first: usize, lines: &[&str]) {
        let (language, argument) = info.split_once(' ').unwrap_or((info, ""));
        if language == "console" {
            let only = (!argument.is_empty()).then(|| argument.to_owned());
            self.push(Block::Run(run(only, first, lines)));
        } else if !argument.is_empty() {
            let text = lines.iter().fold(String::new(), |all, line| all + line + "\n");
            self.push(Block::File { name: argument.to_owned(), text });
        }
    }

    fn push(&mut self, block: Block) {
        if let Some(part) = self.parts.last_mut() {
            part.push(block);
        }
    }

    /// What is wrong with the page itself: lines of the document without a claim, claims without a run.
    pub(super) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let claimed: BTreeSet<usize> =
            self.claims.iter().flat_map(|one| &one.lines).copied().collect();
        for line in
            (1..=self.lines).filter(|line| !claimed.contains(line) && !self.bare.contains(line))
        {
            gaps.push(format!("line {line} of the document has no row"));
        }
        for line in claimed.iter().filter(|line| self.bare.contains(line) || **line > self.lines) {
            gaps.push(format!(
                "line {line} of the document is in a row, and bare or beyond its end"
            ));
        }
        for server in ["up", "nats-server"] {
            let runs = self.parts.iter().flatten().filter_map(|block| match block {
                Block::Run(run) if run.only.as_deref().is_none_or(|only| only == server) => {
                    Some(run)
                }
                _ => None,
            });
            let shown: BTreeSet<usize> = runs.flat_map(|run| &run.lines).copied().collect();
            for claim in &self.claims {
                for line in claim.lines.difference(&shown) {
                    gaps.push(format!(
                        "row {}: nothing is run on {server} for line {line}",
                        claim.at
                    ));
                }
            }
            for line in shown.difference(&claimed).filter(|_| self.lines > 0) {
                gaps.push(format!("a run is about line {line}, which has no row"));
            }
        }
        gaps
    }
}

/// `3`, `3-5, 9`.
#[track_caller]
fn numbers(text: &str) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for part in text.split(',').map(str::trim) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let number =
            |text: &str| text.parse::<usize>().unwrap_or_else(|_| panic!("`{text}` in `{text}`"));
        all.extend(number(from)..=number(to));
    }
    all
}

#[track_caller]
fn run(only: Option<String>, first: usize, lines: &[&str]) -> Run {
    let mut run = Run { at: first, lines: BTreeSet::new(), only, commands: Vec::new() };
    for (number, line) in lines.iter().enumerate() {
        let at = first + number;
        if let Some(typed) = line.strip_prefix("$ ") {
            let span = at + 1..at + 1;
            run.commands.push(Command {
                typed: typed.to_owned(),
                expected: Vec::new(),
                code: 0,
                span,
            });
            continue;
        }
        let Some(command) = run.commands.last_mut() else {
            let about =
                line.strip_prefix("# ").unwrap_or_else(|| panic!("line {}: {line}", at + 1));
            if let Some(rest) = about.strip_prefix("lines ").or(about.strip_prefix("line ")) {
                run.lines.extend(numbers(rest.split(':').next().unwrap_or_default()));
            }
            continue;
        };
        if let Some(more) = line.strip_prefix("> ") {
            command.typed = format!("{}\n{more}", command.typed);
            command.span = at + 1..at + 1;
            continue;
        }
        command.span.end = at + 1;
        match line.strip_prefix("[exit code ").and_then(|rest| rest.strip_suffix(']')) {
            Some(code) => command.code = code.parse().unwrap(),
            None => command.expected.push((*line).to_owned()),
        }
    }
    run
}

/// Whether what was printed is what a page expects. Runs of spaces count as one, and blank lines for nothing.
pub(super) fn fits(expected: &[String], printed: &[String]) -> bool {
    let full = |lines: &[String]| {
        lines.iter().filter(|line| !line.trim().is_empty()).cloned().collect::<Vec<_>>()
    };
    lines_fit(&full(expected), &full(printed))
}

fn lines_fit(expected: &[String], printed: &[String]) -> bool {
    match (expected, printed) {
        ([], []) => true,
        ([first, rest @ ..], _) if first.trim() == ANYTHING => {
            (0..=printed.len()).any(|passed| lines_fit(rest, &printed[passed..]))
        }
        ([first, rest @ ..], [line, lines @ ..]) => {
            let pieces: Vec<String> = first.split(ANYTHING).map(plain).collect();
            line_fits(&pieces, &plain(line)) && lines_fit(rest, lines)
        }
        _ => false,
    }
}

fn plain(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line_fits(pieces: &[String], line: &str) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().is_some_and(|all| all == line);
    };
    let Some(mut rest) = line.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last.as_str())
}
