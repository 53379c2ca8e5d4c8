//! The server's side: operations that clients send.

use super::scan::{self, Arguments};
use super::{DecodeError, DecodeErrorKind};
use crate::limits::{CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::op::{ClientOp, Publish};

/// Decodes what a client sends.
///
/// Accepts what nats-server accepts: verbs in any case, runs of spaces and tabs between arguments,
/// lines that end with LF alone.
#[derive(Debug, Clone)]
pub struct ClientDecoder {
    /// Longest message in bytes, header block included.
    payload_bytes_max: usize,
    /// Longest control line in bytes, but for `CONNECT`, which may be longer.
    line_bytes_max: usize,
    /// Bytes that must be in the buffer before the frame at its start can be whole.
    needs: usize,
}

impl Default for ClientDecoder {
    fn default() -> Self {
        Self::new(PAYLOAD_BYTES_MAX)
    }
}

impl ClientDecoder {
    /// A decoder that refuses messages above `payload_bytes_max`.
    pub fn new(payload_bytes_max: usize) -> Self {
        Self { payload_bytes_max, line_bytes_max: CONTROL_LINE_BYTES_MAX, needs: 0 }
    }

    /// The same, with other control lines than those of up to [`CONTROL_LINE_BYTES_MAX`] bytes.
    #[must_use]
    pub fn lines_of(self, line_bytes_max: usize) -> Self {
        Self { line_bytes_max, ..self }
    }

    /// The operation at the start of `buffer` and the bytes it took, or `None` if it is not whole.
    ///
    /// After `None` the caller must present the same bytes again, with more behind them.
    #[inline]
    pub fn next<'a>(
        &mut self,
        buffer: &'a [u8],
    ) -> Result<Option<(ClientOp<'a>, usize)>, DecodeError> {
        if buffer.len() < self.needs {
            return Ok(None);
        }
        self.needs = 0;
        let line = match scan::line(buffer, self.line_bytes_max) {
            Ok(Some(line)) => line,
            // A verb that can't become one is refused at once, not when its line ends: a peer
            // that speaks another protocol may never send LF.
            Ok(None) | Err(_) if !Verb::possible(buffer) => {
                return Err(DecodeErrorKind::UnknownOperation.into());
            }
            Ok(None) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (verb, rest) = Verb::of(line.text)?;
        let op = match verb {
            Verb::Pub | Verb::Hpub => {
                return self.publish(verb == Verb::Hpub, rest, buffer, line.taken);
            }
            Verb::Sub => subscribe(rest)?,
            Verb::Unsub => unsubscribe(rest)?,
            Verb::Ping => ClientOp::Ping,
            Verb::Pong => ClientOp::Pong,
            Verb::Connect => ClientOp::Connect(rest.trim_ascii()),
            Verb::Ok => ClientOp::Ignored,
            Verb::Info if is_object(rest) => ClientOp::Ignored,
            // Whoever says that the server has made an error is let go, without a word.
            Verb::Info | Verb::Error => return Err(DecodeErrorKind::MalformedArguments.into()),
        };
        Ok(Some((op, line.taken)))
    }

    #[inline]
    fn publish<'a>(
        &mut self,
        has_header: bool,
        arguments: &'a [u8],
        buffer: &'a [u8],
        line_taken: usize,
    ) -> Result<Option<(ClientOp<'a>, usize)>, DecodeError> {
        let arguments = Arguments::split(arguments)?;
        let max = self.payload_bytes_max;
        let (subject, reply, header_length, length) = match (has_header, arguments.as_slice()) {
            (false, [subject, length]) => (*subject, None, 0, scan::length(length, max)?),
            (false, [subject, reply, length]) => {
                (*subject, Some(*reply), 0, scan::length(length, max)?)
            }
            (true, [subject, header, length]) => {
                (*subject, None, scan::length(header, max)?, scan::length(length, max)?)
            }
            (true, [subject, reply, header, length]) => {
                (*subject, Some(*reply), scan::length(header, max)?, scan::length(length, max)?)
            }
            _ => return Err(DecodeErrorKind::MalformedArguments.into()),
        };
        let needs = &mut self.needs;
        let Some(scan::Body { header, payload, taken }) =
            scan::body(buffer, line_taken, header_length, length, needs)?
        else {
            return Ok(None);
        };
        let op = ClientOp::Publish(Publish { subject, reply, header, payload, has_header });
        Ok(Some((op, taken)))
    }
}

fn subscribe(arguments: &[u8]) -> Result<ClientOp<'_>, DecodeError> {
    match Arguments::split(arguments)?.as_slice() {
        [filter, sid] => Ok(ClientOp::Subscribe { filter, queue: None, sid }),
        [filter, queue, sid] => Ok(ClientOp::Subscribe { filter, queue: Some(queue), sid }),
        _ => Err(DecodeErrorKind::MalformedArguments.into()),
    }
}

fn unsubscribe(arguments: &[u8]) -> Result<ClientOp<'_>, DecodeError> {
    match Arguments::split(arguments)?.as_slice() {
        [sid] => Ok(ClientOp::Unsubscribe { sid, max: None }),
        // nats-server takes what is no number for no limit.
        [sid, max] => {
            let max = scan::number(max).ok().filter(|max| *max > 0);
            Ok(ClientOp::Unsubscribe { sid, max })
        }
        _ => Err(DecodeErrorKind::MalformedArguments.into()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Pub,
    Hpub,
    Sub,
    Unsub,
    Ping,
    Pong,
    Connect,
    Ok,
    Info,
    Error,
}

/// Whether what follows a verb is an object of JSON.
fn is_object(arguments: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(arguments).is_ok()
}

/// Verbs that take arguments end with a space, as nats-server wants it; the others take whatever
/// follows them on the line for nothing.
const VERBS: [(&[u8], Verb, bool); 10] = [
    (b"PUB", Verb::Pub, true),
    (b"HPUB", Verb::Hpub, true),
    (b"SUB", Verb::Sub, true),
    (b"UNSUB", Verb::Unsub, true),
    (b"PING", Verb::Ping, false),
    (b"PONG", Verb::Pong, false),
    (b"CONNECT", Verb::Connect, true),
    (b"+OK", Verb::Ok, false),
    (b"INFO", Verb::Info, true),
    (b"-ERR", Verb::Error, true),
];

impl Verb {
    /// The verb at the start of a whole line, and what follows it.
    #[inline]
    fn of(line: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        for (name, verb, takes_arguments) in VERBS {
            let Some((start, rest)) = line.split_at_checked(name.len()) else { continue };
            if !start.eq_ignore_ascii_case(name) {
                continue;
            }
            return match rest.first() {
                Some(b' ' | b'\t') => Ok((verb, rest)),
                _ if !takes_arguments => Ok((verb, rest)),
                None if matches!(verb, Self::Connect | Self::Info) => {
                    Err(DecodeErrorKind::MalformedArguments.into())
                }
                _ => Err(DecodeErrorKind::UnknownOperation.into()),
            };
        }
        Err(DecodeErrorKind::UnknownOperation.into())
    }

    /// Whether an unfinished line can still become one with a known verb.
    fn possible(start: &[u8]) -> bool {
        VERBS.iter().any(|(name, ..)| {
            let length = name.len().min(start.len());
            match (start.get(..length), name.get(..length)) {
                (Some(start), Some(name)) => start.eq_ignore_ascii_case(name),
                _ => false,
            }
        })
    }
}
