//! Reading and deleting single messages.

use watershed_store::Record;
use watershed_wire::header::HeaderWriter;
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::error::table;
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::message::{DeleteRequest, Direct, DirectError, GetRequest, Wanted};
use watershed_wire::subject;
use watershed_wire::time::UnixNanos;

use super::request::{Answer, Request};
use crate::batch_reads::{Batch, Stage};
use crate::chunk::Chunk;
use crate::jetstream::{JetStream, Work};
use crate::limits::{BATCH_GET_BYTES_MAX, BATCH_SUBJECTS_MAX};
use crate::network::Network;
use crate::reading::{DAMAGED, Form, MESSAGE_GET as GET, Reading};
use crate::record::Command;
use crate::shown::show;
use crate::state::{Lasts, Search, Stored, Stream, StreamKey};

const DELETE: &str = "stream_msg_delete_response";

impl JetStream {
    pub(super) fn message_get(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        name: &str,
    ) -> Answer {
        if json::asks_nothing(request.body) {
            return Self::refuse_call(GET, table::BAD_REQUEST);
        }
        let wanted: GetRequest = match json::decode(request.body) {
            Ok(wanted) => wanted,
            Err(error) => return Self::refuse_call(GET, error),
        };
        let Some(one) = wanted.one() else {
            return Self::refuse_call(GET, table::BAD_REQUEST);
        };
        let key = match self.stream_or(request, GET, name) {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        match self.find(key, one) {
            Ok(Some(sequence)) => self.read(net, request, key, sequence, Form::Api),
            Ok(None) => Self::refuse_call(GET, table::NO_MESSAGE_FOUND),
            Err(search) => Answer::Search(key, Work::Search(search)),
        }
    }

    pub(super) fn direct_get(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        name: &str,
    ) -> Answer {
        let Some(key) = self.direct_stream(request, name) else { return Answer::Later };
        self.direct(net, request, key, GetRequest::parse_direct(request.body))
    }

    pub(super) fn direct_get_last(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        name: &str,
        subject: &str,
    ) -> Answer {
        let Some(key) = self.direct_stream(request, name) else { return Answer::Later };
        self.direct(net, request, key, GetRequest::parse_direct_last(request.body, subject))
    }

    /// The stream of a direct get; `None` where nobody listens, as it does not allow them.
    pub(super) fn direct_stream(&self, request: &Request<'_>, name: &str) -> Option<StreamKey> {
        let (key, stream) = self.state.find(request.account, name)?;
        stream.config.allow_direct.then_some(key)
    }

    /// Whether what a direct get may mean is on its way to the disk.
    pub(super) fn waits_for_get(&mut self, key: StreamKey, body: &[u8]) -> bool {
        let last = self.state.stream(key).log.last();
        let intake = &mut self.live(key).intake;
        if intake.len() == 0 {
            return false;
        }
        let Ok(wanted) = GetRequest::parse_direct(body) else { return false };
        match wanted.direct() {
            Ok(Direct::One(Wanted::Sequence(sequence))) => sequence > last,
            Ok(Direct::One(Wanted::Last(filter))) => intake.last_of(filter.as_bytes()).is_some(),
            Ok(_) => true,
            Err(_) => false,
        }
    }

    fn direct(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        key: StreamKey,
        wanted: Result<GetRequest, DirectError>,
    ) -> Answer {
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(error) => return Self::status(net, request, 408, &error.to_string()),
        };
        let one = match wanted.direct() {
            Ok(Direct::One(one)) => one,
            Ok(Direct::Batch(first)) => {
                let stage = along(self.state.stream(key), first);
                return self.direct_batch(net, request, key, &wanted, stage);
            }
            Ok(Direct::Lasts) => {
                let stage = lasts(self.state.stream(key), &wanted);
                return self.direct_batch(net, request, key, &wanted, stage);
            }
            Err(error) => return Self::status(net, request, 408, &error.to_string()),
        };
        let stream = self.state.stream(key);
        let name = stream.config.name.clone();
        let form = Form::Direct { stream: name, headers: !wanted.no_hdr };
        match self.find(key, one) {
            Ok(Some(sequence)) => self.read(net, request, key, sequence, form),
            Ok(None) => Self::status(net, request, 404, "Message Not Found"),
            Err(search) => Answer::Search(key, Work::Search(search)),
        }
    }

    fn direct_batch(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        key: StreamKey,
        wanted: &GetRequest,
        stage: Stage,
    ) -> Answer {
        let stream = self.state.stream(key);
        let (log, name) = (stream.log.id(), &stream.config.name);
        let mut batch = Batch::new(request.account, request.reply, log, name, stage);
        batch.bare = wanted.no_hdr;
        batch.asked_bytes = request.body.len();
        batch.left = match wanted.batch {
            count if wanted.multi_last.is_empty() => u64::try_from(count).unwrap_or(0),
            count => u64::try_from(count).ok().filter(|count| *count > 0).unwrap_or(u64::MAX),
        };
        batch.bytes_max = match wanted.max_bytes {
            0 => BATCH_GET_BYTES_MAX,
            // Of a bound that no message keeps, the first one is sent.
            bytes => u64::try_from(bytes).unwrap_or(1).min(BATCH_GET_BYTES_MAX),
        };
        self.begin_batch(net, batch);
        Answer::Later
    }

    /// The sequence of the message that a request means, or a search for it.
    fn find(&mut self, key: StreamKey, wanted: Wanted<'_>) -> Result<Option<u64>, Search> {
        let stream = self.state.stream(key);
        let searched = |filter: &str| {
            let filter = filter.as_bytes();
            filter != b">" && subject::is_valid(filter) && subject::has_wildcard(filter)
        };
        let search = match wanted {
            Wanted::Last(filter) if searched(filter) => {
                Search::last([filter.as_bytes()].into_iter(), &stream.log)
            }
            Wanted::Next { from, filter } if searched(filter) => {
                Search::next(filter.as_bytes(), from)
            }
            Wanted::Since { from, filter: Some(filter) } if searched(filter) => {
                match stream.log.at_time(from.0) {
                    Some(first) => Search::next(filter.as_bytes(), first),
                    None => return Ok(None),
                }
            }
            _ => return Ok(find(stream, wanted)),
        };
        self.search(key, search)
    }

    fn status(net: &mut impl Network, request: &Request<'_>, code: u16, text: &str) -> Answer {
        Self::send_status(net, request.account, request.reply, code, text, &[]);
        Answer::Later
    }

    /// Sends a message, now if it is in memory.
    fn read(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        key: StreamKey,
        sequence: u64,
        form: Form,
    ) -> Answer {
        let stream = self.state.stream(key);
        let position = match stream.stored(sequence, &self.tail) {
            None => return Self::refuse_call(GET, table::NO_MESSAGE_FOUND),
            Some(Stored::Memory(bytes)) => {
                let (header, payload) = show(&Record::view(bytes), &form);
                Self::reply(net, request.account, request.reply, &header, &payload);
                return Answer::Later;
            }
            Some(Stored::Disk(position)) => position,
        };
        let log = stream.log.id();
        let (account, reply) = (request.account, request.reply.to_vec());
        let reading = Reading::Client { account, reply, form, log, sequence, position };
        self.read_record(reading, log, position);
        Answer::Later
    }

    /// Part of a block was read.
    pub(crate) fn read_done(
        &mut self,
        net: &mut impl Network,
        ticket: u64,
        bytes: Option<Vec<u8>>,
    ) {
        match self.reads.remove(&ticket) {
            None => {}
            Some(Reading::Client { account, reply, form, log, sequence, position }) => {
                let mut chunk = bytes.map(|bytes| Chunk::at(log, position, bytes));
                let record = chunk.as_mut().and_then(|chunk| chunk.record(log, position));
                let found = record.is_some();
                let (header, payload) = match (record, &form) {
                    (Some(bytes), form) => show(&Record::view(bytes), form),
                    // Not the same as none: who takes it for none would make it again.
                    (None, Form::Api) => {
                        let error = table::STREAM_STORE_FAILED.with(DAMAGED);
                        (Vec::new(), json::encode(&Reply::<()>::new(GET, Err(error))))
                    }
                    (None, Form::Direct { .. }) => {
                        (HeaderWriter::with_status(500, DAMAGED).finish(), Vec::new())
                    }
                };
                if !found {
                    self.note_damage(log, sequence);
                }
                Self::reply(net, account, &reply, &header, &payload);
            }
            Some(Reading::Follower { stream: key, index, log, block, offset }) => {
                let Some(live) = self.live.get_mut(key) else { return };
                let Some(copier) = live.copiers.get_mut(index) else { return };
                copier.reading = false;
                if let Some(bytes) = bytes {
                    copier.chunk = Some(Chunk { log, block, offset, bytes });
                    self.following.insert(key);
                }
                // What can't be read was reported; the follower rests rather than skips it.
            }
            Some(Reading::Counter { waiting, wanted }) => {
                self.counter_read(net, *waiting, wanted, bytes);
            }
            Some(Reading::Schedule { firing, sequence, position }) => {
                self.schedule_read(net, *firing, sequence, position, bytes);
            }
            Some(Reading::Batch { batch, sequence, block, offset }) => {
                self.batch_read(net, *batch, sequence, (block, offset), bytes);
            }
            Some(Reading::Snapshot { id, log, block, offset }) => {
                // What can't be read is an empty piece: the snapshot ends there, and says so.
                let bytes = bytes.unwrap_or_default();
                self.snapshot_read(&id, Chunk { log, block, offset, bytes });
            }
            Some(Reading::Consumer { consumer: key, log, block, offset }) => {
                let Some(dispatcher) = self.live.dispatcher(key) else { return };
                dispatcher.reading = false;
                if let Some(bytes) = bytes {
                    dispatcher.chunk = Some(Chunk { log, block, offset, bytes });
                    self.wake(key);
                }
                // What can't be read was reported; the consumer rests rather than skips it.
            }
        }
    }

    pub(super) fn message_delete(&mut self, request: &Request<'_>, name: &str) -> Answer {
        if json::asks_nothing(request.body) {
            return Self::refuse_call(DELETE, table::BAD_REQUEST);
        }
        let wanted: DeleteRequest = match json::decode(request.body) {
            Ok(wanted) => wanted,
            Err(error) => return Self::refuse_call(DELETE, error),
        };
        let key = match self.stream_or(request, DELETE, name) {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        let stream = self.state.stream(key);
        if stream.config.sealed {
            return Self::refuse_call(DELETE, table::STREAM_SEALED);
        }
        if stream.config.deny_delete {
            let error = table::STREAM_MSG_DELETE_FAILED.with("message delete not permitted");
            return Self::refuse_call(DELETE, error);
        }
        let (last, sequence) = (stream.log.last(), wanted.seq);
        if stream.log.position(sequence).is_none() {
            // nats-server distinguishes what went from between others.
            let between = sequence > stream.log.first() && sequence <= last;
            if stream.is_memory() || between {
                return Self::refuse_call(DELETE, table::SEQUENCE_NOT_FOUND.with(sequence));
            }
            let text = if sequence > last { "stream store EOF" } else { "no message found" };
            return Self::refuse_call(DELETE, table::STREAM_MSG_DELETE_FAILED.with(text));
        }
        Answer::Change(key, DELETE, Command::DeleteMessage { sequence })
    }
}

/// The sequence of the message that a request means, where that is found without a search.
fn find(stream: &Stream, wanted: Wanted<'_>) -> Option<u64> {
    let valid = |filter: &str| subject::is_valid(filter.as_bytes());
    match wanted {
        Wanted::Sequence(sequence) => stream.log.position(sequence).map(|_| sequence),
        Wanted::Last(filter) if valid(filter) => stream.last_stored(filter.as_bytes()),
        Wanted::Next { from, filter } if valid(filter) => {
            stream.next_stored(filter.as_bytes(), from)
        }
        Wanted::Since { from, filter } => {
            let first = stream.log.at_time(from.0)?;
            match filter {
                None => Some(first),
                Some(filter) if valid(filter) => stream.next_stored(filter.as_bytes(), first),
                Some(_) => None,
            }
        }
        Wanted::Last(_) | Wanted::Next { .. } => None,
    }
}

/// A batch that begins with this message.
fn along(stream: &Stream, first: Wanted<'_>) -> Stage {
    let log = &stream.log;
    let since = |time: UnixNanos| log.at_time(time.0).unwrap_or(log.last() + 1);
    let (filter, from) = match first {
        Wanted::Sequence(sequence) => (">", sequence),
        Wanted::Next { from, filter } => (filter, from),
        // Nothing asks for that.
        Wanted::Last(filter) => (filter, 1),
        Wanted::Since { from, filter } => (filter.unwrap_or(">"), since(from)),
    };
    Stage::Count { filter: filter.as_bytes().into(), from, next: from }
}

/// A batch of the last messages of subjects.
fn lasts(stream: &Stream, wanted: &GetRequest) -> Stage {
    let log = &stream.log;
    let before = |time: UnixNanos| log.at_time(time.0).map(|first| first - 1);
    let upto = match (wanted.up_to_seq, wanted.up_to_time) {
        (0, None) => log.last(),
        (0, Some(time)) => before(time).unwrap_or(log.last()),
        (sequence, _) => sequence,
    };
    let filters = wanted.multi_last.iter().map(String::as_bytes);
    let lasts = Lasts::new(filters, upto, BATCH_SUBJECTS_MAX);
    Stage::Look { lasts, from: wanted.seq, upto }
}
