//! What may declare something and is not read: templates, and programs in other languages. It is said once of each kind.

use watershed_topology::source::{FileId, Span, offset};

use super::importer::Importer;
use super::script::has_extension;

/// Languages with clients of NATS whose programs are not read, by the endings of their files.
const LANGUAGES: &[(&str, &[&str])] = &[
    ("C#", &["cs"]),
    ("C++", &["cpp", "cc"]),
    ("Clojure", &["clj"]),
    ("Dart", &["dart"]),
    ("Elixir", &["ex", "exs"]),
    ("F#", &["fs"]),
    ("Groovy", &["groovy"]),
    ("Kotlin", &["kt", "kts"]),
    ("PHP", &["php"]),
    ("PowerShell", &["ps1"]),
    ("Ruby", &["rb"]),
    ("Scala", &["scala"]),
    ("Swift", &["swift"]),
];

/// Words of which a program has one that makes streams, consumers or buckets.
const MAKES: &[&str] = &[
    "StreamConfig",
    "ConsumerConfig",
    "KVConfig",
    "KvConfig",
    "KeyValueConfig",
    "ObjectStoreConfig",
    "AddStream",
    "addStream",
    "add_stream",
    "AddConsumer",
    "addConsumer",
    "add_consumer",
    "pull_subscribe",
    "stream add",
    "str add",
    "consumer add",
    "kv add",
];

/// The language of a program that is not read.
pub(super) fn language(name: &str) -> Option<&'static str> {
    let found = LANGUAGES.iter().find(|(_, endings)| has_extension(name, endings));
    found.map(|(language, _)| *language)
}

/// Notes a program that is not read, if it makes something.
pub(super) fn program(importer: &mut Importer, file: FileId, language: &'static str, text: &str) {
    let lower = text.to_lowercase();
    if !lower.contains("nats") && !lower.contains("jetstream") {
        return;
    }
    let found = MAKES.iter().filter_map(|word| Some((text.find(word)?, word.len()))).min();
    let Some((at, length)) = found else { return };
    importer.recognized = true;
    importer.incomplete = true;
    let span = Span { file, start: offset(at), end: offset(at + length) };
    importer.foreign.entry(language).or_insert((span, 0)).1 += 1;
}

/// Says what was not read.
pub(super) fn finish(importer: &mut Importer) {
    let more = |count: usize| match count {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let templates = std::mem::take(&mut importer.templates);
    if let Some(first) = templates.first() {
        let more = more(templates.len());
        let message = format!(
            "a template of Helm: render it first, with `helm template`, and name what comes out{more}"
        );
        importer.findings.skipped(*first, message);
    }
    for (language, (span, count)) in std::mem::take(&mut importer.foreign) {
        let more = more(count);
        let message = format!(
            "programs in {language} are not read, and this one makes streams or consumers{more}"
        );
        importer.findings.skipped(span, message);
    }
}
