//! What messages say of schedules (ADR-51): which they are, and what becomes of those that made them.

use watershed_store::Record;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::asked::{Asked, Rollup};
use watershed_wire::jetstream::schedule::{PURGE, Schedule};
use watershed_wire::time::UnixNanos;

use super::changes::Changes;
use super::stream::Stream;

impl Stream {
    /// A message was appended that is a schedule.
    pub(super) fn schedule(&mut self, record: &Record<'_>) {
        let schedule = Schedule::read(HeaderBlock(record.head)).ok().flatten();
        if let Some(due) = schedule.and_then(|own| own.first(UnixNanos(record.time))) {
            self.schedules.set(record.sequence, due);
        }
    }

    /// Whether the last message of a subject, if there is one, is a schedule.
    pub(crate) fn may_schedule(&self, subject: &[u8]) -> bool {
        self.last_stored(subject).is_none_or(|last| self.schedules.has(last))
    }

    /// A message was appended. If a schedule made it, that one waits for its next time, or goes.
    pub(super) fn advance_schedule(&mut self, record: &Record<'_>, changes: &mut Changes) {
        if !self.config.allow_msg_schedules || record.head.is_empty() {
            return;
        }
        let asked = Asked::read(HeaderBlock(record.head));
        let (Some(subject), Some(next)) = (asked.scheduler, asked.schedule_next) else { return };
        let last = self.last_stored(subject).filter(|last| self.schedules.has(*last));
        let Some(last) = last.filter(|last| *last != record.sequence) else { return };
        if next == PURGE.as_bytes() {
            let gone = Record { key: subject, ..*record };
            self.roll_up(&gone, Rollup::Subject, changes);
        } else if let Ok(time) = UnixNanos::parse(&String::from_utf8_lossy(next)) {
            self.schedules.set(last, time);
        }
    }
}
