//! What the files of one folder say together.

use std::collections::{BTreeMap, BTreeSet};

use lsp_types::{Location, Position, Range, Uri};
use watershed_topology::read::{Document, Read, read};
use watershed_topology::source::{FileId, Span};
use watershed_topology::yaml::{Node, parse};
use watershed_topology::{Diagnostic, SourceMap, Topology};

use crate::lines::Lines;
use crate::shape::Shapes;

/// What a file is in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A topology, or a part of one.
    Part,
    /// Overrides of one environment.
    Overlay,
    /// Stories about a topology.
    Story,
    /// Something else.
    Other,
}

/// A file of the folder.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) uri: String,
    pub(crate) id: FileId,
    pub(crate) kind: Kind,
    pub(crate) root: Option<Node>,
}

/// The files of one folder, and what they say.
#[derive(Debug)]
pub struct Folder {
    pub(crate) sources: SourceMap,
    pub(crate) files: Vec<File>,
    pub(crate) topologies: Vec<Topology>,
    pub(crate) findings: Vec<Diagnostic>,
    pub(crate) shapes: Shapes,
}

/// Whether a file is JSON, by its name.
pub(crate) fn is_json(uri: &str) -> bool {
    uri.rsplit_once('.').is_some_and(|(_, end)| end == "json")
}

/// The name of a file without its folder and its ending.
pub(crate) fn stem(uri: &str) -> &str {
    let name = uri.rsplit('/').next().unwrap_or_default();
    ["yaml", "yml", "json"]
        .iter()
        .find_map(|end| name.strip_suffix(end)?.strip_suffix('.'))
        .unwrap_or_default()
}

impl Folder {
    /// Reads files of one folder, by their URIs.
    pub fn read<'f>(files: impl Iterator<Item = (&'f str, &'f str)>) -> Self {
        let mut sources = SourceMap::default();
        let mut read = Vec::new();
        for (uri, text) in files {
            let id = sources.add(uri, text);
            let root = parse(&sources, id).0;
            let plain = !stem(uri).is_empty() && !stem(uri).contains('.');
            let topology = root.as_ref().is_some_and(|root| root.get("watershed").is_some());
            let kind = match (plain, topology) {
                (true, true) => Kind::Part,
                _ if stem(uri).rsplit_once('.').is_some_and(|(_, end)| end == "story") => {
                    Kind::Story
                }
                _ => Kind::Other,
            };
            read.push(File { uri: uri.to_owned(), id, kind, root });
        }
        let bases: BTreeSet<String> = read
            .iter()
            .filter(|file| file.kind == Kind::Part)
            .map(|file| stem(&file.uri).to_owned())
            .collect();
        for file in read.iter_mut().filter(|file| file.kind == Kind::Other) {
            if stem(&file.uri).rsplit_once('.').is_some_and(|(base, _)| bases.contains(base)) {
                file.kind = Kind::Overlay;
            }
        }
        let mut folder = Self {
            sources,
            files: read,
            topologies: Vec::new(),
            findings: Vec::new(),
            shapes: Shapes::new(),
        };
        folder.analyse();
        folder
    }

    fn analyse(&mut self) {
        let (mut topologies, mut findings) = (Vec::new(), Vec::new());
        for group in self.groups() {
            let alone = self.lower(&group, &[]);
            topologies.push(alone.topology);
            findings.extend(alone.diagnostics);
            for overlays in self.overlays(&group).values() {
                let found = self.lower(&group, overlays).diagnostics;
                let is_theirs = |one: &Diagnostic| overlays.contains(&one.place.span.file);
                findings.extend(found.into_iter().filter(is_theirs));
            }
        }
        (self.topologies, self.findings) = (topologies, findings);
    }

    fn lower(&self, group: &[FileId], overlays: &[FileId]) -> Read {
        let documents = |files: &[FileId]| {
            files.iter().map(|file| Document::new(&self.sources, *file)).collect::<Vec<_>>()
        };
        read(&self.sources, documents(group), documents(overlays), None)
    }

    /// The files of each topology: all parts are one, unless they have different names.
    fn groups(&self) -> Vec<Vec<FileId>> {
        let parts: Vec<FileId> =
            self.files.iter().filter(|file| file.kind == Kind::Part).map(|file| file.id).collect();
        let names: BTreeSet<String> = parts
            .iter()
            .filter_map(|file| Document::new(&self.sources, *file).name().map(str::to_owned))
            .collect();
        match (parts.is_empty(), names.len()) {
            (true, _) => Vec::new(),
            (false, 0 | 1) => vec![parts],
            (false, _) => parts.into_iter().map(|part| vec![part]).collect(),
        }
    }

    /// The overlays of a topology's files, by environment.
    fn overlays(&self, group: &[FileId]) -> BTreeMap<&str, Vec<FileId>> {
        let bases = self.files.iter().filter(|file| group.contains(&file.id));
        let bases: Vec<&str> = bases.map(|file| stem(&file.uri)).collect();
        let mut found: BTreeMap<&str, Vec<FileId>> = BTreeMap::new();
        for file in self.files.iter().filter(|file| file.kind == Kind::Overlay) {
            if let Some((base, environment)) = stem(&file.uri).rsplit_once('.')
                && bases.contains(&base)
            {
                found.entry(environment).or_default().push(file.id);
            }
        }
        found
    }

    pub(crate) fn file(&self, uri: &str) -> Option<&File> {
        self.files.iter().find(|file| file.uri == uri)
    }

    pub(crate) fn text(&self, file: FileId) -> &str {
        &self.sources.file(file).text
    }

    pub(crate) fn lines(&self, file: FileId) -> Lines<'_> {
        Lines::new(self.text(file))
    }

    /// The file and the byte at a place.
    pub(crate) fn at(&self, uri: &str, position: Position) -> Option<(&File, usize)> {
        let file = self.file(uri)?;
        Some((file, self.lines(file.id).byte(position)))
    }

    pub(crate) fn range(&self, span: Span) -> Range {
        self.lines(span.file).range(span.start as usize..span.end as usize)
    }

    pub(crate) fn uri(&self, file: FileId) -> Option<Uri> {
        self.sources.file(file).name.parse().ok()
    }

    pub(crate) fn location(&self, span: Span) -> Option<Location> {
        Some(Location { uri: self.uri(span.file)?, range: self.range(span) })
    }
}
