//! Whether a message may be stored. Looks at what is durable and at what is on its way: two
//! publishes that expect the same last sequence cannot both be right.

use watershed_store::log::KeyState;
use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::asked::{Asked, is_sequence};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::schedule::Schedule;
use watershed_wire::jetstream::stream::{Discard, Retention};
use watershed_wire::limits::{HEADER_BYTES_MAX, SEQUENCE_MAX};
use watershed_wire::op::Publish;
use watershed_wire::subject::has_wildcard;
use watershed_wire::time::UnixNanos;

use super::intake::Intake;
use crate::accounts::Room;
use crate::state::{Hit, Lookup, Stream};

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
    /// More must be looked at to say so.
    Unknown,
}

/// What becomes of `message`, given what is stored and what is on its way, as far as `lookup` finds it.
pub(crate) fn admit<'a>(
    stream: &Stream,
    intake: &mut Intake,
    message: &Publish<'a>,
    now: UnixNanos,
    room: Room,
    lookup: &mut Lookup,
) -> Admission<'a> {
    if let Some(error) = refuse_size(stream, message) {
        return Admission::Refuse(error);
    }
    if message.header.len() > HEADER_BYTES_MAX {
        return Admission::Refuse(table::STREAM_HEADER_EXCEEDS_MAXIMUM.into());
    }
    let asked = Asked::read(HeaderBlock(message.header));
    let refused = asked.refused(&stream.config);
    let refused = refused.or_else(|| refuse_schedule(stream, message, &asked, now));
    if let Some(error) = refused {
        return Admission::Refuse(error);
    }
    if let Some(id) = asked.msg_id
        && let Some(sequence) = seen(stream, intake, id, now)
    {
        return Admission::Duplicate { sequence };
    }
    let refused = match refuse_sequence(stream, intake, message.subject, &asked, lookup) {
        Expected::True => asked.refused_new(&stream.config),
        Expected::Wrong(error) => Some(error),
        Expected::Unknown => return Admission::Unknown,
    };
    if let Some(error) = refused {
        return Admission::Refuse(error);
    }
    if room.server_full {
        return Admission::Refuse(table::INSUFFICIENT_RESOURCES.into());
    }
    let weight = u64::from(stream.weigh(message.subject, message.header, message.payload));
    let full = if weight > room.account {
        let unwanted = !room.changing && is_unwanted(stream, message.subject);
        (!unwanted).then(|| table::ACCOUNT_RESOURCES_EXCEEDED.into())
    } else {
        // What nobody waits for takes no room.
        let full = refuse_full(stream, intake, message);
        full.filter(|_| !is_unwanted(stream, message.subject))
    };
    match full {
        Some(error) => Admission::Refuse(error),
        None => Admission::Store { msg_id: asked.msg_id },
    }
}

/// Why a message cannot be the schedule that it says it is, or that made it.
pub(super) fn refuse_schedule(
    stream: &Stream,
    message: &Publish<'_>,
    asked: &Asked<'_>,
    now: UnixNanos,
) -> Option<ApiError> {
    if let Some(subject) = asked.scheduler
        && (subject == message.subject || !stream.may_schedule(subject))
    {
        return Some(table::MESSAGE_SCHEDULES_SCHEDULER_INVALID.into());
    }
    asked.schedule?;
    match Schedule::read(HeaderBlock(message.header)) {
        Ok(schedule) => schedule?.refused(message.subject, &stream.config, now),
        Err(error) => Some(error),
    }
}

/// Whether a message goes as soon as it is stored.
pub(super) fn is_unwanted(stream: &Stream, subject: &[u8]) -> bool {
    stream.config.retention == Retention::Interest
        && stream.followers.is_empty()
        && !stream.consumers.take(subject)
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

/// Whether what a message expects is true.
pub(super) enum Expected {
    True,
    Wrong(ApiError),
    /// Nobody has looked far enough to say so.
    Unknown,
}

pub(super) fn refuse_sequence(
    stream: &Stream,
    intake: &mut Intake,
    own: &[u8],
    asked: &Asked<'_>,
    lookup: &mut Lookup,
) -> Expected {
    if let Some(expected) = asked.expected_last_seq
        && !is_sequence(expected, intake.assigned())
    {
        return Expected::Wrong(table::STREAM_WRONG_LAST_SEQUENCE.with(intake.assigned()));
    }
    if let Some(expected) = asked.expected_last_msg_id {
        let last = intake.last_id().unwrap_or(&stream.last_msg_id);
        if *expected != *last {
            let last = String::from_utf8_lossy(last);
            return Expected::Wrong(table::STREAM_WRONG_LAST_MSG_ID.with(last));
        }
    }
    let Some(expected) = asked.expected_last_subject_seq else { return Expected::True };
    let subject = asked.expected_last_subject_seq_subject.unwrap_or(own);
    let last = if has_wildcard(subject) {
        // What is on its way is looked at once there is room to look at what is stored.
        match lookup.last(stream, subject, intake.len()) {
            Some(Hit(stored)) => intake.last_of(subject).or(stored),
            None => return Expected::Unknown,
        }
    } else {
        intake.last_of(subject).or_else(|| stream.last_stored(subject))
    };
    let last = last.unwrap_or(0);
    if is_sequence(expected, last) {
        Expected::True
    } else {
        Expected::Wrong(table::STREAM_WRONG_LAST_SEQUENCE.with(last))
    }
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
    let mut replaced: Option<u64> = None;
    if let Some(max) = limit(config.max_msgs_per_subject) {
        let key = stream.log.key(message.subject);
        let stored = key.map_or(0, KeyState::count);
        if stored + intake.count_of(message.subject) >= max {
            if config.discard_new_per_subject {
                return full("maximum messages per subject exceeded");
            }
            // No message has the sequence 0: that one is still on its way.
            replaced = Some(key.map_or(0, KeyState::first));
        }
    }
    let records = stream.log.records() + intake.len();
    if limit(config.max_msgs).is_some_and(|max| records >= max && replaced.is_none()) {
        return full("maximum messages exceeded");
    }
    if let Some(max) = limit(config.max_bytes) {
        let weight = u64::from(stream.weigh(message.subject, message.header, message.payload));
        let bytes = stream.log.weight() + intake.weight() + weight;
        let freed = replaced.map_or(0, |first| stream.weight_of(first));
        if bytes - freed > max {
            return full("maximum bytes exceeded");
        }
    }
    None
}
