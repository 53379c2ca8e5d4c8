//! Where things of a topology are declared and named: read off the trees, so that it is known whatever else is wrong.

use std::collections::BTreeSet;

use watershed_topology::source::Span;
use watershed_topology::yaml::{Entry, Node, Style, Value};

use crate::folder::{Folder, Kind};

/// Something that has a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Stream(String),
    /// Stream and consumer.
    Consumer(String, String),
    /// A bucket or an object store.
    Bucket(String),
    Service(String),
    User(String),
    /// A subject: where it is stored by a stream, that counts as its declaration.
    Subject(String),
}

impl Name {
    /// What it is called where it stands.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Stream(name)
            | Self::Consumer(_, name)
            | Self::Bucket(name)
            | Self::Service(name)
            | Self::User(name)
            | Self::Subject(name) => name,
        }
    }
}

/// A place that names something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mention {
    pub(crate) name: Name,
    pub(crate) span: Span,
    /// Whether it is declared here.
    pub(crate) declares: bool,
}

impl Folder {
    /// Every mention of everything, in the order of the files.
    pub(crate) fn mentions(&self) -> Vec<Mention> {
        let mut walk =
            Walk { folder: self, declares: true, streams: BTreeSet::new(), found: Vec::new() };
        let roots = || self.files.iter().filter_map(|file| Some((file.kind, file.root.as_ref()?)));
        for (_, root) in roots().filter(|(kind, _)| *kind == Kind::Part) {
            let names = values(root.get("streams")).map(|entry| entry.key.clone());
            walk.streams.extend(names);
        }
        for (kind, root) in roots() {
            walk.declares = kind == Kind::Part;
            match kind {
                Kind::Part | Kind::Overlay => walk.topology(root),
                Kind::Story => walk.stories(root),
                Kind::Other => {}
            }
        }
        // An alias stands where its anchor does.
        walk.found.sort_by_key(|mention| (mention.span, !mention.declares));
        walk.found.dedup_by(|a, b| a.span == b.span && a.name == b.name);
        walk.found
    }
}

/// The entries of a mapping under a key.
fn values(entry: Option<&Entry>) -> impl Iterator<Item = &Entry> {
    let entries = entry.and_then(|entry| match &entry.node.value {
        Value::Mapping(entries) => Some(entries),
        _ => None,
    });
    entries.into_iter().flatten()
}

/// The items of a list, or the one value that counts as one.
fn items(entry: Option<&Entry>) -> &[Node] {
    match entry.map(|entry| &entry.node) {
        Some(Node { value: Value::Sequence(items), .. }) => items,
        Some(node @ Node { value: Value::Scalar(_), .. }) => std::slice::from_ref(node),
        _ => &[],
    }
}

struct Walk<'f> {
    folder: &'f Folder,
    /// Whether the file declares what it has as keys.
    declares: bool,
    /// Streams that are declared anywhere.
    streams: BTreeSet<String>,
    found: Vec<Mention>,
}

impl Walk<'_> {
    fn topology(&mut self, root: &Node) {
        let defaults = root.get("defaults").and_then(|entry| entry.node.get("consumer"));
        if let Some(consumer) = defaults {
            self.stream_name(consumer.node.get("dead_letter"));
        }
        for stream in values(root.get("streams")) {
            self.key(stream, Name::Stream(stream.key.clone()), self.declares);
            for subject in items(stream.node.get("subjects")) {
                self.scalar(subject, Name::Subject, true);
            }
            self.origins(&stream.node, Name::Stream);
            for consumer in values(stream.node.get("consumers")) {
                let name = Name::Consumer(stream.key.clone(), consumer.key.clone());
                self.key(consumer, name, self.declares);
                self.stream_name(consumer.node.get("dead_letter"));
                for field in ["filter_subject", "filter_subjects"] {
                    self.subjects(consumer.node.get(field));
                }
            }
        }
        for section in ["key_values", "object_stores"] {
            for bucket in values(root.get(section)) {
                self.key(bucket, Name::Bucket(bucket.key.clone()), self.declares);
                self.origins(&bucket.node, Name::Bucket);
            }
        }
        for service in values(root.get("services")) {
            self.key(service, Name::Service(service.key.clone()), self.declares);
            self.service(&service.node);
        }
        for user in values(root.get("users")) {
            self.key(user, Name::User(user.key.clone()), self.declares);
            for service in items(user.node.get("service")) {
                self.scalar(service, Name::Service, false);
            }
        }
    }

    fn service(&mut self, service: &Node) {
        for consumer in items(service.get("consumes")) {
            self.consumer_name(consumer);
        }
        for field in ["reads", "writes"] {
            for bucket in items(service.get(field)) {
                self.scalar(bucket, Name::Bucket, false);
            }
        }
        for ensured in items(service.get("ensures")) {
            self.asset(ensured);
        }
        for handler in values(service.get("handlers")) {
            self.consumer_at(&handler.key, handler.key_span);
        }
        for field in ["publishes", "requests", "replies"] {
            self.subjects(service.get(field));
        }
    }

    fn stories(&mut self, root: &Node) {
        for story in values(root.get("stories")) {
            for step in items(Some(story)) {
                self.subjects(step.get("publish"));
                for user in items(step.get("as")) {
                    self.scalar(user, Name::User, false);
                }
                for worker in ["worker", "stop"].iter().flat_map(|key| items(step.get(key))) {
                    self.consumer_name(worker);
                }
                self.stream_name(step.get("purge"));
                for fact in values(step.get("expect")) {
                    for asset in values(Some(fact)) {
                        if asset.key.contains('/') {
                            self.consumer_at(&asset.key, asset.key_span);
                        } else {
                            let name = self.stream_or_bucket(&asset.key);
                            self.part(&asset.key, asset.key_span, 0..asset.key.len(), name, false);
                        }
                    }
                }
            }
        }
    }

    /// The origins of a mirror and of sources.
    fn origins(&mut self, node: &Node, name: fn(String) -> Name) {
        let mirror = node.get("mirror").map(|mirror| &mirror.node);
        for origin in mirror.into_iter().chain(items(node.get("sources"))) {
            // One in another account is none of these.
            if origin.get("external").is_none() {
                for origin in items(origin.get("name")) {
                    self.scalar(origin, name, false);
                }
            }
        }
    }

    fn stream_name(&mut self, entry: Option<&Entry>) {
        for stream in items(entry) {
            self.scalar(stream, Name::Stream, false);
        }
    }

    fn subjects(&mut self, entry: Option<&Entry>) {
        for subject in items(entry) {
            self.scalar(subject, Name::Subject, false);
        }
    }

    fn stream_or_bucket(&self, name: &str) -> Name {
        let known = self.streams.contains(name);
        if known { Name::Stream(name.to_owned()) } else { Name::Bucket(name.to_owned()) }
    }

    /// A stream, a bucket, or a consumer as STREAM/consumer.
    fn asset(&mut self, node: &Node) {
        let Value::Scalar(scalar) = &node.value else { return };
        if scalar.text.contains('/') {
            self.consumer_at(&scalar.text, node.span);
        } else {
            let name = self.stream_or_bucket(&scalar.text);
            self.part(&scalar.text, node.span, 0..scalar.text.len(), name, false);
        }
    }

    fn consumer_name(&mut self, node: &Node) {
        if let Value::Scalar(scalar) = &node.value {
            self.consumer_at(&scalar.text, node.span);
        }
    }

    fn consumer_at(&mut self, text: &str, span: Span) {
        let Some((stream, consumer)) = text.split_once('/') else { return };
        let at = stream.len();
        self.part(text, span, 0..at, Name::Stream(stream.to_owned()), false);
        let name = Name::Consumer(stream.to_owned(), consumer.to_owned());
        self.part(text, span, at + 1..text.len(), name, false);
    }

    fn scalar(&mut self, node: &Node, name: impl Fn(String) -> Name, declares: bool) {
        if let Value::Scalar(scalar) = &node.value
            && scalar.style != Style::Block
        {
            let name = name(scalar.text.clone());
            self.part(&scalar.text, node.span, 0..scalar.text.len(), name, declares);
        }
    }

    fn key(&mut self, entry: &Entry, name: Name, declares: bool) {
        self.part(&entry.key, entry.key_span, 0..entry.key.len(), name, declares);
    }

    /// A part of a text that stands at `span`, in quotes or without. One that is written in another way is passed over.
    fn part(
        &mut self,
        text: &str,
        span: Span,
        part: std::ops::Range<usize>,
        name: Name,
        declares: bool,
    ) {
        let written = self.folder.sources.text(span);
        let quotes = match written {
            _ if written == text => 0,
            _ if written.get(1..written.len().saturating_sub(1)) == Some(text) => 1,
            _ => return,
        };
        let at = |byte: usize| span.start + u32::try_from(byte + quotes).unwrap_or_default();
        let span = Span { start: at(part.start), end: at(part.end), ..span };
        if span.start < span.end {
            self.found.push(Mention { name, span, declares });
        }
    }
}
