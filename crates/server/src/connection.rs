//! One socket: bytes in, operations to the engine; bytes of an outbox, out.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use watershed_engine::{ConnId, Engine, Flow, Now, Outbox, Tick};
use watershed_wire::limits::{CONNECT_LINE_BYTES_MAX, CONTROL_LINE_BYTES_MAX};
use watershed_wire::{ClientDecoder, ClientOp, DecodeError, DecodeErrorKind};

use crate::auth::Way;
use crate::clock::Clock;
use crate::transport::{Halt, Transport};
use crate::turns::MUCH;
use crate::web::POLICY;

/// Bytes that are read at once. Large enough that the system call costs nothing beside the
/// messages it brings, small enough to stay in a core's cache.
const READ_BYTES: usize = 128 * 1024;

/// An unfinished frame longer than this is gathered in a buffer of its own.
const CARRY_BYTES_MAX: usize = 16 * 1024;

/// Bytes that are read at once of somebody unknown.
const UNKNOWN_BYTES_MAX: usize = CONNECT_LINE_BYTES_MAX + CONTROL_LINE_BYTES_MAX;

/// Operations after which the clock, and what waits for the peer, is looked at in the long run.
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
    /// Its request became a WebSocket.
    Upgraded,
    /// A step of its TLS handshake is due.
    Step,
    /// It speaks without TLS, and must not.
    Insecure,
    /// The peer is gone.
    Gone,
}

/// Room that all connections share: nothing of one is left there for another.
pub(crate) struct Scratch {
    /// For what is decoded, with an unfinished frame before it.
    clear: Box<[u8]>,
    /// For what is to be decrypted.
    coded: Box<[u8]>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        // Room for one read behind an unfinished frame.
        let clear = vec![0; 2 * READ_BYTES].into();
        Self { clear, coded: vec![0; READ_BYTES].into() }
    }
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    /// Address that it comes from.
    pub(crate) source: IpAddr,
    pub(crate) transport: Transport,
    decoder: ClientDecoder,
    /// Bytes of an unfinished frame, or those that wait for the engine.
    carry: Vec<u8>,
    /// Whether the socket may have bytes.
    pub(crate) readable: bool,
    /// Whether this connection is in the shard's queue already.
    pub(crate) queued: bool,
    /// Whether its last turn was a long one.
    pub(crate) had_much: bool,
    /// Whether its operations wait for an answer to `CONNECT`, or for a step of its handshake.
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
    /// How it is read when it is known who it is.
    of_known: ClientDecoder,
    /// Whether whole operations may be in `carry`.
    undecoded: bool,
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
        transport: Transport,
        of_known: ClientDecoder,
        anonymous: bool,
    ) -> Self {
        // Before they are known, no payload of theirs is waited for.
        let decoder = if anonymous { of_known.clone() } else { ClientDecoder::new(0) };
        Self {
            id,
            source,
            transport,
            decoder,
            carry: Vec::new(),
            readable: true,
            queued: false,
            had_much: false,
            waiting: false,
            closed_by_peer: false,
            full: false,
            counted_bytes: 0,
            heard_of: Tick::default(),
            stage: if anonymous { Stage::Silent } else { Stage::Unknown },
            of_known,
            undecoded: false,
        }
    }

    /// Bytes of memory that hold what was half received.
    pub(crate) fn held_bytes(&self) -> usize {
        self.carry.capacity() + self.transport.held_bytes()
    }

    /// Whether it is known who this is.
    pub(crate) fn is_known(&self) -> bool {
        self.stage == Stage::Known
    }

    /// It became known who this is.
    pub(crate) fn admit(&mut self) {
        self.stage = Stage::Known;
        self.decoder = self.of_known.clone();
    }

    /// Whether it was full and is not any more: it may go on.
    pub(crate) fn has_room_again(&mut self, engine: &Engine) -> bool {
        let again = self.full && self.answers(engine) == 0;
        self.full &= !again;
        again
    }

    /// Bytes of answers that it has not read.
    fn answers(&self, engine: &Engine) -> usize {
        engine.outbox(self.id).map_or(0, Outbox::answers)
    }

    /// Tells the peer why it may not stay, if it listens.
    pub(crate) fn refuse(&mut self, engine: &mut Engine, text: &str) {
        let flushed = self.flush(engine).is_ok();
        if flushed && engine.outbox(self.id).is_some_and(Outbox::is_empty) {
            let _ = self.transport.send(format!("-ERR '{text}'\r\n").as_bytes());
        }
    }

    /// Tells a peer that speaks WebSocket why nothing more will be said.
    pub(crate) fn part(&mut self, why: &str) {
        if let Some(web) = self.transport.web_mut() {
            web.close(POLICY, why);
        }
    }

    /// How it came.
    pub(crate) fn way(&self) -> Way {
        if self.transport.web().is_some() { Way::WebSocket } else { Way::Standard }
    }

    /// Reads once and hands whole operations to the engine, as many as fit `time`. What is carried
    /// goes to the front of `scratch`, which all connections share; a frame too long for that is
    /// gathered where it is.
    pub(crate) fn read(
        &mut self,
        clock: Clock,
        time: Duration,
        engine: &mut Engine,
        scratch: &mut Scratch,
    ) -> Turn {
        if self.undecoded {
            return self.resume(clock, time, engine);
        }
        let Scratch { clear: scratch, coded } = scratch;
        let start = self.carry.len();
        if start > CARRY_BYTES_MAX {
            return self.read_long(clock, time, engine, coded);
        }
        // Before it is known who this is, a CONNECT and a line is all that is kept.
        let most = if self.stage == Stage::Unknown { UNKNOWN_BYTES_MAX } else { READ_BYTES };
        scratch[..start].copy_from_slice(&self.carry);
        let end = match self.receive(coded, &mut scratch[start..start + most]) {
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

    fn read_long(
        &mut self,
        clock: Clock,
        time: Duration,
        engine: &mut Engine,
        coded: &mut [u8],
    ) -> Turn {
        let mut carry = std::mem::take(&mut self.carry);
        let start = carry.len();
        carry.resize(start + READ_BYTES, 0);
        let received = self.receive(coded, &mut carry[start..]);
        carry.truncate(start + received.unwrap_or(0));
        self.carry = carry;
        match received {
            Ok(_) => self.resume(clock, time, engine),
            Err(turn) => turn,
        }
    }

    fn receive(&mut self, coded: &mut [u8], buffer: &mut [u8]) -> Result<usize, Turn> {
        self.transport.receive(coded, buffer).map_err(|halt| match halt {
            Halt::Empty => {
                self.readable = false;
                Turn::Drained
            }
            Halt::Again => Turn::More,
            Halt::Upgraded => Turn::Upgraded,
            Halt::Step => Turn::Step,
            Halt::Insecure => Turn::Insecure,
            Halt::Gone => Turn::Gone,
        })
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
        self.undecoded = true;
        loop {
            match self.decoder.next(&bytes[consumed..]) {
                Ok(Some((op, taken))) => {
                    consumed += taken;
                    if self.stage == Stage::Unknown && !matches!(op, ClientOp::Connect(_)) {
                        return (consumed, Turn::Unknown);
                    }
                    match engine.received(now, self.id, op) {
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
            // Looks around after the first operation, which may be expensive, then less and less often.
            count += 1;
            if count == look {
                if self.answers(engine) > ANSWER_BYTES_MAX {
                    self.full = true;
                    return (consumed, Turn::Full);
                }
                if clock.tick() >= over {
                    return (consumed, Turn::Paused);
                }
                look += look.min(LOOK_MAX);
            }
        }
    }

    /// Writes what waits, as far as the peer takes it. An error means that the peer is gone.
    pub(crate) fn flush(&mut self, engine: &mut Engine) -> io::Result<()> {
        self.transport.flush()?;
        loop {
            let Some(waiting) = engine.outbox(self.id).map(Outbox::waiting) else {
                return Ok(());
            };
            if waiting.is_empty() {
                return Ok(());
            }
            match self.transport.send(waiting) {
                Ok(count) => engine.sent(self.id, count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether somebody began to publish.
fn is_payload(error: &DecodeError) -> bool {
    matches!(error.kind, DecodeErrorKind::PayloadTooLong)
}
