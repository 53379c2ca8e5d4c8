//! One socket: bytes in, operations to the engine; bytes of an outbox, out.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::time::Duration;

use mio::net::TcpStream;
use watershed_engine::{ConnId, Engine, Flow, Now, Outbox, Tick};
use watershed_wire::limits::{CONNECT_LINE_BYTES_MAX, CONTROL_LINE_BYTES_MAX};
use watershed_wire::{ClientDecoder, ClientOp, DecodeError, DecodeErrorKind};

use crate::clock::Clock;
use crate::turns::MUCH;

/// Bytes that are read at once. Large enough that the system call costs nothing beside the
/// messages it brings, small enough to stay in a core's cache.
pub(crate) const READ_BYTES: usize = 128 * 1024;

/// An unfinished frame longer than this is gathered in a buffer of its own.
const CARRY_BYTES_MAX: usize = 16 * 1024;

/// Bytes that are read at once of somebody unknown.
const UNKNOWN_BYTES_MAX: usize = CONNECT_LINE_BYTES_MAX + CONTROL_LINE_BYTES_MAX;

/// Operations after which the clock is looked at in the long run.
const LOOK_MAX: u32 = 32;

/// Bytes of answers (`PONG`, `+OK`, `-ERR`) that a peer may leave unread before nothing more is read
/// of it. What subscriptions bring is bounded by the engine.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What a read left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There may be more to read.
    More,
    /// The socket is empty.
    Drained,
    /// The engine wants no further operation for now.
    Held(Flow),
    /// Its time is over; there may be whole operations left of what was read.
    Paused,
    /// Much that it asked for waits to be read by the peer, which must do that first.
    Full,
    /// Somebody unknown sent something else than who they are.
    Unknown,
    /// The peer is gone.
    Gone,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    /// Address that it comes from.
    pub(crate) source: IpAddr,
    stream: TcpStream,
    decoder: ClientDecoder,
    /// Bytes of an unfinished frame, or those that wait for the engine.
    carry: Vec<u8>,
    /// Whether the socket may have bytes.
    pub(crate) readable: bool,
    /// Whether the socket may take bytes.
    writable: bool,
    /// Whether this connection is in the shard's queue already.
    pub(crate) queued: bool,
    /// Whether its last turn was a long one.
    pub(crate) had_much: bool,
    /// Whether its operations wait for an answer to `CONNECT`.
    pub(crate) waiting: bool,
    /// Whether the peer sends nothing more.
    pub(crate) closed_by_peer: bool,
    /// Whether [`Turn::Full`] was the last that happened.
    pub(crate) full: bool,
    /// What [`Connection::held_bytes`] was when it was last counted.
    pub(crate) counted_bytes: usize,
    /// When bytes last came.
    pub(crate) heard_of: Tick,
    stage: Stage,
    payload_bytes_max: usize,
    /// Whether whole operations may be in `carry`.
    undecoded: bool,
    /// Bytes of answers to its own operations that were put into its outbox since that was empty.
    answers: usize,
}

/// What is known of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing: it must say who it is, and nothing else.
    Unknown,
    /// It needs no credential, and has sent no whole operation yet.
    Silent,
    /// Who it is.
    Known,
}

impl Connection {
    /// A connection that was just accepted; `anonymous` if it needs no credential.
    pub(crate) fn new(
        id: ConnId,
        source: IpAddr,
        stream: TcpStream,
        payload_bytes_max: usize,
        anonymous: bool,
    ) -> Self {
        // Before they are known, no payload of theirs is waited for.
        let decoder = ClientDecoder::new(if anonymous { payload_bytes_max } else { 0 });
        Self {
            id,
            source,
            stream,
            decoder,
            carry: Vec::new(),
            readable: true,
            writable: true,
            queued: false,
            had_much: false,
            waiting: false,
            closed_by_peer: false,
            full: false,
            counted_bytes: 0,
            heard_of: Tick::default(),
            stage: if anonymous { Stage::Silent } else { Stage::Unknown },
            payload_bytes_max,
            undecoded: false,
            answers: 0,
        }
    }

    /// Bytes of memory that hold what was half received.
    pub(crate) fn held_bytes(&self) -> usize {
        self.carry.capacity()
    }

    /// Whether it is known who this is.
    pub(crate) fn is_known(&self) -> bool {
        self.stage == Stage::Known
    }

    /// It became known who this is.
    pub(crate) fn admit(&mut self) {
        self.stage = Stage::Known;
        self.decoder = ClientDecoder::new(self.payload_bytes_max);
    }

    /// Whether it was full and is not any more: it may go on.
    pub(crate) fn has_room_again(&mut self) -> bool {
        let again = self.full && self.answers == 0;
        self.full &= !again;
        again
    }

    /// Tells the peer why it may not stay, if it listens.
    pub(crate) fn refuse(&mut self, engine: &mut Engine, text: &str) {
        let flushed = self.flush(engine).is_ok();
        if flushed && engine.outbox(self.id).is_some_and(Outbox::is_empty) {
            let _ = self.stream.write(format!("-ERR '{text}'\r\n").as_bytes());
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(crate) fn on_writable(&mut self) {
        self.writable = true;
    }

    /// Reads once and hands whole operations to the engine, as many as fit `time`. What is carried
    /// goes to the front of `scratch`, which all connections share; a frame too long for that is
    /// gathered where it is.
    pub(crate) fn read(
        &mut self,
        clock: Clock,
        time: Duration,
        engine: &mut Engine,
        scratch: &mut [u8],
    ) -> Turn {
        if self.undecoded {
            return self.resume(clock, time, engine);
        }
        let start = self.carry.len();
        if start > CARRY_BYTES_MAX {
            return self.read_long(clock, time, engine);
        }
        // Before it is known who this is, a CONNECT and a line is all that is kept.
        let most = if self.stage == Stage::Unknown { UNKNOWN_BYTES_MAX } else { READ_BYTES };
        scratch[..start].copy_from_slice(&self.carry);
        let end = match self.receive(&mut scratch[start..start + most]) {
            Ok(count) => start + count,
            Err(turn) => return turn,
        };
        let (consumed, turn) = self.decode(clock, time, engine, &scratch[..end]);
        self.carry.clear();
        // Long frames come in pieces; room for more than is there would count against everybody.
        self.carry.shrink_to(CARRY_BYTES_MAX);
        self.carry.reserve_exact(end - consumed);
        self.carry.extend_from_slice(&scratch[consumed..end]);
        turn
    }

    fn read_long(&mut self, clock: Clock, time: Duration, engine: &mut Engine) -> Turn {
        let mut carry = std::mem::take(&mut self.carry);
        let start = carry.len();
        carry.resize(start + READ_BYTES, 0);
        let received = self.receive(&mut carry[start..]);
        carry.truncate(start + received.unwrap_or(0));
        self.carry = carry;
        match received {
            Ok(_) => self.resume(clock, time, engine),
            Err(turn) => turn,
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Turn> {
        match self.stream.read(buffer) {
            Ok(0) => Err(Turn::Gone),
            Ok(count) => Ok(count),
            Err(error) => Err(self.after_error(&error)),
        }
    }

    /// Hands the operations that were read while the engine wanted none.
    pub(crate) fn resume(&mut self, clock: Clock, time: Duration, engine: &mut Engine) -> Turn {
        let mut carry = std::mem::take(&mut self.carry);
        let (consumed, turn) = self.decode(clock, time, engine, &carry);
        carry.drain(..consumed);
        if carry.len() <= CARRY_BYTES_MAX {
            carry.shrink_to(CARRY_BYTES_MAX);
        }
        self.carry = carry;
        turn
    }

    fn after_error(&mut self, error: &io::Error) -> Turn {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.readable = false;
                Turn::Drained
            }
            io::ErrorKind::Interrupted => Turn::More,
            _ => Turn::Gone,
        }
    }

    fn decode(
        &mut self,
        clock: Clock,
        time: Duration,
        engine: &mut Engine,
        bytes: &[u8],
    ) -> (usize, Turn) {
        let now = clock.now();
        self.heard_of = now.tick;
        let decoded = self.decode_until(now.tick.after(time), now, clock, engine, bytes);
        self.had_much = clock.now().tick >= now.tick.after(MUCH);
        decoded
    }

    /// Hands whole operations to the engine until one wants a pause or the turn is over. Stalling is
    /// heeded only at the end: what was read is cheaper to deliver than to keep.
    fn decode_until(
        &mut self,
        over: Tick,
        now: Now,
        clock: Clock,
        engine: &mut Engine,
        bytes: &[u8],
    ) -> (usize, Turn) {
        let (mut consumed, mut count, mut look) = (0, 0_u32, 1);
        let mut turn = Turn::More;
        let mut waiting = engine.outbox(self.id).map_or(0, Outbox::len);
        self.undecoded = true;
        loop {
            match self.decoder.next(&bytes[consumed..]) {
                Ok(Some((op, taken))) => {
                    consumed += taken;
                    if self.stage == Stage::Unknown && !matches!(op, ClientOp::Connect(_)) {
                        return (consumed, Turn::Unknown);
                    }
                    match self.hand_over(now, engine, op, &mut waiting) {
                        Flow::Continue => {}
                        Flow::Stall => turn = Turn::Held(Flow::Stall),
                        flow @ (Flow::Wait | Flow::Close) => return (consumed, Turn::Held(flow)),
                    }
                    if self.stage == Stage::Silent {
                        self.stage = Stage::Known;
                    }
                }
                Ok(None) => {
                    self.undecoded = false;
                    return (consumed, turn);
                }
                Err(error) if self.stage == Stage::Unknown && is_payload(&error) => {
                    return (consumed, Turn::Unknown);
                }
                Err(error) => {
                    engine.malformed(self.id, error);
                    return (consumed, Turn::Held(Flow::Close));
                }
            }
            if self.answers > ANSWER_BYTES_MAX {
                self.full = true;
                return (consumed, Turn::Full);
            }
            // Looks at the clock after the first operation, which may be expensive, then less and less often.
            count += 1;
            if count == look {
                if clock.now().tick >= over {
                    return (consumed, Turn::Paused);
                }
                look += look.min(LOOK_MAX);
            }
        }
    }

    /// Hands one operation to the engine, and counts what it is answered. `waiting` is how much waits
    /// for the peer, which nothing else changes meanwhile.
    fn hand_over(
        &mut self,
        now: Now,
        engine: &mut Engine,
        op: ClientOp<'_>,
        waiting: &mut usize,
    ) -> Flow {
        let publishes = matches!(op, ClientOp::Publish(_));
        let flow = engine.received(now, self.id, op);
        let Some(outbox) = engine.outbox(self.id) else { return flow };
        let (before, after) = (std::mem::replace(waiting, outbox.len()), outbox.len());
        if after > before {
            // What is published may come back as a message, which is a matter of subscriptions.
            let answer = outbox.waiting().get(before);
            if !(publishes && matches!(answer, Some(b'M' | b'H'))) {
                self.answers += after - before;
            }
        }
        flow
    }

    /// Writes what waits, as far as the peer takes it. An error means that the peer is gone.
    pub(crate) fn flush(&mut self, engine: &mut Engine) -> io::Result<()> {
        self.write(engine)?;
        if self.answers > 0 && engine.outbox(self.id).is_none_or(Outbox::is_empty) {
            self.answers = 0;
        }
        Ok(())
    }

    fn write(&mut self, engine: &mut Engine) -> io::Result<()> {
        while self.writable {
            let Some(waiting) = engine.outbox(self.id).map(Outbox::waiting) else {
                return Ok(());
            };
            if waiting.is_empty() {
                return Ok(());
            }
            match self.stream.write(waiting) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    // A short write means that the socket is full: asking again would only say so.
                    self.writable = count == waiting.len();
                    engine.sent(self.id, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether somebody began to publish.
fn is_payload(error: &DecodeError) -> bool {
    matches!(error.kind, DecodeErrorKind::PayloadTooLong)
}
