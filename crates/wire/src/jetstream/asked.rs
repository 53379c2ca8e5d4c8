//! Headers with a meaning: what a message asks of the server beside being delivered, and the answer
//! where it cannot have it.
//!
//! A header that is not carried out must not be stored as if it were: who sends the first message of
//! an atomic batch, an increment or a schedule would be told that it was done. The rules are
//! nats-server 2.14.6's, seen by running it. An empty value counts as no header, the first of several
//! with one name counts, and names are case-sensitive.

use super::API_LEVEL;
use super::counter::is_increment;
use super::error::{ApiError, table};
use super::publish::{
    BATCH_ID, EXPECTED_LAST_MSG_ID, EXPECTED_LAST_SEQ, EXPECTED_LAST_SUBJECT_SEQ,
    EXPECTED_LAST_SUBJECT_SEQ_SUBJECT, EXPECTED_STREAM, INCREMENT, KV_OPERATION, MARKER_REASON,
    MSG_ID, REQUIRED_API_LEVEL, ROLLUP, SCHEDULE, SCHEDULE_NEXT, SCHEDULER, STREAM_SOURCE,
    TRACE_DESTINATION, TRACE_ONLY, TTL, TimeToLive,
};
use super::schedule::PURGE;
use super::stream::StreamConfig;
use crate::header::HeaderBlock;
use crate::subject::is_literal;

/// Which earlier messages a message replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollup {
    /// Those of its subject.
    Subject,
    /// All in the stream.
    All,
}

/// What a message asks for, by its headers. Values are as they were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Id for deduplication.
    pub msg_id: Option<&'a [u8]>,
    /// Name that the stream must have.
    pub expected_stream: Option<&'a [u8]>,
    /// Sequence that must be the stream's last, see [`is_sequence`].
    pub expected_last_seq: Option<&'a [u8]>,
    /// Sequence that must be the last of the subject, see [`is_sequence`].
    pub expected_last_subject_seq: Option<&'a [u8]>,
    /// Filter that `expected_last_subject_seq` is about, in place of the message's own subject.
    pub expected_last_subject_seq_subject: Option<&'a [u8]>,
    /// Id that the stream's last message must have.
    pub expected_last_msg_id: Option<&'a [u8]>,
    /// Which earlier messages it replaces.
    pub rollup: Option<&'a [u8]>,
    /// How long it lives.
    pub ttl: Option<&'a [u8]>,
    /// Whether it stands for messages that are gone: a marker, or the purge of a key in a bucket.
    pub is_marker: bool,
    /// Where it was copied from.
    pub source: Option<&'a [u8]>,
    /// Atomic batch that it belongs to.
    pub batch_id: Option<&'a [u8]>,
    /// What it adds to a counter.
    pub increment: Option<&'a [u8]>,
    /// When it is to be published again.
    pub schedule: Option<&'a [u8]>,
    /// Subject of the schedule that published it.
    pub scheduler: Option<&'a [u8]>,
    /// What becomes of that schedule.
    pub schedule_next: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// Reads a header block in one pass. One without any such name costs a search for `Nats-`, and none
    /// at all, as most messages have it, nothing.
    #[inline]
    pub fn read(block: HeaderBlock<'a>) -> Self {
        let mut asked = Self::default();
        if !block.0.is_empty() && memchr::memmem::find(block.0, PREFIX).is_some() {
            for (name, value) in block.fields() {
                asked.take(name, value);
            }
        }
        asked
    }

    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        self.is_marker |= name == KV_OPERATION.as_bytes() && value == b"PURGE";
        if value.is_empty() || !name.starts_with(PREFIX) {
            return;
        }
        self.is_marker |= name == MARKER_REASON.as_bytes();
        let Ok(name) = std::str::from_utf8(name) else { return };
        let place = match name {
            MSG_ID => &mut self.msg_id,
            EXPECTED_STREAM => &mut self.expected_stream,
            EXPECTED_LAST_SEQ => &mut self.expected_last_seq,
            EXPECTED_LAST_SUBJECT_SEQ => &mut self.expected_last_subject_seq,
            EXPECTED_LAST_SUBJECT_SEQ_SUBJECT => &mut self.expected_last_subject_seq_subject,
            EXPECTED_LAST_MSG_ID => &mut self.expected_last_msg_id,
            ROLLUP => &mut self.rollup,
            TTL => &mut self.ttl,
            BATCH_ID => &mut self.batch_id,
            STREAM_SOURCE => &mut self.source,
            INCREMENT => &mut self.increment,
            SCHEDULE => &mut self.schedule,
            SCHEDULER => &mut self.scheduler,
            SCHEDULE_NEXT => &mut self.schedule_next,
            // The other headers of a batch or a schedule mean nothing without the one above.
            _ => return,
        };
        place.get_or_insert(value);
    }

    /// Why a stream cannot store the message, whatever it holds. Looked at before what the message
    /// expects of the stream's last sequences, before deduplication, and before everything else.
    pub fn refused(&self, stream: &StreamConfig) -> Option<ApiError> {
        if self.batch_id.is_some() && !stream.allow_atomic {
            return Some(table::ATOMIC_PUBLISH_DISABLED.into());
        }
        if let Some(value) = self.increment {
            if !is_increment(value) {
                return Some(table::MESSAGE_INCR_INVALID.into());
            }
            if !stream.allow_msg_counter {
                return Some(table::MESSAGE_INCR_DISABLED.into());
            }
        }
        if self.expected_stream.is_some_and(|name| name != stream.name.as_bytes()) {
            return Some(table::STREAM_NOT_MATCH.into());
        }
        if !stream.allow_msg_ttl && self.ttl.and_then(TimeToLive::parse).is_some() {
            return Some(table::MESSAGE_TTL_DISABLED.into());
        }
        if self.expected_last_subject_seq.is_none()
            && self.expected_last_subject_seq_subject.is_some()
        {
            return Some(table::STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID.into());
        }
        self.refused_schedule(stream)
    }

    /// Why a counter cannot add what the message says, whatever else it asks for.
    pub fn refused_count(&self, payload: &[u8]) -> Option<ApiError> {
        let increment = self.increment?;
        if !is_increment(increment) {
            return Some(table::MESSAGE_INCR_INVALID.into());
        }
        if !payload.is_empty() {
            return Some(table::MESSAGE_INCR_PAYLOAD.into());
        }
        // It adds up in whatever order it comes.
        let expectations = [
            self.expected_stream,
            self.expected_last_seq,
            self.expected_last_subject_seq,
            self.expected_last_subject_seq_subject,
            self.expected_last_msg_id,
            self.rollup,
        ];
        expectations.iter().any(Option::is_some).then(|| table::MESSAGE_INCR_INVALID.into())
    }

    /// nats-server looks at these behind what is expected of sequences. Where both are wrong, which
    /// of them is named makes no difference to a client.
    fn refused_schedule(&self, stream: &StreamConfig) -> Option<ApiError> {
        let disabled =
            (!stream.allow_msg_schedules).then(|| table::MESSAGE_SCHEDULES_DISABLED.into());
        if self.schedule.is_some() {
            let made = self.scheduler.is_some() || self.schedule_next.is_some();
            let invalid = || table::MESSAGE_SCHEDULES_SCHEDULER_INVALID.into();
            return disabled.or_else(|| made.then(invalid));
        }
        match (self.scheduler, self.schedule_next) {
            (None, None) => None,
            // Only the server itself writes other values.
            (Some(subject), Some(next)) if next == PURGE.as_bytes() && is_literal(subject) => {
                disabled
            }
            _ => Some(table::MESSAGE_SCHEDULES_SCHEDULER_INVALID.into()),
        }
    }

    /// Why a stream cannot store the message if it is new: what nats-server looks at behind
    /// deduplication, so that a duplicate is one whatever these headers say.
    pub fn refused_new(&self, stream: &StreamConfig) -> Option<ApiError> {
        if stream.allow_msg_counter && self.increment.is_none() {
            return Some(table::MESSAGE_INCR_MISSING.into());
        }
        if let Some(value) = self.rollup
            && self.rollup().is_none()
            && stream.allow_rollup_hdrs
        {
            let text = format!("rollup value invalid: {:?}", String::from_utf8_lossy(value));
            return Some(table::STREAM_ROLLUP_FAILED.with(text));
        }
        if self.rollup.is_some() && !stream.allow_rollup_hdrs {
            return Some(table::STREAM_ROLLUP_FAILED.with("rollup not permitted"));
        }
        let malformed = self.ttl.is_some_and(|value| TimeToLive::parse(value).is_none());
        malformed.then(|| table::MESSAGE_TTL_INVALID.into())
    }

    /// Which earlier messages it replaces, if it says so in words that mean something.
    pub fn rollup(&self) -> Option<Rollup> {
        let value = self.rollup?;
        if value.eq_ignore_ascii_case(b"sub") {
            return Some(Rollup::Subject);
        }
        value.eq_ignore_ascii_case(b"all").then_some(Rollup::All)
    }

    /// How long it lives, if it says so in words that mean something.
    pub fn time_to_live(&self) -> Option<TimeToLive> {
        self.ttl.and_then(TimeToLive::parse)
    }
}

const PREFIX: &[u8] = b"Nats-";

/// Whether the value of a `Nats-Expected-…-Sequence` header is `sequence`. What is no number, or one
/// that no sequence reaches, is not.
pub fn is_sequence(value: &[u8], sequence: u64) -> bool {
    value.iter().all(u8::is_ascii_digit)
        && std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()) == Some(sequence)
}

/// A message that asks to be told where it goes (ADR-41).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced<'a> {
    /// Subject that is told.
    pub destination: &'a [u8],
    /// Whether it only asks where it would go: it must neither be delivered nor stored, and nothing
    /// acknowledges it.
    pub only: bool,
}

/// Whether a message asks to be told where it goes, and how.
#[inline]
pub fn traced(block: HeaderBlock<'_>) -> Option<Traced<'_>> {
    let destination = block.value(TRACE_DESTINATION).filter(|subject| !subject.is_empty())?;
    let yes = |value: &[u8]| {
        [b"true".as_slice(), b"1", b"on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
    };
    Some(Traced { destination, only: block.value(TRACE_ONLY).is_some_and(yes) })
}

/// Why an API request is refused that needs a newer server (ADR-44). Looked at before all else.
pub fn refused_level(block: HeaderBlock<'_>) -> Option<ApiError> {
    let value = block.value(REQUIRED_API_LEVEL).filter(|value| !value.is_empty())?;
    let level: Option<i64> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    let met = level.is_some_and(|level| level <= i64::from(API_LEVEL));
    (!met).then(|| table::REQUIRED_API_LEVEL.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::check::{Bounds, fill_stream};
    use super::*;

    fn block(fields: &str) -> Vec<u8> {
        format!("NATS/1.0\r\n{}\r\n\r\n", fields.replace("; ", "\r\n")).into_bytes()
    }

    /// The first error of a publish into a new stream `P` with `feature` switched on.
    fn answer(feature: &str, fields: &str) -> String {
        let mut config: serde_json::Value = serde_json::json!({"name": "P", "subjects": ["p.>"]});
        if !feature.is_empty() {
            config[feature] = true.into();
        }
        let mut config: StreamConfig = serde_json::from_value(config).unwrap();
        fill_stream(&mut config, &Bounds::default());
        let block = block(fields);
        let asked = Asked::read(HeaderBlock(&block));
        let refused = asked.refused(&config).or_else(|| asked.refused_new(&config));
        refused.map_or("OK".into(), |error| format!("{} {}", error.err_code, error.description))
    }

    /// Lines of `[feature |] fields => answer`; the answers are nats-server 2.14.6's own.
    const ANSWERS: &str = r#"
        Nats-Msg-Id: => OK
        Nats-Msg-Id: a => OK
        Nats-Expected-Stream: => OK
        Nats-Expected-Stream: P => OK
        Nats-Expected-Stream: Q => 10060 expected stream does not match
        Nats-Expected-Last-Sequence: => OK
        Nats-Expected-Last-Subject-Sequence: => OK
        Nats-Expected-Last-Subject-Sequence-Subject: => OK
        Nats-Expected-Last-Subject-Sequence-Subject: p.a => 10193 missing sequence for expected last sequence per subject
        Nats-Expected-Last-Subject-Sequence: 0; Nats-Expected-Last-Subject-Sequence-Subject: p.a => OK
        Nats-Expected-Last-Subject-Sequence: 0; Nats-Expected-Last-Subject-Sequence-Subject: a..b => OK
        Nats-Rollup: => OK
        Nats-Rollup: sub => 10111 rollup not permitted
        Nats-Rollup: all => 10111 rollup not permitted
        Nats-Rollup: other => 10111 rollup not permitted
        Nats-Rollup: sub; Nats-Rollup: other => 10111 rollup not permitted
        allow_rollup_hdrs | Nats-Rollup: sub => OK
        allow_rollup_hdrs | Nats-Rollup: SUB => OK
        allow_rollup_hdrs | Nats-Rollup: all => OK
        allow_rollup_hdrs | Nats-Rollup: => OK
        allow_rollup_hdrs | Nats-Rollup: other => 10111 rollup value invalid: "other"
        allow_rollup_hdrs | Nats-Rollup: SUB; Nats-TTL: x => 10165 invalid per-message TTL
        Nats-TTL: => OK
        Nats-TTL: 5 => 10166 per-message TTL is disabled
        Nats-TTL: never => 10166 per-message TTL is disabled
        Nats-TTL: x => 10165 invalid per-message TTL
        Nats-TTL: 0 => 10165 invalid per-message TTL
        Nats-TTL: -1 => 10165 invalid per-message TTL
        Nats-TTL: 500ms => 10165 invalid per-message TTL
        Nats-TTL: 9223372036854775807 => 10166 per-message TTL is disabled
        Nats-TTL: 99999999999999999999 => 10166 per-message TTL is disabled
        allow_msg_ttl | Nats-TTL: 5 => OK
        allow_msg_ttl | Nats-TTL: NEVER => OK
        allow_msg_ttl | Nats-TTL: 1.5s => OK
        allow_msg_ttl | Nats-TTL: +5s => OK
        allow_msg_ttl | Nats-TTL: +5 => 10165 invalid per-message TTL
        allow_msg_ttl | Nats-TTL: 0s => 10165 invalid per-message TTL
        allow_msg_ttl | Nats-TTL: -5s => 10165 invalid per-message TTL
        allow_msg_ttl | Nats-TTL: 1h 1s => 10165 invalid per-message TTL
        allow_msg_ttl | Nats-TTL: 9223372037 => OK
        allow_msg_ttl | Nats-TTL: 99999999999999999999 => OK
        allow_msg_ttl | Nats-TTL: 2562048h => 10165 invalid per-message TTL
        Nats-Batch-Id: b => 10174 atomic publish is disabled
        Nats-Batch-Id: => OK
        Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Batch-Commit: 1 => 10174 atomic publish is disabled
        Nats-Batch-Sequence: 1 => OK
        Nats-Batch-Commit: 1 => OK
        Nats-Incr: 1 => 10168 message counters is disabled
        Nats-Incr:1 => 10168 message counters is disabled
        Nats-Incr: -1 => 10168 message counters is disabled
        Nats-Incr: +1 => 10168 message counters is disabled
        Nats-Incr: 999999999999999999999999999999 => 10168 message counters is disabled
        Nats-Incr: => OK
        Nats-Incr: x => 10171 message counter increment is invalid
        Nats-Incr: + => 10171 message counter increment is invalid
        Nats-Incr: 1.5 => 10171 message counter increment is invalid
        Nats-Incr: 1_000 => 10171 message counter increment is invalid
        Nats-Schedule: @at 2099-01-01T00:00:00Z => 10188 message schedules is disabled
        Nats-Schedule: => OK
        Nats-Schedule-Target: q => OK
        Nats-Schedule-TTL: 5 => OK
        Nats-Schedule-Source: q => OK
        Nats-Schedule-Time-Zone: UTC => OK
        Nats-Schedule-Rollup: sub => OK
        Nats-Scheduler: p.b => 10212 message schedules invalid scheduler
        Nats-Schedule-Next: purge => 10212 message schedules invalid scheduler
        Nats-Scheduler: p.b; Nats-Schedule-Next: purge => 10188 message schedules is disabled
        Nats-Scheduler: *; Nats-Schedule-Next: purge => 10212 message schedules invalid scheduler
        Nats-Scheduler: p.b; Nats-Schedule-Next: 2099-01-01T00:00:00Z => 10212 message schedules invalid scheduler
        Nats-Scheduler: x; Nats-Schedule: x => 10188 message schedules is disabled
        Nats-Scheduler: => OK
        Nats-Required-Api-Level: 9 => OK
        Nats-Marker-Reason: MaxAge => OK
        Nats-Stream-Source: x 1 > > => OK
        Nats-Sequence: 5 => OK
        KV-Operation: DEL => OK
        nats-batch-id: b => OK
        NATS-INCR: 1 => OK
        Nats-Incr : 1 => OK
        X-Nats-Incr: 1 => OK
        Foo: Nats-Incr: 1 => OK
        Nats-Batch-Id: b; Nats-Incr: 1 => 10174 atomic publish is disabled
        Nats-Expected-Stream: Q; Nats-Batch-Id: b => 10174 atomic publish is disabled
        Nats-Expected-Stream: Q; Nats-Incr: b => 10171 message counter increment is invalid
        Nats-Expected-Stream: Q; Nats-TTL: 5 => 10060 expected stream does not match
        Nats-Expected-Stream: Q; Nats-Schedule: x => 10060 expected stream does not match
        Nats-Incr: 1; Nats-TTL: x => 10168 message counters is disabled
        Nats-TTL: 5; Nats-Schedule: x => 10166 per-message TTL is disabled
        Nats-TTL: x; Nats-Schedule: x => 10188 message schedules is disabled
        Nats-Rollup: other; Nats-Schedule: x => 10188 message schedules is disabled
        Nats-Rollup: other; Nats-TTL: x => 10111 rollup not permitted
        Nats-Rollup: other; Nats-TTL: 5 => 10166 per-message TTL is disabled
        Nats-Expected-Last-Subject-Sequence-Subject: p.a; Nats-Schedule: x => 10193 missing sequence for expected last sequence per subject
        Nats-Expected-Last-Subject-Sequence-Subject: p.a; Nats-TTL: 5 => 10166 per-message TTL is disabled
        Nats-Scheduler: x; Nats-Rollup: x => 10212 message schedules invalid scheduler
    "#;

    #[test]
    fn headers_are_answered_as_nats_server_does() {
        for line in ANSWERS.trim().lines().map(str::trim_start) {
            let (publish, expected) = line.split_once(" => ").unwrap();
            let (feature, fields) = publish.split_once(" | ").unwrap_or(("", publish));
            assert_eq!(answer(feature, fields), expected, "{publish}");
        }
    }

    #[test]
    fn only_digits_are_a_sequence() {
        for (value, sequence, same) in [
            ("5", 5, true),
            ("5", 6, false),
            ("18446744073709551615", u64::MAX, true),
            ("18446744073709551616", 0, false),
            ("-1", u64::MAX, false),
            ("+5", 5, false),
            ("5e0", 5, false),
            ("x", 0, false),
            ("", 0, false),
        ] {
            assert_eq!(is_sequence(value.as_bytes(), sequence), same, "{value} {sequence}");
        }
    }

    #[test]
    fn probes_say_where_to_and_that_they_are_nothing_else() {
        for (fields, probe) in [
            ("Nats-Trace-Dest: t; Nats-Trace-Only: true", true),
            ("Nats-Trace-Dest: t; Nats-Trace-Only: TRUE", true),
            ("Nats-Trace-Dest: t; Nats-Trace-Only: 1", true),
            ("Nats-Trace-Dest: t; Nats-Trace-Only: ON", true),
            ("Nats-Trace-Dest: t; Nats-Trace-Only: t", false),
            ("Nats-Trace-Dest: t; Nats-Trace-Only: yes", false),
            ("Nats-Trace-Dest: t; Nats-Trace-Only: false", false),
            ("Nats-Trace-Dest: t; Nats-Trace-Only:", false),
            ("Nats-Trace-Dest:; Nats-Trace-Only: true", false),
            ("Nats-Trace-Only: true", false),
            ("Nats-Trace-Dest: t", false),
        ] {
            let block = block(fields);
            let only = traced(HeaderBlock(&block)).is_some_and(|traced| traced.only);
            assert_eq!(only, probe, "{fields}");
        }
    }

    #[test]
    fn newer_levels_are_refused() {
        for (value, refused) in [
            ("4", false),
            ("0", false),
            ("-1", false),
            ("", false),
            ("5", true),
            ("x", true),
            ("2147483648", true),
            ("99999999999999999999", true),
        ] {
            let block = block(&format!("Nats-Required-Api-Level: {value}"));
            let answer =
                refused_level(HeaderBlock(&block)).map(|error| (error.code, error.err_code));
            assert_eq!(answer, refused.then_some((412, 10185)), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, value: Vec<u8>) {
            let config = StreamConfig::named("P", &["p"]);
            let mut written = crate::header::HeaderWriter::new();
            for name in [MSG_ID, EXPECTED_LAST_SEQ, ROLLUP, TTL, INCREMENT, SCHEDULER, BATCH_ID] {
                written.field(name, &value);
            }
            for block in [bytes, written.finish()] {
                let asked = Asked::read(HeaderBlock(&block));
                let _ = (asked.refused(&config), asked.refused_new(&config), asked.rollup());
                let _ = (traced(HeaderBlock(&block)), refused_level(HeaderBlock(&block)));
                is_sequence(&block, 0);
            }
        }
    }
}
