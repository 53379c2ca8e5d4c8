//! Streams as they are found in sources, and what is said about them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::conf::Kept;
use super::drift;
use super::findings::Findings;
use super::script::Language;
use super::scripted::Scripted;
use super::value::Dialect;
use watershed_topology::diagnostic::{Diagnostic, Severity};
use watershed_topology::model::{ServerSettings, Service, Stream};
use watershed_topology::source::{FileId, Span, Spanned};

/// Streams as they are found, and what is said about them.
#[derive(Debug, Default)]
pub(super) struct Importer {
    pub(super) streams: Vec<Stream>,
    pub(super) by_name: BTreeMap<String, usize>,
    pub(super) server: ServerSettings,
    /// Where a server listens, and whether it knows somebody in a way that is not read.
    pub(super) listens: Option<Spanned<SocketAddr>>,
    pub(super) unknown_users: bool,
    /// Accounts of configurations, and passwords that stand in them.
    pub(super) conf: Kept,
    /// Where a configuration has JetStream.
    pub(super) jetstream: Option<Span>,
    /// Subjects on which a script publishes.
    pub(super) tried: Vec<Spanned<String>>,
    /// Where each configuration begins.
    pub(super) confs: Vec<Span>,
    pub(super) secrets: Vec<Span>,
    pub(super) findings: Findings,
    /// What a topology has otherwise than what was read, and nobody need mend.
    pub(super) notes: Vec<(Span, String)>,
    pub(super) recognized: bool,
    /// Whether what is read is a server's answer about something that runs.
    pub(super) answer: bool,
    /// Whether what is read is JSON, which is what the API takes.
    pub(super) json: bool,
    /// Templates of Helm, which are to be rendered first.
    pub(super) templates: Vec<Span>,
    /// Programs in languages that are not read: the first of each, and how many there are.
    pub(super) foreign: BTreeMap<&'static str, (Span, usize)>,
    /// Whether what is read is a list of object stores.
    pub(super) objects: bool,
    /// Whether something was read that is no such answer.
    pub(super) wanted: bool,
    /// Whether something that may declare more was not read.
    pub(super) incomplete: bool,
    /// What was not read of each asset: `STREAM`, or `STREAM/consumer`.
    pub(super) partial: BTreeMap<String, Vec<String>>,
    /// What is remembered of scripts.
    pub(super) tool: Scripted,
    /// Programs, and those that documents and manifests hold.
    pub(super) programs: Vec<Written>,
    /// Who publishes and consumes, as programs say.
    pub(super) services: Vec<Service>,
    /// Whether some of what programs publish is not known.
    pub(super) publishers_unknown: bool,
}

/// A program, or a block of a document.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) file: FileId,
    #[cfg_attr(not(feature = "code"), expect(dead_code, reason = "no program is parsed then"))]
    pub(super) language: Language,
    /// The text, at its places in the file.
    pub(super) text: String,
    /// Whether the file holds other things as well.
    pub(super) block: bool,
}

impl Importer {
    /// The dialect of a document that is not a manifest.
    pub(super) fn dialect(&self) -> Dialect {
        if self.json || self.answer { Dialect::Api } else { Dialect::Own }
    }

    pub(super) fn known(&mut self, name: &str) -> Option<&mut Stream> {
        let at = *self.by_name.get(name)?;
        self.streams.get_mut(at)
    }

    pub(super) fn add(&mut self, stream: Stream) {
        self.by_name.insert(stream.name.value.clone(), self.streams.len());
        self.streams.push(stream);
    }

    /// Takes in a stream. One that was there before keeps its consumers.
    pub(super) fn stream(&mut self, mut stream: Stream) {
        self.recognized = true;
        self.wanted |= !self.answer;
        let Some(known) = self.known(&stream.name.value) else { return self.add(stream) };
        if known.is_placeholder() {
            stream.consumers = std::mem::take(&mut known.consumers);
            *known = stream;
            return;
        }
        let mut differences = drift::streams(known, &stream);
        let first = known.name.span;
        // What was not read of the first is not known to differ.
        if self.partial.contains_key(&stream.name.value) {
            differences.retain(|one| !matches!(one.first.as_str(), "absent" | "unlimited"));
        }
        let message = format!("stream `{}` is defined twice", stream.name.value);
        let (severity, message) = if differences.is_empty() {
            (Severity::Info, message)
        } else {
            let how = drift::sentence(&differences);
            (Severity::Error, format!("{message}, and not alike: {how}"))
        };
        let found = Diagnostic::new("I005", severity, stream.name.span, message);
        self.findings.0.push(found.other(first, "first defined here"));
    }

    /// Takes a stream away that a script deletes again.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(at) = self.by_name.remove(name) else { return };
        self.streams.remove(at);
        self.partial.remove(name);
        for index in self.by_name.values_mut().filter(|index| **index > at) {
            *index -= 1;
        }
    }

    /// Notes what was not read of an asset.
    pub(super) fn marks(&mut self, asset: &str, unread: &[String]) {
        if !unread.is_empty() {
            let marks = self.partial.entry(asset.to_owned()).or_default();
            marks.extend(unread.iter().cloned());
        }
    }

    /// The stream of a consumer; one that is defined elsewhere is a name.
    pub(super) fn stream_of(&mut self, name: &str, span: Span) -> &mut Stream {
        self.recognized = true;
        self.wanted |= !self.answer;
        if !self.by_name.contains_key(name) {
            self.add(Stream::placeholder(name, span));
        }
        self.known(name).expect("it is there")
    }
}
