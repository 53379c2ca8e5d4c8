//! Files that a configuration includes, if they were given as well.

use std::collections::BTreeSet;

use watershed_topology::source::{FileId, SourceMap, Span, offset};
use watershed_wire::conf::{self, Item, Pair, Place, Value};

use crate::shell::Files;

/// Files that one configuration may be made of: more than that include each other.
const PARTS_MAX: usize = 256;

/// Files that include each other.
const DEPTH_MAX: usize = 8;

/// A configuration with what it includes. Places count on from one part to the next.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) pairs: Vec<Pair>,
    /// Where each part begins, and which file it is.
    parts: Vec<(usize, FileId)>,
    end: usize,
    /// What is included and not here, and why.
    pub(super) missing: Vec<(Span, String)>,
}

impl Whole {
    /// Reads a configuration and what it includes.
    pub(super) fn read(
        files: Files<'_>,
        file: FileId,
        text: &str,
    ) -> Result<Self, conf::ConfError> {
        let mut whole = Self { pairs: Vec::new(), parts: Vec::new(), end: 0, missing: Vec::new() };
        let pairs = conf::parse(text)?;
        whole.pairs = whole.part(files, file, text.len(), pairs, 0);
        Ok(whole)
    }

    /// Where a place is.
    pub(super) fn span(&self, place: Place) -> Span {
        let behind = self.parts.partition_point(|(base, _)| *base <= place.start);
        let Some((base, file)) = behind.checked_sub(1).and_then(|at| self.parts.get(at)) else {
            return Span::default();
        };
        Span { file: *file, start: offset(place.start - base), end: offset(place.end - base) }
    }

    fn part(
        &mut self,
        files: Files<'_>,
        file: FileId,
        length: usize,
        mut pairs: Vec<Pair>,
        depth: usize,
    ) -> Vec<Pair> {
        let base = self.end;
        self.parts.push((base, file));
        self.end += length + 1;
        for pair in &mut pairs {
            shift(pair, base);
        }
        self.expanded(files, file, pairs, depth)
    }

    /// The same entries with those of included files in their place.
    fn expanded(
        &mut self,
        files: Files<'_>,
        file: FileId,
        pairs: Vec<Pair>,
        depth: usize,
    ) -> Vec<Pair> {
        let mut all = Vec::with_capacity(pairs.len());
        for mut pair in pairs {
            let Some(name) = is_include(&pair).map(str::to_owned) else {
                let value = std::mem::replace(&mut pair.item.value, Value::Flag(false));
                pair.item.value = self.inside(files, file, value, depth);
                all.push(pair);
                continue;
            };
            match self.included(files, file, &name, depth) {
                Ok(more) => all.extend(more),
                Err(why) => {
                    let span = self.span(pair.item.place);
                    self.missing.push((span, format!("`{name}` is included, and not read: {why}")));
                }
            }
        }
        all
    }

    fn inside(&mut self, files: Files<'_>, file: FileId, value: Value, depth: usize) -> Value {
        match value {
            Value::Map(pairs) => Value::Map(self.expanded(files, file, pairs, depth)),
            Value::List(items) => {
                let items = items.into_iter().map(|item| {
                    let value = self.inside(files, file, item.value, depth);
                    Item { value, place: item.place }
                });
                Value::List(items.collect())
            }
            other => other,
        }
    }

    fn included(
        &mut self,
        files: Files<'_>,
        by: FileId,
        name: &str,
        depth: usize,
    ) -> Result<Vec<Pair>, String> {
        if depth == DEPTH_MAX || self.parts.len() == PARTS_MAX {
            return Err("these files include each other".to_owned());
        }
        let from = &files.sources.file(by).name;
        let Some(found) = find(files, from, name) else {
            return Err(
                "it is not among the files that were given, or not in their folder".to_owned()
            );
        };
        let source = files.sources.file(found);
        let pairs = conf::parse(&source.text).map_err(|error| error.to_string())?;
        Ok(self.part(files, found, source.text.len(), pairs, depth + 1))
    }
}

fn shift(pair: &mut Pair, base: usize) {
    fn place(place: &mut Place, base: usize) {
        place.start += base;
        place.end += base;
    }
    fn item(one: &mut Item, base: usize) {
        place(&mut one.place, base);
        match &mut one.value {
            Value::List(items) => items.iter_mut().for_each(|inner| item(inner, base)),
            Value::Map(pairs) => pairs.iter_mut().for_each(|inner| shift(inner, base)),
            _ => {}
        }
    }
    place(&mut pair.place, base);
    item(&mut pair.item, base);
}

/// The file that an entry includes.
fn is_include(pair: &Pair) -> Option<&str> {
    match &pair.item.value {
        Value::Text { text, .. } if pair.key.eq_ignore_ascii_case("include") => Some(text),
        _ => None,
    }
}

/// Names of files that a configuration includes, as it has them.
pub fn includes(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for_each(&conf::parse(text).unwrap_or_default(), &mut |name| names.push(name.to_owned()));
    names
}

fn for_each(pairs: &[Pair], say: &mut dyn FnMut(&str)) {
    fn of(item: &Item, say: &mut dyn FnMut(&str)) {
        match &item.value {
            Value::List(items) => items.iter().for_each(|item| of(item, say)),
            Value::Map(pairs) => for_each(pairs, say),
            _ => {}
        }
    }
    for pair in pairs {
        match is_include(pair) {
            Some(name) => say(name),
            None => of(&pair.item, say),
        }
    }
}

/// Configurations that another one includes: they are parts of that one.
pub(crate) fn parts(sources: &SourceMap, given: &[FileId]) -> BTreeSet<FileId> {
    let files = Files { sources, given };
    let mut all = BTreeSet::new();
    for by in given {
        let source = sources.file(*by);
        if crate::script::has_extension(&source.name, &["conf"]) {
            let found = includes(&source.text);
            let found = found.iter().filter_map(|name| find(files, &source.name, name));
            all.extend(found.filter(|part| part != by));
        }
    }
    all
}

/// The given file that a name means in the file `from`.
fn find(files: Files<'_>, from: &str, name: &str) -> Option<FileId> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let wanted =
        if name.starts_with('/') { plain(name) } else { plain(&format!("{folder}/{name}")) };
    let wanted = if folder.is_empty() && !name.starts_with('/') { plain(name) } else { wanted };
    let named = |file: &&FileId| plain(&files.sources.file(**file).name) == wanted;
    files.given.iter().find(named).copied()
}

/// A path without `.` and, as far as it can be, without `..`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}
