//! What a stream has stored is published again, under another subject.
//!
//! Those who listen get it at once. A stream that takes it stores it with what else is published: in a
//! turn of its own, so that streams that feed each other leave others their turns.

use watershed_store::Record;
use watershed_wire::header::HeaderWriter;
use watershed_wire::op::Publish;
use watershed_wire::time::UnixNanos;

use crate::jetstream::JetStream;
use crate::network::Network;
use crate::publishes::Again;
use crate::state::StreamKey;

/// Messages that streams store in one turn because others did.
const STORED_PER_TURN: usize = 256;

/// Names of the headers that say where a message is from.
const STREAM: &str = "Nats-Stream";
const SUBJECT: &str = "Nats-Subject";
const SEQUENCE: &str = "Nats-Sequence";
const TIME_STAMP: &str = "Nats-Time-Stamp";
const LAST_SEQUENCE: &str = "Nats-Last-Sequence";
const MSG_SIZE: &str = "Nats-Msg-Size";

impl JetStream {
    /// A message is stored: it is published again, if its stream does so. `last` is the sequence that
    /// was the last of its subject before it.
    pub(crate) fn republish(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        record: &Record<'_>,
        last: u64,
    ) {
        let stream = self.state.stream(key);
        let Some(config) = &stream.config.republish else { return };
        let Self { live, random, .. } = self;
        let Some(subject) = live.get(key).and_then(|own| own.republished(record.key, random))
        else {
            return;
        };
        if stream.log.position(record.sequence).is_none() {
            return; // Nobody wanted it, and it is not kept.
        }
        let size = config.headers_only.then_some(record.body.len());
        let header = header(&stream.config.name, record, last, size);
        let payload = if config.headers_only { b"" } else { record.body };
        let message =
            Publish { subject: &subject, reply: None, header: &header, payload, has_header: true };
        let account = stream.account;
        if let Some(capture) = net.publish(account, &message)
            && let Some(other) = self.state.streams.get(StreamKey(capture.0).index())
        {
            let (log, payload) = (other.log.id(), payload.into());
            let (subject, header) = (subject.into(), header.into());
            self.republished.push_back(Again { log, account, subject, header, payload });
        }
    }

    /// Stores some of what was published again. Says whether there is more that has room.
    pub(crate) fn store_republished(&mut self, net: &mut impl Network) -> bool {
        for _ in 0..STORED_PER_TURN {
            let Some(next) = self.republished.front() else { return false };
            let content = next.subject.len() + next.header.len() + next.payload.len();
            if self.takes_messages() && !self.rounds.has_room(content) {
                return false; // It goes with the next round.
            }
            let Some(own) = self.republished.pop_front() else { return false };
            let Some(key) = self.state.by_log(own.log) else { continue };
            let Again { subject, header, payload, .. } = &own;
            debug_assert_eq!(self.state.stream(key).account, own.account, "accounts are apart");
            let message = Publish { subject, reply: None, header, payload, has_header: true };
            self.store_in(net, key, &message);
        }
        !self.republished.is_empty()
    }
}

/// The header block of a message that is published again. What it has already under these names stays
/// before them, as on nats-server.
fn header(stream: &str, record: &Record<'_>, last: u64, size: Option<usize>) -> Vec<u8> {
    let mut header = HeaderWriter::extending(record.head);
    header.field(STREAM, stream.as_bytes()).field(SUBJECT, record.key);
    header.number(SEQUENCE, record.sequence);
    header.field(TIME_STAMP, UnixNanos(record.time).to_string().as_bytes());
    header.number(LAST_SEQUENCE, last);
    if let Some(size) = size {
        header.number(MSG_SIZE, size as u64);
    }
    header.finish()
}

#[cfg(test)]
mod tests {
    use watershed_store::LogId;

    use super::*;
    use crate::record::kind;

    #[test]
    fn a_header_says_where_a_message_is_from() {
        let check = |head: &str, size: Option<usize>, expected: &str| {
            let record = Record {
                log: LogId(1),
                kind: kind::MESSAGE,
                sequence: 7,
                time: 1_700_000_000_000_000_001,
                key: b"a.x",
                head: head.as_bytes(),
                body: b"abc",
            };
            let block = String::from_utf8(header("A", &record, 3, size)).unwrap();
            assert_eq!(block.replace("\r\n", "|"), expected, "{head}");
        };
        let time = "Nats-Time-Stamp: 2023-11-14T22:13:20.000000001Z|Nats-Last-Sequence: 3";
        let own = format!("Nats-Stream: A|Nats-Subject: a.x|Nats-Sequence: 7|{time}");
        check("", None, &format!("NATS/1.0|{own}||"));
        check(
            "NATS/1.0\r\nA: b\r\n\r\n",
            Some(3),
            &format!("NATS/1.0|A: b|{own}|Nats-Msg-Size: 3||"),
        );
    }
}
