//! What becomes of a subject: who publishes it, which streams store it, who gets it.

use watershed_wire::subject::{FilterSet, is_valid, overlaps};

use crate::flow::arriving;
use crate::model::{Stream, Topology};
use crate::source::{Span, Spanned};

/// What becomes of the messages of a subject, or of those under a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Who publishes it, or asks on it.
    pub publishers: Vec<Party>,
    /// What stores it.
    pub streams: Vec<Stored>,
    /// Who hears it without a stream: services that answer on it.
    pub listeners: Vec<Party>,
    /// Accounts that may import it, by where the export is written; `None` for every account.
    pub exports: Vec<Spanned<Option<Vec<String>>>>,
}

/// A service that has to do with a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub service: String,
    /// What it does: `publishes`, `requests` or `replies`.
    pub does: &'static str,
    /// The filter that says so.
    pub filter: Spanned<String>,
    /// How many of it run.
    pub replicas: u64,
}

/// A stream that stores a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub stream: String,
    /// What takes it: the filter of the stream itself; of a mirror or a source, the origin.
    pub by: Vec<Spanned<String>>,
    /// Whether it comes from other streams only.
    pub copied: bool,
    /// The subjects under which it lies there.
    pub subjects: Vec<String>,
    /// Copies in a cluster.
    pub replicas: i64,
    /// Consumers that take it.
    pub consumers: Vec<Taken>,
    /// Subject that it is published on again, if it is.
    pub republished: Option<Spanned<String>>,
}

/// A consumer that takes a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its name.
    pub consumer: String,
    /// The filters that take it; none for a consumer that takes everything.
    pub filters: Vec<String>,
    /// Where that is written.
    pub span: Span,
    /// Services that read it, and how many of each run.
    pub readers: Vec<(String, u64)>,
    /// Stream that keeps what is given up.
    pub dead_letter: Option<String>,
}

impl Trace {
    /// How often a message is delivered if everything works: once for each consumer that takes it.
    pub fn deliveries(&self) -> usize {
        self.streams.iter().map(|stored| stored.consumers.len()).sum()
    }

    /// How often it lies on a disk or in memory: in each stream, as often as that has copies.
    pub fn copies(&self) -> i64 {
        self.streams.iter().map(|stored| stored.replicas.max(1)).sum()
    }
}

/// What becomes of `subject`, which may have wildcards: then of any of its messages. `None` if it is no valid subject.
pub fn trace(topology: &Topology, subject: &str) -> Option<Trace> {
    if !is_valid(subject.as_bytes()) {
        return None;
    }
    let meets =
        |own: &str| is_valid(own.as_bytes()) && overlaps(own.as_bytes(), subject.as_bytes());
    let mut publishers = Vec::new();
    let mut listeners = Vec::new();
    for service in &topology.services {
        let lists = [
            ("publishes", &service.publishes),
            ("requests", &service.requests),
            ("replies", &service.replies),
        ];
        for (does, filters) in lists {
            for filter in filters.iter().filter(|filter| meets(&filter.value)) {
                let to = if does == "replies" { &mut listeners } else { &mut publishers };
                to.push(Party {
                    service: service.name.value.clone(),
                    does,
                    filter: filter.clone(),
                    replicas: service.replicas.value,
                });
            }
        }
    }
    let published: FilterSet<'_, ()> = std::iter::once(subject).collect();
    let streams = topology.streams.iter().filter_map(|stream| {
        let subjects = arriving(topology, stream, &published).filters;
        (!subjects.is_empty()).then(|| stored(topology, stream, subjects, meets))
    });
    let exports = topology.exports.iter().filter(|export| meets(&export.subject.value));
    let exports = exports.map(|export| {
        let accounts = export.accounts.iter().map(|account| account.value.clone());
        let named = (!export.accounts.is_empty()).then(|| accounts.collect());
        Spanned::new(named, export.subject.span)
    });
    Some(Trace { publishers, streams: streams.collect(), listeners, exports: exports.collect() })
}

fn stored(
    topology: &Topology,
    stream: &Stream,
    subjects: Vec<String>,
    meets: impl Fn(&str) -> bool,
) -> Stored {
    let config = &stream.config;
    let own = config.subjects.iter().enumerate().filter(|(_, own)| meets(own));
    let mut by: Vec<_> = own
        .map(|(index, own)| Spanned::new(own.clone(), stream.places.item("subjects", index)))
        .collect();
    let copied = by.is_empty();
    if copied {
        let mirror = config.mirror.iter().map(|origin| (origin, stream.places.at("mirror")));
        let sources = config.sources.iter().enumerate();
        let sources = sources.map(|(index, origin)| (origin, stream.places.item("sources", index)));
        by =
            mirror.chain(sources).map(|(one, span)| Spanned::new(one.name.clone(), span)).collect();
    }
    let met =
        |filter: &&String| subjects.iter().any(|own| overlaps(own.as_bytes(), filter.as_bytes()));
    let consumers = stream.consumers.iter().filter_map(|consumer| {
        let all = consumer.config.filters();
        let filters: Vec<String> = all.iter().filter(met).cloned().collect();
        if filters.is_empty() && !all.is_empty() {
            return None;
        }
        let field = if consumer.config.filter_subject.is_empty() {
            "filter_subjects"
        } else {
            "filter_subject"
        };
        let reads = |service: &&crate::model::Service| {
            let mut consumes = service.consumes.iter();
            consumes.any(|one| {
                one.value.stream == stream.name.value && one.value.consumer == consumer.name.value
            })
        };
        let readers = topology.services.iter().filter(reads);
        Some(Taken {
            consumer: consumer.name.value.clone(),
            filters,
            span: consumer.places.at(field),
            readers: readers
                .map(|service| (service.name.value.clone(), service.replicas.value))
                .collect(),
            dead_letter: consumer.dead_letter.as_ref().map(|stream| stream.value.clone()),
        })
    });
    let republished =
        config.republish.as_ref().filter(|again| again.src.is_empty() || met(&&again.src));
    Stored {
        stream: stream.name.value.clone(),
        by,
        copied,
        consumers: consumers.collect(),
        republished: republished
            .map(|again| Spanned::new(again.dest.clone(), stream.places.at("republish"))),
        replicas: config.num_replicas,
        subjects,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::lower;
    use crate::source::SourceMap;
    use crate::yaml::parse;

    const FILE: &str = "watershed: 1\nname: x\nstreams:
  A: { subjects: [a.>], num_replicas: 3, consumers: { c: { filter_subject: a.x.*, dead_letter: D }, d: {} } }
  M: { sources: [{ name: A, filter_subject: a.x.> }], subject_transform: { src: a.x.*, dest: m.$1 }, consumers: { e: { filter_subject: m.1 }, f: { filter_subject: n } } }
  D: {}
services:
  p: { publishes: [a.x.1], replicas: 2 }
  q: { consumes: [A/c], replies: [a.x.*] }
";

    fn shown(subject: &str) -> String {
        let mut sources = SourceMap::default();
        let file = sources.add("f", FILE);
        let topology = lower(&parse(&sources, file).0.unwrap()).0;
        let trace = trace(&topology, subject).unwrap();
        let party = |one: &Party| format!("{} {} {}", one.service, one.does, one.filter.value);
        let mut lines: Vec<String> = trace.publishers.iter().map(party).collect();
        for stored in &trace.streams {
            let by: Vec<&str> = stored.by.iter().map(|by| sources.text(by.span)).collect();
            lines.push(format!(
                "{} by {} as {}",
                stored.stream,
                by.join(" "),
                stored.subjects.join(" ")
            ));
            for taken in &stored.consumers {
                let readers: Vec<&str> = taken.readers.iter().map(|(name, _)| &**name).collect();
                lines.push(format!(
                    "  {} by {} for {}",
                    taken.consumer,
                    taken.filters.join(" "),
                    readers.join(" ")
                ));
            }
        }
        lines.extend(trace.listeners.iter().map(party));
        lines.push(format!("{} copies, {} deliveries", trace.copies(), trace.deliveries()));
        lines.join("\n")
    }

    #[test]
    fn a_subject_is_followed_to_everybody_who_gets_it() {
        insta::assert_snapshot!(shown("a.x.1"), @"
        p publishes a.x.1
        A by a.> as a.x.1
          c by a.x.* for q
          d by  for 
        M by { name: A, filter_subject: a.x.> } as m.1
          e by m.1 for 
        q replies a.x.*
        4 copies, 3 deliveries
        ");
        insta::assert_snapshot!(shown("a.y"), @"
        A by a.> as a.y
          d by  for 
        3 copies, 1 deliveries
        ");
        insta::assert_snapshot!(shown("z"), @"0 copies, 0 deliveries");
        assert_eq!(trace(&Topology::default(), "a..b"), None);
    }
}
