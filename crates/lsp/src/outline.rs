//! What a file declares, as an outline.

use lsp_types::{DocumentSymbol, SymbolKind};
use watershed_topology::source::Span;
use watershed_topology::yaml::{Entry, Value};

use crate::folder::{Folder, Kind};

impl Folder {
    /// The outline of a file.
    pub fn outline(&self, uri: &str) -> Vec<DocumentSymbol> {
        let Some(file) = self.file(uri).filter(|file| file.kind != Kind::Other) else {
            return Vec::new();
        };
        let Some(Value::Mapping(entries)) = file.root.as_ref().map(|root| &root.value) else {
            return Vec::new();
        };
        let sections = entries.iter().filter_map(|section| {
            let kind = match section.key.as_str() {
                "streams" => SymbolKind::CLASS,
                "key_values" | "object_stores" => SymbolKind::STRUCT,
                "services" => SymbolKind::MODULE,
                "users" => SymbolKind::INTERFACE,
                "stories" => SymbolKind::EVENT,
                _ => return None,
            };
            let inner = children(&section.node.value).map(|entry| {
                let consumers = entry.node.get("consumers").filter(|_| section.key == "streams");
                let consumers = consumers.map(|consumers| &consumers.node.value);
                let consumers = consumers.into_iter().flat_map(children);
                let consumers = consumers
                    .filter_map(|entry| self.symbol(entry, SymbolKind::METHOD, Vec::new()));
                self.symbol(entry, kind, consumers.collect())
            });
            self.symbol(section, SymbolKind::NAMESPACE, inner.flatten().collect())
        });
        sections.collect()
    }

    #[expect(deprecated, reason = "the type has a field that it tells not to use")]
    fn symbol(
        &self,
        entry: &Entry,
        kind: SymbolKind,
        children: Vec<DocumentSymbol>,
    ) -> Option<DocumentSymbol> {
        let (key, value) = (entry.key_span, entry.node.span);
        if entry.key.is_empty() {
            return None; // the protocol allows none
        }
        // An alias stands somewhere else.
        let end = if value.file == key.file { value.end.max(key.end) } else { key.end };
        Some(DocumentSymbol {
            name: entry.key.clone(),
            detail: None,
            kind,
            tags: None,
            deprecated: None,
            range: self.range(Span { end, ..key }),
            selection_range: self.range(key),
            children: Some(children),
        })
    }
}

fn children(value: &Value) -> std::slice::Iter<'_, Entry> {
    match value {
        Value::Mapping(entries) => entries.iter(),
        _ => [].iter(),
    }
}
