//! One WebSocket: from its request on.

use std::io;
use std::sync::Arc;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use watershed_wire::handshake::Connect;

use super::policy::{Answer, Policy, REQUEST_BYTES_MAX};
use super::unframer::{Asked, Unframer, Violation};
use crate::transport::Halt;

/// Bytes of the client protocol that one frame takes at most.
const FRAME_BYTES: usize = 64 * 1024;

/// Room for what goes out that is kept while nothing does.
const KEPT_BYTES: usize = 4 * 1024;

/// Status of a close: nothing went wrong.
pub(crate) const NORMAL: u16 = 1000;

/// Status of a close: the client may not stay.
pub(crate) const POLICY: u16 = 1008;

/// Status of a close: the client broke the WebSocket protocol.
const PROTOCOL_ERROR: u16 = 1002;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The request is not whole.
    Asking,
    Open,
    /// Nothing more is said.
    Over,
}

/// One WebSocket.
#[derive(Debug)]
pub(crate) struct WebSession {
    stage: Stage,
    policy: Arc<Policy>,
    /// What there is of the request.
    request: Vec<u8>,
    /// What the request carried of who this is.
    carried: Option<Box<Connect>>,
    unframer: Unframer,
    asked: Asked,
    /// What goes out before the next frame: the answer to the request, and control frames.
    control: Vec<u8>,
    /// What is going out, and how much of it has.
    out: Vec<u8>,
    gone: usize,
    /// Bytes of the client protocol in it.
    promised: usize,
}

impl WebSession {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self {
            stage: Stage::Asking,
            policy,
            request: Vec::new(),
            carried: None,
            unframer: Unframer::default(),
            asked: Asked::default(),
            control: Vec::new(),
            out: Vec::new(),
            gone: 0,
            promised: 0,
        }
    }

    /// Whether its request is still to come.
    pub(crate) fn is_asking(&self) -> bool {
        self.stage == Stage::Asking
    }

    /// What its request carried of who this is.
    pub(crate) fn carried(&mut self) -> Option<Box<Connect>> {
        self.carried.take()
    }

    /// Bytes of memory that hold what was half received.
    pub(crate) fn held_bytes(&self) -> usize {
        self.request.capacity()
    }

    /// Whether it has something to send below the client protocol.
    pub(crate) fn has_words(&self) -> bool {
        !self.control.is_empty()
    }

    /// Takes what was received. What it is of the client protocol comes to the front of `buffer`.
    pub(crate) fn received(&mut self, buffer: &mut [u8]) -> Result<usize, Halt> {
        match self.stage {
            Stage::Asking => self.take_request(buffer),
            Stage::Open => self.take_frames(buffer),
            Stage::Over => Err(Halt::Gone),
        }
    }

    fn take_request(&mut self, bytes: &[u8]) -> Result<usize, Halt> {
        let room = REQUEST_BYTES_MAX - self.request.len();
        self.request.extend_from_slice(&bytes[..bytes.len().min(room)]);
        match self.policy.answer(&self.request) {
            Answer::Later => Err(Halt::Again),
            // Nobody may speak before the answer.
            Answer::Open { length, .. } if length < self.request.len() || bytes.len() > room => {
                Err(Halt::Gone)
            }
            Answer::Open { response, carried, .. } => {
                self.request = Vec::new();
                (self.control, self.carried) = (response, carried);
                self.stage = Stage::Open;
                Err(Halt::Upgraded)
            }
            Answer::Refused(response) => {
                self.request = Vec::new();
                self.control = response;
                self.stage = Stage::Over;
                Err(Halt::Gone)
            }
        }
    }

    fn take_frames(&mut self, buffer: &mut [u8]) -> Result<usize, Halt> {
        let opened = self.unframer.open(buffer, &mut self.asked);
        if let Some(payload) = self.asked.ping.take() {
            // To the last one an answer is enough. Those that are not read are not many.
            if self.control.len() <= KEPT_BYTES {
                self.say(Control::Pong, &payload);
            }
        }
        let count = match opened {
            Ok(count) => count,
            Err(Violation(why)) => {
                self.close(PROTOCOL_ERROR, why);
                return Err(Halt::Gone);
            }
        };
        if let Some(payload) = self.asked.close.take() {
            self.say(Control::Close, payload.get(..2).unwrap_or_default());
            self.stage = Stage::Over;
        }
        match (count, self.stage) {
            (0, Stage::Over) => Err(Halt::Gone),
            (0, _) => Err(Halt::Again),
            (count, _) => Ok(count),
        }
    }

    /// Says that nothing more will be said, and why.
    pub(crate) fn close(&mut self, status: u16, why: &str) {
        if self.stage == Stage::Open {
            self.say(Control::Close, &[&status.to_be_bytes(), why.as_bytes()].concat());
            self.stage = Stage::Over;
        }
    }

    fn say(&mut self, kind: Control, payload: &[u8]) {
        put_frame(&mut self.control, OpCode::Control(kind), payload);
    }

    /// See `Transport::send`; `write` is what is below. The bytes count as sent when all of their frame is.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.stage == Stage::Asking {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.out.is_empty() {
            self.out.append(&mut self.control);
            if self.stage == Stage::Open {
                let most = bytes.len().min(FRAME_BYTES);
                put_frame(&mut self.out, OpCode::Data(Data::Binary), &bytes[..most]);
                self.promised = most;
            }
        }
        self.push(write)?;
        let sent = std::mem::take(&mut self.promised);
        // Whoever has said goodbye is not said anything more.
        if sent == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(sent) }
    }

    /// Sends what it has to say itself, as far as what is below takes it.
    pub(crate) fn flush(
        &mut self,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        // A frame that was begun is whole only when the client protocol goes on.
        if self.promised > 0 {
            return Ok(());
        }
        if self.out.is_empty() {
            self.out.append(&mut self.control);
        }
        match self.push(write) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    fn push(&mut self, write: &mut dyn FnMut(&[u8]) -> io::Result<usize>) -> io::Result<()> {
        while self.gone < self.out.len() {
            self.gone += write(&self.out[self.gone..])?;
        }
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES);
        self.gone = 0;
        Ok(())
    }
}

fn put_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    // A vector takes everything.
    let _ = header.format(payload.len() as u64, out);
    out.extend_from_slice(payload);
}
