//! Who publishes and reads what, as the calls of programs say: a service for each folder, or file.

use std::collections::{BTreeMap, BTreeSet};

use watershed_topology::model::{ConsumerName, Service};
use watershed_topology::source::{Span, Spanned};
use watershed_wire::subject::is_valid;

use super::machine::Module;
use super::value::{Value, What};
use crate::importer::Importer;
use crate::word::MARK;

/// Folders that services stand in, one each.
const PARENTS: &[&str] =
    &["services", "apps", "agents", "packages", "cmd", "workers", "microservices"];

/// Folders whose names say nothing about what is in them.
const PLAIN: &[&str] = &[
    "src",
    "app",
    "lib",
    "main",
    "java",
    "python",
    "internal",
    "pkg",
    "bin",
    "adapters",
    "infrastructure",
    "consumers",
    "handlers",
    "publishers",
    "messaging",
    "nats",
    "scripts",
    "common",
    "shared",
    "server",
    "code",
    ".",
    "..",
];

/// What is said of all programs together.
#[derive(Debug, Default)]
pub(super) struct Services {
    found: BTreeMap<String, Service>,
    /// Subjects of which parts are not known, and those of which nothing is.
    parts: BTreeSet<Span>,
    unknown: BTreeSet<Span>,
    /// Consumers whose library makes up where they deliver.
    delivered: BTreeSet<Span>,
}

impl Services {
    /// A consumer that is delivered to on a subject which its library makes up.
    pub(super) fn delivered(&mut self, span: Span) {
        self.delivered.insert(span);
    }

    pub(super) fn consumes(&mut self, module: &Module, span: Span, stream: &str, consumer: &str) {
        let Some(service) = self.of(module, span) else { return };
        let name = ConsumerName { stream: stream.to_owned(), consumer: consumer.to_owned() };
        if service.consumes.iter().all(|known| known.value != name) {
            service.consumes.push(Spanned::new(name, span));
        }
    }

    /// A message that is published; one that nobody waits for counts if a stream stores it.
    pub(super) fn publishes(
        &mut self,
        importer: &Importer,
        module: &Module,
        subject: &Value,
        waits: bool,
    ) {
        let span = subject.span;
        let known = match &subject.what {
            What::Text(text, _) => tokens(text),
            _ => None,
        };
        let Some(text) = known else {
            if waits {
                self.unknown.insert(span);
            }
            return;
        };
        let reserved = text.starts_with('$') || text.starts_with('_');
        let stored = importer.streams.iter().any(|stream| stream.stores(&text));
        if !is_valid(text.as_bytes()) || reserved || !waits && !stored {
            return;
        }
        if text.contains('*') {
            self.parts.insert(span);
        }
        let Some(service) = self.of(module, span) else { return };
        if service.publishes.iter().all(|known| known.value != text) {
            service.publishes.push(Spanned::new(text, span));
        }
    }

    /// The service that a program is a part of. Blocks of documents are of none.
    fn of(&mut self, module: &Module, span: Span) -> Option<&mut Service> {
        let name = name(&module.path)?;
        let service = self.found.entry(name.clone()).or_insert_with(|| Service {
            name: Spanned::new(name, span),
            replicas: Spanned::new(1, span),
            ..Service::default()
        });
        Some(service)
    }

    /// Hands over what was found, and says what was guessed and what was not read.
    pub(super) fn finish(self, importer: &mut Importer) {
        let more = |all: &BTreeSet<Span>| match all.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        if let Some(span) = self.delivered.first() {
            let message = format!(
                "the library makes up where this consumer delivers: `_INBOX.` and its name was taken, which it uses if the consumer is there{}",
                more(&self.delivered)
            );
            importer.findings.guess(*span, message);
        }
        if !importer.recognized {
            return;
        }
        if let Some(span) = self.parts.first() {
            let message = format!(
                "parts of this subject are not known here: each was taken for one token, `*`{}",
                more(&self.parts)
            );
            importer.findings.guess(*span, message);
        }
        if let Some(span) = self.unknown.first() {
            let message = format!(
                "which subject this publishes is not known here: it was not read{}",
                more(&self.unknown)
            );
            importer.publishers_unknown = true;
            importer.findings.skipped(*span, message);
        }
        importer.services.extend(self.found.into_values());
    }
}

/// A subject with `*` for each token that is not all known. `None` where that says nothing.
fn tokens(text: &str) -> Option<String> {
    let mut all = text.split('.').map(|token| if token.contains(MARK) { "*" } else { token });
    let first = all.next().filter(|first| *first != "*")?;
    Some(all.fold(first.to_owned(), |subject, token| format!("{subject}.{token}")))
}

/// What a service is called, by the folder of its file, or by the file.
fn name(path: &str) -> Option<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let folders: Vec<&str> = folder.split('/').filter(|one| !one.is_empty()).collect();
    let behind = folders.iter().rposition(|one| PARENTS.contains(one));
    let own = behind.and_then(|at| folders.get(at + 1)).copied();
    let said = || folders.iter().rev().find(|one| !PLAIN.contains(one)).copied();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let name = own.or_else(said).filter(|one| !one.is_empty()).unwrap_or(stem);
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(64).map(fits).collect();
    (!path.is_empty() && !name.is_empty()).then_some(name)
}
