//! Durations, sizes and lists as the tool reads them.

const HOUR: i64 = 3_600_000_000_000;

/// `1y6M`, `30D`, `1h30m`: nanoseconds. A number without a unit is none, but for 0.
pub(super) fn duration(text: &str) -> Option<i64> {
    let text = text.trim();
    if text == "0" {
        return Some(0);
    }
    let mut total = 0_i64;
    let mut found = false;
    let mut negative = false;
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit() || c == '.') {
        let sign = rest.get(..at).unwrap_or_default().ends_with('-');
        let number = rest.get(at..)?;
        let length =
            number.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(number.len());
        let (digits, behind) = number.split_at(length);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        rest = behind;
        if unit.is_empty() {
            continue;
        }
        negative |= !found && sign;
        found = true;
        total = total.checked_add(one(digits, unit)?)?;
    }
    found.then_some(if negative { -total } else { total })
}

fn one(digits: &str, unit: &str) -> Option<i64> {
    let number: f64 = digits.parse().ok()?;
    let hours = match unit {
        "w" | "W" => number * 7.0 * 24.0,
        "d" | "D" => number * 24.0,
        "M" => number * 24.0 * 30.0,
        "y" | "Y" => number * 24.0 * 365.0,
        _ => {
            let nanos: i64 = match unit {
                "h" => HOUR,
                "m" => HOUR / 60,
                "s" => 1_000_000_000,
                "ms" => 1_000_000,
                "us" => 1_000,
                "ns" => 1,
                _ => return None,
            };
            return match digits.parse::<i64>() {
                Ok(whole) => whole.checked_mul(nanos),
                Err(_) => format!("{:.0}", number * nanos as f64).parse().ok(),
            };
        }
    };
    // Parts of an hour are dropped.
    let hours: i64 = format!("{:.0}", hours.trunc()).parse().ok()?;
    hours.checked_mul(HOUR)
}

/// `10G`, `1MiB`: every way to write giga is 2^30. What is below 0 is -1.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('-') {
        return Some(-1);
    }
    let letters = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: i64 = text.get(..text.len() - letters.len())?.parse().ok()?;
    let power = match letters.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return None,
    };
    number.checked_mul(1_i64 << power)
}

/// A list of subjects: commas and white space separate them.
pub(super) fn subjects(text: &str) -> Vec<&str> {
    if !text.contains(|c: char| c == ',' || c.is_whitespace()) {
        return vec![text];
    }
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|one| !one.is_empty()).collect()
}

/// The waits of `--backoff linear`, in nanoseconds.
pub(super) fn linear(steps: i64, low: i64, high: i64) -> Option<Vec<i64>> {
    let (low, high) = (low.min(high), low.max(high));
    if !(1..=1000).contains(&steps) || low <= 0 {
        return None;
    }
    let step = (high - low) / steps;
    if high != low && step == 0 {
        return None;
    }
    let rounded = |nanos: i64| (nanos + 500_000) / 1_000_000 * 1_000_000;
    Some((0..steps).map(|number| low + rounded(number * step)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_tools() {
        for (text, expected) in [
            ("1y6M", Some(13_080 * HOUR)),
            ("1M", Some(720 * HOUR)),
            ("30D", Some(720 * HOUR)),
            ("1.5d", Some(36 * HOUR)),
            ("1h30m", Some(HOUR * 3 / 2)),
            ("1.5h", Some(HOUR * 3 / 2)),
            ("0", Some(0)),
            ("90", None),
            ("5x", None),
            ("7 days", None),
            ("-1", None),
            ("-1h", Some(-HOUR)),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
        for (text, expected) in [
            ("10G", Some(10 << 30)),
            ("1KiB", Some(1024)),
            ("-1", Some(-1)),
            ("1.5GB", None),
            ("1X", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
        assert_eq!(subjects("a b,c"), ["a", "b", "c"]);
        let second = 1_000_000_000;
        assert_eq!(
            linear(3, 10 * second, 100 * second).unwrap(),
            [10, 40, 70].map(|one| one * second)
        );
        assert_eq!(linear(10, 60 * second, 1200 * second).unwrap()[9], 1086 * second);
    }
}
