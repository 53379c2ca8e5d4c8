//! Whether a message may be stored. Looks at what is durable and at what is on its way: two
//! publishes that expect the same last sequence cannot both be right.

use watershed_store::log::KeyState;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::publish::{
    EXPECTED_LAST_MSG_ID, EXPECTED_LAST_SEQ, EXPECTED_LAST_SUBJECT_SEQ,
    EXPECTED_LAST_SUBJECT_SEQ_SUBJECT, EXPECTED_STREAM, MSG_ID, ROLLUP, TTL, TimeToLive,
};
use watershed_wire::jetstream::stream::Discard;
use watershed_wire::op::Publish;
use watershed_wire::time::UnixNanos;

use super::intake::Intake;
use crate::limits::SEQUENCE_MAX;
use crate::state::Stream;

/// What becomes of a publish.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<'a> {
    /// It is stored, under this id if it has one.
    Store {
        /// Message id.
        msg_id: Option<&'a [u8]>,
    },
    /// It was stored before. If that is not durable yet, the answer waits.
    Duplicate {
        /// Sequence that it has.
        sequence: u64,
    },
    /// It is refused.
    Refuse(ApiError),
}

/// What becomes of `message`, given what is stored and what is on its way.
pub(crate) fn admit<'a>(
    stream: &Stream,
    intake: &mut Intake,
    message: &Publish<'a>,
    now: UnixNanos,
) -> Admission<'a> {
    if let Some(error) = refuse_size(stream, message) {
        return Admission::Refuse(error);
    }
    let mut msg_id = None;
    if !message.header.is_empty() {
        let header = HeaderBlock(message.header);
        let refused = refuse_expectation(stream, header).or_else(|| refuse_ttl(stream, header));
        if let Some(error) = refused {
            return Admission::Refuse(error);
        }
        msg_id = header.value(MSG_ID).filter(|id| !id.is_empty());
        if let Some(id) = msg_id
            && let Some(sequence) = seen(stream, intake, id, now)
        {
            return Admission::Duplicate { sequence };
        }
        if let Some(error) = refuse_sequence(stream, intake, message.subject, header) {
            return Admission::Refuse(error);
        }
        if header.value(ROLLUP).is_some() && !stream.config.allow_rollup_hdrs {
            return Admission::Refuse(table::STREAM_ROLLUP_FAILED.with("rollup not permitted"));
        }
    }
    match refuse_full(stream, intake, message) {
        Some(error) => Admission::Refuse(error),
        None => Admission::Store { msg_id },
    }
}

/// The sequence under which a message with this id was accepted inside the window.
pub(crate) fn seen(stream: &Stream, intake: &Intake, id: &[u8], now: UnixNanos) -> Option<u64> {
    let stored = || stream.dedup.find(id, now, stream.config.duplicate_window);
    intake.find_id(id).or_else(stored)
}

/// Why a message is longer than the stream takes, or the stream takes none.
pub(crate) fn refuse_size(stream: &Stream, message: &Publish<'_>) -> Option<ApiError> {
    if stream.config.sealed {
        return Some(table::STREAM_SEALED.into());
    }
    if stream.log.last() >= SEQUENCE_MAX {
        return Some(table::STREAM_STORE_FAILED.with("maximum sequence reached"));
    }
    let max = usize::try_from(stream.config.max_msg_size).ok()?;
    let size = message.header.len() + message.payload.len();
    (size > max).then(|| table::STREAM_MESSAGE_EXCEEDS_MAXIMUM.into())
}

fn refuse_expectation(stream: &Stream, header: HeaderBlock<'_>) -> Option<ApiError> {
    let other = header.value(EXPECTED_STREAM);
    if other.is_some_and(|name| name != stream.config.name.as_bytes()) {
        return Some(table::STREAM_NOT_MATCH.into());
    }
    None
}

fn refuse_ttl(stream: &Stream, header: HeaderBlock<'_>) -> Option<ApiError> {
    let value = header.value(TTL).filter(|value| !value.is_empty())?;
    if TimeToLive::parse(value).is_none() {
        return Some(table::MESSAGE_TTL_INVALID.into());
    }
    (!stream.config.allow_msg_ttl).then(|| table::MESSAGE_TTL_DISABLED.into())
}

fn refuse_sequence(
    stream: &Stream,
    intake: &mut Intake,
    own: &[u8],
    header: HeaderBlock<'_>,
) -> Option<ApiError> {
    if let Some(expected) = header.value(EXPECTED_LAST_SEQ)
        && number(expected) != Some(intake.assigned())
    {
        return Some(table::STREAM_WRONG_LAST_SEQUENCE.with(intake.assigned()));
    }
    if let Some(expected) = header.value(EXPECTED_LAST_MSG_ID) {
        let last = intake.last_id().unwrap_or(&stream.last_msg_id);
        if *expected != *last {
            let last = String::from_utf8_lossy(last);
            return Some(table::STREAM_WRONG_LAST_MSG_ID.with(last));
        }
    }
    let expected = header.value(EXPECTED_LAST_SUBJECT_SEQ)?;
    let subject = header.value(EXPECTED_LAST_SUBJECT_SEQ_SUBJECT).unwrap_or(own);
    let last = intake.last_of(subject).or_else(|| stream.last_stored(subject)).unwrap_or(0);
    (number(expected) != Some(last)).then(|| table::STREAM_WRONG_LAST_SEQUENCE.with(last))
}

/// Why there is no room, in a stream that refuses what is new.
pub(crate) fn refuse_full(
    stream: &Stream,
    intake: &mut Intake,
    message: &Publish<'_>,
) -> Option<ApiError> {
    let config = &stream.config;
    if config.discard != Discard::New {
        return None;
    }
    let full = |text| Some(table::STREAM_STORE_FAILED.with(text));
    let limit = |limit: i64| u64::try_from(limit).ok().filter(|limit| *limit > 0);
    // A message that replaces another one of its subject needs only the room of that one.
    let mut replaced = None;
    if let Some(max) = limit(config.max_msgs_per_subject) {
        let key = stream.log.key(message.subject);
        let stored = key.map_or(0, KeyState::count);
        if stored + intake.count_of(message.subject) >= max {
            if config.discard_new_per_subject {
                return full("maximum messages per subject exceeded");
            }
            replaced = Some(key.map_or(0, |key| stream.weight_of(key.first())));
        }
    }
    let records = stream.log.records() + intake.len();
    if limit(config.max_msgs).is_some_and(|max| records >= max && replaced.is_none()) {
        return full("maximum messages exceeded");
    }
    let weight = u64::from(stream.weigh(message.subject, message.header, message.payload));
    let bytes = stream.log.weight() + intake.weight() + weight;
    if limit(config.max_bytes).is_some_and(|max| bytes - replaced.unwrap_or(0) > max) {
        return full("maximum bytes exceeded");
    }
    None
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
