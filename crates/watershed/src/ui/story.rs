//! How stories ended.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value as Json, json};
use watershed_story::{Failure, Passed};
use watershed_topology::SourceMap;
use watershed_topology::diagnostic::{Diagnostic, Severity};
use watershed_topology::quantity::show_seconds;
use watershed_topology::source::Spanned;

use super::junit::escaped;
use super::{count, diagnostic, json, out};

/// A story, and how it ended.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) name: Spanned<String>,
    pub(crate) ended: Ended,
}

/// How a story ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// As it says.
    Passed(Passed),
    /// Otherwise.
    Failed(Failure),
    /// It was not played, and why.
    Skipped(String),
}

impl Ended {
    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Passed(_) | Self::Skipped(_) => None,
        }
    }

    fn skipped(&self) -> Option<&str> {
        match self {
            Self::Skipped(why) => Some(why),
            Self::Passed(_) | Self::Failed(_) => None,
        }
    }
}

impl From<Result<Passed, Failure>> for Ended {
    fn from(result: Result<Passed, Failure>) -> Self {
        result.map_or_else(Self::Failed, Self::Passed)
    }
}

/// Prints how a story ended; the name of its file, if the one before is of another.
pub(crate) fn show(sources: &SourceMap, told: &Told, before: Option<&Told>) {
    let file = told.name.span.file;
    if before.is_none_or(|before| before.name.span.file != file) {
        out(&sources.file(file).name);
    }
    let name = &told.name.value;
    match &told.ended {
        Ended::Skipped(why) => out(&format!("  - {name}: skipped, {why}")),
        Ended::Passed(Passed { time }) if time.is_zero() => out(&format!("  ✓ {name}")),
        Ended::Passed(Passed { time }) => out(&format!("  ✓ {name} ({})", seconds(*time))),
        Ended::Failed(failure) => {
            out(&format!("  ✗ {name}"));
            let found = Diagnostic::new("", Severity::Error, failure.span, failure.message.clone());
            let found = match failure.timeline.as_slice() {
                [] => found,
                lines => found.note(format!("what happened:\n{}", lines.join("\n"))),
            };
            diagnostic::findings(sources, &[found]);
        }
    }
}

fn seconds(time: Duration) -> String {
    show_seconds(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

/// Prints how many there were.
pub(crate) fn summary(told: &[Told]) {
    let failed = told.iter().filter(|one| one.ended.failure().is_some()).count();
    let skipped = told.iter().filter(|one| one.ended.skipped().is_some()).count();
    let stories = count(told.len(), "story");
    let mut parts = vec![format!("{} passed", told.len() - failed - skipped)];
    for (number, what) in [(failed, "failed"), (skipped, "skipped")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    out(&match parts.as_slice() {
        [_] => format!("{stories}: all passed"),
        parts => format!("{stories}: {}", parts.join(", ")),
    });
}

/// Prints them for programs.
pub(crate) fn json(sources: &SourceMap, told: &[Told]) {
    let story = |one: &Told| -> Json {
        let failure = one.ended.failure().map(|failure| {
            let place = sources.place(failure.span);
            json!({
                "message": failure.message,
                "line": place.line,
                "column": place.column,
                "after_seconds": failure.at.as_secs_f64(),
                "timeline": failure.timeline,
            })
        });
        json!({
            "file": sources.file(one.name.span.file).name,
            "line": sources.place(one.name.span).line,
            "name": one.name.value,
            "passed": matches!(one.ended, Ended::Passed(_)),
            "failure": failure,
            "skipped": one.ended.skipped(),
        })
    };
    json::print(&json!({
        "version": json::VERSION,
        "stories": told.iter().map(story).collect::<Vec<_>>(),
    }));
}

/// Prints them as a test report: a suite a file.
pub(crate) fn junit(sources: &SourceMap, told: &[Told]) {
    let counts = |told: &[Told]| {
        let failed = told.iter().filter(|one| one.ended.failure().is_some()).count();
        let skipped = told.iter().filter(|one| one.ended.skipped().is_some()).count();
        let tests = told.len();
        format!("tests=\"{tests}\" failures=\"{failed}\" skipped=\"{skipped}\"")
    };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites name=\"watershed test\" {}>", counts(told));
    for suite in told.chunk_by(|one, next| one.name.span.file == next.name.span.file) {
        let Some(first) = suite.first() else { continue };
        let file = escaped(&sources.file(first.name.span.file).name);
        let _ = writeln!(text, "  <testsuite name=\"{file}\" {}>", counts(suite));
        for one in suite {
            let name = escaped(&one.name.value);
            let _ = write!(text, "    <testcase classname=\"{file}\" name=\"{name}\"");
            if let Some(why) = one.ended.skipped() {
                let _ = writeln!(text, ">\n      <skipped message=\"{}\"/>", escaped(why));
                text.push_str("    </testcase>\n");
                continue;
            }
            let Some(failure) = one.ended.failure() else {
                text.push_str("/>\n");
                continue;
            };
            let place = sources.place(failure.span);
            let whole = format!("{place}: {}\n{}", failure.message, failure.timeline.join("\n"));
            let (message, whole) = (escaped(&failure.message), escaped(&whole));
            let _ = writeln!(text, ">\n      <failure message=\"{message}\">{whole}</failure>");
            text.push_str("    </testcase>\n");
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>");
    out(&text);
}
