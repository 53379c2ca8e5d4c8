//! What is shown where the pointer rests.

use std::fmt::Write as _;

use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Position};
use watershed_topology::lint::{FILE_RULES, FileRule, find};
use watershed_topology::meaning::{Of, change_sentence, meaning};
use watershed_topology::source::{Span, offset};

use crate::folder::{Folder, Kind};
use crate::names::Name;
use crate::path::{Found, Step, keys, locate};
use crate::shape::Shapes;

impl Folder {
    /// What a field means, what a rule is about, or what stands behind a name.
    pub fn hover(&self, uri: &str, position: Position) -> Option<Hover> {
        let (file, byte) = self.at(uri, position)?;
        let known = file.kind != Kind::Other;
        if let Some((start, code)) = code_at(self.text(file.id), byte).filter(|_| known)
            && let Some(text) = rule(code)
        {
            let span =
                Span { file: file.id, start: offset(start), end: offset(start + code.len()) };
            return Some(self.shown(text, span));
        }
        let mentions = self.mentions();
        if let Some(mention) = self.mention(&mentions, uri, position)
            && let Some(text) = self.behind(&mention.name)
        {
            return Some(self.shown(text, mention.span));
        }
        if !matches!(file.kind, Kind::Part | Kind::Overlay) {
            return None;
        }
        let (mut path, found) = locate(file.root.as_ref()?, byte)?;
        let (key, span) = match found {
            Found::Key(entry) => (entry.key.clone(), entry.key_span),
            Found::Value(node) => loop {
                match path.pop()? {
                    Step::Key(key) => break (key, node.span),
                    Step::Item => {}
                }
            },
        };
        Some(self.shown(field(&self.shapes, &path, &key)?, span))
    }

    fn shown(&self, value: String, span: Span) -> Hover {
        let content = MarkupContent { kind: MarkupKind::Markdown, value };
        Hover { contents: HoverContents::Markup(content), range: Some(self.range(span)) }
    }

    /// What is declared under a name.
    fn behind(&self, name: &Name) -> Option<String> {
        let list = |all: &[String]| {
            let all: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
            all.join(", ")
        };
        let described = |text: &str| match text {
            "" => String::new(),
            text => format!("\n\n{text}"),
        };
        self.topologies.iter().find_map(|topology| match name {
            Name::Stream(name) => {
                let stream = topology.stream(name)?;
                let subjects = list(&stream.config.subjects);
                let about = described(&stream.config.description);
                Some(format!("stream `{name}`, stores {subjects}{about}"))
            }
            Name::Consumer(stream, consumer) => {
                let stream = topology.stream(stream)?;
                let config = &stream.consumer(consumer)?.config;
                let takes = match config.filters() {
                    [] => "everything".to_owned(),
                    filters => list(filters),
                };
                let about = described(&config.description);
                Some(format!(
                    "consumer `{consumer}` of `{}`, takes {takes}{about}",
                    stream.name.value
                ))
            }
            Name::Service(name) => {
                let service = topology.service(name)?;
                let publishes: Vec<String> =
                    service.publishes.iter().map(|one| one.value.clone()).collect();
                let consumes: Vec<String> =
                    service.consumes.iter().map(|one| one.value.to_string()).collect();
                let mut text = format!("service `{name}`");
                if !publishes.is_empty() {
                    let _ = write!(text, ", publishes {}", list(&publishes));
                }
                if !consumes.is_empty() {
                    let _ = write!(text, ", consumes {}", list(&consumes));
                }
                Some(text)
            }
            Name::Bucket(_) | Name::User(_) | Name::Subject(_) => None,
        })
    }
}

/// What a field means, by the path of its mapping.
pub(crate) fn field(shapes: &Shapes, path: &[Step], key: &str) -> Option<String> {
    let about = shapes.about(path, key)?;
    let known = owner(path).and_then(|of| meaning(of, key));
    let mut text = format!("**{key}**");
    if !about.is_empty() {
        let _ = write!(text, ": {about}");
    }
    let words = shapes.words(&[path, &[Step::Key(key.to_owned())]].concat());
    if words == ["unlimited"] {
        text += "\n\n`unlimited` for no limit";
    } else if words.len() > 1 {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        let _ = write!(text, "\n\nOne of {}", words.join(", "));
    }
    if let Some(default) = known.as_ref().and_then(|known| known.default.as_ref()) {
        let _ = write!(text, "\n\nDefault: `{default}`");
    }
    if let Some(change) = known.and_then(|known| known.change) {
        let _ = write!(text, "\n\nOn a server: {}", change_sentence(change));
    }
    Some(text)
}

/// Whether the mapping at a path is a stream or a consumer.
fn owner(path: &[Step]) -> Option<Of> {
    match keys(path).as_slice() {
        ["streams", _] | ["defaults", "stream"] => Some(Of::Stream),
        ["streams", _, "consumers", _] | ["defaults", "consumer"] => Some(Of::Consumer),
        _ => None,
    }
}

/// A word like S028 at a byte, and where it begins.
fn code_at(text: &str, byte: usize) -> Option<(usize, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let before = text.get(..byte)?;
    let start = before.len() - before.chars().rev().take_while(|c| is_part(*c)).count();
    let rest = text.get(start..)?;
    let word = rest.get(..rest.find(|c| !is_part(c)).unwrap_or(rest.len()))?;
    let digits = word.get(1..).filter(|digits| digits.len() == 3)?;
    let fits = word.starts_with(|c: char| c.is_ascii_uppercase())
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    fits.then_some((start, word))
}

/// What a rule is about.
pub(crate) fn rule(code: &str) -> Option<String> {
    if let Some(rule) = find(code) {
        let server = rule.server.sentence().map(|says| format!("\n\n{says}")).unwrap_or_default();
        let (bad, good) = (rule.bad.trim_end(), rule.good.trim_end());
        return Some(format!(
            "**{} {}** ({})\n\n{}{server}\n\n```yaml\n# wrong\n{bad}\n# right\n{good}\n```",
            rule.code,
            rule.name,
            rule.severity.word(),
            rule.about
        ));
    }
    let same = |rule: &&FileRule| rule.code == code;
    let rule = FILE_RULES.iter().find(same)?;
    Some(format!("**{} {}**\n\n{}", rule.code, rule.name, rule.about))
}
