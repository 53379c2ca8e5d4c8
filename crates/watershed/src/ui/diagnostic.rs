//! Findings as people read them: the source with the place underlined.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use watershed_topology::SourceMap;
use watershed_topology::diagnostic::{Diagnostic, Label, Severity};
use watershed_topology::source::FileId;

use super::{count, out, say};
use crate::load::Workspace;

/// Prints all findings, and how many there are.
pub(crate) fn show(workspace: &Workspace) {
    findings(&workspace.sources, &workspace.diagnostics);
    if workspace.searched > 0 {
        say(&format!("nothing is declared in {}", count(workspace.searched, "other file")));
    }
    for path in &workspace.passed_over {
        out(&format!("skipping {}: not a topology file (no `watershed:` key)", path.display()));
    }
    out(&summary(workspace));
}

/// Prints findings, each with a line behind it.
pub(crate) fn findings(sources: &SourceMap, diagnostics: &[Diagnostic]) {
    let renderer = Renderer::styled();
    for diagnostic in diagnostics {
        out(&renderer.render(&[group(sources, diagnostic)]));
        out("");
    }
}

/// How many findings there are, in a line.
pub(crate) fn summary(workspace: &Workspace) -> String {
    let topologies = workspace.topologies.len();
    let mut files = count(topologies, "topology");
    if workspace.foreign > 0 {
        let foreign = count(workspace.foreign, "foreign file");
        files = if topologies == 0 { foreign } else { format!("{files}, {foreign}") };
    }
    let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Info]
        .into_iter()
        .filter(|severity| workspace.count(*severity) > 0)
        .map(|severity| count(workspace.count(severity), severity.word()).replace("infos", "info"))
        .collect();
    let found = if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") };
    match workspace.allowed {
        0 => format!("{files}: {found}"),
        allowed => format!("{files}: {found}, {allowed} allowed"),
    }
}

/// The lines of each file that have to do with a finding: of a long file, the rest is not looked at.
fn windows(sources: &SourceMap, diagnostic: &Diagnostic) -> BTreeMap<FileId, Range<usize>> {
    let mut windows: BTreeMap<FileId, Range<usize>> = BTreeMap::new();
    for label in std::iter::once(&diagnostic.place).chain(&diagnostic.others) {
        let text = &sources.file(label.span.file).text;
        let (start, end) = (label.span.start as usize, label.span.end as usize);
        let from = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let behind = text.get(end..).unwrap_or_default();
        let to = end + behind.find('\n').unwrap_or(behind.len());
        let window = windows.entry(label.span.file).or_insert(from..to);
        *window = window.start.min(from)..window.end.max(to);
    }
    windows
}

fn group<'a>(sources: &'a SourceMap, diagnostic: &'a Diagnostic) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let mut title = level.primary_title(&diagnostic.message);
    if !diagnostic.code.is_empty() {
        title = title.id(diagnostic.code);
    }
    let mut by_file: BTreeMap<FileId, Vec<Annotation<'a>>> = BTreeMap::new();
    let windows = windows(sources, diagnostic);
    let mut annotate = |label: &'a Label, kind: AnnotationKind| {
        let before = windows.get(&label.span.file).map_or(0, |window| window.start);
        let span = label.span.start as usize - before..label.span.end as usize - before;
        let annotation = kind.span(span).label((!label.text.is_empty()).then_some(&*label.text));
        by_file.entry(label.span.file).or_default().push(annotation);
    };
    annotate(&diagnostic.place, AnnotationKind::Primary);
    for other in &diagnostic.others {
        annotate(other, AnnotationKind::Context);
    }
    let mut group = title.elements(std::iter::empty::<Snippet<'_, Annotation<'_>>>());
    // The file of the finding itself comes first.
    let first = diagnostic.place.span.file;
    let own = by_file.remove(&first).map(|annotations| (first, annotations));
    for (file, annotations) in own.into_iter().chain(by_file) {
        let (window, file) = (windows.get(&file).cloned(), sources.file(file));
        let window = window.unwrap_or(0..file.text.len());
        let line = file.text[..window.start].matches('\n').count() + 1;
        let text = file.text.get(window).unwrap_or_default();
        let snippet = Snippet::source(text).line_start(line).path(&file.name);
        let snippet = snippet.annotations(annotations);
        group = group.element(snippet);
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note));
    }
    if let Some(sentence) = diagnostic.server_sentence() {
        group = group.element(Level::NOTE.message(sentence));
    }
    if let Some(fix) = &diagnostic.fix {
        group = group.element(Level::HELP.message(fix));
    }
    group
}
