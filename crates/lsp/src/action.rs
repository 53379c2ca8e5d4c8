//! What an editor offers to do: the linter's own fixes, an explanation, a whole file in its usual form.

use lsp_types::{
    CodeAction, CodeActionKind, Command, DocumentChanges, OneOf,
    OptionalVersionedTextDocumentIdentifier, Range, TextDocumentEdit, TextEdit, WorkspaceEdit,
};
use watershed_topology::format::format;

use crate::folder::{File, Folder, Kind, is_json};

/// The command that shows what a rule is about; its one argument is the rule's code.
pub const EXPLAIN: &str = "watershed.explain";

impl Folder {
    /// What can be done about the findings of a range.
    pub fn actions(&self, uri: &str, range: Range) -> Vec<CodeAction> {
        let Some(file) = self.file(uri) else { return Vec::new() };
        let meets = |other: Range| other.start <= range.end && range.start <= other.end;
        let mut actions = Vec::new();
        for found in self.findings.iter().filter(|found| found.place.span.file == file.id) {
            let diagnostic = self.diagnostic(found, None);
            if !meets(diagnostic.range) {
                continue;
            }
            let is_json = is_json(uri);
            let edit = found.edit.as_ref().filter(|edit| edit.span.file == file.id);
            let new =
                edit.and_then(|edit| Some((edit, edit.written(self.text(file.id), is_json)?)));
            if let (Some((edit, new_text)), Some(uri)) = (new, self.uri(file.id)) {
                let change = TextEdit { range: self.range(edit.span), new_text };
                let text_document = OptionalVersionedTextDocumentIdentifier { uri, version: None };
                let edits =
                    vec![TextDocumentEdit { text_document, edits: vec![OneOf::Left(change)] }];
                actions.push(CodeAction {
                    title: found.fix.clone().unwrap_or_else(|| format!("Fix {}", found.code)),
                    kind: Some(CodeActionKind::QUICKFIX),
                    diagnostics: Some(vec![diagnostic.clone()]),
                    edit: Some(WorkspaceEdit {
                        document_changes: Some(DocumentChanges::Edits(edits)),
                        ..WorkspaceEdit::default()
                    }),
                    is_preferred: Some(true),
                    ..CodeAction::default()
                });
            }
            let title = format!("Explain {}", found.code);
            let command = Command {
                title: title.clone(),
                command: EXPLAIN.to_owned(),
                arguments: Some(vec![found.code.into()]),
            };
            actions.push(CodeAction {
                title,
                kind: Some(CodeActionKind::QUICKFIX),
                diagnostics: Some(vec![diagnostic]),
                command: Some(command),
                ..CodeAction::default()
            });
        }
        actions
    }

    /// What changes when a file is formatted; why it cannot be, if it cannot.
    pub fn formatting(&self, uri: &str) -> Result<Vec<TextEdit>, String> {
        let ours = |file: &&File| file.kind != Kind::Other && !is_json(uri);
        let Some(file) = self.file(uri).filter(ours) else { return Ok(Vec::new()) };
        let old = self.text(file.id);
        let new_text = format(old).map_err(|error| error.to_string())?;
        if new_text == old {
            return Ok(Vec::new());
        }
        let range = self.lines(file.id).range(0..old.len());
        Ok(vec![TextEdit { range, new_text }])
    }
}
