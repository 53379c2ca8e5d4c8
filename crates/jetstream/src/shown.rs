//! Messages as they are sent to who asks for them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use watershed_store::Record;
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::message::StoredMessage;
use watershed_wire::time::UnixNanos;

use crate::reading::{Form, MESSAGE_GET};

#[derive(Serialize)]
struct Got {
    message: StoredMessage,
}

/// A record as it is sent: header block and payload.
pub(crate) fn show(record: &Record<'_>, form: &Form) -> (Vec<u8>, Vec<u8>) {
    match form {
        Form::Api => {
            let message = StoredMessage {
                subject: String::from_utf8_lossy(record.key).into_owned(),
                seq: record.sequence,
                hdrs: BASE64_STANDARD.encode(record.head),
                data: BASE64_STANDARD.encode(record.body),
                time: UnixNanos(record.time),
            };
            (Vec::new(), json::encode(&Reply::new(MESSAGE_GET, Ok(Got { message }))))
        }
        Form::Direct { headers: false, .. } => (Vec::new(), record.body.to_vec()),
        Form::Direct { stream, headers: true } => {
            (header(record, stream).finish(), record.body.to_vec())
        }
    }
}

/// The header block of a message of this stream, with where it is from.
pub(crate) fn header(record: &Record<'_>, stream: &str) -> HeaderWriter {
    let own = HeaderBlock(record.head);
    let mut header = if own.is_well_formed() {
        HeaderWriter::extending(record.head)
    } else {
        HeaderWriter::new()
    };
    header
        .field("Nats-Stream", stream.as_bytes())
        .field("Nats-Subject", record.key)
        .number("Nats-Sequence", record.sequence)
        .field("Nats-Time-Stamp", UnixNanos(record.time).to_string().as_bytes());
    header
}
