//! Times and durations as the protocol writes them: nanoseconds since 1970, RFC 3339 text, Go's
//! duration text in messages for people.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A moment, in nanoseconds since 1970-01-01T00:00:00Z. Zero is written as Go's zero time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub i64);

/// Go's zero time: what clients send and read for "not set".
const GO_ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// The same in seconds since 1970. The text has other spellings: fractions, offsets.
const GO_ZERO_SECOND: i64 = -62_135_596_800;

/// A text is no RFC 3339 time, or one outside of the years 1678 to 2261.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no RFC 3339 time")]
pub struct TimeError(String);

impl UnixNanos {
    /// Parses RFC 3339.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError(text.to_owned());
        let time: Timestamp = text.parse().map_err(|_| error())?;
        if time.as_second() == GO_ZERO_SECOND && time.subsec_nanosecond() == 0 {
            return Ok(Self(0));
        }
        i64::try_from(time.as_nanosecond()).map(Self).map_err(|_| error())
    }
}

impl std::fmt::Display for UnixNanos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, Timestamp::from_nanosecond(i128::from(self.0))) {
            (0, _) | (_, Err(_)) => f.write_str(GO_ZERO_TIME),
            (_, Ok(time)) => time.fmt(f),
        }
    }
}

impl Serialize for UnixNanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time beyond what nanoseconds can say is the first or the last that they can: who pauses a
/// consumer until the year 9999 means for good.
impl<'de> Deserialize<'de> for UnixNanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).or_else(|error| match text.parse::<Timestamp>() {
            Ok(time) if time.as_second() < 0 => Ok(Self(i64::MIN)),
            Ok(_) => Ok(Self(i64::MAX)),
            Err(_) => Err(serde::de::Error::custom(error)),
        })
    }
}

/// Reads a time where Go's zero time means that none is set, for serde's `deserialize_with`.
///
/// Go leaves a zero time out of JSON only where a field is a pointer, so that tools send
/// `"pause_until":"0001-01-01T00:00:00Z"` with every consumer. Where nats-server takes the zero time
/// for a moment before every message (`start_time` of a get, a consumer's `opt_start_time`), this is
/// not used.
pub(crate) fn set<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<UnixNanos>, D::Error> {
    let time = Option::<UnixNanos>::deserialize(deserializer)?;
    Ok(time.filter(|time| *time != UnixNanos(0)))
}

/// A duration the way Go prints it (`1m30s`, `100ms`, `1.5s`), for texts that clients know.
pub fn go_duration(nanos: i64) -> String {
    let mut text = String::new();
    let magnitude = nanos.unsigned_abs();
    if nanos < 0 {
        text.push('-');
    }
    let (unit, name) = match magnitude {
        0 => return "0s".into(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (mut whole, part) = (magnitude / unit, magnitude % unit);
    if name == "s" {
        let (hours, minutes) = (whole / 3600, whole / 60 % 60);
        if hours > 0 {
            let _ = write!(text, "{hours}h");
        }
        if hours > 0 || minutes > 0 {
            let _ = write!(text, "{minutes}m");
        }
        whole %= 60;
    }
    let _ = write!(text, "{whole}");
    if part > 0 {
        let width = unit.ilog10() as usize;
        let digits = format!("{part:0width$}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push_str(name);
    text
}

/// Reads a duration as Go does (`1h30m`, `1.5s`, `100ms`), in nanoseconds.
pub fn parse_go_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, after) = rest.split_at_checked(number)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let nanos: i128 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && part.is_empty() || digits.len() > 20 {
            return None;
        }
        let whole: i128 = whole.parse().unwrap_or(0);
        total = total.checked_add(whole.checked_mul(nanos)?)?;
        if !part.is_empty() {
            let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
            total = total.checked_add(part.parse::<i128>().ok()?.checked_mul(nanos)? / scale)?;
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn go_durations() {
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (100_000_000, "100ms"),
            (1_000_000_000, "1s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000_000, "-1.5s"),
        ] {
            assert_eq!(go_duration(nanos), expected);
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        let time = UnixNanos::parse("2026-11-21T03:41:58.120000001+01:00").unwrap();
        assert_eq!(time.to_string(), "2026-11-21T02:41:58.120000001Z");
        assert_eq!(UnixNanos(0).to_string(), GO_ZERO_TIME);
        for zero in [GO_ZERO_TIME, "0001-01-01T00:00:00.000Z", "0001-01-01T01:00:00+01:00"] {
            assert_eq!(UnixNanos::parse(zero), Ok(UnixNanos(0)), "{zero}");
        }
        assert!(UnixNanos::parse("yesterday").is_err());
        assert!(UnixNanos::parse("9000-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn requests_may_hold_times_beyond_nanoseconds() {
        for (text, expected) in [
            ("9999-01-01T00:00:00Z", Some(i64::MAX)),
            ("2263-01-01T00:00:00Z", Some(i64::MAX)),
            ("1600-01-01T00:00:00Z", Some(i64::MIN)),
            ("1970-01-01T00:00:01Z", Some(1_000_000_000)),
            ("yesterday", None),
        ] {
            let read: Option<UnixNanos> = serde_json::from_value(text.into()).ok();
            assert_eq!(read.map(|time| time.0), expected, "{text}");
            if let Some(time) = read {
                assert_eq!(UnixNanos::parse(&time.to_string()), Ok(time));
            }
        }
    }

    proptest! {
        #[test]
        fn durations_survive_text(nanos: i64) {
            prop_assert_eq!(parse_go_duration(&go_duration(nanos)), Some(nanos));
        }

        #[test]
        fn any_text_is_read(text: String) {
            parse_go_duration(&text);
        }

        #[test]
        fn times_survive_text(nanos in 1..i64::MAX) {
            prop_assert_eq!(UnixNanos::parse(&UnixNanos(nanos).to_string()), Ok(UnixNanos(nanos)));
        }
    }
}
