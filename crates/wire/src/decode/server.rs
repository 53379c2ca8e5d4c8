//! The client's side: operations that servers send. Tests, the simulation and the benchmark speak
//! the same bytes as the server through it.

use super::scan::{self, Arguments};
use super::{DecodeError, DecodeErrorKind};
use crate::limits::CONTROL_LINE_BYTES_MAX;
use crate::op::ServerOp;

/// Decodes what a server sends.
#[derive(Debug, Clone, Default)]
pub struct ServerDecoder {
    /// Bytes that must be in the buffer before the frame at its start can be whole.
    needs: usize,
}

/// A client trusts its server further than the other way round, but not without a bound.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;

impl ServerDecoder {
    /// The operation at the start of `buffer` and the bytes it took, or `None` if it is not whole.
    ///
    /// After `None` the caller must present the same bytes again, with more behind them.
    #[inline]
    pub fn next<'a>(
        &mut self,
        buffer: &'a [u8],
    ) -> Result<Option<(ServerOp<'a>, usize)>, DecodeError> {
        if buffer.len() < self.needs {
            return Ok(None);
        }
        self.needs = 0;
        let Some(line) = scan::line(buffer, CONTROL_LINE_BYTES_MAX)? else { return Ok(None) };
        let end = line.text.iter().position(|byte| matches!(byte, b' ' | b'\t'));
        let (verb, rest) = line.text.split_at(end.unwrap_or(line.text.len()));
        let op = match verb {
            b"MSG" => return self.message(false, rest, buffer, line.taken),
            b"HMSG" => return self.message(true, rest, buffer, line.taken),
            b"INFO" => ServerOp::Info(rest.trim_ascii()),
            b"PING" => ServerOp::Ping,
            b"PONG" => ServerOp::Pong,
            b"+OK" => ServerOp::Ok,
            b"-ERR" => {
                let text = rest.trim_ascii();
                let quoted = text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'"));
                ServerOp::Err(quoted.unwrap_or(text))
            }
            _ => return Err(DecodeErrorKind::UnknownOperation.into()),
        };
        Ok(Some((op, line.taken)))
    }

    #[inline]
    fn message<'a>(
        &mut self,
        has_header: bool,
        arguments: &'a [u8],
        buffer: &'a [u8],
        line_taken: usize,
    ) -> Result<Option<(ServerOp<'a>, usize)>, DecodeError> {
        let arguments = Arguments::split(arguments)?;
        let max = PAYLOAD_BYTES_MAX;
        let (subject, sid, reply, header_length, length) = match (has_header, arguments.as_slice())
        {
            (false, [subject, sid, length]) => {
                (*subject, *sid, None, 0, scan::length(length, max)?)
            }
            (false, [subject, sid, reply, length]) => {
                (*subject, *sid, Some(*reply), 0, scan::length(length, max)?)
            }
            (true, [subject, sid, header, length]) => {
                (*subject, *sid, None, scan::length(header, max)?, scan::length(length, max)?)
            }
            (true, [subject, sid, reply, header, length]) => {
                let reply = Some(*reply);
                (*subject, *sid, reply, scan::length(header, max)?, scan::length(length, max)?)
            }
            _ => return Err(DecodeErrorKind::MalformedArguments.into()),
        };
        let needs = &mut self.needs;
        let Some(scan::Body { header, payload, taken }) =
            scan::body(buffer, line_taken, header_length, length, needs)?
        else {
            return Ok(None);
        };
        let op = ServerOp::Message { subject, sid, reply, header, payload };
        Ok(Some((op, taken)))
    }
}
