//! Names of streams and consumers that flags were given.

use std::collections::BTreeSet;

use watershed_topology::Topology;
use watershed_topology::plan::{Names, Plan};
use watershed_topology::schema::nearest;

use crate::exit::Mistyped;

/// Most names that are listed where none is near.
const LISTED_MAX: usize = 10;

/// What can be named: what is declared, and what is planned.
#[derive(Debug, Default)]
pub(super) struct Known {
    names: BTreeSet<String>,
    /// Streams that are buckets or object stores, by the name in the file.
    buckets: Vec<(String, String)>,
}

impl Known {
    /// Of these topologies, and their plans.
    pub(super) fn new<'a>(all: impl IntoIterator<Item = (&'a Topology, &'a Plan)>) -> Self {
        let mut known = Self::default();
        for (topology, plan) in all {
            for stream in &topology.streams {
                let name = &stream.name.value;
                let bucket = stream.bucket().map(|bucket| (bucket.to_owned(), name.clone()));
                known.buckets.extend(bucket);
                known.names.insert(name.clone());
                let consumers = stream.consumers.iter();
                known.names.extend(consumers.map(|one| format!("{name}/{}", one.name.value)));
            }
            let steps = plan.steps.iter().map(|step| &step.target);
            let refused = plan.refused.iter().map(|refusal| &refusal.target);
            known.names.extend(steps.chain(refused).map(ToString::to_string));
            let taken = plan.steps.iter().flat_map(|step| &step.takes);
            known.names.extend(taken.map(|(taken, _)| taken.to_string()));
            known.names.extend(plan.unmanaged.iter().map(ToString::to_string));
        }
        known
    }

    /// What the words of a flag name. A bucket may be called as the file does.
    pub(super) fn named(&self, flag: &str, words: &[String]) -> Result<Names, Mistyped> {
        let Names::Only(words) = Names::from_words(words) else { return Ok(Names::All) };
        let mut names = Vec::new();
        for word in words {
            if self.names.contains(&word) {
                names.push(word);
                continue;
            }
            let before = names.len();
            let same = self.buckets.iter().filter(|(bucket, _)| *bucket == word);
            names.extend(same.map(|(_, stream)| stream.clone()));
            if names.len() == before {
                return Err(self.unknown(flag, &word));
            }
        }
        Ok(Names::Only(names))
    }

    fn unknown(&self, flag: &str, word: &str) -> Mistyped {
        let buckets = self.buckets.iter().map(|(bucket, _)| bucket.as_str());
        let all = || self.names.iter().map(String::as_str);
        let hint = match nearest(word, all().chain(buckets)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.names.is_empty() => "the topology declares nothing".to_owned(),
            None => {
                let some: Vec<&str> = all().take(LISTED_MAX).collect();
                let more = if self.names.len() > LISTED_MAX { ", …" } else { "" };
                format!("the topology has {}{more}", some.join(", "))
            }
        };
        Mistyped(format!("unknown name `{word}` in {flag}: {hint}"))
    }
}
