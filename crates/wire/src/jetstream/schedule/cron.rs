//! Cron expressions of six fields: second, minute, hour, day of the month, month, day of the week. What is
//! valid is what nats-server 2.14 takes, seen by asking it.

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// Days that are looked at for the next time: what does not come within five years never comes.
const DAYS_MAX: usize = 5 * 366;

/// Changes of a zone's offset that are looked at: no zone has more in five years.
const CHANGES_MAX: usize = 64;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    second: Field,
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    /// A bit for each number.
    bits: u64,
    /// Whether it takes whatever there is.
    is_any: bool,
}

impl Field {
    fn takes(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.bits >> number & 1 == 1)
    }

    /// Numbers from `from` on.
    fn from(self, from: i8) -> impl Iterator<Item = i8> {
        (from..60).filter(move |number| self.takes(*number))
    }

    fn parse(text: &str, min: u64, max: u64, names: &[&str]) -> Option<Self> {
        let mut field = Self { bits: 0, is_any: false };
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(number(step)?)),
                None => (part, None),
            };
            let value = |text: &str| {
                let name = names.iter().position(|name| text.eq_ignore_ascii_case(name));
                name.map_or_else(|| number(text), |place| Some(place as u64 + min))
            };
            let (low, high) = match range.split_once('-') {
                Some((low, high)) => (value(low)?, value(high)?),
                None if range == "*" || range == "?" => (min, max),
                None => {
                    let low = value(range)?;
                    (low, if step.is_some() { max } else { low })
                }
            };
            field.is_any |= matches!(range, "*" | "?") && step.is_none_or(|step| step <= 1);
            let step = usize::try_from(step.unwrap_or(1)).ok().filter(|step| *step > 0)?;
            if low < min || high > max || low > high {
                return None;
            }
            for number in (low..=high).step_by(step) {
                field.bits |= 1 << number;
            }
        }
        Some(field)
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl Cron {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = match text {
            "@yearly" | "@annually" => "0 0 0 1 1 *",
            "@monthly" => "0 0 0 1 * *",
            "@weekly" => "0 0 0 * * 0",
            "@daily" | "@midnight" => "0 0 0 * * *",
            "@hourly" => "0 0 * * * *",
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().take(7).collect();
        let [second, minute, hour, day, month, weekday] = *fields.as_slice() else { return None };
        Some(Self {
            second: Field::parse(second, 0, 59, &[])?,
            minute: Field::parse(minute, 0, 59, &[])?,
            hour: Field::parse(hour, 0, 23, &[])?,
            day: Field::parse(day, 1, 31, &[])?,
            month: Field::parse(month, 1, 12, &MONTHS)?,
            weekday: Field::parse(weekday, 0, 6, &DAYS)?,
        })
    }

    /// The first time behind `after`, by the clocks of `zone`. What the clocks leave out does not come.
    pub(super) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut from = Timestamp::from_second(after.as_second() + 1).ok()?;
        // Between two changes of the offset, clocks show what they should.
        let mut changes = zone.following(after).take(CHANGES_MAX);
        loop {
            let until = changes.next().map(|change| change.timestamp());
            let found = self.next_at(from, zone.to_offset(from))?;
            match until {
                Some(until) if found >= until => from = until,
                _ => return Some(found),
            }
        }
    }

    /// The first time from `from` on, where clocks are `offset` ahead.
    fn next_at(&self, from: Timestamp, offset: Offset) -> Option<Timestamp> {
        let start = offset.to_datetime(from);
        let mut date = start.date();
        for day in 0..DAYS_MAX {
            if self.takes_day(date) {
                let time = if day == 0 { self.next_time(start.time()) } else { self.first_time() };
                if let Some(time) = time {
                    return offset.to_timestamp(date.to_datetime(time)).ok();
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn takes_day(&self, date: Date) -> bool {
        let day = self.day.takes(date.day());
        let weekday = self.weekday.takes(date.weekday().to_sunday_zero_offset());
        let either =
            if self.day.is_any || self.weekday.is_any { day && weekday } else { day || weekday };
        self.month.takes(date.month()) && either
    }

    fn first_time(&self) -> Option<Time> {
        self.next_time(Time::midnight())
    }

    fn next_time(&self, from: Time) -> Option<Time> {
        for hour in self.hour.from(from.hour()) {
            let same = hour == from.hour();
            for minute in self.minute.from(if same { from.minute() } else { 0 }) {
                let same = same && minute == from.minute();
                let second = self.second.from(if same { from.second() } else { 0 }).next();
                if let Some(second) = second {
                    return Time::new(hour, minute, second, 0).ok();
                }
            }
        }
        None
    }
}
