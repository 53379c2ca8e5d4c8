//! Where something is declared, where it is named, and another name for it.

use std::collections::BTreeMap;

use lsp_types::{
    DocumentChanges, Location, OneOf, OptionalVersionedTextDocumentIdentifier, Position, Range,
    TextDocumentEdit, TextEdit, WorkspaceEdit,
};
use watershed_topology::source::FileId;
use watershed_wire::subject::{is_valid, overlaps};

use crate::folder::Folder;
use crate::names::{Mention, Name};

impl Folder {
    /// The mention at a place.
    pub(crate) fn mention<'m>(
        &self,
        mentions: &'m [Mention],
        uri: &str,
        position: Position,
    ) -> Option<&'m Mention> {
        let (file, byte) = self.at(uri, position)?;
        mentions.iter().find(|mention| {
            let span = mention.span;
            span.file == file.id && (span.start as usize..=span.end as usize).contains(&byte)
        })
    }

    /// Where what is named at a place is declared; of a subject, the streams that store it.
    pub fn definition(&self, uri: &str, position: Position) -> Vec<Location> {
        let mentions = self.mentions();
        let Some(at) = self.mention(&mentions, uri, position) else { return Vec::new() };
        let declared = mentions.iter().filter(|one| one.declares && is_same(&one.name, &at.name));
        declared.filter_map(|one| self.location(one.span)).collect()
    }

    /// Where what is named at a place is named; of a subject, what may be the same messages.
    pub fn references(&self, uri: &str, position: Position, declarations: bool) -> Vec<Location> {
        let mentions = self.mentions();
        let Some(at) = self.mention(&mentions, uri, position) else { return Vec::new() };
        let wanted =
            |one: &&Mention| (declarations || !one.declares) && is_same(&one.name, &at.name);
        mentions.iter().filter(wanted).filter_map(|one| self.location(one.span)).collect()
    }

    /// The name at a place, if it can be another one.
    pub fn renamable(&self, uri: &str, position: Position) -> Option<Range> {
        let mentions = self.mentions();
        let at = self.mention(&mentions, uri, position)?;
        let is_declared = mentions.iter().any(|one| one.declares && one.name == at.name);
        let fits = !matches!(at.name, Name::Subject(_)) && is_declared;
        fits.then(|| self.range(at.span))
    }

    /// Gives what is named at a place another name, wherever it is named. Why not, if it cannot be.
    pub fn rename(
        &self,
        uri: &str,
        position: Position,
        new: &str,
    ) -> Result<WorkspaceEdit, String> {
        let mentions = self.mentions();
        let at = self.mention(&mentions, uri, position).ok_or("nothing with a name stands here")?;
        let named = |name: &str| match &at.name {
            Name::Stream(_) => Ok(Name::Stream(name.to_owned())),
            Name::Consumer(stream, _) => Ok(Name::Consumer(stream.clone(), name.to_owned())),
            Name::Bucket(_) => Ok(Name::Bucket(name.to_owned())),
            Name::Service(_) => Ok(Name::Service(name.to_owned())),
            Name::User(_) => Ok(Name::User(name.to_owned())),
            Name::Subject(_) => Err("a subject cannot be renamed here: programs publish it"),
        };
        let becomes = named(new)?;
        if !mentions.iter().any(|one| one.declares && one.name == at.name) {
            return Err(format!("`{}` is not declared here", at.name.text()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = !new.is_empty() && new.chars().all(plain) && !new.starts_with('-');
        if !fits || new == "null" {
            return Err(format!("invalid name `{new}`: use letters, digits, `-` and `_`"));
        }
        if mentions.iter().any(|one| one.declares && one.name == becomes) {
            return Err(format!("`{new}` is declared already"));
        }
        let mut edits: BTreeMap<FileId, Vec<OneOf<TextEdit, _>>> = BTreeMap::new();
        for one in mentions.iter().filter(|one| one.name == at.name) {
            let edit = TextEdit { range: self.range(one.span), new_text: new.to_owned() };
            edits.entry(one.span.file).or_default().push(OneOf::Left(edit));
        }
        let edits = edits.into_iter().filter_map(|(file, edits)| {
            let uri = self.uri(file)?;
            let text_document = OptionalVersionedTextDocumentIdentifier { uri, version: None };
            Some(TextDocumentEdit { text_document, edits })
        });
        let document_changes = Some(DocumentChanges::Edits(edits.collect()));
        Ok(WorkspaceEdit { document_changes, ..WorkspaceEdit::default() })
    }
}

/// Whether two names are of the same; subjects are where some message has both.
fn is_same(one: &Name, other: &Name) -> bool {
    let (Name::Subject(one), Name::Subject(other)) = (one, other) else { return one == other };
    let valid = is_valid(one.as_bytes()) && is_valid(other.as_bytes());
    valid && overlaps(one.as_bytes(), other.as_bytes())
}
