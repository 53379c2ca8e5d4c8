//! Acknowledgements: the reply subject of a delivery, and what a client says to it.

/// Prefix of every delivery's reply subject.
pub const PREFIX: &str = "$JS.ACK";

/// A delivery, as its reply subject names it:
/// `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckSubject<'a> {
    /// Stream that holds the message.
    pub stream: &'a str,
    /// Consumer that delivered it.
    pub consumer: &'a str,
    /// How often it was delivered, this time included.
    pub deliveries: u64,
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// Which delivery of the consumer it was.
    pub consumer_seq: u64,
    /// When it was stored, nanoseconds since 1970.
    pub timestamp: i64,
    /// Messages that were pending behind it.
    pub pending: u64,
}

impl<'a> AckSubject<'a> {
    /// Parses a subject. `None` for one that no delivery has.
    #[inline]
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(subject).ok()?;
        let mut tokens = text.strip_prefix(PREFIX)?.strip_prefix('.')?.split('.');
        let parsed = Self {
            stream: tokens.next()?,
            consumer: tokens.next()?,
            deliveries: tokens.next()?.parse().ok()?,
            stream_seq: tokens.next()?.parse().ok()?,
            consumer_seq: tokens.next()?.parse().ok()?,
            timestamp: tokens.next()?.parse().ok()?,
            pending: tokens.next()?.parse().ok()?,
        };
        tokens.next().is_none().then_some(parsed)
    }

    /// Appends the subject.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(PREFIX.as_bytes());
        for name in [self.stream, self.consumer] {
            out.push(b'.');
            out.extend_from_slice(name.as_bytes());
        }
        let mut buffer = itoa::Buffer::new();
        for number in [self.deliveries, self.stream_seq, self.consumer_seq] {
            out.push(b'.');
            out.extend_from_slice(buffer.format(number).as_bytes());
        }
        out.push(b'.');
        out.extend_from_slice(buffer.format(self.timestamp).as_bytes());
        out.push(b'.');
        out.extend_from_slice(buffer.format(self.pending).as_bytes());
    }
}

/// What a client says to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ack {
    /// Done.
    Ack,
    /// Not done: deliver again, after this many nanoseconds.
    Nak {
        /// 0 for at once.
        delay: i64,
    },
    /// Still at it: start `ack_wait` anew.
    Progress,
    /// Never deliver again.
    Term {
        /// Why, for the advisory.
        reason: String,
    },
    /// Done, and here is the next request.
    Next {
        /// Body of a [`super::pull::PullRequest`].
        request: Vec<u8>,
    },
}

impl Ack {
    /// Parses a payload. What nats-server does not know it takes for nothing; so does this.
    #[inline]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        if payload.is_empty() || payload == b"+ACK" || payload == b"+OK" {
            return Some(Self::Ack);
        }
        if let Some(rest) = payload.strip_prefix(b"+NXT") {
            return Some(Self::Next { request: rest.trim_ascii().to_vec() });
        }
        if let Some(rest) = payload.strip_prefix(b"-NAK") {
            return Some(Self::Nak { delay: nak_delay(rest.trim_ascii()) });
        }
        if payload.starts_with(b"+WPI") {
            return Some(Self::Progress);
        }
        let reason = payload.strip_prefix(b"+TERM")?;
        Some(Self::Term { reason: String::from_utf8_lossy(reason.trim_ascii()).into_owned() })
    }
}

/// `{"delay": nanoseconds}`; anything else is no delay.
fn nak_delay(body: &[u8]) -> i64 {
    #[derive(serde::Deserialize)]
    struct Options {
        #[serde(default)]
        delay: i64,
    }
    super::json::object::<Options>(body).map_or(0, |options| options.delay.max(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn payloads() {
        for (payload, expected) in [
            ("", Some(Ack::Ack)),
            ("+ACK", Some(Ack::Ack)),
            ("-NAK", Some(Ack::Nak { delay: 0 })),
            ("-NAK {\"delay\": 5000}", Some(Ack::Nak { delay: 5000 })),
            ("-NAK x", Some(Ack::Nak { delay: 0 })),
            ("+WPI", Some(Ack::Progress)),
            ("+TERM", Some(Ack::Term { reason: String::new() })),
            ("+TERM bad input", Some(Ack::Term { reason: "bad input".into() })),
            ("+NXT", Some(Ack::Next { request: vec![] })),
            ("+NXT 5", Some(Ack::Next { request: b"5".to_vec() })),
            ("hello", None),
        ] {
            assert_eq!(Ack::parse(payload.as_bytes()), expected, "{payload}");
        }
    }

    #[test]
    fn what_is_no_delivery() {
        for subject in
            ["$JS.ACK", "$JS.ACK.S.C.1.2.3.4", "$JS.ACK.S.C.1.2.3.4.5.6", "$JS.ACK.S.C.x.2.3.4.5"]
        {
            assert_eq!(AckSubject::parse(subject.as_bytes()), None, "{subject}");
        }
    }

    proptest! {
        #[test]
        fn a_subject_survives(stream in "[A-Z]{1,9}", consumer in "[a-z]{1,9}", numbers: [u64; 4], timestamp: i64) {
            let [deliveries, stream_seq, consumer_seq, pending] = numbers;
            let subject = AckSubject { stream: &stream, consumer: &consumer, deliveries, stream_seq, consumer_seq, timestamp, pending };
            let mut out = Vec::new();
            subject.encode(&mut out);
            prop_assert_eq!(AckSubject::parse(&out), Some(subject));
        }

        #[test]
        fn any_bytes_are_read(subject: Vec<u8>, payload: Vec<u8>) {
            AckSubject::parse(&subject);
            Ack::parse(&payload);
        }
    }
}
