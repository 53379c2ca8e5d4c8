//! What both decoders need: finding a line, splitting its arguments, taking a payload.

use memchr::memchr;

use super::{DecodeError, DecodeErrorKind};
use crate::limits::CONNECT_LINE_BYTES_MAX;

/// Most arguments that any verb takes, and one more to notice too many.
const ARGUMENTS_MAX: usize = 5;

/// A line without its end, and how many bytes it took with it.
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    pub(super) taken: usize,
}

/// The next line of `buffer`, or `None` until its end has arrived.
///
/// A line ends with LF; a CR before it is dropped, as nats-server does it.
#[inline]
pub(super) fn line(buffer: &[u8], bytes_max: usize) -> Result<Option<Line<'_>>, DecodeError> {
    let max = line_bytes_max(buffer, bytes_max) + 2;
    let window = buffer.get(..max).unwrap_or(buffer);
    let Some(end) = memchr(b'\n', window) else {
        if window.len() == max {
            return Err(DecodeErrorKind::LineTooLong.into());
        }
        return Ok(None);
    };
    let (text, _) = window.split_at(end);
    Ok(Some(Line { text: text.strip_suffix(b"\r").unwrap_or(text), taken: end + 1 }))
}

/// `CONNECT` and `INFO` carry JSON and may be longer than other lines.
fn line_bytes_max(buffer: &[u8], others: usize) -> usize {
    match buffer.first() {
        Some(b'C' | b'c' | b'I' | b'i') => CONNECT_LINE_BYTES_MAX.max(others),
        _ => others,
    }
}

/// The arguments of a line, at most four.
#[derive(Default)]
pub(super) struct Arguments<'a> {
    list: [&'a [u8]; ARGUMENTS_MAX],
    len: usize,
}

impl<'a> Arguments<'a> {
    /// Splits at runs of spaces and tabs.
    #[inline]
    pub(super) fn split(text: &'a [u8]) -> Result<Self, DecodeError> {
        let mut arguments = Self::default();
        let mut rest = text;
        loop {
            let start = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
            let (_, word) = rest.split_at(start);
            if word.is_empty() {
                return Ok(arguments);
            }
            let end = word.iter().position(|byte| is_space(*byte)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            let slot =
                arguments.list.get_mut(arguments.len).ok_or(DecodeErrorKind::MalformedArguments)?;
            *slot = word;
            arguments.len += 1;
            rest = after;
        }
    }

    pub(super) fn as_slice(&self) -> &[&'a [u8]] {
        self.list.get(..self.len).unwrap_or_default()
    }
}

#[inline]
fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// A decimal number without sign.
pub(super) fn number(digits: &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(DecodeErrorKind::MalformedArguments.into());
        }
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit)))
            .ok_or(DecodeErrorKind::MalformedArguments)?;
    }
    if digits.is_empty() {
        return Err(DecodeErrorKind::MalformedArguments.into());
    }
    Ok(value)
}

/// Most digits of a length; nats-server does not take more for a number.
const LENGTH_DIGITS_MAX: usize = 9;

/// A length on a control line. A number that cannot be a length is longer than any limit.
pub(super) fn length(digits: &[u8], max: usize) -> Result<usize, DecodeError> {
    if digits.len() > LENGTH_DIGITS_MAX {
        return Err(DecodeErrorKind::MalformedArguments.into());
    }
    match usize::try_from(number(digits)?) {
        Ok(length) if length <= max => Ok(length),
        _ => Err(DecodeErrorKind::PayloadTooLong.into()),
    }
}

/// A payload of `length` bytes and the CR LF behind it.
enum Payload<'a> {
    /// The payload; with its line end it took `length + 2` bytes.
    Whole(&'a [u8]),
    /// So many bytes, counted from the payload's start, must arrive before it is worth looking again.
    Needs(usize),
}

/// Takes a payload from the start of `buffer`.
#[inline]
fn payload(buffer: &[u8], length: usize) -> Result<Payload<'_>, DecodeError> {
    let whole = length + 2;
    let Some(frame) = buffer.get(..whole) else {
        return Ok(Payload::Needs(whole));
    };
    match frame.split_at(length) {
        (payload, b"\r\n") => Ok(Payload::Whole(payload)),
        _ => Err(DecodeErrorKind::UnknownOperation.into()),
    }
}

/// Header block and payload of a message.
pub(super) struct Body<'a> {
    pub(super) header: &'a [u8],
    pub(super) payload: &'a [u8],
    /// Bytes of the whole frame, its control line included.
    pub(super) taken: usize,
}

/// Takes the message behind a control line of `line_taken` bytes, or `None` until it has arrived;
/// then `needs` says how many bytes of `buffer` it takes.
#[inline]
pub(super) fn body<'a>(
    buffer: &'a [u8],
    line_taken: usize,
    header_length: usize,
    length: usize,
    needs: &mut usize,
) -> Result<Option<Body<'a>>, DecodeError> {
    let Some((_, rest)) = buffer.split_at_checked(line_taken) else { return Ok(None) };
    match payload(rest, length)? {
        Payload::Needs(bytes) => {
            *needs = line_taken + bytes;
            Ok(None)
        }
        Payload::Whole(whole) => {
            let parts = whole.split_at_checked(header_length);
            let (header, payload) = parts.ok_or(DecodeErrorKind::MalformedArguments)?;
            Ok(Some(Body { header, payload, taken: line_taken + length + 2 }))
        }
    }
}
