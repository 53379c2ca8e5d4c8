//! `[ … ]`, `[[ … ]]` and `(( … ))`.

use std::rc::Rc;

use super::pattern;
use super::state::Shell;
use super::syntax::{Unit, Word as Written};
use crate::word::Word;

impl Shell<'_> {
    /// `[[ … ]]`.
    pub(super) fn test(&mut self, unit: &Rc<Unit>, written: &[Written]) -> Option<bool> {
        let words: Vec<Word> = written.iter().map(|word| self.whole(unit, word)).collect();
        judge(&words, true)
    }

    /// `(( … ))`, and the parts of a counting loop.
    pub(super) fn arithmetic(&mut self, unit: &Rc<Unit>, written: &Written) -> Option<bool> {
        let sum = self.text(unit, &written.parts);
        let text = sum.text.trim();
        let number = |shell: &Self, text: &str| {
            shell.sum(&super::state::Output { text: text.to_owned(), unknown: sum.unknown.clone() })
        };
        let step = [("++", 1), ("--", -1)].iter().find_map(|(sign, by)| {
            Some((text.strip_suffix(sign).or(text.strip_prefix(sign))?, *by))
        });
        let set = if let Some((name, by)) = step {
            Some((name, number(self, name).and_then(|number| number.checked_add(by))))
        } else if let Some((name, value)) = text.split_once("+=") {
            let value = number(self, name).zip(number(self, value));
            Some((name, value.and_then(|(one, other)| one.checked_add(other))))
        } else {
            let assigns = text.split_once('=').filter(|(name, value)| {
                !value.starts_with('=') && !name.ends_with(['=', '!', '<', '>'])
            });
            assigns.map(|(name, value)| (name, number(self, value)))
        };
        let Some((name, value)) = set else {
            return if text.is_empty() {
                Some(true)
            } else {
                number(self, text).map(|one| one != 0)
            };
        };
        let span = unit.place(written.start, written.end);
        let name = name.trim().to_owned();
        let word = match value {
            Some(value) => Word::known(value.to_string(), span),
            None => Word { unknown: Some(super::state::unknown(&name)), span, ..Word::default() },
        };
        self.set(&name, super::state::Held::One(word));
        value.map(|value| value != 0)
    }
}

/// What a test says. `patterns` is whether the right side of `==` is one.
pub(super) fn judge(words: &[Word], patterns: bool) -> Option<bool> {
    if words.iter().any(|word| word.many) {
        return None;
    }
    // Weakest first; what is left of an operator is decided before it.
    for (signs, any) in [(["||", "-o"], true), (["&&", "-a"], false)] {
        let at = words.iter().rposition(|word| signs.contains(&word.text.as_str()));
        if let Some(at) = at.filter(|at| *at > 0 && at + 1 < words.len()) {
            let (left, right) = words.split_at(at);
            let (left, right) = (judge(left, patterns), judge(right.get(1..)?, patterns));
            return match (left, right) {
                (Some(one), _) | (_, Some(one)) if one == any => Some(any),
                (Some(_), Some(_)) => Some(!any),
                _ => None,
            };
        }
    }
    match words {
        [not, rest @ ..] if not.text == "!" && not.unknown.is_none() && !rest.is_empty() => {
            judge(rest, patterns).map(|one| !one)
        }
        [word] => word.get().map(|text| !text.is_empty()),
        [sign, word] => match sign.text.as_str() {
            "-z" => word.get().map(str::is_empty),
            "-n" => word.get().map(|text| !text.is_empty()),
            _ => None,
        },
        [left, sign, right] => two(left.get()?, &sign.text, right.get()?, patterns),
        _ => None,
    }
}

fn two(left: &str, sign: &str, right: &str, patterns: bool) -> Option<bool> {
    let numbers = || Some((left.trim().parse::<i64>().ok()?, right.trim().parse::<i64>().ok()?));
    let same = if patterns { pattern::matches(right, left) } else { left == right };
    Some(match sign {
        "=" | "==" => same,
        "!=" => !same,
        "-eq" => numbers().map(|(one, other)| one == other)?,
        "-ne" => numbers().map(|(one, other)| one != other)?,
        "-lt" => numbers().map(|(one, other)| one < other)?,
        "-le" => numbers().map(|(one, other)| one <= other)?,
        "-gt" => numbers().map(|(one, other)| one > other)?,
        "-ge" => numbers().map(|(one, other)| one >= other)?,
        _ => return None,
    })
}
