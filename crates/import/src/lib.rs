//! Topologies out of what people have: answers of the server, lists in a ConfigMap, manifests, shell
//! scripts.
//!
//! A source becomes a [`Topology`] whose places are in the source itself, so that the linter speaks
//! about *its* lines; and what was guessed or not understood is said, never passed over.
//!
//! This crate is given texts and names: it opens no file, follows no link and runs nothing.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type,
    clippy::indexing_slicing
)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod accounts;
#[cfg(feature = "code")]
mod against;
mod api;
#[cfg(feature = "code")]
mod code;
mod conf;
mod containers;
mod drift;
mod findings;
mod foreign;
mod importer;
mod kubernetes;
mod ledger;
mod live;
mod nsc;
mod script;
mod scripted;
mod shell;
mod terraform;
mod tool;
mod value;
mod word;

#[cfg(feature = "code")]
pub use against::against;
pub use conf::{Password, includes};
pub use live::live;

use std::collections::BTreeMap;

use watershed_wire::jetstream::StreamConfig;
use watershed_wire::subject::{is_valid, matches};

use self::findings::Findings;
use self::importer::{Importer, Written};
use self::script::Container;
use self::shell::Files;
use watershed_topology::diagnostic::NOT_READ;
use watershed_topology::diagnostic::{Diagnostic, Severity, sort};
use watershed_topology::lint;
use watershed_topology::model::{Consumer, Stream, StreamKind, Topology};
use watershed_topology::render::Comments;
use watershed_topology::source::{FileId, SourceMap, Span, Spanned, offset};
use watershed_topology::version::Version;
use watershed_topology::yaml::{Node, parse_all};

/// What a source came to.
#[derive(Debug, Default)]
pub struct Imported {
    /// What it declares.
    pub topology: Topology,
    /// What is to be said about the reading itself: guesses, and what was not understood.
    pub findings: Vec<Diagnostic>,
    /// What the topology has otherwise than what was read, with the reason. Nobody need mend it.
    pub notes: Vec<(Span, String)>,
    /// Whether anything in it was a declaration at all.
    pub recognized: bool,
    /// Whether something that may declare more was not read.
    pub incomplete: bool,
    /// What was not read of each asset: `STREAM`, or `STREAM/consumer`.
    pub partial: BTreeMap<String, Vec<String>>,
    /// Whether some of what programs publish is not known.
    pub publishers_unknown: bool,
    /// Topologies of a configuration with several accounts, a topology for each. What is in `topology` is of the one
    /// that keeps streams, where that is known.
    pub accounts: Vec<Topology>,
    /// Passwords that stood in a configuration. They are in no topology.
    pub passwords: Vec<Password>,
}

/// Reads files of foreign formats, which are of one system; those of no format that is known here are
/// the second part of the answer.
pub fn import(sources: &SourceMap, files: &[FileId]) -> (Imported, Vec<FileId>) {
    let mut importer = Importer::default();
    let mut others = Vec::new();
    // Scripts first: what they read is theirs.
    let scripts = |file: &&FileId| {
        let file = sources.file(**file);
        script::is_script(&file.name, &file.text)
    };
    let (first, last): (Vec<&FileId>, Vec<&FileId>) = files.iter().partition(scripts);
    let given = Files { sources, given: files };
    let parts = conf::parts(sources, files);
    for file in first.into_iter().chain(last) {
        if importer.tool.used.contains(file) || parts.contains(file) {
            continue;
        }
        let source = sources.file(*file);
        if let Some(language) = script::language(&source.name) {
            let text = source.text.clone();
            importer.programs.push(Written { file: *file, language, text, block: false });
            continue;
        }
        let recognized = std::mem::take(&mut importer.recognized);
        one(&mut importer, given, *file);
        if !importer.recognized {
            others.push(*file);
        }
        importer.recognized |= recognized;
    }
    programs(&mut importer, sources, &mut others);
    (finish(importer), others)
}

/// Programs come last: what they do to streams that are made elsewhere is compared with that.
#[cfg(feature = "code")]
fn programs(importer: &mut Importer, sources: &SourceMap, others: &mut Vec<FileId>) {
    let programs = std::mem::take(&mut importer.programs);
    let declaring = code::follow(importer, sources, &programs);
    let files = programs.iter().filter(|one| !one.block).map(|one| one.file);
    others.extend(files.filter(|file| !declaring.contains(file)));
}

/// Without the grammars, programs that look as if they declared something are said to be not read.
#[cfg(not(feature = "code"))]
fn programs(importer: &mut Importer, _: &SourceMap, others: &mut Vec<FileId>) {
    for one in std::mem::take(&mut importer.programs) {
        if !one.block {
            others.push(one.file);
        }
        if one.text.contains("jetstream") || one.text.contains("add_stream") {
            let span = Span { file: one.file, start: 0, end: 0 };
            let message = "this was built without the feature `code`: programs are not read";
            importer.incomplete = true;
            importer.findings.skipped(span, message.into());
        }
    }
}

fn one(importer: &mut Importer, files: Files<'_>, file: FileId) {
    let source = files.sources.file(file);
    if script::is_script(&source.name, &source.text) {
        return shell::script(importer, files, file, &source.text);
    }
    match script::container(&source.name) {
        Some(Container::Makefile) => {
            return containers::makefile(importer, files, file, &source.text);
        }
        Some(Container::Dockerfile) => {
            return containers::dockerfile(importer, files, file, &source.text);
        }
        Some(Container::Markdown) => {
            return containers::markdown(importer, files, file, &source.text);
        }
        None => {}
    }
    if let Some(at) = script::template(&source.name, &source.text) {
        importer.recognized = true;
        importer.incomplete = true;
        return importer.templates.push(Span { file, start: offset(at), end: offset(at + 2) });
    }
    if script::has_extension(&source.name, &["tpl"]) {
        return;
    }
    if let Some(language) = foreign::language(&source.name) {
        return foreign::program(importer, file, language, &source.text);
    }
    if script::has_extension(&source.name, &["conf"]) {
        if conf::is_configuration(&source.name, &source.text) {
            conf::configuration(importer, files, file, &source.text);
        }
        return;
    }
    if script::has_extension(&source.name, &["tf"]) {
        return terraform::module(importer, file, &source.text);
    }
    importer.json = script::has_extension(&source.name, &["json"]);
    let (roots, mut diagnostics) = parse_all(file, &source.text);
    for root in &roots {
        document(importer, files, root, &source.text);
    }
    if importer.recognized {
        importer.findings.0.append(&mut diagnostics);
    }
}

/// One document of YAML or JSON.
fn document(importer: &mut Importer, files: Files<'_>, node: &Node, text: &str) {
    if !kubernetes::manifest(importer, files, node, text) {
        api::value(importer, node);
        containers::commands(importer, files, node, text);
    }
}

fn finish(mut importer: Importer) -> Imported {
    tool::finish(&mut importer);
    foreign::finish(&mut importer);
    let bounds = importer.server.bounds();
    for stream in &mut importer.streams {
        stream.fill(&bounds);
        if stream.kind == StreamKind::Stream {
            stream.kind = kind(&stream.config);
        }
    }
    tried(&importer.tried, &importer.streams, &mut importer.findings);
    let mut server = importer.server;
    server.listen = importer.listens.filter(|_| !importer.unknown_users);
    if let (Some(conf), None, false) =
        (importer.confs.first(), importer.jetstream, importer.streams.is_empty())
    {
        let message = "JetStream is not switched on here: every request for a stream is refused";
        let found = importer.findings.switched_off(*conf, message.into());
        found.fix = Some("write a `jetstream` block, or name the file that has it as well".into());
    }
    sort(&mut importer.findings.0);
    let (streams, secrets) = (importer.streams, importer.secrets);
    let services = importer.services;
    let mut topology = Topology { streams, services, server, secrets, ..Topology::default() };
    let accounts = accounts::divided(&mut topology, importer.conf.accounts, &mut importer.notes);
    if !importer.wanted {
        runs(&mut topology);
    }
    Imported {
        topology,
        findings: importer.findings.0,
        notes: importer.notes,
        recognized: importer.recognized,
        incomplete: importer.incomplete,
        partial: importer.partial,
        publishers_unknown: importer.publishers_unknown,
        accounts,
        passwords: importer.conf.passwords,
    }
}

/// What runs is no error, whatever there is to say about it: a server has taken it.
fn runs(topology: &mut Topology) {
    for found in lint::run(topology, None).iter().filter(|one| one.severity == Severity::Error) {
        topology.lint.levels.insert(found.code.to_owned(), Some(Severity::Warning));
    }
}

/// Messages that a script publishes to see whether it works, and that somebody takes for work.
fn tried(subjects: &[Spanned<String>], streams: &[Stream], findings: &mut Findings) {
    for subject in subjects.iter().filter(|subject| is_valid(subject.value.as_bytes())) {
        let text = subject.value.as_bytes();
        for stream in streams.iter().filter(|stream| stream.stores(&subject.value)) {
            let takes = |consumer: &&Consumer| {
                consumer.config.filters().is_empty()
                    || consumer.filters().any(|(filter, _)| matches(filter.as_bytes(), text))
            };
            let Some(consumer) = stream.consumers.iter().find(takes) else { continue };
            let message = format!(
                "`{}` is stored in `{}`, and `{}` takes it for work",
                subject.value, stream.name.value, consumer.name.value
            );
            let found = Diagnostic::new("I016", Severity::Warning, subject.span, message);
            let found = found.other(consumer.name.span, "takes it");
            findings
                .0
                .push(found.fix("ask which stream has the subject: nothing is published then"));
        }
    }
}

/// What a stream is to clients, by its name and what it stores.
fn kind(config: &StreamConfig) -> StreamKind {
    let stores = |prefix: &str, bucket: &str| {
        let own = format!("{prefix}.{bucket}.");
        config.mirror.is_some() || config.subjects.iter().all(|subject| subject.starts_with(&own))
    };
    match (config.name.strip_prefix("KV_"), config.name.strip_prefix("OBJ_")) {
        (Some(bucket), _) if stores("$KV", bucket) => StreamKind::KeyValue,
        (_, Some(bucket)) if stores("$O", bucket) => StreamKind::ObjectStore,
        _ => StreamKind::Stream,
    }
}

/// Where the assets stand that were read in part.
fn partly(imported: &Imported) -> impl Iterator<Item = Span> {
    imported.topology.streams.iter().flat_map(|stream| {
        let own = imported.partial.contains_key(&stream.name.value).then_some(stream.name.span);
        let consumers = stream.consumers.iter().filter_map(|consumer| {
            let name = format!("{}/{}", stream.name.value, consumer.name.value);
            imported.partial.contains_key(&name).then_some(consumer.name.span)
        });
        own.into_iter().chain(consumers)
    })
}

/// What the linter says about a foreign source, in its lines.
pub fn lint(
    sources: &SourceMap,
    files: &[FileId],
    imported: &Imported,
    target: Option<Version>,
) -> (Vec<Diagnostic>, usize) {
    let mut found = imported.findings.clone();
    let mut ruled = lint::run(&imported.topology, target);
    let partial: Vec<Span> = partly(imported).collect();
    ruled.retain(|one| !(FOLLOW.contains(&one.code) && partial.contains(&one.place.span)));
    let complete = !imported.incomplete && imported.partial.is_empty();
    let publishers = complete && !imported.publishers_unknown;
    ruled.retain(|one| publishers || !PUBLISHERS.contains(&one.code));
    // What a stream stores is known if the streams were read: whatever is not of their consumers.
    let streams = !imported.incomplete && imported.partial.keys().all(|asset| asset.contains('/'));
    let open = |one: &&mut Diagnostic| {
        COMPLETE.contains(&one.code) && !(if one.code == "X002" { streams } else { complete })
    };
    for one in ruled.iter_mut().filter(open) {
        one.severity = one.severity.min(Severity::Warning);
    }
    // Of a configuration, what passes between its accounts was looked at while it was read.
    ruled.retain(|one| {
        let same =
            |other: &Diagnostic| other.code == one.code && other.place.span == one.place.span;
        !imported.findings.iter().any(same)
    });
    found.extend(ruled);
    let allowed = lint::allow::allowed_in(sources, files, &mut found);
    sort(&mut found);
    (found, allowed)
}

/// Comments of one asset; what is more is said by `lint`.
const COMMENTS_MAX: usize = 100;

/// Codes of findings that only follow from something that was not read.
const FOLLOW: &[&str] = &["S010", "S030", "C017", "C023"];

/// Codes of findings that are only errors where everything was read.
const COMPLETE: &[&str] = &["X002", "X006", "X007", "X012"];

/// Codes of findings that only hold where every publisher is known.
const PUBLISHERS: &[&str] = &["X013", "X015"];

/// What was said while reading, above the asset that it is about.
pub fn comments(sources: &SourceMap, imported: &Imported) -> Comments {
    let mut starts = Vec::new();
    for stream in &imported.topology.streams {
        starts.push((stream.name.span, stream.name.value.clone()));
        for consumer in &stream.consumers {
            let name = format!("{}/{}", stream.name.value, consumer.name.value);
            starts.push((consumer.name.span, name));
        }
    }
    let line = |span: Span| (span.file, sources.place(span).line);
    let mut starts: Vec<_> = starts.into_iter().map(|(span, name)| (line(span), name)).collect();
    starts.sort();
    let mut comments = Comments::new();
    for (asset, unread) in &imported.partial {
        let marks = unread.iter().map(|why| format!("{NOT_READ}{why}"));
        comments.entry(asset.clone()).or_default().extend(marks);
    }
    for (span, note) in imported.notes.iter().take(COMMENTS_MAX) {
        let text = format!("{}: {note}", sources.place(*span));
        comments.entry(String::new()).or_default().push(text);
    }
    // What is wrong with a script is no part of what it declares.
    let decisions = imported.findings.iter().filter(|one| matches!(one.code, "I001" | "I002"));
    for finding in decisions {
        let place = line(finding.place.span);
        let said = imported.partial.values().flatten().any(|mark| *mark == finding.message);
        if said {
            continue;
        }
        // The last asset whose name stands before the place, or on its line; of a script, on its
        // line alone: what comes behind it is something else.
        let behind = starts.partition_point(|(start, _)| *start <= place);
        let before = behind.checked_sub(1).and_then(|at| starts.get(at));
        let file = sources.file(place.0);
        let script = script::is_script(&file.name, &file.text)
            || script::language(&file.name).is_some()
            || script::container(&file.name).is_some();
        let about = |start: &(FileId, usize)| start.0 == place.0 && (!script || start.1 == place.1);
        let name = before.filter(|(start, _)| about(start)).map(|(_, name)| name.clone());
        let text = format!("{}: {}", sources.place(finding.place.span), finding.message);
        let all = comments.entry(name.unwrap_or_default()).or_default();
        if all.len() < COMMENTS_MAX {
            all.push(text);
        }
    }
    comments
}

#[cfg(test)]
mod tests;
