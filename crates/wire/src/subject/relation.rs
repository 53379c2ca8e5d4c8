//! How two filters stand to each other: do they share a subject, which one, does one hold the other.

use std::collections::HashSet;

use super::{matches, tokens};

/// Whether some subject is taken by both filters. Both are valid.
pub fn overlaps(left: &[u8], right: &[u8]) -> bool {
    let mut left = tokens(left);
    let mut right = tokens(right);
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(b">"), Some(_)) | (Some(_), Some(b">")) => return true,
            (Some(b"*"), Some(_)) | (Some(_), Some(b"*")) => {}
            (Some(left), Some(right)) if left == right => {}
            _ => return false,
        }
    }
}

/// Whether every subject that `inner` takes is taken by `outer`. Both are valid.
pub fn contains(outer: &[u8], inner: &[u8]) -> bool {
    let mut outer = tokens(outer);
    let mut inner = tokens(inner);
    loop {
        match (outer.next(), inner.next()) {
            (None, None) => return true,
            (Some(b">"), Some(_)) => return true,
            (Some(b"*"), Some(token)) if token != b">" => {}
            (Some(outer), Some(inner)) if outer == inner => {}
            _ => return false,
        }
    }
}

/// The shortest subject that both filters take, with `x` where both leave a token open.
///
/// It shows a person why two filters collide: `runbook.*` and `runbook.execute` share
/// `runbook.execute`.
pub fn witness(left: &str, right: &str) -> Option<String> {
    if !overlaps(left.as_bytes(), right.as_bytes()) {
        return None;
    }
    let mut left = left.split('.').peekable();
    let mut right = right.split('.').peekable();
    let mut common = Vec::new();
    loop {
        let open = |token: &str| matches!(token, "*" | ">");
        match (left.peek().copied(), right.peek().copied()) {
            (None, _) | (_, None) => break,
            (Some(a), Some(b)) => common.push(if !open(a) {
                a
            } else if !open(b) {
                b
            } else {
                "x"
            }),
        }
        // A tail stays until the other side is used up.
        let (left_tail, right_tail) = (left.peek() == Some(&">"), right.peek() == Some(&">"));
        if !left_tail || right_tail {
            left.next();
        }
        if !right_tail || left_tail {
            right.next();
        }
        if (left_tail && right.peek().is_none()) || (right_tail && left.peek().is_none()) {
            break;
        }
    }
    Some(common.join("."))
}

/// The subjects that both filters take, as one filter. `None` if there are none. Both are valid.
pub fn intersection(left: &str, right: &str) -> Option<String> {
    if !overlaps(left.as_bytes(), right.as_bytes()) {
        return None;
    }
    let mut common = Vec::new();
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        match (left.next(), right.next()) {
            (Some(">"), Some(token)) => {
                common.push(token);
                common.extend(right);
                break;
            }
            (Some(token), Some(">")) => {
                common.push(token);
                common.extend(left);
                break;
            }
            (Some("*"), Some(token)) | (Some(token), Some(_)) => common.push(token),
            (None, _) | (_, None) => break,
        }
    }
    Some(common.join("."))
}

/// The shortest subject that `outer` takes and none of `filters` does. All are valid.
///
/// A token that no filter names is in the fewest of them, so one walk with such tokens decides: what
/// that subject does not escape, no subject escapes.
pub fn uncovered(outer: &str, filters: &[&str]) -> Option<String> {
    let used: HashSet<&str> = filters.iter().flat_map(|filter| filter.split('.')).collect();
    let strangers = std::iter::once("x".to_owned()).chain((1..).map(|n: u32| format!("x{n}")));
    let stranger = strangers.into_iter().find(|token| !used.contains(token.as_str()))?;
    let escapes = |subject: &str| {
        let taken = |filter: &&str| matches(filter.as_bytes(), subject.as_bytes());
        !filters.iter().any(taken)
    };
    let open = |token: &str| matches!(token, "*" | ">");
    let fill = |token| if open(token) { stranger.as_str() } else { token };
    let mut subject = outer.split('.').map(fill).collect::<Vec<_>>().join(".");
    let longest = filters.iter().map(|filter| filter.split('.').count()).max().unwrap_or(0);
    let tail = outer == ">" || outer.ends_with(".>");
    loop {
        if escapes(&subject) {
            return Some(subject);
        }
        // Beyond the longest filter nothing new happens.
        if !tail || subject.split('.').count() > longest {
            return None;
        }
        subject.push('.');
        subject.push_str(&stranger);
    }
}
