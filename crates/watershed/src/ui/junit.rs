//! Findings as a test report: a suite a file, a failed test a finding.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use watershed_topology::{Diagnostic, Severity};

use super::out;
use crate::load::Workspace;

/// Prints all findings. Files without any are suites with one test that passed.
pub(crate) fn show(workspace: &Workspace) {
    let mut suites: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
    for file in workspace.sources.files() {
        suites.entry(&file.name).or_default();
    }
    for finding in &workspace.diagnostics {
        let place = workspace.sources.place(finding.place.span);
        suites.entry(place.file).or_default().push(finding);
    }
    let failing = |finding: &&&Diagnostic| finding.severity >= Severity::Warning;
    let all: usize = suites.values().map(|findings| findings.len().max(1)).sum();
    let failed = workspace.diagnostics.iter().filter(|one| failing(&one)).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuites name=\"watershed lint\" tests=\"{all}\" failures=\"{failed}\">"
    );
    for (file, findings) in suites {
        let failures = findings.iter().filter(|one| failing(one)).count();
        let tests = findings.len().max(1);
        let file = escaped(file);
        let _ = writeln!(
            text,
            "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\">"
        );
        if findings.is_empty() {
            let _ = writeln!(text, "    <testcase classname=\"{file}\" name=\"lint\"/>");
        }
        for finding in findings {
            case(&mut text, workspace, &file, finding);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>");
    out(&text);
}

fn case(text: &mut String, workspace: &Workspace, file: &str, finding: &Diagnostic) {
    let place = workspace.sources.place(finding.place.span);
    let name = escaped(&format!("{} at {}:{}", finding.code, place.line, place.column));
    let _ = writeln!(text, "    <testcase classname=\"{file}\" name=\"{name}\">");
    let message = escaped(&finding.message);
    let whole = escaped(&finding.plain(&workspace.sources));
    let _ = match finding.severity {
        Severity::Info => writeln!(text, "      <system-out>{whole}</system-out>"),
        _ => writeln!(
            text,
            "      <failure type=\"{}\" message=\"{message}\">{whole}</failure>",
            finding.severity.word()
        ),
    };
    text.push_str("    </testcase>\n");
}

/// A text inside XML, which has no place for control characters.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
