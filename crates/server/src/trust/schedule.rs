//! Times of day at which a user may be connected.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use watershed_wire::time::UnixNanos;

use super::claims::TimeRange;

/// Times of day, somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    ranges: Vec<(Time, Time)>,
    zone: TimeZone,
}

impl Schedule {
    /// Reads times as `15:04:05`, in a zone of the IANA database, or the machine's where none is named;
    /// `None` for what is not known.
    pub(crate) fn read(ranges: &[TimeRange], zone: &str) -> Option<Self> {
        let time = |text: &str| Time::strptime("%H:%M:%S", text).ok();
        let range = |range: &TimeRange| Some((time(&range.start)?, time(&range.end)?));
        let ranges = ranges.iter().map(range).collect::<Option<Vec<_>>>()?;
        let zone = match zone {
            "" => TimeZone::system(),
            name => TimeZone::get(name).ok()?,
        };
        Some(Self { ranges, zone })
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// When the current time span ends; `None` outside of all spans.
    pub(crate) fn until(&self, now: UnixNanos) -> Option<UnixNanos> {
        let here = Timestamp::from_nanosecond(i128::from(now.0)).ok()?;
        let here = here.to_zoned(self.zone.clone());
        let (today, time) = (here.date(), here.time());
        let ends = self.ranges.iter().filter_map(|(start, end)| {
            let day = if start <= end {
                (*start < time && time < *end).then_some(today)
            } else if time < *end {
                // Over midnight, and it has begun yesterday.
                Some(today)
            } else if *start < time {
                Some(today.checked_add(1.day()).ok()?)
            } else {
                None
            };
            let end = day?.to_datetime(*end).to_zoned(self.zone.clone()).ok()?;
            i64::try_from(end.timestamp().as_nanosecond()).ok()
        });
        ends.max().map(UnixNanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Until when somebody may stay who comes at a time of 2026-06-01, UTC.
    #[track_caller]
    fn check(ranges: &[(&str, &str)], zone: &str, now: &str, expected: Option<&str>) {
        let ranges = ranges
            .iter()
            .map(|(start, end)| TimeRange { start: (*start).into(), end: (*end).into() });
        let schedule = Schedule::read(&ranges.collect::<Vec<_>>(), zone).unwrap();
        let at = |text: &str| {
            let time: Timestamp = text.parse().unwrap();
            UnixNanos(i64::try_from(time.as_nanosecond()).unwrap())
        };
        let found = schedule.until(at(&format!("2026-06-01T{now}Z")));
        assert_eq!(found, expected.map(at), "{now}");
    }

    #[test]
    fn times_of_day_may_go_over_midnight() {
        let day = [("08:00:00", "17:00:00")];
        check(&day, "UTC", "07:59:59", None);
        check(&day, "UTC", "08:00:01", Some("2026-06-01T17:00:00Z"));
        check(&day, "UTC", "17:00:00", None);
        let night = [("22:00:00", "06:00:00")];
        check(&night, "UTC", "05:00:00", Some("2026-06-01T06:00:00Z"));
        check(&night, "UTC", "23:30:00", Some("2026-06-02T06:00:00Z"));
        check(&night, "UTC", "12:00:00", None);
        check(&[day[0], ("08:30:00", "18:00:00")], "UTC", "09:00:00", Some("2026-06-01T18:00:00Z"));
        check(&day, "Europe/Berlin", "06:30:00", Some("2026-06-01T15:00:00Z"));
    }

    #[test]
    fn what_is_no_time_or_place_is_not_known() {
        let range = |start: &str| [TimeRange { start: start.into(), end: "10:00:00".into() }];
        assert!(Schedule::read(&range("09:00:00"), "UTC").is_some());
        for wrong in ["", "9", "25:00:00", "09:00"] {
            assert!(Schedule::read(&range(wrong), "UTC").is_none(), "{wrong}");
        }
        for zone in ["Nowhere/City", "../../etc/passwd", "\0"] {
            assert!(Schedule::read(&range("09:00:00"), zone).is_none(), "{zone}");
        }
    }
}
