//! Sums of the shell: `$((…))`, whole numbers.

/// Operators inside operators.
const DEPTH_MAX: usize = 64;

/// The value of an expression whose variables were put in; a name that is left counts as `lookup`
/// says.
pub(super) fn evaluate(text: &str, lookup: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
    let mut sum = Sum { rest: text, lookup, depth: 0 };
    let value = sum.level(0)?;
    sum.rest.trim().is_empty().then_some(value)
}

struct Sum<'t> {
    rest: &'t str,
    lookup: &'t dyn Fn(&str) -> Option<i64>,
    depth: usize,
}

/// Operators with two sides, weakest first. Longer ones stand before those they begin with.
const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
    &["**"],
];

impl Sum<'_> {
    fn level(&mut self, level: usize) -> Option<i64> {
        let Some(operators) = LEVELS.get(level) else { return self.atom() };
        let mut left = self.level(level + 1)?;
        loop {
            self.rest = self.rest.trim_start();
            let found = operators.iter().find(|sign| {
                self.rest.starts_with(**sign) && !(**sign == "*" && self.rest.starts_with("**"))
            });
            let Some(sign) = found else { return Some(left) };
            self.rest = self.rest.get(sign.len()..)?;
            let right = self.level(level + 1)?;
            left = match *sign {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                "==" => i64::from(left == right),
                "!=" => i64::from(left != right),
                "<=" => i64::from(left <= right),
                ">=" => i64::from(left >= right),
                "<" => i64::from(left < right),
                ">" => i64::from(left > right),
                "+" => left.checked_add(right)?,
                "-" => left.checked_sub(right)?,
                "**" => left.checked_pow(u32::try_from(right).ok()?)?,
                "*" => left.checked_mul(right)?,
                "/" => left.checked_div(right)?,
                _ => left.checked_rem(right)?,
            };
        }
    }

    fn atom(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        self.rest = self.rest.trim_start();
        let value = if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            let value = self.level(0)?;
            self.rest = self.rest.trim_start().strip_prefix(')')?;
            value
        } else if let Some(rest) = self.rest.strip_prefix('-') {
            self.rest = rest;
            self.atom()?.checked_neg()?
        } else if let Some(rest) = self.rest.strip_prefix('!') {
            self.rest = rest;
            i64::from(self.atom()? == 0)
        } else {
            let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let length = self.rest.find(word).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(length);
            self.rest = rest;
            match text.parse() {
                Ok(number) => number,
                Err(_) if text.is_empty() => return None,
                Err(_) => (self.lookup)(text)?,
            }
        };
        self.depth -= 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_shells() {
        let lookup = |name: &str| (name == "x").then_some(7);
        for (text, expected) in [
            ("1 + 2 * 3", Some(7)),
            ("(1+2)*3", Some(9)),
            ("x * 24 - 1", Some(167)),
            ("10 / 0", None),
            ("-3 + y", None),
            ("2 ** 10", Some(1024)),
            ("1 < 2 && 3 == 3", Some(1)),
            ("9223372036854775807 + 1", None),
        ] {
            assert_eq!(evaluate(text, &lookup), expected, "{text}");
        }
        assert_eq!(evaluate(&"(".repeat(10_000), &lookup), None);
        assert_eq!(evaluate(&"-".repeat(10_000), &lookup), None);
    }
}
