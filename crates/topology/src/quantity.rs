//! Durations and sizes as people write them, with units that mean one thing.

use std::fmt::{Display, Write as _};

use thiserror::Error;

/// Why a text is no duration or no size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// A number alone, or a unit that tools read differently.
    #[error("{message}")]
    Ambiguous {
        /// What each tool would have taken it for.
        message: String,
        /// What to write instead.
        fix: String,
    },
    /// Not a quantity at all.
    #[error("`{0}` is not a valid {1}")]
    Malformed(String, &'static str),
    /// Beyond what the API can hold.
    #[error("`{0}` is more than the API can hold")]
    TooLarge(String),
}

const SECOND: i128 = 1_000_000_000;

/// Units of time in nanoseconds, longest first.
const DURATIONS: &[(&str, i128)] = &[
    ("y", 365 * 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Units of size in bytes, largest first; those of people before those of disk makers.
const SIZES: &[(&str, i128)] = &[
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Nanoseconds of a duration such as `7d`, `1h30m` or `250ms`. A year has 365 days.
pub fn duration(text: &str) -> Result<i64, QuantityError> {
    let plain = text.replace('_', "");
    if let Ok(number) = plain.parse::<i128>() {
        return Err(duration_without_unit(text, number));
    }
    sum(text, &plain, DURATIONS, "duration (write it as in `7d`, `1h30m`, `250ms`)")
}

/// Bytes of a size such as `100MiB` (2^20) or `100MB` (10^6).
pub fn size(text: &str) -> Result<i64, QuantityError> {
    let plain = text.replace('_', "");
    if let Ok(number) = plain.parse::<i128>() {
        return Err(QuantityError::Ambiguous {
            message: format!("missing unit in `{text}`"),
            fix: format!("write `{}`", show_size(i64::try_from(number).unwrap_or_default())),
        });
    }
    let bare = plain.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T']);
    let letter = plain.get(bare.len()..).unwrap_or_default();
    if letter.len() == 1 && bare.parse::<f64>().is_ok() {
        let upper = letter.to_uppercase();
        return Err(QuantityError::Ambiguous {
            message: format!(
                "`{text}` is {bare}·{} for the nats command line and {bare}·{} for nats.conf",
                power(&upper, "1024"),
                power(&upper, "1000"),
            ),
            fix: format!("write `{bare}{upper}iB` or `{bare}{upper}B`"),
        });
    }
    sum(text, &plain, SIZES, "size (write it as in `100MiB`, `20GB`, `512B`)")
}

/// A whole number, which may have underscores.
pub fn count(text: &str) -> Option<i64> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let shaped = plain.starts_with(|c: char| c.is_ascii_digit()) && !plain.ends_with('_');
    if !shaped {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// A duration in the longest units that say it exactly.
pub fn show_duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    let mut rest = i128::from(nanos).abs();
    let mut text = String::from(if nanos < 0 { "-" } else { "" });
    for (unit, length) in DURATIONS.iter().filter(|(unit, _)| !matches!(*unit, "y" | "w" | "us")) {
        if rest >= *length {
            let _ = write!(text, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    text
}

/// A duration without its fraction of a second.
pub fn show_seconds(nanos: i64) -> String {
    show_duration(nanos - nanos % 1_000_000_000)
}

/// `1 stream`, `2 streams`; `2 topologies`.
pub fn show_count(number: impl Display, noun: &str) -> String {
    match (number.to_string().as_str(), noun.strip_suffix('y')) {
        ("1", _) => format!("1 {noun}"),
        (number, Some(stem)) => format!("{number} {stem}ies"),
        (number, None) => format!("{number} {noun}s"),
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn show_messages(number: u64) -> String {
    show_count(number, "message")
}

/// A size in the largest unit that says it exactly.
pub fn show_size(bytes: i64) -> String {
    // The largest unit says it with the smallest number; equal ones do not happen.
    let exact = |(_, length): &&(&str, i128)| i128::from(bytes) % length == 0;
    let best = SIZES.iter().filter(exact).max_by_key(|(_, length)| *length);
    let (unit, length) = best.unwrap_or(&("B", 1));
    match bytes {
        0 => "0B".into(),
        _ => format!("{}{unit}", i128::from(bytes) / length),
    }
}

fn power(letter: &str, base: &str) -> String {
    let exponent = match letter {
        "K" => "",
        "M" => "²",
        "G" => "³",
        _ => "⁴",
    };
    format!("{base}{exponent}")
}

fn duration_without_unit(text: &str, number: i128) -> QuantityError {
    let clamp = |nanos: i128| i64::try_from(nanos).ok();
    let seconds = clamp(number.saturating_mul(SECOND));
    let nanos = clamp(number);
    let show = |value: Option<i64>| value.map_or("too much".into(), show_duration);
    // What is a sensible time in nanoseconds was meant as nanoseconds.
    let meant = match (seconds, nanos) {
        (_, Some(nanos)) if nanos >= 100_000_000 => nanos,
        (Some(seconds), _) => seconds,
        _ => 0,
    };
    QuantityError::Ambiguous {
        message: format!(
            "missing unit in `{text}`: the API would take it for nanoseconds ({}), nats-py for seconds ({})",
            show(nanos),
            show(seconds)
        ),
        fix: format!("write `{}`", show_duration(meant)),
    }
}

/// Adds up pairs of number and unit.
fn sum(
    text: &str,
    plain: &str,
    units: &[(&str, i128)],
    what: &'static str,
) -> Result<i64, QuantityError> {
    let malformed = || QuantityError::Malformed(text.to_owned(), what);
    let too_large = || QuantityError::TooLarge(text.to_owned());
    let mut rest = plain;
    let mut total = 0_i128;
    if rest.is_empty() {
        return Err(malformed());
    }
    while !rest.is_empty() {
        let split = |rest: &str| rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let end = split(rest).ok_or_else(malformed)?;
        let (number, after) = rest.split_at_checked(end).ok_or_else(malformed)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end).ok_or_else(malformed)?;
        let (_, length) =
            units.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(malformed)?;
        total = part(number, *length)
            .ok_or_else(malformed)?
            .checked_add(total)
            .ok_or_else(too_large)?;
        rest = after.trim_start();
    }
    i64::try_from(total).map_err(|_| too_large())
}

/// A decimal number times `length`, cut to whole units.
fn part(number: &str, length: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 20 || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<i128>().ok()? };
    Some(whole.parse::<i128>().ok()? * length + fraction * length / scale) // below 2^127
}

/// A size, rounded up to what people read.
pub(crate) fn about(bytes: u64) -> String {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let unit = [1 << 30, 1 << 20, 1 << 10].into_iter().find(|unit| bytes >= 10 * unit).unwrap_or(1);
    show_size(bytes.saturating_add(unit - 1) / unit * unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines of `text => nanoseconds or what is wrong`.
    #[track_caller]
    fn check(read: impl Fn(&str) -> Result<i64, QuantityError>, lines: &str) {
        for line in lines.trim().lines() {
            let (text, expected) = line.trim().split_once(" => ").unwrap();
            let answer = match read(text) {
                Ok(number) => number.to_string(),
                Err(QuantityError::Ambiguous { message, fix }) => format!("{message}; {fix}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(answer, expected, "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        check(
            duration,
            "7d => 604800000000000
             1h30m => 5400000000000
             1.5h => 5400000000000
             250ms => 250000000
             604800 => missing unit in `604800`: the API would take it for nanoseconds (604µs800ns), nats-py for seconds (7d); write `7d`
             604800000000000 => missing unit in `604800000000000`: the API would take it for nanoseconds (7d), nats-py for seconds (too much); write `7d`
             7days => `7days` is not a valid duration (write it as in `7d`, `1h30m`, `250ms`)
             1000000y => `1000000y` is more than the API can hold
             -5s => `-5s` is not a valid duration (write it as in `7d`, `1h30m`, `250ms`)",
        );
    }

    #[test]
    fn sizes_have_units() {
        check(
            size,
            "100MiB => 104857600
             100MB => 100000000
             1.5GiB => 1610612736
             10G => `10G` is 10·1024³ for the nats command line and 10·1000³ for nats.conf; write `10GiB` or `10GB`
             104857600 => missing unit in `104857600`; write `100MiB`
             lots => `lots` is not a valid size (write it as in `100MiB`, `20GB`, `512B`)",
        );
    }

    #[test]
    fn sizes_are_shown_as_people_wrote_them() {
        for text in ["10GB", "366GiB", "100MiB", "1400MiB", "1GB", "512B", "3MB"] {
            assert_eq!(show_size(size(text).unwrap()), text);
        }
    }

    #[test]
    fn numbers_may_have_underscores() {
        assert_eq!(count("1_000_000"), Some(1_000_000));
        assert_eq!((count("-1"), count("1M"), count("_"), count("")), (Some(-1), None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_the_same(nanos in 1..i64::MAX) {
            prop_assert_eq!(duration(&show_duration(nanos)), Ok(nanos));
            prop_assert_eq!(size(&show_size(nanos)), Ok(nanos));
        }

        #[test]
        fn any_text_is_looked_at(text: String) {
            let _ = (duration(&text), size(&text), count(&text));
        }
    }
}
