//! From operations to bytes. Everything is appended to a buffer that the caller owns.
//!
//! Subjects, ids and header blocks are written as they are: they were validated where they came in,
//! so that bytes written here always decode to exactly one operation.

use crate::op::Publish;

/// Appends a `MSG`, or an `HMSG` if there is a header block.
#[inline]
pub fn message(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    header: &[u8],
    payload: &[u8],
) {
    out.reserve(
        subject.len()
            + sid.len()
            + reply.map_or(0, <[u8]>::len)
            + header.len()
            + payload.len()
            + 48,
    );
    out.extend_from_slice(if header.is_empty() { b"MSG " } else { b"HMSG " });
    out.extend_from_slice(subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    body(out, header, payload);
}

/// Appends a `PUB`, or an `HPUB` if there is a header block.
pub fn publish(out: &mut Vec<u8>, message: &Publish<'_>) {
    out.extend_from_slice(if message.header.is_empty() { b"PUB " } else { b"HPUB " });
    out.extend_from_slice(message.subject);
    out.push(b' ');
    if let Some(reply) = message.reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    body(out, message.header, message.payload);
}

#[inline]
fn body(out: &mut Vec<u8>, header: &[u8], payload: &[u8]) {
    if !header.is_empty() {
        number(out, header.len());
        out.push(b' ');
    }
    number(out, header.len() + payload.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(header);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends a `SUB`.
pub fn subscribe(out: &mut Vec<u8>, filter: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
    out.extend_from_slice(b"SUB ");
    out.extend_from_slice(filter);
    if let Some(queue) = queue {
        out.push(b' ');
        out.extend_from_slice(queue);
    }
    out.push(b' ');
    out.extend_from_slice(sid);
    out.extend_from_slice(b"\r\n");
}

/// Appends an `UNSUB`.
pub fn unsubscribe(out: &mut Vec<u8>, sid: &[u8], max: Option<u64>) {
    out.extend_from_slice(b"UNSUB ");
    out.extend_from_slice(sid);
    if let Some(max) = max {
        out.push(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(max).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `-ERR 'text'`.
pub fn error(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"-ERR '");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"'\r\n");
}

/// Appends a line of JSON behind a verb: `INFO` or `CONNECT`.
pub fn json_line(out: &mut Vec<u8>, verb: &str, json: &str) {
    out.extend_from_slice(verb.as_bytes());
    out.push(b' ');
    out.extend_from_slice(json.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `+OK`.
pub const OK: &[u8] = b"+OK\r\n";
/// `PING`.
pub const PING: &[u8] = b"PING\r\n";
/// `PONG`.
pub const PONG: &[u8] = b"PONG\r\n";

#[inline]
fn number(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
