//! Two filters and a subject: the relations agree with each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_wire::subject::{contains, is_literal, is_valid, matches, overlaps, witness};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let (Some(left), Some(right), Some(subject)) = (parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    if !is_valid(left) || !is_valid(right) {
        return;
    }
    assert_eq!(overlaps(left, right), overlaps(right, left));
    assert!(!contains(left, right) || overlaps(left, right));
    if is_literal(subject) && matches(left, subject) && matches(right, subject) {
        assert!(overlaps(left, right));
    }
    if let (Ok(left), Ok(right)) = (std::str::from_utf8(left), std::str::from_utf8(right)) {
        match witness(left, right) {
            Some(common) => {
                assert!(matches(left.as_bytes(), common.as_bytes()));
                assert!(matches(right.as_bytes(), common.as_bytes()));
            }
            None => assert!(!overlaps(left.as_bytes(), right.as_bytes())),
        }
    }
});
