//! Findings as SARIF 2.1.0, which code scanning reads.

use serde_json::{Value as Json, json};
use watershed_topology::diagnostic::{Diagnostic, Edit, Label};
use watershed_topology::lint::{FILE_RULES, RULES};
use watershed_topology::source::Span;
use watershed_topology::{Severity, SourceMap};

use super::json::print;
use crate::load::Workspace;

/// Prints all findings.
pub(crate) fn show(workspace: &Workspace) {
    let sources = &workspace.sources;
    let results: Vec<Json> =
        workspace.diagnostics.iter().map(|finding| result(sources, finding)).collect();
    let text = |text: &str| json!({"text": text});
    let rules = RULES.iter().map(|rule| {
        json!({
            "id": rule.code,
            "name": rule.name,
            "shortDescription": text(rule.name),
            "fullDescription": text(rule.about),
            "defaultConfiguration": {"level": level(rule.severity)},
        })
    });
    let file_rules = FILE_RULES.iter().map(|rule| {
        json!({
            "id": rule.code,
            "name": rule.name,
            "shortDescription": text(rule.name),
            "fullDescription": text(rule.about),
        })
    });
    let driver = json!({
        "name": "watershed",
        "version": env!("CARGO_PKG_VERSION"),
        "rules": file_rules.chain(rules).collect::<Vec<_>>(),
    });
    print(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }));
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(sources: &SourceMap, finding: &Diagnostic) -> Json {
    let others: Vec<Json> = finding.others.iter().map(|label| location(sources, label)).collect();
    let fixes: Vec<Json> = finding.edit.iter().map(|edit| fix(sources, edit)).collect();
    json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": {"text": finding.told()},
        "locations": [location(sources, &finding.place)],
        "relatedLocations": others,
        "fixes": fixes,
    })
}

fn location(sources: &SourceMap, label: &Label) -> Json {
    let mut json = json!({"physicalLocation": {
        "artifactLocation": {"uri": sources.place(label.span).file},
        "region": region(sources, label.span),
    }});
    if !label.text.is_empty() {
        json["message"] = json!({"text": label.text});
    }
    json
}

fn region(sources: &SourceMap, span: Span) -> Json {
    let (start, end) = (sources.place(span), sources.place(Span { start: span.end, ..span }));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

fn fix(sources: &SourceMap, edit: &Edit) -> Json {
    json!({"artifactChanges": [{
        "artifactLocation": {"uri": sources.place(edit.span).file},
        "replacements": [{
            "deletedRegion": region(sources, edit.span),
            "insertedContent": {"text": edit.text},
        }],
    }]})
}
