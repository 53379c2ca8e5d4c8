//! What may be typed next.
//!
//! A line that is being typed is seldom YAML. A mark that nobody types is put where the cursor is, as a value and as a
//! key, and looked for in what can be read of that.

use std::collections::BTreeSet;

use lsp_types::{CompletionItem, CompletionItemKind, CompletionTextEdit, Position, TextEdit};
use watershed_topology::SourceMap;
use watershed_topology::lint::RULES;
use watershed_topology::yaml::{Node, Value, parse};

use crate::folder::{Folder, Kind, stem};
use crate::names::Name;
use crate::path::{Found, Step, follow, keys, marked};

/// What nobody types.
const MARK: &str = "zq0watershed0qz";

impl Folder {
    /// What may be typed at a place.
    pub fn completion(&self, uri: &str, position: Position) -> Vec<CompletionItem> {
        let Some((file, byte)) = self.at(uri, position) else { return Vec::new() };
        // Of somebody else's file nothing is known; one that is still empty may become a topology.
        if file.kind == Kind::Other && stem(uri) != "watershed" {
            return Vec::new();
        }
        let text = self.text(file.id);
        let (before, after) = text.split_at_checked(byte).unwrap_or_default();
        let part = |c: char| c.is_alphanumeric() || "_-./$*>".contains(c);
        let start = before.trim_end_matches(part).len();
        let end = byte + after.find(|c| !part(c)).unwrap_or(after.len());
        let line = before.rsplit('\n').next().unwrap_or_default();
        let mut items = if line.contains("# allow ") {
            rules()
        } else {
            self.offered(file.kind, text, start, end)
        };
        let range = self.lines(file.id).range(start..end);
        for item in &mut items {
            let new_text = item.insert_text.take().unwrap_or_else(|| item.label.clone());
            item.text_edit = Some(CompletionTextEdit::Edit(TextEdit { range, new_text }));
        }
        items
    }

    fn offered(&self, kind: Kind, text: &str, start: usize, end: usize) -> Vec<CompletionItem> {
        let (before, after) =
            (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
        for insert in [MARK.to_owned(), format!("{MARK}: ")] {
            let mut sources = SourceMap::default();
            let whole = format!("{before}{insert}{after}");
            if whole.len() > watershed_topology::limits::FILE_BYTES_MAX {
                return Vec::new();
            }
            let file = sources.add("", &whole);
            let Some(root) = parse(&sources, file).0 else { continue };
            let Some((path, found)) = marked(&root, MARK) else { continue };
            if kind == Kind::Story {
                return self.in_story(&path);
            }
            return match found {
                Found::Key(_) => self.keys(&root, &path, after),
                // Where a mapping belongs, the first word of it is taken for a value.
                Found::Value(_) => {
                    let mut items = self.values(&path);
                    items.extend(self.keys(&root, &path, after));
                    items
                }
            };
        }
        Vec::new()
    }

    /// The keys that a mapping may still have.
    fn keys(&self, root: &Node, path: &[Step], after: &str) -> Vec<CompletionItem> {
        let shapes = &self.shapes;
        let node = follow(root, path);
        let there: BTreeSet<&str> = match node.map(|node| &node.value) {
            Some(Value::Mapping(entries)) => {
                entries.iter().map(|entry| entry.key.as_str()).collect()
            }
            _ => BTreeSet::new(),
        };
        // A key that is being changed has its colon already.
        let colon = if after.trim_start_matches(' ').starts_with(':') { "" } else { ": " };
        let mut items = Vec::new();
        for (key, about) in shapes.keys(path).into_iter().filter(|(key, _)| !there.contains(key)) {
            let inner = [path, &[Step::Key(key.to_owned())]].concat();
            let colon = if shapes.is_nested(&inner) { colon.trim_end() } else { colon };
            items.push(CompletionItem {
                insert_text: Some(format!("{key}{colon}")),
                documentation: crate::hover::field(shapes, path, key).map(markdown),
                detail: Some(about.to_owned()),
                ..item(key, CompletionItemKind::FIELD)
            });
        }
        match keys(path).as_slice() {
            ["services", _, "handlers"] => items.extend(self.consumers()),
            ["lint", "levels"] => items.extend(rules()),
            _ => {}
        }
        for item in items.iter_mut().filter(|item| item.insert_text.is_none()) {
            item.insert_text = Some(format!("{}{colon}", item.label));
        }
        items
    }

    /// The values that may stand at a path.
    fn values(&self, path: &[Step]) -> Vec<CompletionItem> {
        let words = self.shapes.words(path);
        let mut items: Vec<_> =
            words.iter().map(|word| item(word, CompletionItemKind::ENUM_MEMBER)).collect();
        let mut keys = keys(path);
        if keys.last() == Some(&"-") {
            keys.pop();
        }
        match keys.as_slice() {
            ["services", _, "consumes"] => items.extend(self.consumers()),
            ["services", _, "reads" | "writes"] => items.extend(self.all(is_bucket)),
            ["services", _, "ensures"] => {
                items.extend(self.all(|name| is_bucket(name) || is_stream(name)));
                items.extend(self.consumers());
            }
            ["services", _, "publishes" | "requests" | "replies"]
            | [.., "filter_subject" | "filter_subjects"] => items.extend(self.all(is_subject)),
            [.., "dead_letter"] | ["streams", _, "mirror" | "sources", .., "name"] => {
                items.extend(self.all(is_stream));
            }
            ["key_values", _, "mirror" | "sources", .., "name"] => {
                items.extend(self.all(is_bucket));
            }
            ["users", _, "service"] => {
                items.extend(self.all(|name| matches!(name, Name::Service(_))));
            }
            ["lint", "levels", _] => {
                let levels = ["error", "warning", "info", "off"];
                items.extend(levels.map(|word| item(word, CompletionItemKind::ENUM_MEMBER)));
            }
            _ => {}
        }
        items
    }

    fn in_story(&self, path: &[Step]) -> Vec<CompletionItem> {
        match keys(path).as_slice() {
            [.., "worker" | "stop" | "delivered" | "done" | "unprocessed" | "dead"] => {
                self.consumers()
            }
            [.., "messages"] => self.all(|name| is_stream(name) || is_bucket(name)),
            [.., "purge"] => self.all(is_stream),
            [.., "publish"] => self.all(is_subject),
            [.., "as"] => self.all(|name| matches!(name, Name::User(_))),
            _ => Vec::new(),
        }
    }

    /// Everything of a kind that is declared.
    fn all(&self, wanted: impl Fn(&Name) -> bool) -> Vec<CompletionItem> {
        let mentions = self.mentions();
        let declared = mentions.iter().filter(|one| one.declares && wanted(&one.name));
        let names: BTreeSet<&str> = declared.map(|one| one.name.text()).collect();
        names.into_iter().map(|name| item(name, CompletionItemKind::REFERENCE)).collect()
    }

    /// The consumers that are declared, as STREAM/consumer.
    fn consumers(&self) -> Vec<CompletionItem> {
        let mentions = self.mentions();
        let declared = mentions.iter().filter(|one| one.declares);
        let names: BTreeSet<String> = declared
            .filter_map(|one| match &one.name {
                Name::Consumer(stream, consumer) => Some(format!("{stream}/{consumer}")),
                _ => None,
            })
            .collect();
        names.iter().map(|name| item(name, CompletionItemKind::REFERENCE)).collect()
    }
}

fn is_stream(name: &Name) -> bool {
    matches!(name, Name::Stream(_))
}

fn is_bucket(name: &Name) -> bool {
    matches!(name, Name::Bucket(_))
}

fn is_subject(name: &Name) -> bool {
    matches!(name, Name::Subject(_))
}

/// The rules of the linter by code.
fn rules() -> Vec<CompletionItem> {
    let rules = RULES.iter().map(|rule| CompletionItem {
        detail: Some(rule.name.to_owned()),
        documentation: crate::hover::rule(rule.code).map(markdown),
        ..item(rule.code, CompletionItemKind::CONSTANT)
    });
    rules.collect()
}

fn item(label: &str, kind: CompletionItemKind) -> CompletionItem {
    CompletionItem { label: label.to_owned(), kind: Some(kind), ..CompletionItem::default() }
}

fn markdown(value: String) -> lsp_types::Documentation {
    lsp_types::Documentation::MarkupContent(lsp_types::MarkupContent {
        kind: lsp_types::MarkupKind::Markdown,
        value,
    })
}
