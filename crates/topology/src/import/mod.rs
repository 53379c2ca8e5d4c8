//! Topologies out of what people have: answers of the server, lists in a ConfigMap, manifests, shell
//! scripts.
//!
//! A source becomes a [`Topology`] whose places are in the source itself, so that the linter speaks
//! about *its* lines; and what was guessed or not understood is said, never passed over.

mod api;
mod conf;
mod kubernetes;
mod live;
mod script;
mod shell;
mod terraform;
mod value;

pub use live::live;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value as Json;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::subject::{is_valid, matches};

use crate::diagnostic::{Diagnostic, ServerSays, Severity, sort};
use crate::lint::{self, allow};
use crate::lower::{Fields, bucket_fields, rename_bucket_fields};
use crate::model::{Consumer, ServerSettings, Stream, StreamKind, Topology};
use crate::render::Comments;
use crate::sharing::{Export, Import};
use crate::source::{FileId, SourceMap, Span, Spanned, offset};
use crate::version::Version;
use crate::yaml::{Node, Value, parse_all};

/// What a source came to.
#[derive(Debug, Default)]
pub struct Imported {
    /// What it declares.
    pub topology: Topology,
    /// What is to be said about the reading itself: guesses, and what was not understood.
    pub findings: Vec<Diagnostic>,
    /// Whether anything in it was a declaration at all.
    pub recognized: bool,
}

/// What is said while a source is read.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Diagnostic>);

impl Findings {
    fn push(
        &mut self,
        code: &'static str,
        severity: Severity,
        span: Span,
        message: String,
    ) -> &mut Diagnostic {
        self.0.push(Diagnostic::new(code, severity, span, message));
        self.0.last_mut().expect("it was pushed just now")
    }

    /// A consumer under two names.
    pub(crate) fn two_names(&mut self, span: Span, message: String) {
        let found = Diagnostic::new("N003", Severity::Error, span, message);
        self.0.push(found.server(ServerSays::Refuses(10132)));
    }

    /// Something was taken for something else.
    pub(crate) fn guess(&mut self, span: Span, message: String) {
        self.push("I001", Severity::Warning, span, message);
    }

    /// Something was left out.
    pub(crate) fn skipped(&mut self, span: Span, message: String) {
        self.push("I002", Severity::Warning, span, message);
    }

    /// Something in a script hides what goes wrong.
    pub(crate) fn hidden(&mut self, span: Span, message: String) {
        self.push("I003", Severity::Warning, span, message);
    }

    /// A variable that is none.
    pub(crate) fn quoted(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I006", Severity::Error, span, message)
    }

    /// A secret in a file.
    pub(crate) fn secret(&mut self, span: Span, message: String) {
        self.push("I007", Severity::Warning, span, message);
    }

    /// A user among others who may do everything.
    pub(crate) fn unlimited(&mut self, span: Span, message: String) {
        self.push("I008", Severity::Warning, span, message);
    }

    /// A user who may not do what they are there for.
    pub(crate) fn incomplete(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I009", Severity::Warning, span, message)
    }

    /// A configuration that nats-server does not start with.
    pub(crate) fn not_started(&mut self, span: Span, message: String) {
        self.push("I011", Severity::Error, span, message);
    }

    /// A number where a duration is meant.
    pub(crate) fn no_duration(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I010", Severity::Error, span, message)
    }

    /// A server, or an account, without streams.
    pub(crate) fn switched_off(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I012", Severity::Error, span, message)
    }

    /// Somebody without a password who may do everything.
    pub(crate) fn open(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I013", Severity::Warning, span, message)
    }

    /// What is acknowledged is not on disk.
    pub(crate) fn unsynced(&mut self, span: Span) {
        let message = "a publish is acknowledged before it is on disk: a power cut loses what came \
                       in the last two minutes";
        let found = self.push("I014", Severity::Info, span, message.into());
        found.fix = Some("write `sync_interval: always`, or the interval that is meant".into());
    }

    /// Messages that a script takes away.
    pub(crate) fn deleted(&mut self, span: Span, message: String) {
        self.push("I015", Severity::Warning, span, message);
    }

    /// A hash that is soon guessed.
    pub(crate) fn weak_hash(&mut self, span: Span, message: String) {
        self.push("F010", Severity::Warning, span, message);
    }

    /// What somebody else found.
    pub(crate) fn take_all(&mut self, others: impl IntoIterator<Item = Diagnostic>) {
        self.0.extend(others);
    }

    /// A command does not do what it is meant to.
    pub(crate) fn wrong(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.push("I004", Severity::Error, span, message)
    }
}

/// Streams as they are found, and what is said about them.
#[derive(Debug, Default)]
struct Importer {
    streams: Vec<Stream>,
    by_name: BTreeMap<String, usize>,
    server: ServerSettings,
    /// Where a server listens, and whether it has users of its own.
    listens: Option<Spanned<SocketAddr>>,
    has_users: bool,
    /// Where a configuration has JetStream, and what passes between its one account and others.
    jetstream: Option<Span>,
    /// Subjects on which a script publishes.
    tried: Vec<Spanned<String>>,
    /// Where each configuration begins.
    confs: Vec<Span>,
    sharing: (Vec<Export>, Vec<Import>),
    secrets: Vec<Span>,
    findings: Findings,
    recognized: bool,
    /// Whether what is read is a server's answer about something that runs.
    answer: bool,
    /// Whether something was read that is no such answer.
    wanted: bool,
}

impl Importer {
    fn known(&mut self, name: &str) -> Option<&mut Stream> {
        let at = *self.by_name.get(name)?;
        self.streams.get_mut(at)
    }

    fn add(&mut self, stream: Stream) {
        self.by_name.insert(stream.name.value.clone(), self.streams.len());
        self.streams.push(stream);
    }

    /// Takes in a stream. One that was there before keeps its consumers.
    fn stream(&mut self, mut stream: Stream) {
        self.recognized = true;
        self.wanted |= !self.answer;
        let Some(known) = self.known(&stream.name.value) else { return self.add(stream) };
        if known.is_placeholder() {
            stream.consumers = std::mem::take(&mut known.consumers);
            *known = stream;
            return;
        }
        let same = known.config == stream.config;
        let first = known.name.span;
        let message = format!("stream `{}` is defined twice", stream.name.value);
        let message = if same { message } else { format!("{message}, and not alike") };
        let severity = if same { Severity::Info } else { Severity::Error };
        let found = Diagnostic::new("I005", severity, stream.name.span, message);
        self.findings.0.push(found.other(first, "first defined here"));
    }

    /// Changes a stream that is there; one that is not is made of what is known of it.
    fn edit(&mut self, name: Spanned<String>, found: Fields) {
        let stream = match self.known(&name.value) {
            Some(known) if !known.is_placeholder() => known,
            _ => {
                let stream = api::made(self, name, found);
                return self.stream(stream);
            }
        };
        let Ok(Json::Object(mut fields)) = serde_json::to_value(&stream.config) else { return };
        fields.extend(found.json);
        if let Ok(config) = serde_json::from_value(Json::Object(fields)) {
            stream.config = config;
            stream.places.fields.extend(found.places);
        }
        self.recognized = true;
    }

    /// The stream of a consumer; one that is defined elsewhere is a name.
    fn stream_of(&mut self, name: &str, span: Span) -> &mut Stream {
        self.recognized = true;
        self.wanted |= !self.answer;
        if !self.by_name.contains_key(name) {
            self.add(Stream::placeholder(name, span));
        }
        self.known(name).expect("it is there")
    }
}

/// Reads files of foreign formats, which are of one system; those of no format that is known here are
/// the second part of the answer.
pub fn import(sources: &SourceMap, files: &[FileId]) -> (Imported, Vec<FileId>) {
    let mut importer = Importer::default();
    let mut others = Vec::new();
    for file in files {
        let recognized = std::mem::take(&mut importer.recognized);
        one(&mut importer, sources, *file);
        if !importer.recognized {
            others.push(*file);
        }
        importer.recognized |= recognized;
    }
    (finish(importer), others)
}

fn one(importer: &mut Importer, sources: &SourceMap, file: FileId) {
    let source = sources.file(file);
    if script::is_script(&source.name, &source.text) {
        return shell::script(importer, file, &source.text);
    }
    if script::has_extension(&source.name, &["conf"]) {
        return conf::configuration(importer, file, &source.text);
    }
    if script::has_extension(&source.name, &["tf"]) {
        return terraform::module(importer, file, &source.text);
    }
    let (roots, mut diagnostics) = parse_all(file, &source.text);
    for root in &roots {
        document(importer, root, &source.text);
    }
    if importer.recognized {
        importer.findings.0.append(&mut diagnostics);
    }
}

/// One document of YAML or JSON.
fn document(importer: &mut Importer, node: &Node, text: &str) {
    if !kubernetes::manifest(importer, node, text) {
        api::value(importer, node);
    }
}

fn finish(mut importer: Importer) -> Imported {
    let bounds = importer.server.bounds();
    for stream in &mut importer.streams {
        stream.fill(&bounds);
        if stream.kind == StreamKind::Stream {
            stream.kind = kind(&stream.config);
        }
    }
    tried(&importer.tried, &importer.streams, &mut importer.findings);
    let mut server = importer.server;
    server.listen = importer.listens.filter(|_| !importer.has_users);
    if let (Some(conf), None, false) =
        (importer.confs.first(), importer.jetstream, importer.streams.is_empty())
    {
        let message = "JetStream is not switched on here: every request for a stream is refused";
        let found = importer.findings.switched_off(*conf, message.into());
        found.fix = Some("write a `jetstream` block, or name the file that has it as well".into());
    }
    sort(&mut importer.findings.0);
    let (streams, secrets) = (importer.streams, importer.secrets);
    let (exports, imports) = importer.sharing;
    let mut topology =
        Topology { streams, exports, imports, server, secrets, ..Topology::default() };
    if !importer.wanted {
        runs(&mut topology);
    }
    Imported { topology, findings: importer.findings.0, recognized: importer.recognized }
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

/// What the linter says about a foreign source, in its lines.
pub fn lint(
    sources: &SourceMap,
    files: &[FileId],
    imported: &Imported,
    target: Option<Version>,
) -> (Vec<Diagnostic>, usize) {
    let mut found = imported.findings.clone();
    found.extend(lint::run(&imported.topology, target));
    let allowances: Vec<_> =
        files.iter().flat_map(|file| allow::comments(sources, *file, None)).collect();
    let allowed = allow::apply(sources, &allowances, &mut found);
    sort(&mut found);
    (found, allowed)
}

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
    // What is wrong with a script is no part of what it declares.
    let decisions = imported.findings.iter().filter(|one| matches!(one.code, "I001" | "I002"));
    for finding in decisions {
        // The last asset whose name stands before the place, or on its line.
        let place = line(finding.place.span);
        let behind = starts.partition_point(|(start, _)| *start <= place);
        let before = behind.checked_sub(1).and_then(|at| starts.get(at));
        if let Some((_, name)) = before.filter(|((file, _), _)| *file == place.0) {
            let text = format!("{}: {}", sources.place(finding.place.span), finding.message);
            comments.entry(name.clone()).or_default().push(text);
        }
    }
    comments
}

/// Takes in a bucket, as the stream that it is.
fn bucket(importer: &mut Importer, values: bool, name: &Spanned<String>, mut found: Fields) {
    rename_bucket_fields(&mut found);
    let (prefix, own) = bucket_fields(&name.value, values);
    for (field, value) in own {
        found.json.entry(field).or_insert(value);
    }
    let name = Spanned::new(format!("{prefix}{}", name.value), name.span);
    let kind = if values { StreamKind::KeyValue } else { StreamKind::ObjectStore };
    let stream = api::made(importer, name, found);
    importer.stream(Stream { kind, ..stream });
}

/// Where a line begins that a parser found fault with; lines count from 1.
fn line_start(file: FileId, text: &str, line: usize) -> Span {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start = offset(before.map(str::len).sum::<usize>());
    Span { file, start, end: start }
}

/// A text or a number as it is written.
fn plain(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(scalar.text.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
