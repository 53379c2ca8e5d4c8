//! Schedules (ADR-51): messages that say when another one is to be stored, once or again and again. What is
//! valid is what nats-server 2.14.6 takes, seen by asking it.

mod cron;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use self::cron::Cron;
use super::error::{ApiError, table};
use super::publish::{
    EXPECTATION, MSG_ID, ROLLUP, SCHEDULE, SCHEDULE_NEXT, SCHEDULE_PREFIX, SCHEDULE_ROLLUP,
    SCHEDULE_SOURCE, SCHEDULE_TARGET, SCHEDULE_TIME_ZONE, SCHEDULE_TTL, SCHEDULER, TTL, TimeToLive,
};
use super::stream::StreamConfig;
use crate::header::{HeaderBlock, HeaderWriter};
use crate::subject::{is_literal, matches};
use crate::time::{UnixNanos, parse_go_duration};

/// What a message that was made says of a schedule that is done.
pub const PURGE: &str = "purge";

const SECOND: i64 = 1_000_000_000;

/// When messages are to be stored.
#[derive(Debug, Clone, PartialEq)]
enum When {
    At(UnixNanos),
    /// Nanoseconds, at least a second of them.
    Every(i64),
    Cron(Box<Cron>, TimeZone),
}

/// What a message asks for that is a schedule.
#[derive(Debug, Clone)]
pub struct Schedule<'a> {
    when: When,
    target: &'a [u8],
    source: Option<&'a [u8]>,
    ttl: Option<&'a [u8]>,
    rolls_up: bool,
}

fn invalid_pattern() -> ApiError {
    table::MESSAGE_SCHEDULES_PATTERN_INVALID.into()
}

impl When {
    fn parse(value: &[u8], zone: Option<&[u8]>) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(value).map_err(|_| invalid_pattern())?;
        let alone = |when: Option<Self>| {
            // Clocks say nothing of a time that is written out, and of the time that has passed.
            when.filter(|_| zone.is_none()).ok_or_else(invalid_pattern)
        };
        if let Some(time) = text.strip_prefix("@at ") {
            return alone(moment(time).map(Self::At));
        }
        if let Some(interval) = text.strip_prefix("@every ") {
            let interval = parse_go_duration(interval).filter(|nanos| *nanos >= SECOND);
            return alone(interval.map(Self::Every));
        }
        let cron = Cron::parse(text).ok_or_else(invalid_pattern)?;
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => named(name).ok_or(table::MESSAGE_SCHEDULES_TIME_ZONE_INVALID)?,
        };
        Ok(Self::Cron(Box::new(cron), zone))
    }

    fn after(&self, time: UnixNanos) -> Option<UnixNanos> {
        match self {
            Self::At(_) => None,
            Self::Every(interval) => Some(UnixNanos(rounded(time.0).saturating_add(*interval))),
            Self::Cron(cron, zone) => {
                let after = Timestamp::from_nanosecond(time.0.into()).ok()?;
                let next = cron.next(after, zone)?.as_nanosecond();
                i64::try_from(next).ok().map(UnixNanos)
            }
        }
    }
}

/// A moment in RFC 3339; one beyond what nanoseconds can say is the last that they can.
fn moment(text: &str) -> Option<UnixNanos> {
    let plain = |byte: u8| byte.is_ascii_digit() || b"TZ:.+-".contains(&byte);
    if !text.bytes().all(plain) {
        return None;
    }
    // `Timestamp` ends hours before the year 9999 does, which nanoseconds cannot say anyway.
    let before = |rest| format!("9998{rest}").parse().ok();
    let time: Timestamp =
        text.parse().ok().or_else(|| text.strip_prefix("9999").and_then(before))?;
    let last = if time.as_second() < 0 { i64::MIN } else { i64::MAX };
    Some(UnixNanos(i64::try_from(time.as_nanosecond()).unwrap_or(last)))
}

/// The whole second that is next to a time.
fn rounded(nanos: i64) -> i64 {
    nanos.saturating_add(SECOND / 2).div_euclid(SECOND).saturating_mul(SECOND)
}

/// A time zone, by exactly that name.
fn named(name: &[u8]) -> Option<TimeZone> {
    let name = std::str::from_utf8(name).ok()?;
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

impl<'a> Schedule<'a> {
    /// Reads the header block of a message; `None` if it is not a schedule.
    pub fn read(block: HeaderBlock<'a>) -> Result<Option<Self>, ApiError> {
        let field = |name: &str| block.value(name).filter(|value| !value.is_empty());
        // A zone is looked at before it is asked what for.
        let zone = block.value(SCHEDULE_TIME_ZONE);
        if zone.is_some_and(|name| named(name).is_none()) {
            return Err(table::MESSAGE_SCHEDULES_TIME_ZONE_INVALID.into());
        }
        let Some(pattern) = field(SCHEDULE) else { return Ok(None) };
        let when = When::parse(pattern, zone)?;
        let target = field(SCHEDULE_TARGET).filter(|target| is_literal(target));
        let target = target.ok_or(table::MESSAGE_SCHEDULES_TARGET_INVALID)?;
        let source = field(SCHEDULE_SOURCE);
        if source.is_some_and(|source| !is_literal(source) || source == target) {
            return Err(table::MESSAGE_SCHEDULES_SOURCE_INVALID.into());
        }
        let ttl = field(SCHEDULE_TTL);
        if ttl.is_some_and(|ttl| TimeToLive::parse(ttl).is_none()) {
            return Err(table::MESSAGE_SCHEDULES_TTL_INVALID.into());
        }
        let rollup = field(SCHEDULE_ROLLUP);
        let replaces = field(ROLLUP);
        let wrong = |own: Option<&[u8]>, insensitive: bool| {
            own.is_some_and(|own| {
                own != b"sub" && !(insensitive && own.eq_ignore_ascii_case(b"sub"))
            })
        };
        if wrong(rollup, false) || wrong(replaces, true) {
            return Err(table::MESSAGE_SCHEDULES_ROLLUP_INVALID.into());
        }
        Ok(Some(Self { when, target, source, ttl, rolls_up: rollup.is_some() }))
    }

    /// Why a stream cannot take it under `subject` at the time `now`.
    pub fn refused(
        &self,
        subject: &[u8],
        config: &StreamConfig,
        now: UnixNanos,
    ) -> Option<ApiError> {
        if self.first(now).is_none() {
            return Some(invalid_pattern());
        }
        let inside = |name: &[u8]| {
            name != subject && config.subjects.iter().any(|own| matches(own.as_bytes(), name))
        };
        if !inside(self.target) {
            return Some(table::MESSAGE_SCHEDULES_TARGET_INVALID.into());
        }
        let outside = self.source.is_some_and(|source| !inside(source));
        if outside {
            return Some(table::MESSAGE_SCHEDULES_SOURCE_INVALID.into());
        }
        let ttl = self.ttl.is_some() && !config.allow_msg_ttl;
        ttl.then(|| table::MESSAGE_TTL_DISABLED.into())
    }

    /// When it makes its first message, if it was stored at that time.
    pub fn first(&self, stored: UnixNanos) -> Option<UnixNanos> {
        match self.when {
            When::At(time) => Some(time),
            _ => self.when.after(stored),
        }
    }

    /// Subject of what it makes.
    pub fn target(&self) -> &'a [u8] {
        self.target
    }

    /// Subject whose last message it makes another one of, in place of its own content.
    pub fn source(&self) -> Option<&'a [u8]> {
        self.source
    }

    /// The header block of what it makes at the time `now` out of a message with the header block
    /// `original`. `subject` is the schedule's own.
    pub fn header(&self, original: HeaderBlock<'_>, subject: &[u8], now: UnixNanos) -> Vec<u8> {
        let mut header = HeaderWriter::new();
        let own = |name: &[u8]| {
            [SCHEDULE_PREFIX, EXPECTATION].iter().any(|prefix| name.starts_with(prefix.as_bytes()))
                || [MSG_ID, TTL, ROLLUP].iter().any(|own| name == own.as_bytes())
        };
        for (name, value) in original.fields().filter(|(name, _)| !own(name)) {
            header.field(&String::from_utf8_lossy(name), value);
        }
        header.field(SCHEDULER, subject);
        match self.when.after(now) {
            Some(next) => header.field(SCHEDULE_NEXT, next.to_string().as_bytes()),
            None => header.field(SCHEDULE_NEXT, PURGE.as_bytes()),
        };
        if let Some(ttl) = self.ttl {
            header.field(TTL, ttl);
        }
        if self.rolls_up {
            header.field(ROLLUP, b"sub");
        }
        header.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> UnixNanos {
        UnixNanos::parse(text).unwrap()
    }

    /// What becomes of a schedule that is stored at `at`: the first two times, or why not.
    fn times(pattern: &str, zone: Option<&str>, at: &str) -> String {
        let when = match When::parse(pattern.as_bytes(), zone.map(str::as_bytes)) {
            Ok(When::At(time)) => return format!("{time}, once"),
            Ok(when) => when,
            Err(error) => return error.err_code.to_string(),
        };
        let Some(first) = when.after(time(at)) else { return "never".into() };
        let second = when.after(first).map_or("never".into(), |own| own.to_string());
        format!("{first}, {second}")
    }

    #[test]
    fn patterns_are_what_nats_server_takes() {
        let at = "2026-11-28T10:17:35.545691814Z";
        let check = |pattern: &str| times(pattern, None, at);
        for valid in "@at 9999-12-31T23:59:59Z|@at 2099-01-01T00:00:00Z|@at 2099-01-01T00:00:00.5Z|@at 2099-01-01T00:00:00+02:00\
            |@at 1970-01-01T00:00:00Z|@every 1h|@every 1s|@every 1h30m|@every 1.5s|@every 2562047h\
            |@hourly|@daily|@midnight|@weekly|@monthly|@yearly|@annually|0 0 * * * *|*/5 * * * * *|0 0 0 1 1 *\
            |0 0 0 1 1 ? |0 0 0 ? * MON|0 0 0 * JAN *|0 0 0 * jan mon-fri|0 0 0 * * 0|0-5/2 * * * * *\
            |1,2,3 * * * * *|*/100 * * * * *|0  0  0  *  * *| 0 0 0 * * *|1-10/3,50 * * * * *|0/15 * * * * *\
            |?  * * * * *".split('|')
        {
            assert!(check(valid).contains('-'), "{valid}: {}", check(valid));
        }
        for invalid in "@at 2099-01-01 00:00:00|@at  2099-01-01T00:00:00Z|@AT 2099-01-01T00:00:00Z|@at|@at 1\
            |@every 999ms|@every 0s|@every -1s|@every 1|@every 1d|@every|@every  1h|@EVERY 1h|@Hourly|@reboot\
            |* * * * *|60 * * * * *|0 0 0 * * 7|* * * * * * *|TZ=UTC 0 0 * * * *|0 0 0 L * *|0 0 0 1-40 * *\
            |5-1 * * * * *|*/0 * * * * *|0 0 0 * 13 *|0 0 0 * 0 *|0 0 0 0 * *|x|0 0 24 * * *|0 0 0 * * MON#1\
            |1--2 * * * * *|, * * * * *|99999999999999999999999 * * * * *|*/99999999999999999999 * * * * *".split('|')
        {
            assert_eq!(check(invalid), "10189", "{invalid}");
        }
        assert_eq!(check("0 0 0 31 2 *"), "never");
    }

    #[test]
    fn times_follow_each_other() {
        let at = "2026-11-28T10:17:35.545691814Z";
        for (pattern, zone, at, expected) in [
            ("@every 2s", None, at, "2026-11-28T10:17:38Z, 2026-11-28T10:17:40Z"),
            ("@every 1500ms", None, at, "2026-11-28T10:17:37.5Z, 2026-11-28T10:17:39.5Z"),
            ("*/2 * * * * *", None, at, "2026-11-28T10:17:36Z, 2026-11-28T10:17:38Z"),
            ("@yearly", None, at, "2027-01-01T00:00:00Z, 2028-01-01T00:00:00Z"),
            ("0 0 0 29 2 *", None, at, "2028-02-29T00:00:00Z, 2032-02-29T00:00:00Z"),
            ("0 0 0 1 * mon", None, at, "2026-11-30T00:00:00Z, 2026-12-01T00:00:00Z"),
            ("0 0 0 */2 * mon", None, at, "2026-11-29T00:00:00Z, 2026-11-30T00:00:00Z"),
            (
                "0 30 9 * * mon-fri",
                Some("Europe/Berlin"),
                at,
                "2026-11-30T08:30:00Z, 2026-12-01T08:30:00Z",
            ),
            // Clocks go from 2 to 3 o'clock: half past two is left out.
            (
                "0 30 2 * * *",
                Some("Europe/Berlin"),
                "2026-03-28T12:00:00Z",
                "2026-03-30T00:30:00Z, 2026-03-31T00:30:00Z",
            ),
            // Clocks go from 3 to 2 o'clock: half past two is there twice.
            (
                "0 30 2 * * *",
                Some("Europe/Berlin"),
                "2026-10-24T12:00:00Z",
                "2026-10-25T00:30:00Z, 2026-10-25T01:30:00Z",
            ),
            (
                "0 0 * * * *",
                Some("UTC"),
                "2026-11-28T10:00:00Z",
                "2026-11-28T11:00:00Z, 2026-11-28T12:00:00Z",
            ),
            ("@hourly", Some("x"), at, "10223"),
            ("@hourly", Some("europe/berlin"), at, "10223"),
            ("@hourly", Some(""), at, "10223"),
            ("@every 1h", Some("UTC"), at, "10189"),
            ("@at 2099-01-01T00:00:00Z", Some("UTC"), at, "10189"),
        ] {
            assert_eq!(times(pattern, zone, at), expected, "{pattern} {zone:?}");
        }
    }

    fn block(fields: &str) -> Vec<u8> {
        format!("NATS/1.0\r\n{fields}\r\n\r\n").replace('|', "\r\n").into_bytes()
    }

    #[test]
    fn what_is_made_says_who_made_it() {
        let own = block(
            "X: y|Nats-Schedule: @every 2s|Nats-Schedule-Target: u|Nats-Msg-Id: a|Nats-TTL: 5\
                         |Nats-Rollup: sub|Nats-Foo: 1|Nats-Expected-Stream: T|Nats-Schedule-TTL: 9s|Nats-Schedule-Rollup: sub",
        );
        let schedule = Schedule::read(HeaderBlock(&own)).unwrap().unwrap();
        let header =
            schedule.header(HeaderBlock(&own), b"t", time("2026-11-28T10:17:37.000557177Z"));
        assert_eq!(
            String::from_utf8_lossy(&header).replace("\r\n", "|"),
            "NATS/1.0|X: y|Nats-Foo: 1|Nats-Scheduler: t|Nats-Schedule-Next: 2026-11-28T10:17:39Z\
             |Nats-TTL: 9s|Nats-Rollup: sub||"
        );
    }

    #[test]
    fn what_a_stream_does_not_take_is_refused() {
        let config =
            StreamConfig { allow_msg_ttl: true, ..StreamConfig::named("T", &["t.>", "u.>"]) };
        for (fields, expected) in [
            ("Nats-Schedule-Target: u.a", 0),
            ("A: b", 10190),
            ("Nats-Schedule-Target: t.v", 10190),
            ("Nats-Schedule-Target: u.*", 10190),
            ("Nats-Schedule-Target: x.y", 10190),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-TTL: 0", 10191),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-TTL: never", 0),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-Source: u.b", 0),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-Source: u.*", 10203),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-Source: x.y", 10203),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-Source: t.v", 10203),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-Source: u.a", 10203),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-Rollup: sub", 0),
            ("Nats-Schedule-Target: u.a|Nats-Schedule-Rollup: SUB", 10192),
            ("Nats-Schedule-Target: u.a|Nats-Rollup: all", 10192),
            ("Nats-Schedule-Target: u.a|Nats-Rollup: sub", 0),
        ] {
            let block = block(&format!("Nats-Schedule: @hourly|{fields}"));
            let refused = match Schedule::read(HeaderBlock(&block)) {
                Ok(own) => own.unwrap().refused(b"t.v", &config, UnixNanos(0)),
                Err(error) => Some(error),
            };
            assert_eq!(refused.map_or(0, |error| error.err_code), expected, "{fields}");
        }
    }
}
