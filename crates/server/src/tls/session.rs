//! One connection's TLS.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::server::{ServerConfig, ServerConnection};
use sha2::{Digest as _, Sha256};

use super::certificate::{holder, public_key};
use crate::auth::Holder;
use crate::config::{Digest, HandshakeFirst};
use crate::transport::{Halt, Outlet, halt};

/// First byte of everything that a client sends in a handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Bytes that a peer may send before the handshake is done. A client's certificates are some kilobytes.
const HANDSHAKE_BYTES_MAX: usize = 128 * 1024;

/// Bytes of a handshake that are looked at in one step. What is decrypted of them fits what a
/// `ServerConnection` keeps (16 KiB).
const STEP_BYTES_MAX: usize = 16 * 1024;

/// Bytes that a connection in its handshake holds beside what was received.
const HANDSHAKE_BYTES: usize = 8 * 1024;

/// Longest clear text of one record.
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// Bytes of clear text that are encrypted at once: four records share a system call.
const SEND_BYTES: usize = 64 * 1024;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The peer may begin TLS; if it does not in time, it is greeted in clear.
    Listening,
    /// The greeting goes out in clear.
    Greeting,
    /// The peer's first byte decides whether there is TLS.
    Deciding,
    /// In the handshake.
    Shaking,
    /// In the handshake; a step of it is made elsewhere.
    Away,
    /// Everything is encrypted.
    Open,
    /// The peer chose to do without.
    Declined,
    /// The handshake failed.
    Failed,
}

/// One connection's TLS.
#[derive(Debug)]
pub(crate) struct Session {
    config: Arc<ServerConfig>,
    /// Digests of the public keys that a peer may have; empty for any.
    pinned: Arc<BTreeSet<Digest>>,
    stage: Stage,
    /// Whether a peer may do without TLS.
    optional: bool,
    /// Made when the first byte comes; not here while a step is made.
    tls: Option<Box<ServerConnection>>,
    /// Bytes for the next step.
    pending: Vec<u8>,
    /// Bytes that the handshake took so far.
    shaken: usize,
    /// Bytes of clear text that are encrypted, and not all sent.
    promised: usize,
}

/// A step of a handshake: a signature, a check of certificates.
#[derive(Debug)]
pub(crate) struct Step {
    tls: Box<ServerConnection>,
    bytes: Vec<u8>,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct Stepped {
    tls: Box<ServerConnection>,
    /// Why the handshake ends, if it does.
    failure: Option<String>,
}

impl Step {
    /// Makes it.
    pub(crate) fn make(self) -> Stepped {
        let Self { mut tls, bytes } = self;
        let mut rest = bytes.as_slice();
        let failure = loop {
            if rest.is_empty() {
                break None;
            }
            match tls.read_tls(&mut rest) {
                Ok(0) => break Some("the peer sends too much".to_owned()),
                Ok(_) => {}
                Err(error) => break Some(error.to_string()),
            }
            if let Err(error) = tls.process_new_packets() {
                break Some(error.to_string());
            }
        };
        Stepped { tls, failure }
    }
}

impl Session {
    pub(super) fn new(
        config: Arc<ServerConfig>,
        pinned: Arc<BTreeSet<Digest>>,
        first: HandshakeFirst,
        optional: bool,
    ) -> Self {
        let stage = match first {
            HandshakeFirst::Never => Stage::Greeting,
            HandshakeFirst::Always => Stage::Shaking,
            HandshakeFirst::Within(_) => Stage::Listening,
        };
        let (tls, pending) = (None, Vec::new());
        Self { config, pinned, stage, optional, tls, pending, shaken: 0, promised: 0 }
    }

    /// Whether the peer's first bytes were none of TLS, and need not be.
    pub(crate) fn is_declined(&self) -> bool {
        self.stage == Stage::Declined
    }

    /// Whether everything is encrypted.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Who the peer is by its certificate, if it has shown one.
    pub(crate) fn holder(&self) -> Option<Holder> {
        holder(self.tls.as_ref()?.peer_certificates()?.first()?)
    }

    /// Whether the peer's key is one that it may have.
    fn is_pinned(&self) -> bool {
        let certificate = self.tls.as_ref().and_then(|tls| tls.peer_certificates()?.first());
        let key = certificate.and_then(public_key);
        self.pinned.is_empty()
            || key.is_some_and(|key| self.pinned.contains(&Sha256::digest(key)[..]))
    }

    /// Whether the peer is in a handshake, or must begin one.
    pub(crate) fn is_shaking(&self) -> bool {
        matches!(self.stage, Stage::Listening | Stage::Greeting | Stage::Shaking | Stage::Away)
    }

    /// The peer did not begin: it is greeted in clear. Says whether it is.
    pub(crate) fn greet(&mut self) -> bool {
        let greets = self.stage == Stage::Listening;
        if greets {
            self.stage = Stage::Greeting;
        }
        greets
    }

    /// Bytes of memory that hold what was half received.
    pub(crate) fn held_bytes(&self) -> usize {
        match self.stage {
            Stage::Shaking | Stage::Away if self.shaken > 0 => self.shaken + HANDSHAKE_BYTES,
            _ => 0,
        }
    }

    /// See `Transport::receive`.
    pub(crate) fn receive(
        &mut self,
        socket: &mut TcpStream,
        coded: &mut [u8],
        buffer: &mut [u8],
    ) -> Result<usize, Halt> {
        match self.stage {
            // The greeting goes out in this turn.
            Stage::Greeting => Err(Halt::Again),
            Stage::Listening | Stage::Deciding | Stage::Shaking => {
                self.receive_handshake(socket, buffer)
            }
            Stage::Away => Err(Halt::Empty),
            Stage::Open => self.receive_records(socket, coded, buffer),
            Stage::Declined | Stage::Failed => Err(Halt::Gone),
        }
    }

    fn receive_handshake(
        &mut self,
        socket: &mut TcpStream,
        buffer: &mut [u8],
    ) -> Result<usize, Halt> {
        let most = buffer.len().min(STEP_BYTES_MAX);
        let received = &mut buffer[..most];
        let count = match socket.read(received) {
            Ok(0) => return Err(Halt::Gone),
            Ok(count) => count,
            Err(error) => return Err(halt(&error)),
        };
        if self.shaken == 0 && received[0] != HANDSHAKE_RECORD {
            if self.stage == Stage::Deciding {
                self.stage = Stage::Declined;
                return Ok(count);
            }
            return Err(Halt::Insecure);
        }
        self.shaken += count;
        if self.shaken > HANDSHAKE_BYTES_MAX {
            return Err(Halt::Gone);
        }
        if self.tls.is_none() {
            let Ok(mut tls) = ServerConnection::new(Arc::clone(&self.config)) else {
                return Err(Halt::Gone);
            };
            // How much is encrypted at once is decided here.
            tls.set_buffer_limit(None);
            self.tls = Some(Box::new(tls));
        }
        self.pending = received[..count].to_vec();
        self.stage = Stage::Shaking;
        Err(Halt::Step)
    }

    /// The step that is due.
    pub(crate) fn step(&mut self) -> Option<Step> {
        let tls = self.tls.take()?;
        self.stage = Stage::Away;
        Some(Step { tls, bytes: std::mem::take(&mut self.pending) })
    }

    /// Continues after a step. Returns why the handshake failed, if it did; flush then, so that the peer
    /// gets the alert.
    pub(crate) fn stepped(&mut self, stepped: Stepped) -> Result<(), String> {
        let Stepped { tls, failure } = stepped;
        let done = !tls.is_handshaking();
        self.tls = Some(tls);
        if let Some(failure) = failure {
            self.stage = Stage::Failed;
            return Err(failure);
        }
        if done && !self.is_pinned() {
            self.stage = Stage::Failed;
            return Err("certificate not pinned".to_owned());
        }
        self.stage = if done { Stage::Open } else { Stage::Shaking };
        Ok(())
    }

    fn receive_records(
        &mut self,
        socket: &mut TcpStream,
        coded: &mut [u8],
        buffer: &mut [u8],
    ) -> Result<usize, Halt> {
        let Some(tls) = &mut self.tls else { return Err(Halt::Gone) };
        // What came with the end of the handshake.
        let mut filled = take_clear(tls, buffer)?;
        if filled > 0 {
            return Ok(filled);
        }
        // Whatever a record that was begun before adds, there is room for all of it.
        let most = coded.len().min(buffer.len().saturating_sub(RECORD_BYTES_MAX));
        let count = match socket.read(&mut coded[..most]) {
            Ok(0) => return Err(Halt::Gone),
            Ok(count) => count,
            Err(error) => return Err(halt(&error)),
        };
        let mut rest = &coded[..count];
        while !rest.is_empty() {
            if !matches!(tls.read_tls(&mut rest), Ok(1..)) || tls.process_new_packets().is_err() {
                return Err(Halt::Gone);
            }
            match take_clear(tls, &mut buffer[filled..]) {
                Ok(count) => filled += count,
                // What was said before goodbye counts.
                Err(_) if filled > 0 => break,
                Err(halt) => return Err(halt),
            }
        }
        if filled == 0 { Err(Halt::Again) } else { Ok(filled) }
    }

    /// See `Transport::send`. The bytes count as sent when all of what they became is: until then they
    /// stay where they are counted.
    pub(crate) fn send(&mut self, outlet: &mut Outlet<'_>, bytes: &[u8]) -> io::Result<usize> {
        match (self.stage, &mut self.tls) {
            (Stage::Greeting, _) => {
                let count = outlet.write(bytes)?;
                if count == bytes.len() {
                    self.stage = if self.optional { Stage::Deciding } else { Stage::Shaking };
                }
                Ok(count)
            }
            (Stage::Open, Some(tls)) => {
                if self.promised == 0 {
                    self.promised = tls.writer().write(&bytes[..bytes.len().min(SEND_BYTES)])?;
                }
                push(tls, outlet)?;
                Ok(std::mem::take(&mut self.promised))
            }
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Sends what TLS itself has to say, as far as the socket takes it.
    pub(crate) fn flush(&mut self, outlet: &mut Outlet<'_>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        match push(tls, outlet) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    /// Nothing more will be sent.
    pub(crate) fn say_goodbye(&mut self) {
        if let (Stage::Open, Some(tls)) = (self.stage, &mut self.tls) {
            tls.send_close_notify();
        }
    }
}

/// Takes what was decrypted; 0 if there is nothing.
fn take_clear(tls: &mut ServerConnection, buffer: &mut [u8]) -> Result<usize, Halt> {
    let mut filled = 0;
    while filled < buffer.len() {
        match tls.reader().read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Err(Halt::Gone),
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => return Err(Halt::Gone),
        }
    }
    Ok(filled)
}

/// Sends all that is encrypted.
fn push(tls: &mut ServerConnection, outlet: &mut Outlet<'_>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(outlet)?;
    }
    Ok(())
}
