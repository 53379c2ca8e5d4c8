//! Findings that somebody looked at and allowed: `# allow S030: pruned by hand`.
//!
//! The comment stands behind what it is about, or alone above it. It names what it allows and why;
//! one that allows nothing is itself a finding, so that none outlives its reason.

use std::collections::BTreeSet;

use super::{RULES, find};
use crate::diagnostic::{Diagnostic, NOT_READ, Severity};
use crate::schema::nearest;
use crate::source::{FileId, SourceMap, Span, offset};
use crate::yaml::{Node, Value};

/// A comment that allows something.
#[derive(Debug)]
pub(crate) struct Allowance {
    file: FileId,
    /// Codes, and where each stands.
    codes: Vec<(String, Span)>,
    /// The line that it is about, from 1.
    line: usize,
    /// Whether it says why.
    reasoned: bool,
}

/// Takes what is allowed out of `findings`; adds what is wrong with the allowances. Says how many
/// were taken out.
pub(crate) fn apply(
    sources: &SourceMap,
    allowances: &[Allowance],
    findings: &mut Vec<Diagnostic>,
) -> usize {
    let before = findings.len();
    let mut used: BTreeSet<Span> = BTreeSet::new();
    findings.retain(|finding| {
        let (file, line) = (finding.place.span.file, sources.place(finding.place.span).line);
        let about = |allowance: &&Allowance| allowance.file == file && allowance.line == line;
        let codes = allowances.iter().filter(about).flat_map(|allowance| &allowance.codes);
        let allowing: Vec<Span> =
            codes.filter(|(code, _)| code == finding.code).map(|(_, span)| *span).collect();
        used.extend(&allowing);
        allowing.is_empty()
    });
    let allowed = before - findings.len();
    for allowance in allowances {
        for (code, span) in &allowance.codes {
            findings.extend(judge(code, *span, allowance, used.contains(span)));
        }
    }
    allowed
}

/// Takes what comments in a foreign file allow out of `findings`, and says how many that were.
pub fn allowed_in(sources: &SourceMap, files: &[FileId], findings: &mut Vec<Diagnostic>) -> usize {
    let all = |file: &FileId| comments(sources, *file, None);
    let allowances: Vec<_> = files.iter().flat_map(all).collect();
    apply(sources, &allowances, findings)
}

/// What is wrong with one code of an allowance.
fn judge(code: &str, span: Span, allowance: &Allowance, used: bool) -> Option<Diagnostic> {
    let warning = |message| Diagnostic::new("F012", Severity::Warning, span, message);
    if find(code).is_none() && !super::FILE_RULES.iter().any(|rule| rule.code == code) {
        let found = warning(format!("unknown rule `{code}`"));
        return Some(match nearest(code, RULES.iter().map(|rule| rule.code)) {
            Some(meant) => found.fix(format!("did you mean `{meant}`?")),
            None => found,
        });
    }
    if !used {
        let message = format!("{code} finds nothing here any more");
        return Some(warning(message).fix("remove the allowance"));
    }
    let fix = format!("write it as in `# allow {code}: the reason`");
    (!allowance.reasoned).then(|| warning(format!("{code} is allowed without a reason")).fix(fix))
}

/// Every allowance of a file.
pub(crate) fn comments(sources: &SourceMap, file: FileId, root: Option<&Node>) -> Vec<Allowance> {
    let lines: Vec<&str> = sources.file(file).text.split('\n').collect();
    let read = |comment: Comment<'_>| {
        let about = if comment.alone { next_line(&lines, comment.line) } else { comment.line };
        allowance(comment.text, comment.start, file, about + 1)
    };
    every(sources, file, root).into_iter().filter_map(read).collect()
}

/// Errors for what an import could not read and marked, and nobody has completed since.
pub(crate) fn not_read(sources: &SourceMap, file: FileId, root: &Node) -> Vec<Diagnostic> {
    let all = every(sources, file, Some(root)).into_iter().filter(|comment| comment.alone);
    let said = |comment: Comment<'_>| {
        let inner = comment.text.trim_start();
        let what = inner.strip_prefix(NOT_READ)?.trim();
        let start = comment.start + comment.text.len() - inner.len();
        let end = start + inner.trim_end().len();
        let span = Span { file, start: offset(start), end: offset(end) };
        let message = format!("what this was made from was not read whole: {what}");
        let found = Diagnostic::new("F013", Severity::Error, span, message);
        Some(found.fix("complete it, and remove this comment"))
    };
    all.filter_map(said).collect()
}

/// A comment of a file.
struct Comment<'a> {
    /// Behind the `#`.
    text: &'a str,
    /// Where that begins.
    start: usize,
    /// Its line, from 0.
    line: usize,
    /// Whether nothing else is in its line.
    alone: bool,
}

fn every<'a>(sources: &'a SourceMap, file: FileId, root: Option<&Node>) -> Vec<Comment<'a>> {
    let mut texts = Vec::new();
    if let Some(root) = root {
        collect(root, file, &mut texts);
        texts.sort_unstable();
    }
    let (mut found, mut start) = (Vec::new(), 0);
    for (index, line) in sources.file(file).text.split('\n').enumerate() {
        for (at, _) in line.match_indices('#') {
            let begins = line[..at].chars().next_back().is_none_or(char::is_whitespace);
            let position = offset(start + at);
            let before = texts.partition_point(|(from, _)| *from <= position);
            let inside = before.checked_sub(1).and_then(|last| texts.get(last));
            if !begins || inside.is_some_and(|(_, to)| position < *to) {
                continue;
            }
            let alone = line[..at].trim().is_empty();
            let (text, start) = (&line[at + 1..], start + at + 1);
            found.push(Comment { text, start, line: index, alone });
            break;
        }
        start += line.len() + 1;
    }
    found
}

/// The next line behind `index` that says something.
fn next_line(lines: &[&str], index: usize) -> usize {
    let says = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let behind = lines.iter().skip(index + 1).position(says);
    behind.map_or(index, |distance| index + 1 + distance)
}

/// What a comment allows, if that is what it does.
fn allowance(comment: &str, start: usize, file: FileId, line: usize) -> Option<Allowance> {
    let inner = comment.trim_start().strip_prefix("allow ")?;
    let (list, reason) = inner.split_once(':').unwrap_or((inner, ""));
    let mut at = start + comment.len() - inner.len();
    let mut codes = Vec::new();
    for part in list.split_inclusive([',', ' ']) {
        let code = part.trim_end_matches([',', ' ', '\r']);
        let is_code = matches!(code.as_bytes(), [b'A'..=b'Z', rest @ ..]
            if rest.len() == 3 && rest.iter().all(u8::is_ascii_digit));
        if is_code {
            let span = Span { file, start: offset(at), end: offset(at + code.len()) };
            codes.push((code.to_owned(), span));
        } else if !code.is_empty() {
            // Some other comment that begins like this.
            return None;
        }
        at += part.len();
    }
    let reasoned = !reason.trim().is_empty();
    (!codes.is_empty()).then_some(Allowance { file, codes, line, reasoned })
}

/// Where texts stand: a `#` in one of them begins no comment.
fn collect(node: &Node, file: FileId, texts: &mut Vec<(u32, u32)>) {
    match &node.value {
        Value::Scalar(_) if node.span.file == file => texts.push((node.span.start, node.span.end)),
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| collect(item, file, texts)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| {
            texts.push((entry.key_span.start, entry.key_span.end));
            collect(&entry.node, file, texts);
        }),
    }
}
