//! Reading and deleting single messages.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use watershed_store::log::Position;
use watershed_store::{LogId, Record};
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::error::table;
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::message::{DeleteRequest, GetRequest, StoredMessage};
use watershed_wire::subject;
use watershed_wire::time::UnixNanos;

use super::{Answer, Request};
use crate::account::AccountId;
use crate::consumer::ConsumerKey;
use crate::engine::Engine;
use crate::jetstream::command::Command;
use crate::output::Output;
use crate::stream::chunk::Chunk;
use crate::stream::{Stored, Stream, StreamKey};

const GET: &str = "stream_msg_get_response";
const DELETE: &str = "stream_msg_delete_response";

#[derive(Serialize)]
struct Got {
    message: StoredMessage,
}

/// Who waits for a record to be read, and in which form.
#[derive(Debug)]
pub(crate) enum Reading {
    /// A client.
    Client {
        /// Account to reply in.
        account: AccountId,
        /// Subject to reply to.
        reply: Vec<u8>,
        /// How.
        form: Form,
        /// Log of the message.
        log: LogId,
        /// Where it is.
        position: Position,
    },
    /// A stream that is to copy it, and what lies behind it.
    Follower {
        /// The stream.
        stream: StreamKey,
        /// Which of its origins.
        index: usize,
        /// Log of the origin.
        log: LogId,
        /// Block that is read.
        block: u32,
        /// Where.
        offset: u32,
    },
    /// A consumer that is to deliver it, and what lies behind it.
    Consumer {
        /// The consumer.
        consumer: ConsumerKey,
        /// Log of its stream.
        log: LogId,
        /// Block that is read.
        block: u32,
        /// Where.
        offset: u32,
    },
}

/// How a message is sent to who asked for it.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// As JSON, in base64.
    Api,
    /// As it was published, with headers that say where it is from.
    Direct {
        /// Name of the stream.
        stream: String,
    },
}

impl Engine {
    pub(super) fn message_get(&mut self, request: &Request<'_>, name: &str) -> Answer {
        let key = match self.stream_or(request, GET, name) {
            Ok((key, _)) => key,
            Err(answer) => return answer,
        };
        let wanted: GetRequest = match request.body {
            [] => return self.refuse_call(GET, table::BAD_REQUEST),
            body => match json::decode(body) {
                Ok(wanted) => wanted,
                Err(error) => return self.refuse_call(GET, error),
            },
        };
        let by_subject = !wanted.last_by_subj.is_empty();
        let ambiguous = by_subject && (wanted.seq > 0 || !wanted.next_by_subj.is_empty());
        let nothing = !by_subject && wanted.seq == 0 && wanted.next_by_subj.is_empty();
        if ambiguous || nothing {
            return self.refuse_call(GET, table::BAD_REQUEST);
        }
        let stream = &self.jetstream.streams[key.0 as usize];
        match find(stream, &wanted) {
            Some(sequence) => self.read(request, key, sequence, Form::Api),
            None => self.refuse_call(GET, table::NO_MESSAGE_FOUND),
        }
    }

    pub(super) fn direct_get(&mut self, request: &Request<'_>, name: &str) -> Option<Answer> {
        let key = self.direct_stream(request, name)?;
        let Ok(wanted) = json::decode::<GetRequest>(match request.body {
            [] => b"{}",
            body => body,
        }) else {
            return Some(self.status(request, 408, "Bad Request"));
        };
        let batched = wanted.batch > 0 || wanted.max_bytes > 0 || !wanted.multi_last.is_empty();
        if batched || wanted.start_time.is_some() || wanted.up_to_seq > 0 {
            return Some(self.status(request, 408, "Batch requests are not supported yet"));
        }
        let empty =
            wanted.seq == 0 && wanted.last_by_subj.is_empty() && wanted.next_by_subj.is_empty();
        if empty {
            return Some(self.status(request, 408, "Empty Request"));
        }
        if wanted.seq > 0 && !wanted.last_by_subj.is_empty() {
            return Some(self.status(request, 408, "Bad Request"));
        }
        Some(self.direct(request, key, &wanted))
    }

    pub(super) fn direct_get_last(
        &mut self,
        request: &Request<'_>,
        name: &str,
        subject: &str,
    ) -> Option<Answer> {
        let key = self.direct_stream(request, name)?;
        let wanted = GetRequest { last_by_subj: subject.into(), ..GetRequest::default() };
        Some(self.direct(request, key, &wanted))
    }

    fn direct_stream(&self, request: &Request<'_>, name: &str) -> Option<StreamKey> {
        let (key, stream) = self.jetstream.stream(request.account, name)?;
        stream.config.allow_direct.then_some(key)
    }

    fn direct(&mut self, request: &Request<'_>, key: StreamKey, wanted: &GetRequest) -> Answer {
        let stream = &self.jetstream.streams[key.0 as usize];
        let form = Form::Direct { stream: stream.config.name.clone() };
        match find(stream, wanted) {
            Some(sequence) => self.read(request, key, sequence, form),
            None => self.status(request, 404, "Message Not Found"),
        }
    }

    pub(super) fn status(&mut self, request: &Request<'_>, code: u16, text: &str) -> Answer {
        let header = HeaderWriter::with_status(code, text).finish();
        self.reply(request.account, request.reply, &header, b"");
        Answer::Later
    }

    /// Sends a message, now if it is in memory.
    fn read(&mut self, request: &Request<'_>, key: StreamKey, sequence: u64, form: Form) -> Answer {
        let stream = &self.jetstream.streams[key.0 as usize];
        match stream.stored(sequence, &self.jetstream.tail) {
            None => self.refuse_call(GET, table::NO_MESSAGE_FOUND),
            Some(Stored::Memory(bytes)) => {
                let (header, payload) = show(&Record::view(bytes), &form);
                self.reply(request.account, request.reply, &header, &payload);
                Answer::Later
            }
            Some(Stored::Disk(position)) => {
                let log = stream.log.id();
                let (account, reply) = (request.account, request.reply.to_vec());
                let reading = Reading::Client { account, reply, form, log, position };
                let ticket = self.jetstream.expect_read(reading);
                let (block, offset) = (position.block, position.offset);
                let length = position.length as usize;
                self.outputs.push(Output::Read { ticket, log, block, offset, length });
                Answer::Later
            }
        }
    }

    /// Part of a block was read.
    pub(crate) fn read_done(&mut self, ticket: u64, bytes: Option<Vec<u8>>) {
        match self.jetstream.take_reading(ticket) {
            None => {}
            Some(Reading::Client { account, reply, form, log, position }) => {
                let (block, offset) = (position.block, position.offset);
                let mut chunk = bytes.map(|bytes| Chunk { log, block, offset, bytes });
                let record = chunk.as_mut().and_then(|chunk| chunk.record(log, position));
                let (header, payload) = match (record, &form) {
                    (Some(bytes), form) => show(&Record::view(bytes), form),
                    (None, Form::Api) => {
                        let reply = Reply::<()>::new(GET, Err(table::NO_MESSAGE_FOUND.into()));
                        (Vec::new(), json::encode(&reply))
                    }
                    (None, Form::Direct { .. }) => {
                        let header = HeaderWriter::with_status(404, "Message Not Found").finish();
                        (header, Vec::new())
                    }
                };
                self.reply(account, &reply, &header, &payload);
            }
            Some(Reading::Follower { stream: key, index, log, block, offset }) => {
                let stream = self.jetstream.streams.get_mut(key.0 as usize);
                let Some(following) = stream.and_then(|s| s.following.get_mut(index)) else {
                    return;
                };
                following.reading = false;
                if let Some(bytes) = bytes {
                    following.chunk = Some(Chunk { log, block, offset, bytes });
                    self.jetstream.following.insert(key);
                }
                // What can't be read was reported; the follower rests rather than skips it.
            }
            Some(Reading::Consumer { consumer: key, log, block, offset }) => {
                let consumers = &mut self.jetstream.consumers;
                let Some(consumer) = consumers.get_mut(key.0 as usize) else { return };
                consumer.reading = false;
                if let Some(bytes) = bytes {
                    consumer.chunk = Some(Chunk { log, block, offset, bytes });
                    self.wake(key);
                }
                // What can't be read was reported; the consumer rests rather than skips it.
            }
        }
    }

    pub(super) fn message_delete(&mut self, request: &Request<'_>, name: &str) -> Answer {
        let key = match self.stream_or(request, DELETE, name) {
            Ok((key, _)) => key,
            Err(answer) => return answer,
        };
        let wanted: DeleteRequest = match json::decode(request.body) {
            Ok(wanted) => wanted,
            Err(error) => return self.refuse_call(DELETE, error),
        };
        let stream = &self.jetstream.streams[key.0 as usize];
        if stream.config.sealed {
            return self.refuse_call(DELETE, table::STREAM_SEALED);
        }
        if stream.config.deny_delete {
            let error = table::STREAM_MSG_DELETE_FAILED.with("message delete not permitted");
            return self.refuse_call(DELETE, error);
        }
        let (log, last, sequence) = (stream.log.id(), stream.log.last(), wanted.seq);
        if stream.position(sequence).is_none() {
            if stream.is_memory() {
                return self.refuse_call(DELETE, table::SEQUENCE_NOT_FOUND.with(sequence));
            }
            let text = if sequence > last { "stream store EOF" } else { "no message found" };
            return self.refuse_call(DELETE, table::STREAM_MSG_DELETE_FAILED.with(text));
        }
        if stream.is_memory() {
            let command = Command::DeleteMessage { sequence };
            return Answer::Reply(self.apply_unjournaled(log, command));
        }
        Answer::Change(log, Command::DeleteMessage { sequence })
    }
}

/// The sequence of the message that a request means.
fn find(stream: &Stream, wanted: &GetRequest) -> Option<u64> {
    let valid = |filter: &str| subject::is_valid(filter.as_bytes());
    if !wanted.last_by_subj.is_empty() {
        let filter = &wanted.last_by_subj;
        return valid(filter).then(|| stream.last_stored(filter.as_bytes())).flatten();
    }
    if !wanted.next_by_subj.is_empty() {
        let filter = &wanted.next_by_subj;
        let next = || stream.next_stored(filter.as_bytes(), wanted.seq.max(1));
        return valid(filter).then(next).flatten();
    }
    stream.position(wanted.seq).map(|_| wanted.seq)
}

/// A record as it is sent: header block and payload.
fn show(record: &Record<'_>, form: &Form) -> (Vec<u8>, Vec<u8>) {
    let time = UnixNanos(record.time);
    match form {
        Form::Api => {
            let message = StoredMessage {
                subject: String::from_utf8_lossy(record.key).into_owned(),
                seq: record.sequence,
                hdrs: BASE64_STANDARD.encode(record.head),
                data: BASE64_STANDARD.encode(record.body),
                time,
            };
            (Vec::new(), json::encode(&Reply::new(GET, Ok(Got { message }))))
        }
        Form::Direct { stream } => {
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
                .field("Nats-Time-Stamp", time.to_string().as_bytes());
            (header.finish(), record.body.to_vec())
        }
    }
}
