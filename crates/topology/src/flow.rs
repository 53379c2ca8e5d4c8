//! Who stores what: the subjects under which messages come to lie in a stream.

use std::collections::BTreeMap;

use watershed_wire::jetstream::stream::SubjectTransform;
use watershed_wire::subject::transform::Transform;
use watershed_wire::subject::{FilterSet, contains, intersection, is_valid};

use crate::limits::ORIGIN_DEPTH_MAX;
use crate::model::{Stream, Topology};

/// The subjects under which messages lie in a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Filters that describe them.
    pub filters: Vec<String>,
    /// Whether there may be others, because they come from where this file does not see.
    pub open: bool,
}

/// What `stream` stores: its own subjects and what its mirror or its sources bring, each under the
/// subject that it has become.
///
/// What comes from another account is not known here.
pub fn stored(topology: &Topology, stream: &Stream) -> Stored {
    Flow { topology, published: None, known: BTreeMap::new(), depth: 0 }.stored(stream)
}

/// What comes to lie in `stream` of what is published: valid filters that are no more than its
/// streams take.
pub(crate) fn arriving<'t>(
    topology: &'t Topology,
    stream: &'t Stream,
    published: &'t FilterSet<'t, ()>,
) -> Stored {
    Flow { topology, published: Some(published), known: BTreeMap::new(), depth: 0 }.stored(stream)
}

/// Streams that have consumers and of which everything that they store is known.
pub fn consumed(topology: &Topology) -> impl Iterator<Item = (&Stream, Vec<String>)> {
    let read = topology.streams.iter().filter(|stream| !stream.consumers.is_empty());
    let known = read.map(|stream| (stream, stored(topology, stream)));
    known.filter(|(_, stored)| !stored.open).map(|(stream, stored)| (stream, stored.filters))
}

/// The subjects under which a stream stores what a valid filter takes, by its own transform. `None`
/// if that is no transform.
pub fn transformed(stream: &Stream, filter: &str) -> Option<Vec<String>> {
    let transform = stream.config.subject_transform.as_ref();
    match transform.filter(|transform| !transform.dest.is_empty()) {
        None => Some(vec![filter.to_owned()]),
        Some(SubjectTransform { src, dest }) => {
            let transform = Transform::new(src, dest).ok()?;
            let changed = transform.image(filter);
            // What it does not name stays as it is.
            let rest = !contains(transform.source().as_bytes(), filter.as_bytes());
            Some(changed.into_iter().chain(rest.then(|| filter.to_owned())).collect())
        }
    }
}

/// A walk along mirrors and sources.
struct Flow<'t> {
    topology: &'t Topology,
    /// What is published; `None` for whatever may be.
    published: Option<&'t FilterSet<'t, ()>>,
    /// What was found out; `None` for a stream that is being looked at.
    known: BTreeMap<&'t str, Option<Stored>>,
    /// How many streams lie on the way.
    depth: usize,
}

impl<'t> Flow<'t> {
    fn stored(&mut self, stream: &'t Stream) -> Stored {
        let name = stream.config.name.as_str();
        match self.known.get(name) {
            Some(Some(known)) => return known.clone(),
            // A circle: what it brings is what is there, or what comes later.
            Some(None) => return Stored::default(),
            None if self.depth == ORIGIN_DEPTH_MAX => {
                return Stored { open: true, ..Stored::default() };
            }
            None => {}
        }
        self.known.insert(name, None);
        self.depth += 1;
        let mut stored = self.arrives(stream);
        self.depth -= 1;
        let own = std::mem::take(&mut stored.filters);
        for filter in own {
            match transformed(stream, &filter) {
                Some(filters) => stored.filters.extend(filters),
                None => stored.open = true,
            }
        }
        stored.filters.sort_unstable();
        stored.filters.dedup();
        self.known.insert(name, Some(stored.clone()));
        stored
    }

    /// What comes to a stream, before its own transform.
    fn arrives(&mut self, stream: &'t Stream) -> Stored {
        let config = &stream.config;
        let mut stored = Stored { open: stream.is_placeholder(), ..Stored::default() };
        for own in config.subjects.iter().filter(|own| is_valid(own.as_bytes())) {
            match self.published {
                None => stored.filters.push(own.clone()),
                Some(published) => {
                    let near = published.overlapping(own);
                    let taken = near.iter().filter_map(|((), subject)| intersection(subject, own));
                    stored.filters.extend(taken);
                }
            }
        }
        for source in config.mirror.iter().chain(&config.sources) {
            let origin = self.topology.stream(&source.name);
            let Some(origin) = origin.filter(|_| source.external.is_none()) else {
                stored.open = true;
                continue;
            };
            let inner = self.stored(origin);
            stored.open |= inner.open;
            let filter = source.filter_subject.as_str();
            let brought = |filter: &str| {
                let taken = inner.filters.iter().filter_map(|own| intersection(own, filter));
                taken.collect::<Vec<_>>()
            };
            if !filter.is_empty() {
                if is_valid(filter.as_bytes()) {
                    stored.filters.extend(brought(filter));
                }
            } else if source.subject_transforms.is_empty() {
                stored.filters.extend(inner.filters.iter().cloned());
            }
            for SubjectTransform { src, dest } in &source.subject_transforms {
                let src = if src.is_empty() { ">" } else { src };
                if dest.is_empty() && is_valid(src.as_bytes()) {
                    stored.filters.extend(brought(src));
                } else if let Ok(transform) = Transform::new(src, dest) {
                    let changed = inner.filters.iter().filter_map(|own| transform.image(own));
                    stored.filters.extend(changed);
                } else {
                    stored.open = true;
                }
            }
        }
        stored
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::lower::lower;
    use crate::source::SourceMap;
    use crate::yaml::parse;

    fn read(streams: &str) -> Topology {
        let mut sources = SourceMap::default();
        let text = format!("watershed: 1\nname: x\nstreams:\n{streams}");
        let file = sources.add("watershed.yaml", &text);
        lower(&parse(&sources, file).0.unwrap()).0
    }

    #[test]
    fn subjects_are_followed_through_transforms() {
        let topology = read(
            r"
  O: { subjects: [o.>, p.a] }
  M: { mirror: { name: O }, subject_transform: { src: o.*, dest: m.$1 } }
  S: { subjects: [s], sources: [{ name: O, subject_transforms: [{ src: o.*.x, dest: t.$1 }, { src: p.> }] }] }
  T: { sources: [{ name: S }], subject_transform: { src: t.>, dest: u.> } }
  B: { sources: [{ name: O, subject_transforms: [{ src: o.*, dest: o.$2 }] }] }
",
        );
        let all = topology.streams.iter().map(|stream| {
            let stored = stored(&topology, stream);
            let open = if stored.open { ", and others" } else { "" };
            format!("{}: {}{open}", stream.name.value, stored.filters.join(" "))
        });
        insta::assert_snapshot!(all.collect::<Vec<_>>().join("\n"), @r"
    O: o.> p.a
    M: m.* o.> p.a
    S: p.a s t.*
    T: p.a s u.*
    B: , and others
    ");
        let t = topology.stream("T").unwrap();
        let published = ["o.a.x", "o.b", "p.*", "s"].into_iter().collect();
        assert_eq!(arriving(&topology, t, &published).filters, ["p.a", "s", "u.a"]);
    }

    /// Many ways lead from one stream to another, and each stream is looked at once.
    #[test]
    fn a_lattice_of_sources_is_walked_once() {
        let mut text = String::from("  L0: { subjects: [l.>] }\n");
        for level in 1..200 {
            let before = level - 1;
            for side in ["", "b"] {
                let from = if before == 0 { "L0" } else { "" };
                let (a, b) = match from {
                    "" => (format!("L{before}"), format!("L{before}b")),
                    only => (only.to_owned(), only.to_owned()),
                };
                let from = format!("{{ name: {a} }}, {{ name: {b}, filter_subject: l.> }}");
                let _ = writeln!(text, "  L{level}{side}: {{ sources: [{from}] }}");
            }
        }
        let topology = read(&text);
        let last = topology.streams.last().unwrap();
        assert_eq!(stored(&topology, last).filters, ["l.>"]);
        assert_eq!(
            crate::lint::run(&topology, None).iter().filter(|one| one.code == "M008").count(),
            0
        );
    }
}
