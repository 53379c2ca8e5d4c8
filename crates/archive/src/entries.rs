//! The layout that nats-server 2.15 packs archives in: entries one behind the other, each with the
//! length of its name, its time, its sequence, the lengths of its header block and of its payload
//! (numbers of seven bits to a byte), its name, its header block and its payload. An entry with a
//! sequence is a message, and its name the subject; one without a name is the end.

use serde::Deserialize;

use crate::bad::BadArchive;
use crate::blocks::{Message, RECORD_BYTES_MAX, varint};
use crate::position::{Pending, Position};

/// What an archive in this layout begins with.
pub(crate) const BEGINNING: &[u8] = b"NATSARC1";

/// Longest name.
const NAME_BYTES_MAX: u64 = u16::MAX as u64;

/// What an entry is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    Message(Message<'a>),
    /// A file of this name.
    File(&'a str, &'a [u8]),
    End,
}

/// Reads the entry that `bytes` begin with, and takes it from them. `None`: there is more of it.
pub(crate) fn read<'a>(bytes: &mut &'a [u8]) -> Result<Option<Entry<'a>>, BadArchive> {
    let mut rest = *bytes;
    let numbers: [Option<u64>; 5] = std::array::from_fn(|_| varint(&mut rest));
    let [Some(name), Some(time), Some(sequence), Some(header), Some(payload)] = numbers else {
        // Five numbers are no longer than this.
        let broken = bytes.len() >= 50;
        return if broken { Err(BadArchive("an entry is broken")) } else { Ok(None) };
    };
    let length = header.saturating_add(payload);
    if name > NAME_BYTES_MAX || length > RECORD_BYTES_MAX as u64 {
        return Err(BadArchive("an entry is longer than any"));
    }
    let split = |rest: &mut &'a [u8], length: u64| {
        let (own, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        *rest = behind;
        Some(own)
    };
    let parts = [name, header, payload].map(|length| split(&mut rest, length));
    let [Some(name), Some(header), Some(payload)] = parts else { return Ok(None) };
    *bytes = rest;
    let time = (time >> 1).cast_signed() ^ -(time & 1).cast_signed();
    Ok(Some(if sequence > 0 {
        Entry::Message(Message { sequence, time, subject: name, header, payload })
    } else if name.is_empty() {
        Entry::End
    } else {
        let name = std::str::from_utf8(name).map_err(|_| BadArchive("a name is broken"))?;
        Entry::File(name, payload)
    }))
}

/// Where a stream begins and ends: the file `state.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) last_ts: Option<watershed_wire::time::UnixNanos>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pair {
    consumer_seq: u64,
    stream_seq: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Delivery {
    sequence: u64,
}

/// Where a consumer is: the member `state` of its file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ConsumerState {
    delivered: Pair,
    pending: std::collections::BTreeMap<u64, Delivery>,
    redelivered: std::collections::BTreeMap<u64, u64>,
}

impl ConsumerState {
    /// The same as a position; `None` if it cannot be one.
    pub(crate) fn position(&self) -> Option<Position> {
        let (deliveries, delivered) = (self.delivered.consumer_seq, self.delivered.stream_seq);
        let again = |sequence| self.redelivered.get(sequence).copied().unwrap_or(0);
        let pending = self.pending.iter().map(|(sequence, own)| Pending {
            sequence: *sequence,
            consumer_seq: own.sequence.max(1),
            deliveries: again(sequence).min(1 << 62) + 1,
        });
        let pending: Vec<Pending> = pending.collect();
        let beyond = pending.iter().any(|own| own.sequence == 0 || own.sequence > delivered);
        let high = (deliveries | delivered) >= 1 << 62;
        (!beyond && !high).then_some(Position { deliveries, delivered, pending })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_are_read() {
        // A file, a message, the end.
        let archive = b"\x05\x02\0\0\x02a.jsn{}\x03\x04\x07\x0c\x02s.aNATS/1.0\r\n\r\nhi\0\0\0\0\0";
        let mut rest = &archive[..];
        assert_eq!(read(&mut rest), Ok(Some(Entry::File("a.jsn", b"{}"))));
        let message = Message {
            sequence: 7,
            time: 2,
            subject: b"s.a",
            header: b"NATS/1.0\r\n\r\n",
            payload: b"hi",
        };
        assert_eq!(read(&mut rest), Ok(Some(Entry::Message(message))));
        assert_eq!(read(&mut &rest[..3]), Ok(None));
        assert_eq!(read(&mut rest), Ok(Some(Entry::End)));
    }

    #[test]
    fn positions_are_read() {
        let json = r#"{"delivered":{"consumer_seq":3,"stream_seq":5},"ack_floor":{},
            "pending":{"3":{"Sequence":2,"Timestamp":1}},"redelivered":{"3":4}}"#;
        let state: ConsumerState = serde_json::from_str(json).unwrap();
        let pending = vec![Pending { sequence: 3, consumer_seq: 2, deliveries: 5 }];
        assert_eq!(state.position(), Some(Position { deliveries: 3, delivered: 5, pending }));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut rest = bytes.as_slice();
            while let Ok(Some(entry)) = read(&mut rest) {
                if entry == Entry::End {
                    break;
                }
            }
        }
    }
}
