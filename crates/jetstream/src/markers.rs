//! Markers: where the last message of a subject goes because it is too old, another one takes its
//! place that says so (ADR-43). Those who keep what they have read know then that it is gone.
//!
//! A marker is a message like any other, a record before that of the expiry. It rolls up what it
//! stands for, so a subject never has neither.

use std::borrow::Cow;

use watershed_store::Record;
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::publish::{MARKER_REASON, ROLLUP, TTL, TimeToLive};

use crate::jetstream::JetStream;
use crate::network::Network;
use crate::record::kind;
use crate::rounds::Owed;
use crate::state::StreamKey;

/// What markers say of why a message is gone.
const MAX_AGE: &[u8] = b"MaxAge";

const SECOND: i64 = 1_000_000_000;

impl JetStream {
    /// Stores markers for what expires with a record that takes messages before the sequence `until`
    /// by age, and `limit` by their own word. Says whether there was room for all.
    pub(crate) fn mark_expired(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        until: u64,
        limit: u64,
    ) -> bool {
        let now = self.now.wall;
        let stream = self.state.stream(key);
        let ttl = stream.config.subject_delete_marker_ttl;
        if ttl == 0 {
            return true;
        }
        let mut header = HeaderWriter::new();
        header.field(MARKER_REASON, MAX_AGE).field(TTL, duration(ttl).as_bytes());
        header.field(ROLLUP, b"sub");
        let header = header.finish();
        let is_memory = stream.is_memory();
        for subject in stream.expiring_last(now, until, limit) {
            let content = subject.len() + header.len();
            let has_room = self.takes_messages() && self.rounds.has_room(content);
            if !is_memory && !has_room {
                return false;
            }
            // What is on its way will be there.
            if self.live(key).intake.count_of(&subject) == 0 {
                self.mark(net, key, &subject, &header);
            }
        }
        true
    }

    fn mark(&mut self, net: &mut impl Network, key: StreamKey, subject: &[u8], header: &[u8]) {
        if self.live(key).unsaved {
            self.save_events_of(net, key);
        }
        let stream = &self.state.streams[key.index()];
        let Some(live) = self.live.get_mut(key) else { return };
        let sequence = if stream.is_memory() {
            live.intake.assigned() + 1
        } else {
            let weight = stream.weigh(subject, header, b"");
            self.work.accepted(stream.account, u64::from(weight));
            live.intake.accept(subject, weight, b"")
        };
        let record = Record {
            log: stream.log.id(),
            kind: kind::MESSAGE,
            sequence,
            time: self.now.wall.0,
            key: subject,
            head: header,
            body: b"",
        };
        if stream.is_memory() {
            self.apply_local(net, &record, Owed::NOTHING);
        } else {
            self.rounds.push(&record, Owed::NOTHING);
        }
    }
}

/// The header block of a message as a stream keeps it: with markers, no message lives for less time
/// than the marker that may follow it, but where each subject has one message, as in a bucket. As nats-server does,
/// in whole seconds.
pub(crate) fn lengthened<'a>(config: &StreamConfig, block: &'a [u8]) -> Cow<'a, [u8]> {
    let least = config.subject_delete_marker_ttl / SECOND;
    if least == 0 || config.max_msgs_per_subject == 1 || block.is_empty() {
        return Cow::Borrowed(block);
    }
    let own = HeaderBlock(block).value(TTL).and_then(TimeToLive::parse);
    match own {
        Some(TimeToLive::Nanos(nanos)) if nanos / SECOND < least => {
            let mut header = HeaderWriter::new();
            let others = HeaderBlock(block).fields().filter(|(name, _)| *name != TTL.as_bytes());
            for (name, value) in others {
                header.field(&String::from_utf8_lossy(name), value);
            }
            header.number(TTL, least.unsigned_abs());
            Cow::Owned(header.finish())
        }
        _ => Cow::Borrowed(block),
    }
}

/// A time to live in whole seconds, as nats-server writes it in a marker.
fn duration(nanos: i64) -> String {
    let seconds = nanos / SECOND;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{}s", seconds % 60),
        _ => format!("{hours}h{minutes}m{}s", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_says_how_long_it_stays() {
        for (seconds, expected) in [
            (1, "1s"),
            (59, "59s"),
            (60, "1m0s"),
            (90, "1m30s"),
            (3600, "1h0m0s"),
            (90_061, "25h1m1s"),
        ] {
            let text = duration(seconds * SECOND + 1);
            assert_eq!(text, expected);
            let parsed = TimeToLive::parse(text.as_bytes());
            assert_eq!(parsed, Some(TimeToLive::Nanos(seconds * SECOND)));
        }
    }

    #[test]
    fn no_message_lives_for_less_time_than_its_marker() {
        let config =
            StreamConfig { subject_delete_marker_ttl: 3 * SECOND + 1, ..StreamConfig::default() };
        // Answers of nats-server 2.14.6.
        for (ttl, expected) in [
            ("1", "A: a|B: b|Nats-TTL: 3"),
            ("2999ms", "A: a|B: b|Nats-TTL: 3"),
            ("3s", "A: a|Nats-TTL: 3s|B: b"),
            ("1h", "A: a|Nats-TTL: 1h|B: b"),
            ("never", "A: a|Nats-TTL: never|B: b"),
        ] {
            let block = format!("NATS/1.0\r\nA: a\r\nNats-TTL: {ttl}\r\nB: b\r\n\r\n");
            let kept = lengthened(&config, block.as_bytes());
            let expected = format!("NATS/1.0\r\n{}\r\n\r\n", expected.replace('|', "\r\n"));
            assert_eq!(String::from_utf8_lossy(&kept), expected);
            let bucket = StreamConfig { max_msgs_per_subject: 1, ..config.clone() };
            assert_eq!(lengthened(&bucket, block.as_bytes()), block.as_bytes());
        }
    }
}
