//! Filters that must stay apart, held against each other within bounds.
//!
//! Whoever may create a stream can send as many filters as fit a request, and everybody waits until
//! they are compared. Their number and length are looked at first, and the comparison stops when it
//! has taken too many steps.

use super::super::error::{Coded, table};
use super::Violation;
use crate::limits::{FILTER_STEPS_MAX, FILTER_TOKENS_MAX, FILTERS_MAX};
use crate::subject::{self, FilterSet, Relation, Steps, TooManySteps};

/// Whether there are more filters than are looked at. The violation is about `field`.
pub(super) fn too_many(count: usize, field: &str, code: Coded) -> Option<Violation> {
    let text = || code.with(format_args!("more than {FILTERS_MAX} {field}"));
    (count > FILTERS_MAX).then(|| Violation::new(field.to_owned(), text()))
}

/// Why a text is no filter that can be held against others.
pub(super) fn problem(filter: &str) -> Option<String> {
    if !subject::is_valid(filter.as_bytes()) {
        return Some("invalid subject".into());
    }
    let long = subject::tokens(filter.as_bytes()).nth(FILTER_TOKENS_MAX).is_some();
    long.then(|| format!("subject has more than {FILTER_TOKENS_MAX} tokens"))
}

/// The filters of one list.
pub(super) struct Apart<'t> {
    set: FilterSet<'t, usize>,
    steps: Steps,
}

impl<'t> Apart<'t> {
    /// Filters without a [`problem`].
    pub(super) fn new(filters: impl Iterator<Item = &'t str>) -> Self {
        let mut set = FilterSet::default();
        for (index, filter) in filters.enumerate() {
            if problem(filter).is_none() {
                set.insert(filter, index);
            }
        }
        Self { set, steps: Steps::new(FILTER_STEPS_MAX) }
    }

    /// The first filter behind the one at `index` that stands in one of these relations to it.
    pub(super) fn first_behind(
        &mut self,
        index: usize,
        filter: &str,
        relations: &[Relation],
    ) -> Result<Option<&'t str>, TooManySteps> {
        let mut first: Option<(usize, &'t str)> = None;
        for relation in relations {
            self.set.visit(filter, *relation, &mut self.steps, |(other, text)| {
                if other > index && first.is_none_or(|(first, _)| other < first) {
                    first = Some((other, text));
                }
                false
            })?;
        }
        Ok(first.map(|(_, text)| text))
    }
}

/// Whether any of `filters` overlaps with any of `others`: the subjects of a stream with those of
/// all other streams, a work queue's consumer with its other consumers. All are valid.
pub fn meet<'a>(
    filters: impl IntoIterator<Item = &'a str>,
    others: impl IntoIterator<Item = &'a str>,
) -> Result<bool, TooManySteps> {
    let set: FilterSet<'_, ()> = filters.into_iter().collect();
    let mut steps = Steps::new(FILTER_STEPS_MAX);
    for other in others {
        if set.find(other, Relation::Overlaps, &mut steps, |()| true)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl From<TooManySteps> for super::super::error::ApiError {
    fn from(error: TooManySteps) -> Self {
        table::STREAM_INVALID_CONFIG.with(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{ConsumerConfig, StreamConfig};
    use super::super::{Bounds, consumer, fill_consumer, fill_stream, stream};
    use super::*;

    /// The first answer to a stream with these subjects.
    fn stream_with(subjects: Vec<String>) -> String {
        let mut config = StreamConfig { name: "S".into(), subjects, ..StreamConfig::default() };
        fill_stream(&mut config, &Bounds::default());
        let found = stream(&config);
        found.first().map_or("OK".into(), |violation| violation.error.to_string())
    }

    /// The first answer to a consumer with these filters.
    fn consumer_with(filter_subjects: Vec<String>) -> String {
        let mut config = ConsumerConfig { filter_subjects, ..ConsumerConfig::default() };
        fill_consumer(&mut config, &StreamConfig::named("S", &[]), &Bounds::default());
        let found = consumer(&config);
        found.first().map_or("OK".into(), |violation| violation.error.to_string())
    }

    fn many(count: usize, filter: impl Fn(usize) -> String) -> Vec<String> {
        (0..count).map(filter).collect()
    }

    /// Half of the filters begin with a wildcard, half with a token of their own.
    fn crossing(one: &str, other: &str) -> Vec<String> {
        let fill = |text: &str, n: usize| text.replace('N', &n.to_string());
        many(FILTERS_MAX, |n| fill(if n % 2 == 0 { one } else { other }, n))
    }

    const STEPS: &str =
        "the filters have too many wildcards to be compared with one another (10052)";

    #[test]
    fn comparing_ends() {
        for (subjects, expected) in [
            (many(FILTERS_MAX, |n| format!("orders.{n}.created")), "OK"),
            (many(FILTERS_MAX, |n| format!("orders.*.{n}.>")), "OK"),
            (crossing("a.*.N", "a.N.*"), r#"subject "a.*.0" overlaps with "a.1.*" (10052)"#),
            (crossing("a.*.xN", "a.N.y"), STEPS),
            (many(FILTERS_MAX + 1, |n| n.to_string()), "more than 10000 subjects (10052)"),
            (
                vec!["a".into(), vec!["x"; 257].join(".")],
                "subject has more than 256 tokens (10052)",
            ),
            (vec!["a".into(), vec!["x"; 256].join(".")], "OK"),
        ] {
            assert_eq!(stream_with(subjects), expected);
        }
        for (filters, expected) in [
            (many(FILTERS_MAX, |n| format!("orders.{n}.created")), "OK"),
            (crossing("a.*.N", "a.N.*"), STEPS),
            (many(FILTERS_MAX + 1, |n| n.to_string()), "more than 10000 filter_subjects (10012)"),
            (
                vec!["a".into(), vec!["x"; 257].join(".")],
                "subject has more than 256 tokens (10052)",
            ),
        ] {
            assert_eq!(consumer_with(filters), expected);
        }
    }

    #[test]
    fn comparing_transforms_and_sources_ends() {
        let check = |sources: serde_json::Value, expected: &str| {
            let config = serde_json::json!({"name": "S", "subjects": ["s"], "sources": sources});
            let mut config: StreamConfig = serde_json::from_value(config).unwrap();
            fill_stream(&mut config, &Bounds::default());
            let found = stream(&config);
            let first = found.first().map_or("OK".into(), |first| first.error.to_string());
            assert_eq!(first, expected);
        };
        let named = |n: usize| serde_json::json!({"name": format!("A{n}")});
        check((0..FILTERS_MAX).map(named).collect(), "OK");
        check((0..=FILTERS_MAX).map(named).collect(), "more than 10000 sources (10052)");
        let transforms = |filters: Vec<String>| -> serde_json::Value {
            let transform = |filter| serde_json::json!({"src": filter});
            let all: Vec<_> = filters.into_iter().map(transform).collect();
            serde_json::json!([{"name": "A", "subject_transforms": all}])
        };
        check(transforms(many(FILTERS_MAX, |n| format!("a.{n}"))), "OK");
        check(transforms(crossing("a.*.N", "a.N.*")), "source filters can not overlap (10147)");
        check(transforms(crossing("a.*.xN", "a.N.y")), STEPS);
    }

    #[test]
    fn the_first_of_two_that_overlap_is_named_first() {
        let check = |subjects: &[&str], expected: &str| {
            let subjects = subjects.iter().map(|subject| (*subject).to_owned()).collect();
            assert_eq!(stream_with(subjects), expected);
        };
        let overlap = r#"subject "a.x" overlaps with "a.*" (10052)"#;
        check(&["a.x", "b.x", "b.*", "a.*"], overlap);
        check(&["a.x", "b.x", "b.*", "a..b", "a.*"], overlap);
        check(&["b.x", "b.*", "a..b"], r#"subject "b.x" overlaps with "b.*" (10052)"#);
        check(&["a.*", "a.3", "a.2"], r#"subject "a.*" overlaps with "a.3" (10052)"#);
        check(&["a..b", "a.x", "a.*"], "invalid subject (10052)");
    }

    #[test]
    fn the_filters_of_many_are_held_against_one() {
        for (ours, others, expected) in [
            (vec!["a.>"], vec!["b", "a.x"], Ok(true)),
            (vec!["a.>", "c"], vec!["b", "a"], Ok(false)),
            (vec![], vec!["a"], Ok(false)),
        ] {
            assert_eq!(meet(ours, others), expected);
        }
        let (ours, others) = (many(3000, |n| format!("{n}.x")), vec!["*.y".to_owned(); 3000]);
        let texts = |list: &'static [String]| list.iter().map(String::as_str);
        let (ours, others) = (texts(ours.leak()), texts(others.leak()));
        assert_eq!(meet(ours, others), Err(TooManySteps));
    }
}
