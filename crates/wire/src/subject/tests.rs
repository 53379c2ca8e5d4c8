use proptest::prelude::*;

use super::*;

/// Each filter against each subject.
#[track_caller]
fn check(filter: &str, taken: &[&str], left: &[&str]) {
    for subject in taken {
        assert!(matches(filter.as_bytes(), subject.as_bytes()), "{filter} takes {subject}");
    }
    for subject in left {
        assert!(!matches(filter.as_bytes(), subject.as_bytes()), "{filter} leaves {subject}");
    }
}

#[test]
fn wildcards_match_whole_tokens() {
    check("a", &["a"], &["b", "a.b", "A"]);
    check("a.*", &["a.b", "a.*"], &["a", "a.b.c", "b.b"]);
    check("a.>", &["a.b", "a.b.c"], &["a", "b"]);
    check("*.b.>", &["a.b.c", "x.b.c.d"], &["a.b", "a.c.c"]);
    check(">", &["a", "a.b.c"], &[]);
    check("a*", &["a*"], &["ab"]);
}

#[test]
fn what_is_no_subject() {
    use SubjectError::*;
    for (text, expected) in [
        ("a.b", None),
        ("a.*.>", None),
        ("a>.b", None),
        ("", Some(Empty)),
        ("a..b", Some(EmptyToken)),
        (".a", Some(EmptyToken)),
        ("a.", Some(EmptyToken)),
        ("a b", Some(WhiteSpace)),
        ("a\r", Some(WhiteSpace)),
        (">.a", Some(TailNotLast)),
    ] {
        assert_eq!(problem(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn a_witness_is_what_a_person_would_name() {
    for (left, right, expected) in [
        ("runbook.*", "runbook.execute", Some("runbook.execute")),
        ("runbook.*", "runbook.status.*", None),
        ("a.>", "a.b.c", Some("a.b.c")),
        ("a.>", "*.b.*.d", Some("a.b.x.d")),
        ("a.>", ">", Some("a.x")),
        (">", ">", Some("x")),
        ("*.>", "a.>", Some("a.x")),
        ("a.*", "a.>", Some("a.x")),
        ("a", "a", Some("a")),
        ("a.>", "a", None),
    ] {
        assert_eq!(witness(left, right).as_deref(), expected, "{left} and {right}");
        assert_eq!(witness(right, left).as_deref(), expected, "{right} and {left}");
    }
}

/// Filters over a tiny alphabet, so that they meet often.
fn filter() -> impl Strategy<Value = String> {
    let token = prop_oneof![Just("a"), Just("b"), Just("*")];
    (proptest::collection::vec(token, 0..4), any::<bool>()).prop_filter_map(
        "empty",
        |(mut tokens, tail)| {
            if tail {
                tokens.push(">");
            }
            (!tokens.is_empty()).then(|| tokens.join("."))
        },
    )
}

/// Every subject of up to five tokens over the letters that filters use, and one that they don't.
fn universe() -> Vec<String> {
    let mut all: Vec<Vec<&str>> = vec![vec![]];
    let mut subjects = Vec::new();
    for _ in 0..5 {
        all = all
            .iter()
            .flat_map(|start| ["a", "b", "x"].map(|token| [start.as_slice(), &[token]].concat()))
            .collect();
        subjects.extend(all.iter().map(|tokens| tokens.join(".")));
    }
    subjects
}

proptest! {
    #[test]
    fn relations_agree_with_all_subjects(left in filter(), right in filter()) {
        let takes = |filter: &str, subject: &str| matches(filter.as_bytes(), subject.as_bytes());
        let subjects = universe();
        let both = subjects.iter().any(|s| takes(&left, s) && takes(&right, s));
        prop_assert_eq!(overlaps(left.as_bytes(), right.as_bytes()), both);
        let holds = subjects.iter().all(|s| !takes(&right, s) || takes(&left, s));
        prop_assert_eq!(contains(left.as_bytes(), right.as_bytes()), holds, "{} {}", left, right);
        match witness(&left, &right) {
            Some(common) => prop_assert!(takes(&left, &common) && takes(&right, &common), "{}", common),
            None => prop_assert!(!both),
        }
        let common = intersection(&left, &right);
        for subject in &subjects {
            let shared = takes(&left, subject) && takes(&right, subject);
            prop_assert_eq!(common.as_ref().is_some_and(|common| takes(common, subject)), shared);
        }
    }

    #[test]
    fn what_no_filter_takes_is_found(
        outer in filter(),
        filters in proptest::collection::vec(filter(), 0..4),
    ) {
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let takes = |filter: &str, subject: &str| matches(filter.as_bytes(), subject.as_bytes());
        let escapes = |subject: &String| {
            takes(&outer, subject) && !filters.iter().any(|filter| takes(filter, subject))
        };
        if let Some(subject) = uncovered(&outer, &filters) {
            prop_assert!(escapes(&subject), "{}", subject);
        } else {
            prop_assert_eq!(universe().into_iter().find(escapes), None);
        }
    }

    #[test]
    fn a_literal_is_what_is_valid_and_has_no_wildcard(subject in "[ab.*> \t]{0,7}") {
        let subject = subject.as_bytes();
        prop_assert_eq!(is_literal(subject), is_valid(subject) && !has_wildcard(subject));
    }

    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>, other: Vec<u8>) {
        is_literal(&bytes);
        matches(&bytes, &other);
        overlaps(&bytes, &other);
        contains(&bytes, &other);
    }
}
