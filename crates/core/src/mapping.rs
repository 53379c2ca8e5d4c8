//! Subjects that become others when a client publishes to them: `mappings` of an account.
//!
//! As on nats-server, a subject is mapped once, before the publisher's permissions are asked, and so is what
//! another account asks of this one. What the server itself sends is not.

use hashbrown::HashMap;
use thiserror::Error;
use watershed_base::Random;
use watershed_wire::subject::transform::{Transform, TransformError};
use watershed_wire::subject::{Filter, SubjectError, has_wildcard};

/// What a subject becomes: one of several, each as often as its weight says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    source: Filter,
    /// Percent up to which a destination is meant, the last one's at most 100. Beyond, nothing changes.
    shares: Vec<(u64, Transform)>,
}

/// Why a mapping is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MappingError {
    /// The source is an invalid filter.
    #[error(transparent)]
    Source(#[from] SubjectError),
    /// A destination is invalid.
    #[error("`{to}`: {problem}")]
    Destination {
        /// What it is to become.
        to: String,
        /// Why it can't.
        problem: TransformError,
    },
    /// A destination is listed twice.
    #[error("duplicate destination `{0}`")]
    Duplicate(String),
    /// The weights of a subject's destinations come to more than all of its messages.
    #[error("the weights come to {0} percent: at most 100")]
    Weights(u64),
}

impl Mapping {
    /// What `source` takes becomes each of these, for as many percent of the messages.
    pub fn new(source: &str, to: &[(&str, u64)]) -> Result<Self, MappingError> {
        let source_filter = Filter::new(source)?;
        let (mut shares, mut total) = (Vec::with_capacity(to.len()), 0_u64);
        for (index, (to, weight)) in to.iter().enumerate() {
            let transform = Transform::new(source, to)
                .map_err(|problem| MappingError::Destination { to: (*to).to_owned(), problem })?;
            if shares[..index].iter().any(|(_, other)| *other == transform) {
                return Err(MappingError::Duplicate((*to).to_owned()));
            }
            total = total.saturating_add(*weight);
            shares.push((total, transform));
        }
        if total > 100 {
            return Err(MappingError::Weights(total));
        }
        Ok(Self { source: source_filter, shares })
    }

    /// What a subject becomes that the source takes; `None` if it stays.
    fn carry(&self, subject: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        let chosen = match self.shares.as_slice() {
            [(100, all)] => all,
            shares => {
                let percent = random.below(100) as u64;
                &shares.iter().find(|(upto, _)| percent < *upto)?.1
            }
        };
        chosen.carry(subject)
    }
}

/// The mappings of an account.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    literal: HashMap<Box<[u8]>, Mapping, foldhash::fast::FixedState>,
    /// Those with wildcards. The first that takes a subject counts.
    wildcards: Vec<Mapping>,
}

impl Mappings {
    /// All of an account. Of two about the same filter, the later one counts.
    pub(crate) fn new(all: Vec<Mapping>) -> Self {
        let mut mappings = Self::default();
        for mapping in all {
            let source = mapping.source.as_bytes();
            if !has_wildcard(source) {
                mappings.literal.insert(source.into(), mapping);
                continue;
            }
            mappings.wildcards.retain(|other| other.source != mapping.source);
            mappings.wildcards.push(mapping);
        }
        mappings
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.wildcards.is_empty()
    }

    /// What a subject becomes; `None` if it stays what it is.
    pub(crate) fn carry(&self, subject: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        let literal = self.literal.get(subject);
        let found =
            literal.or_else(|| self.wildcards.iter().find(|own| own.source.matches(subject)));
        found?.carry(subject, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_exact_one_counts_then_the_first() {
        let mapping = |source: &str, to: &str| Mapping::new(source, &[(to, 100)]).unwrap();
        let mappings = Mappings::new(vec![
            mapping("a.*", "first.$1"),
            mapping("a.>", "second.>"),
            mapping("a.b", "exact"),
        ]);
        let mut random = Random::new(0);
        let mut carried = |subject: &str| {
            let to = mappings.carry(subject.as_bytes(), &mut random);
            to.map(|to| String::from_utf8(to).unwrap())
        };
        for (subject, expected) in [
            ("a.b", Some("exact")),
            ("a.c", Some("first.c")),
            ("a.c.d", Some("second.c.d")),
            ("first.c", None),
            ("b", None),
        ] {
            assert_eq!(carried(subject).as_deref(), expected, "{subject}");
        }
    }

    #[test]
    fn weights_share_the_messages() {
        let mapping = Mapping::new("a", &[("b", 20), ("c", 50)]).unwrap();
        let mappings = Mappings::new(vec![mapping]);
        let mut random = Random::new(7);
        let mut counts = [0, 0, 0];
        for _ in 0..10_000 {
            match mappings.carry(b"a", &mut random).as_deref() {
                Some(b"b") => counts[0] += 1,
                Some(b"c") => counts[1] += 1,
                _ => counts[2] += 1,
            }
        }
        for (count, percent) in counts.iter().zip([20, 50, 30]) {
            assert!((count - percent * 100_i32).abs() < 300, "{counts:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (source, to, expected) in [
            ("a..b", &[("c", 100)][..], "a subject cannot have an empty token"),
            ("a", &[("b", 60), ("c", 60)], "the weights come to 120 percent: at most 100"),
            ("a", &[("b", 10), ("b", 10)], "duplicate destination `b`"),
            ("a.*", &[("b.$2", 100)], "`b.$2`"),
        ] {
            let found = Mapping::new(source, to).unwrap_err().to_string();
            assert!(found.starts_with(expected), "{source}: {found}");
        }
    }
}
