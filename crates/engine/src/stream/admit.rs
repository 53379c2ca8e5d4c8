//! Whether a message may be stored. Looks at what is durable and at what is on its way: two
//! publishes that expect the same last sequence cannot both be right.

use watershed_wire::header::HeaderBlock;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::publish::{
    EXPECTED_LAST_MSG_ID, EXPECTED_LAST_SEQ, EXPECTED_LAST_SUBJECT_SEQ,
    EXPECTED_LAST_SUBJECT_SEQ_SUBJECT, EXPECTED_STREAM, MSG_ID, ROLLUP, TTL, TimeToLive,
};
use watershed_wire::jetstream::stream::Discard;
use watershed_wire::op::Publish;
use watershed_wire::subject;
use watershed_wire::time::UnixNanos;

use super::Stream;

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

impl Stream {
    /// What becomes of `message`.
    pub(crate) fn admit<'a>(&mut self, message: &Publish<'a>, now: UnixNanos) -> Admission<'a> {
        if let Some(error) = self.refuse_size(message) {
            return Admission::Refuse(error);
        }
        let mut msg_id = None;
        if !message.header.is_empty() {
            let header = HeaderBlock(message.header);
            let refused = self.refuse_expectation(header).or_else(|| self.refuse_ttl(header));
            if let Some(error) = refused {
                return Admission::Refuse(error);
            }
            msg_id = header.value(MSG_ID).filter(|id| !id.is_empty());
            if let Some(id) = msg_id
                && let Some(sequence) = self.dedup.find(id, now, self.config.duplicate_window)
            {
                return Admission::Duplicate { sequence };
            }
            if let Some(error) = self.refuse_sequence(message.subject, header) {
                return Admission::Refuse(error);
            }
            if header.value(ROLLUP).is_some() && !self.config.allow_rollup_hdrs {
                return Admission::Refuse(table::STREAM_ROLLUP_FAILED.with("rollup not permitted"));
            }
        }
        match self.refuse_full(message) {
            Some(error) => Admission::Refuse(error),
            None => Admission::Store { msg_id },
        }
    }

    /// Whether a message with this id was stored inside the window.
    pub(crate) fn has_seen(&mut self, id: &[u8], now: UnixNanos) -> bool {
        self.dedup.find(id, now, self.config.duplicate_window).is_some()
    }

    /// Whether a message is longer than the stream takes.
    pub(crate) fn is_too_long(&self, message: &Publish<'_>) -> bool {
        self.refuse_size(message).is_some()
    }

    /// Whether there is no room, in a stream that refuses what is new.
    pub(crate) fn is_full(&self, message: &Publish<'_>) -> bool {
        self.refuse_full(message).is_some()
    }

    fn refuse_size(&self, message: &Publish<'_>) -> Option<ApiError> {
        if self.config.sealed {
            return Some(table::STREAM_SEALED.into());
        }
        let max = usize::try_from(self.config.max_msg_size).ok()?;
        let size = message.header.len() + message.payload.len();
        (size > max).then(|| table::STREAM_MESSAGE_EXCEEDS_MAXIMUM.into())
    }

    fn refuse_expectation(&self, header: HeaderBlock<'_>) -> Option<ApiError> {
        let other = header.value(EXPECTED_STREAM);
        if other.is_some_and(|name| name != self.config.name.as_bytes()) {
            return Some(table::STREAM_NOT_MATCH.into());
        }
        None
    }

    fn refuse_ttl(&self, header: HeaderBlock<'_>) -> Option<ApiError> {
        let value = header.value(TTL).filter(|value| !value.is_empty())?;
        if TimeToLive::parse(value).is_none() {
            return Some(table::MESSAGE_TTL_INVALID.into());
        }
        (!self.config.allow_msg_ttl).then(|| table::MESSAGE_TTL_DISABLED.into())
    }

    fn refuse_sequence(&self, own: &[u8], header: HeaderBlock<'_>) -> Option<ApiError> {
        if let Some(expected) = header.value(EXPECTED_LAST_SEQ)
            && number(expected) != Some(self.assigned)
        {
            return Some(table::STREAM_WRONG_LAST_SEQUENCE.with(self.assigned));
        }
        if let Some(expected) = header.value(EXPECTED_LAST_MSG_ID)
            && *expected != *self.last_msg_id
        {
            let last = String::from_utf8_lossy(&self.last_msg_id);
            return Some(table::STREAM_WRONG_LAST_MSG_ID.with(last));
        }
        let expected = header.value(EXPECTED_LAST_SUBJECT_SEQ)?;
        let subject = header.value(EXPECTED_LAST_SUBJECT_SEQ_SUBJECT).unwrap_or(own);
        let last = self.last_of(subject);
        (number(expected) != Some(last)).then(|| table::STREAM_WRONG_LAST_SEQUENCE.with(last))
    }

    /// Sequence of the last message of a subject or filter, those on their way included; 0 for none.
    fn last_of(&self, filter: &[u8]) -> u64 {
        let first = self.log.last() + 1;
        let inflight = self.inflight.iter().rposition(|m| subject::matches(filter, &m.subject));
        match inflight {
            Some(index) => first + index as u64,
            None => self.last_stored(filter).unwrap_or(0),
        }
    }

    fn refuse_full(&self, message: &Publish<'_>) -> Option<ApiError> {
        if self.config.discard != Discard::New {
            return None;
        }
        let full = |text| Some(table::STREAM_STORE_FAILED.with(text));
        let limit = |limit: i64| u64::try_from(limit).ok();
        let inflight = self.inflight.len() as u64;
        if limit(self.config.max_msgs).is_some_and(|max| self.log.records() + inflight >= max) {
            return full("maximum messages exceeded");
        }
        let weight = self.weigh(message.subject, message.header, message.payload);
        let inflight: u64 = self.inflight.iter().map(|message| u64::from(message.weight)).sum();
        let bytes = self.log.weight() + inflight + u64::from(weight);
        if limit(self.config.max_bytes).is_some_and(|max| bytes > max) {
            return full("maximum bytes exceeded");
        }
        if self.config.discard_new_per_subject {
            let stored =
                self.log.key(message.subject).map_or(0, watershed_store::log::KeyState::count);
            let inflight = self.inflight.iter().filter(|m| *m.subject == *message.subject).count();
            let max = limit(self.config.max_msgs_per_subject);
            if max.is_some_and(|max| stored + inflight as u64 >= max) {
                return full("maximum messages per subject exceeded");
            }
        }
        None
    }

    /// Whether the message with this sequence is durable.
    pub(crate) fn is_stored(&self, sequence: u64) -> bool {
        sequence <= self.log.last()
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
