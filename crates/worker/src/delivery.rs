//! A message as a consumer delivers it.

use bytes::Bytes;
use watershed_client::{HeaderMap, HeaderValue, Message};
use watershed_wire::jetstream::ack::AckSubject;
use watershed_wire::time::UnixNanos;

/// A message that was delivered, to be handled once more or for the first time.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Subject.
    pub subject: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Payload.
    pub payload: Bytes,
    /// Stream that holds it.
    pub stream: String,
    /// When that stream was created, nanoseconds since 1970: sequences of a stream that was made anew
    /// are others.
    pub created: i64,
    /// Consumer that delivered it.
    pub consumer: String,
    /// Sequence in the stream.
    pub sequence: u64,
    /// How often it was delivered, this time included.
    pub deliveries: u64,
    /// How often it is delivered at most, if there is such a limit.
    pub max_deliver: Option<u64>,
    /// When it was stored.
    pub time: UnixNanos,
    /// Messages that were pending behind it.
    pub pending: u64,
}

impl Delivery {
    /// A message that came from a consumer, and the subject for its acknowledgement. `None` if it is not
    /// a delivery of one.
    pub(crate) fn read(
        message: Message,
        created: i64,
        max_deliver: Option<u64>,
    ) -> Option<(Self, String)> {
        let reply = message.reply.as_ref()?.to_string();
        let plain = without_domain(&reply);
        let named = AckSubject::parse(plain.as_bytes())?;
        let delivery = Self {
            subject: message.subject.to_string(),
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
            stream: named.stream.to_owned(),
            created,
            consumer: named.consumer.to_owned(),
            sequence: named.stream_seq,
            deliveries: named.deliveries,
            max_deliver,
            time: UnixNanos(named.timestamp),
            pending: named.pending,
        };
        Some((delivery, reply))
    }

    /// Whether the server will not deliver it again.
    pub fn is_last(&self) -> bool {
        self.max_deliver.is_some_and(|most| self.deliveries >= most)
    }

    /// Which message it is, also when it was given up and sent again as another one.
    pub fn origin(&self) -> String {
        let own = || origin(&self.stream, self.created, self.sequence);
        self.header(ORIGIN).map_or_else(own, str::to_owned)
    }

    /// The first value of a header, if it has one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(HeaderValue::as_str)
    }
}

/// Header of a message that was sent again, with what names it.
pub(crate) const ORIGIN: &str = "Watershed-Origin";

/// What names a message: its stream, when that was created, its sequence there.
pub(crate) fn origin(stream: &str, created: i64, sequence: u64) -> String {
    format!("{stream}.{created}.{sequence}")
}

/// The subject for an acknowledgement without the domain and the account that a server may put behind
/// `$JS.ACK`, and the token at the end that goes with them (ADR-15).
fn without_domain(reply: &str) -> String {
    let tokens: Vec<&str> = reply.split('.').collect();
    match tokens.as_slice() {
        [js, ack, _, _, rest @ ..] if tokens.len() >= 11 => {
            let own = rest.iter().take(7).copied();
            [*js, *ack].into_iter().chain(own).collect::<Vec<_>>().join(".")
        }
        _ => reply.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_with_and_without_a_domain() {
        let check = |reply: &str, expected: &str| assert_eq!(without_domain(reply), expected);
        check("$JS.ACK.S.c.1.2.3.4.5", "$JS.ACK.S.c.1.2.3.4.5");
        check("$JS.ACK.d.hash.S.c.1.2.3.4.5", "$JS.ACK.S.c.1.2.3.4.5");
        check("$JS.ACK._.hash.S.c.1.2.3.4.5.x", "$JS.ACK.S.c.1.2.3.4.5");
        check("", "");
    }
}
