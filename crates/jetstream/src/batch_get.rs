//! Sending batches of messages, a little in each turn.

use watershed_store::Record;
use watershed_store::log::{Position, Scan};
use watershed_wire::jetstream::error::table;
use watershed_wire::op::Publish;
use watershed_wire::subject::{has_wildcard, is_valid, matches};

use crate::batch_reads::{Batch, Stage};
use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::jetstream::JetStream;
use crate::network::{Network, Taken};
use crate::reading::{DAMAGED, Reading};
use crate::searching::SEARCHED_PER_TURN;
use crate::shown::header;
use crate::state::{Stored, Stream};

/// Messages of a batch that are sent in one turn, and their bytes.
const MESSAGES_PER_TURN: usize = 128;
const BYTES_PER_TURN: u64 = 256 * 1024;

/// Subjects that are looked at in one turn.
const SUBJECTS_PER_TURN: usize = 1024;

/// What became of one step.
enum Step {
    /// There is more to do.
    Again,
    /// The same, in another turn.
    Later,
    /// This message is on disk.
    Read(u64, Position),
    /// The client has much to read.
    Hold,
    /// Everything is sent.
    Done,
    /// It ends with this status.
    Refuse(u16, &'static str),
    /// Nobody is there any more.
    Gone,
}

impl JetStream {
    /// Begins to send a batch.
    pub(crate) fn begin_batch(&mut self, net: &mut impl Network, batch: Batch) {
        let (account, reply) = (batch.account, batch.reply.clone());
        if !self.batch_reads.begin(batch) {
            self.work.failed(account);
            Self::send_status(net, account, &reply, 503, table::CLUSTER_NOT_AVAIL.text, &[]);
        }
    }

    /// Goes on with one batch. Says whether there is more to do.
    pub(crate) fn batch_some(&mut self, net: &mut impl Network) -> bool {
        let Some(mut batch) = self.batch_reads.next() else { return false };
        let (mut left, end) = (MESSAGES_PER_TURN, batch.bytes.saturating_add(BYTES_PER_TURN));
        let mut looks = SEARCHED_PER_TURN;
        let mut step = Step::Again;
        while matches!(step, Step::Again) {
            step = match left {
                0 => Step::Later,
                _ if batch.bytes > end => Step::Later,
                _ => self.advance_batch(net, &mut batch, &mut looks),
            };
            left -= 1.min(left);
        }
        match step {
            Step::Again | Step::Later => self.batch_reads.go_on(batch),
            Step::Read(sequence, position) => self.read_batch(net, batch, sequence, position),
            Step::Hold => self.batch_reads.hold(batch),
            Step::Done => self.end_batch(net, batch),
            Step::Refuse(code, text) => {
                Self::send_status(net, batch.account, &batch.reply, code, text, &[]);
                self.batch_reads.end(batch);
            }
            Step::Gone => self.batch_reads.end(batch),
        }
        self.batch_reads.any_ready()
    }

    fn end_batch(&mut self, net: &mut impl Network, batch: Batch) {
        let mut fields =
            vec![("Nats-Num-Pending", batch.pending), ("Nats-Last-Sequence", batch.last)];
        if let Stage::Each { upto, .. } = &batch.stage {
            fields.push(("Nats-UpTo-Sequence", *upto));
        }
        Self::send_status(net, batch.account, &batch.reply, 204, "EOB", &fields);
        self.batch_reads.end(batch);
    }

    fn advance_batch(
        &mut self,
        net: &mut impl Network,
        batch: &mut Batch,
        looks: &mut usize,
    ) -> Step {
        let Some(key) = self.state.by_log(batch.log) else { return Step::Done };
        let stream = self.state.stream(key);
        let sequence = match next_step(batch, stream, looks) {
            Ok(sequence) => sequence,
            Err(step) => return step,
        };
        match stream.stored(sequence, &self.tail) {
            Some(Stored::Memory(bytes)) => {
                let record = Record::view(bytes);
                send(net, batch, &record)
            }
            Some(Stored::Disk(position)) => {
                let Some(mut chunk) = batch.chunk.take() else {
                    return Step::Read(sequence, position);
                };
                let just_read = chunk.starts_at(batch.log, position);
                let step = match chunk.record(batch.log, position) {
                    Some(bytes) => send(net, batch, &Record::view(bytes)),
                    None if just_read => {
                        self.note_damage(batch.log, sequence);
                        return Step::Refuse(500, DAMAGED);
                    }
                    None => return Step::Read(sequence, position),
                };
                batch.chunk = Some(chunk);
                step
            }
            None => Step::Again,
        }
    }

    /// Has a message read, with those behind it.
    fn read_batch(
        &mut self,
        net: &mut impl Network,
        batch: Batch,
        sequence: u64,
        position: Position,
    ) {
        if !net.listens(batch.account, &batch.reply) {
            return self.batch_reads.end(batch);
        }
        let Some(batch) = self.batch_reads.read(batch) else { return };
        let (log, block, offset) = (batch.log, position.block, position.offset);
        let length = CHUNK_BYTES.max(position.length as usize);
        let batch = Box::new(batch);
        self.read_block(Reading::Batch { batch, sequence, block, offset }, log, position, length);
    }

    /// Messages of a batch were read.
    pub(crate) fn batch_read(
        &mut self,
        net: &mut impl Network,
        mut batch: Batch,
        sequence: u64,
        at: (u32, u32),
        bytes: Option<Vec<u8>>,
    ) {
        let (log, (block, offset)) = (batch.log, at);
        if let Some(bytes) = bytes {
            batch.chunk = Some(Chunk { log, block, offset, bytes });
            return self.batch_reads.go_on(batch);
        }
        self.note_damage(log, sequence);
        Self::send_status(net, batch.account, &batch.reply, 500, DAMAGED, &[]);
        self.batch_reads.end(batch);
    }
}

/// The message that a batch sends next, if it does.
fn next_step(batch: &mut Batch, stream: &Stream, looks: &mut usize) -> Result<u64, Step> {
    let log = &stream.log;
    let over = batch.left == 0 || batch.bytes >= batch.bytes_max;
    match &mut batch.stage {
        Stage::Count { filter, from, next } => {
            let (counted, left) = count(filter, *next, stream);
            batch.pending += counted;
            if let Some(left) = left {
                *next = left;
                return Err(Step::Later);
            }
            let (filter, next) = (std::mem::take(filter), *from);
            batch.stage = Stage::Along { filter, next, until: log.last() };
            if batch.pending == 0 && batch.left > 0 {
                return Err(Step::Refuse(404, "Message Not Found"));
            }
            Err(Step::Again)
        }
        Stage::Look { lasts, from, upto } => {
            let found = lasts.go_on(log, SUBJECTS_PER_TURN).ok_or(Step::Later)?;
            let Ok(mut sequences) = found else {
                return Err(Step::Refuse(413, "Too Many Results"));
            };
            if sequences.is_empty() {
                return Err(Step::Refuse(404, "No Results"));
            }
            sequences = sequences.split_off(from);
            batch.pending = sequences.len() as u64;
            batch.stage = Stage::Each { sequences, upto: *upto };
            Err(Step::Again)
        }
        _ if over => Err(Step::Done),
        Stage::Along { filter, next, until } => {
            let found = match next_of(filter, *next, stream, looks) {
                Scan::Found(found) if found <= *until => found,
                Scan::More(more) if more <= *until => {
                    *next = more;
                    return Err(Step::Later);
                }
                _ => {
                    // Messages may have gone since they were counted.
                    batch.pending = 0;
                    return Err(Step::Done);
                }
            };
            *next = found;
            Ok(found)
        }
        Stage::Each { sequences, .. } => {
            while let Some(first) = sequences.first().copied() {
                if log.position(first).is_some() {
                    return Ok(first);
                }
                sequences.pop_first();
                batch.pending = batch.pending.saturating_sub(1);
            }
            Err(Step::Done)
        }
    }
}

/// Messages that a filter takes, from `from` on; and from where others are still to be counted.
fn count(filter: &[u8], from: u64, stream: &Stream) -> (u64, Option<u64>) {
    let log = &stream.log;
    if filter == b">" {
        return (log.count_from(from), None);
    }
    if !is_valid(filter) {
        return (0, None);
    }
    if !has_wildcard(filter) {
        return (log.key_id(filter).map_or(0, |key| log.count_key_from(key, from)), None);
    }
    let mut counted = 0;
    let scan = log.scan(from, SEARCHED_PER_TURN, |key| {
        counted += u64::from(matches(filter, log.key_name(key)));
        false
    });
    let Scan::More(next) = scan else { return (counted, None) };
    (counted, Some(next))
}

/// The first message that a filter takes, from `from` on.
fn next_of(filter: &[u8], from: u64, stream: &Stream, looks: &mut usize) -> Scan {
    if filter == b">" || !has_wildcard(filter) {
        return stream.next_stored(filter, from).map_or(Scan::End, Scan::Found);
    }
    let log = &stream.log;
    log.scan(from, *looks, |key| {
        *looks = looks.saturating_sub(1);
        matches(filter, log.key_name(key))
    })
}

/// Sends a message of a batch.
fn send(net: &mut impl Network, batch: &mut Batch, record: &Record<'_>) -> Step {
    let pending = batch.pending.saturating_sub(1);
    // Those of several subjects always say what they are.
    let bare = batch.bare && matches!(batch.stage, Stage::Along { .. });
    let header = if bare {
        Vec::new()
    } else {
        let mut header = header(record, &batch.stream);
        header.number("Nats-Num-Pending", pending).number("Nats-Last-Sequence", batch.last);
        header.finish()
    };
    let message = Publish {
        subject: &batch.reply,
        reply: None,
        header: &header,
        payload: record.body,
        has_header: !header.is_empty(),
    };
    let taken = net.send(batch.account, &batch.reply, &message);
    if taken == Taken::Nobody {
        return Step::Gone;
    }
    match &mut batch.stage {
        Stage::Along { next, .. } => *next = record.sequence + 1,
        Stage::Each { sequences, .. } => drop(sequences.pop_first()),
        Stage::Count { .. } | Stage::Look { .. } => {}
    }
    (batch.pending, batch.last) = (pending, record.sequence);
    batch.left -= 1;
    batch.bytes += (record.key.len() + record.head.len() + record.body.len()) as u64;
    if taken == Taken::Congested { Step::Hold } else { Step::Again }
}
