//! Whether all messages of an atomic batch may be stored (ADR-50). They are looked at one after the
//! other, as if those before were there.

use std::collections::HashSet;

use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::asked::{Asked, Rollup, is_sequence};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::publish::{EXPECTED_LAST_MSG_ID, EXPECTED_LAST_SUBJECT_SEQ_SUBJECT};
use watershed_wire::op::Publish;
use watershed_wire::time::UnixNanos;

use super::admit::{
    Expected, is_unwanted, refuse_full, refuse_schedule, refuse_sequence, refuse_size, seen,
};
use super::intake::Intake;
use crate::accounts::Room;
use crate::state::{Lookup, Stream};

/// Why a batch cannot be stored. What is expected of subjects is expected of what was there before it.
pub(crate) fn refuse_batch(
    stream: &Stream,
    intake: &mut Intake,
    messages: &[Publish<'_>],
    now: UnixNanos,
    room: Room,
    lookup: &mut Lookup,
) -> Option<ApiError> {
    let mut running = intake.clone();
    let mut subjects: HashSet<&[u8]> = HashSet::new();
    let mut left = room.account;
    for message in messages {
        let asked = Asked::read(HeaderBlock(message.header));
        let refused = refuse_alone(stream, message, &asked)
            .or_else(|| refuse_schedule(stream, message, &asked, now))
            .or_else(|| refuse_among(stream, &running, message, &asked, &subjects, now))
            .or_else(|| refuse_expected(stream, intake, message, &asked, lookup))
            .or_else(|| asked.refused_new(&stream.config));
        if refused.is_some() {
            return refused;
        }
        if room.server_full {
            return Some(table::INSUFFICIENT_RESOURCES.into());
        }
        let weight = stream.weigh(message.subject, message.header, message.payload);
        let unwanted = !room.changing && is_unwanted(stream, message.subject);
        if u64::from(weight) > left && !unwanted {
            return Some(table::ACCOUNT_RESOURCES_EXCEEDED.into());
        }
        left = left.saturating_sub(u64::from(weight));
        let full = refuse_full(stream, &mut running, message);
        if let Some(error) = full.filter(|_| !is_unwanted(stream, message.subject)) {
            return Some(error);
        }
        running.accept(message.subject, weight, asked.msg_id.unwrap_or_default());
        subjects.insert(message.subject);
    }
    None
}

/// What forbids a message whatever the stream holds.
fn refuse_alone(stream: &Stream, message: &Publish<'_>, asked: &Asked<'_>) -> Option<ApiError> {
    refuse_size(stream, message).or_else(|| asked.refused(&stream.config)).or_else(|| {
        let unsupported = table::ATOMIC_PUBLISH_UNSUPPORTED_HEADER_BATCH;
        asked.expected_last_msg_id.map(|_| unsupported.with(EXPECTED_LAST_MSG_ID))
    })
}

/// What forbids it among those before it, which have these `subjects`.
fn refuse_among(
    stream: &Stream,
    running: &Intake,
    message: &Publish<'_>,
    asked: &Asked<'_>,
    subjects: &HashSet<&[u8]>,
    now: UnixNanos,
) -> Option<ApiError> {
    if asked.msg_id.is_some_and(|id| seen(stream, running, id, now).is_some()) {
        return Some(table::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE.into());
    }
    let last = running.assigned();
    if asked.expected_last_seq.is_some_and(|expected| !is_sequence(expected, last)) {
        return Some(table::STREAM_WRONG_LAST_SEQUENCE.with(last));
    }
    // It is for the first message to say where the batch begins.
    if asked.expected_last_seq.is_some() && !subjects.is_empty() {
        return Some(table::STREAM_WRONG_LAST_SEQUENCE_CONSTANT.into());
    }
    let expects = asked.expected_last_subject_seq;
    let of = expects.map(|_| asked.expected_last_subject_seq_subject.unwrap_or(message.subject));
    if of.is_some_and(|subject| subjects.contains(subject)) {
        return Some(table::STREAM_WRONG_LAST_SEQUENCE_CONSTANT.into());
    }
    match asked.rollup().filter(|_| stream.config.allow_rollup_hdrs) {
        Some(Rollup::Subject) if subjects.contains(message.subject) => {
            Some(table::STREAM_ROLLUP_FAILED.with("batch rollup sub invalid"))
        }
        Some(Rollup::All) if !subjects.is_empty() => {
            Some(table::STREAM_ROLLUP_FAILED.with("batch rollup all invalid"))
        }
        _ => None,
    }
}

/// What it expects of a subject, and is not so.
fn refuse_expected(
    stream: &Stream,
    intake: &mut Intake,
    message: &Publish<'_>,
    asked: &Asked<'_>,
    lookup: &mut Lookup,
) -> Option<ApiError> {
    asked.expected_last_subject_seq?;
    let alone = Asked { expected_last_seq: None, ..*asked };
    match refuse_sequence(stream, intake, message.subject, &alone, lookup) {
        Expected::True => None,
        Expected::Wrong(error) => Some(error),
        // Others are not to come between the messages of a batch while it is looked for.
        Expected::Unknown => {
            let unsupported = table::ATOMIC_PUBLISH_UNSUPPORTED_HEADER_BATCH;
            Some(unsupported.with(EXPECTED_LAST_SUBJECT_SEQ_SUBJECT))
        }
    }
}
