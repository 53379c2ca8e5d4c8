//! Patterns of the shell, `*`, `?` and `[…]`, against texts.

/// Bytes of a pattern, and of a text for one.
const PATTERN_MAX: usize = 4096;

/// Whether a pattern takes a whole text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    // What is longer than anybody's pattern is taken as a text.
    if pattern.len() > PATTERN_MAX || text.len() > PATTERN_MAX {
        return pattern == text;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from) = (0, 0);
    // Where the last star was, and where what it takes ends.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match step(&pattern, at, text.get(from).copied()) {
            Some(Step::Star) => {
                star = Some((at + 1, from));
                at += 1;
            }
            Some(Step::One(width)) => {
                at += width;
                from += 1;
            }
            None => {
                let Some((behind, taken)) = star else { return false };
                star = Some((behind, taken + 1));
                at = behind;
                from = taken + 1;
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|c| *c == '*')
}

enum Step {
    Star,
    One(usize),
}

/// What the pattern at `at` makes of a character.
fn step(pattern: &[char], at: usize, c: Option<char>) -> Option<Step> {
    let one = |takes: bool, width| takes.then_some(Step::One(width));
    match pattern.get(at)? {
        '*' => Some(Step::Star),
        '?' => Some(Step::One(1)),
        '\\' => one(pattern.get(at + 1).copied() == c, 2),
        '[' => {
            let close = pattern.iter().skip(at + 2).position(|c| *c == ']').map(|to| at + 2 + to);
            let Some(close) = close else { return one(Some('[') == c, 1) };
            let inner = pattern.get(at + 1..close)?;
            let (not, inner) = match inner.split_first() {
                Some(('!' | '^', rest)) => (true, rest),
                _ => (false, inner),
            };
            let c = c?;
            let mut found = false;
            let mut index = 0;
            while let Some(low) = inner.get(index) {
                if let (Some('-'), Some(high)) = (inner.get(index + 1), inner.get(index + 2)) {
                    found |= (*low..=*high).contains(&c);
                    index += 3;
                } else {
                    found |= *low == c;
                    index += 1;
                }
            }
            one(found != not, close - at + 1)
        }
        plain => one(Some(*plain) == c, 1),
    }
}

/// Characters of a text that its pieces are tried for, at most.
const TRIED_MAX: usize = 4096;

/// A text without what the pattern takes at its front or end.
pub(super) fn trim<'t>(pattern: &str, text: &'t str, front: bool, longest: bool) -> &'t str {
    let ends: Vec<usize> =
        text.char_indices().map(|(at, _)| at).chain([text.len()]).take(TRIED_MAX).collect();
    let piece = |at: usize| if front { text.get(..at) } else { text.get(at..) };
    let found = |at: &&usize| piece(**at).is_some_and(|piece| matches(pattern, piece));
    // Short pieces first at the front, long ones first at the end.
    let at = if front == longest { ends.iter().rev().find(found) } else { ends.iter().find(found) };
    match at {
        Some(at) if front => text.get(*at..).unwrap_or_default(),
        Some(at) => text.get(..*at).unwrap_or_default(),
        None => text,
    }
}

/// A text with what a pattern takes replaced: the first, or each.
pub(super) fn replace(pattern: &str, text: &str, with: &str, all: bool) -> String {
    if !pattern.contains(['*', '?', '[', '\\']) {
        return match (pattern.is_empty(), all) {
            (true, _) => text.to_owned(),
            (_, true) => text.replace(pattern, with),
            (_, false) => text.replacen(pattern, with, 1),
        };
    }
    let mut out = String::new();
    let mut rest = text;
    let mut tried = 0;
    while !rest.is_empty() {
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let ends: Vec<usize> = ends.take(256).collect();
        tried += ends.len();
        let end = ends.iter().rev().find(|end| {
            tried < TRIED_MAX * 4 && rest.get(..**end).is_some_and(|one| matches(pattern, one))
        });
        if let Some(end) = end {
            out.push_str(with);
            rest = rest.get(*end..).unwrap_or_default();
            if !all {
                break;
            }
        } else {
            let width = rest.chars().next().map_or(1, char::len_utf8);
            let (one, behind) = rest.split_at(width);
            out.push_str(one);
            rest = behind;
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_the_shells() {
        for (pattern, text, expected) in [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a]x", "ax", false),
            ("*:*", "a:b:c", true),
            ("", "a", false),
            ("a\\*", "a*", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert_eq!(trim(":*", "a:b:c", false, true), "a");
        assert_eq!(trim(":*", "a:b:c", false, false), "a:b");
        assert_eq!(trim("*:", "a:b:c", true, true), "c");
        assert_eq!(trim("*:", "a:b:c", true, false), "b:c");
        assert_eq!(replace("a", "banana", "o", true), "bonono");
        assert_eq!(replace("[an]", "banana", "x", false), "bxnana");
    }
}
