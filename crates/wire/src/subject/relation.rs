//! How two filters stand to each other: do they share a subject, which one, does one hold the other.

use super::tokens;

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
