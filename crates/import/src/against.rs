//! Programs against the topology of their folder: what they bind to, make and publish, and it does not declare.

use std::collections::BTreeSet;

use watershed_topology::diagnostic::{Diagnostic, Severity, sort};
use watershed_topology::model::Topology;
use watershed_topology::source::{FileId, SourceMap, Span};

use crate::code;
use crate::importer::{Importer, Written};
use crate::script;

/// Findings about a program that do not hold for one part of a system alone, or tell of the reading.
const OF_READING: &[&str] = &["I001", "I002"];

/// What is wrong with programs beside a topology: how what they make differs from it, and what they use that it does
/// not declare. Files in no language that is read here are left alone.
pub fn against(sources: &SourceMap, topology: &Topology, files: &[FileId]) -> Vec<Diagnostic> {
    let programs: Vec<Written> = files
        .iter()
        .filter_map(|file| {
            let source = sources.file(*file);
            let language = script::language(&source.name)?;
            let text = source.text.clone();
            Some(Written { file: *file, language, text, block: false })
        })
        .collect();
    let mut importer = Importer::default();
    for stream in &topology.streams {
        importer.add(stream.clone());
    }
    code::follow(&mut importer, sources, &programs);
    let mut found = std::mem::take(&mut importer.findings.0);
    found.retain(|one| !OF_READING.contains(&one.code));
    found.extend(undeclared(topology, &importer));
    found.extend(unstored(&importer));
    sort(&mut found);
    found
}

/// Streams and consumers of programs that the topology does not have.
fn undeclared(topology: &Topology, importer: &Importer) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut say = |span: Span, message: String, fix: String| {
        let one = Diagnostic::new("I023", Severity::Warning, span, message);
        found.push(one.fix(fix));
    };
    for stream in &importer.streams {
        let name = &stream.name.value;
        let Some(declared) = topology.stream(name) else {
            let what = stream
                .bucket()
                .map_or_else(|| format!("stream `{name}`"), |bucket| format!("bucket `{bucket}`"));
            let message = if stream.is_placeholder() {
                format!("{what} is used here, and the topology does not declare it")
            } else {
                format!("{what} is made here, and the topology does not declare it")
            };
            let at = stream.consumers.first().filter(|_| stream.is_placeholder());
            say(
                at.map_or(stream.name.span, |one| one.name.span),
                message,
                format!("declare `{name}`"),
            );
            continue;
        };
        for consumer in &stream.consumers {
            let own = &consumer.name.value;
            if declared.consumer(own).is_none() {
                let message = format!(
                    "consumer `{name}/{own}` is used here, and the topology does not declare it"
                );
                say(consumer.name.span, message, format!("declare it under `{name}`"));
            }
        }
    }
    let known = |stream: &str, consumer: &str| {
        importer
            .streams
            .iter()
            .any(|one| one.name.value == stream && one.consumer(consumer).is_some())
    };
    let mut said = BTreeSet::new();
    for read in importer.services.iter().flat_map(|service| &service.consumes) {
        let (stream, consumer) = (&read.value.stream, &read.value.consumer);
        if !known(stream, consumer) && said.insert(&read.value) {
            let message = format!(
                "consumer `{}` is used here, and the topology does not declare it",
                read.value
            );
            say(read.span, message, format!("declare it under `{stream}`"));
        }
    }
    found
}

/// Subjects that programs publish and wait for, and that no stream stores.
fn unstored(importer: &Importer) -> impl Iterator<Item = Diagnostic> {
    let subjects = importer.services.iter().flat_map(|service| &service.publishes);
    let lost = subjects
        .filter(|subject| !importer.streams.iter().any(|stream| stream.stores(&subject.value)));
    lost.map(|subject| {
        let message = format!(
            "no stream stores `{}`: whoever publishes it is told that it failed",
            subject.value
        );
        let one = Diagnostic::new("I024", Severity::Warning, subject.span, message);
        one.fix("give a stream this subject, or publish one that it has")
    })
}
