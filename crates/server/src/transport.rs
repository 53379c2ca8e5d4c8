//! The way of a connection's bytes: over its socket as they are, or inside TLS; and either in frames of WebSocket.
//!
//! What is above reads and writes the client protocol and need not know which it is. A step of a
//! handshake costs more than a turn may take, so it is made on another thread: [`Halt::Step`] says that
//! one is due, [`Transport::step`] hands it out, and [`Transport::stepped`] takes it back.

use std::io::{self, IoSlice, Read as _, Write};

use mio::net::TcpStream;

use crate::tls::{Session, Step};
use crate::web::{NORMAL, WebSession};

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The socket is empty.
    Empty,
    /// Nothing that is above this; the socket may have more.
    Again,
    /// A request became a WebSocket.
    Upgraded,
    /// A step of the handshake is due.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only TLS has handshakes"))]
    Step,
    /// The peer speaks without TLS, and must not.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only TLS is missed"))]
    Insecure,
    /// The peer is gone, or sends what is no TLS.
    Gone,
}

/// One socket, and what is between it and the client protocol.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: TcpStream,
    /// Whether the socket may take bytes.
    writable: bool,
    /// `None` where bytes go as they are.
    tls: Option<Box<Session>>,
    /// `None` where they go without frames.
    web: Option<Box<WebSession>>,
}

impl Transport {
    /// Bytes as they are.
    pub(crate) fn plain(socket: TcpStream) -> Self {
        Self { socket, writable: true, tls: None, web: None }
    }

    /// Bytes inside TLS, which is still to be agreed on.
    pub(crate) fn secure(socket: TcpStream, session: Session) -> Self {
        Self { socket, writable: true, tls: Some(Box::new(session)), web: None }
    }

    /// The same, with everything in frames.
    pub(crate) fn with_frames(self, web: WebSession) -> Self {
        Self { web: Some(Box::new(web)), ..self }
    }

    /// What there is of a WebSocket.
    pub(crate) fn web(&self) -> Option<&WebSession> {
        self.web.as_deref()
    }

    /// The same, to be changed.
    pub(crate) fn web_mut(&mut self) -> Option<&mut WebSession> {
        self.web.as_deref_mut()
    }

    /// For the poll.
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// The socket takes bytes again.
    pub(crate) fn on_writable(&mut self) {
        self.writable = true;
    }

    /// What there is of TLS.
    pub(crate) fn tls(&self) -> Option<&Session> {
        self.tls.as_deref()
    }

    /// The same, to be changed.
    pub(crate) fn tls_mut(&mut self) -> Option<&mut Session> {
        self.tls.as_deref_mut()
    }

    /// Bytes of memory that hold what was half received.
    pub(crate) fn held_bytes(&self) -> usize {
        self.tls.as_ref().map_or(0, |session| session.held_bytes())
            + self.web.as_ref().map_or(0, |web| web.held_bytes())
    }

    /// Receives bytes of the client protocol, at least one. What is encrypted passes through `coded`,
    /// which keeps nothing. [`Halt::Empty`] is said only where nothing is left anywhere.
    pub(crate) fn receive(&mut self, coded: &mut [u8], buffer: &mut [u8]) -> Result<usize, Halt> {
        let received = self.receive_below(coded, buffer)?;
        match &mut self.web {
            None => Ok(received),
            Some(web) => web.received(&mut buffer[..received]),
        }
    }

    fn receive_below(&mut self, coded: &mut [u8], buffer: &mut [u8]) -> Result<usize, Halt> {
        let Some(session) = &mut self.tls else { return read(&mut self.socket, buffer) };
        let received = session.receive(&mut self.socket, coded, buffer);
        if session.is_declined() {
            self.tls = None;
        }
        received
    }

    /// Sends from the front of `bytes`, which must begin as they did before wherever not all of them
    /// were taken. Says how many the socket has. An error of the kind `WouldBlock` means that it takes
    /// none for now, or that it must not be sent yet.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { socket, writable, tls, web } = self;
        let mut below = |bytes: &[u8]| send_below(socket, writable, tls, bytes);
        match web {
            None => below(bytes),
            Some(web) => web.send(bytes, &mut below),
        }
    }

    /// Sends what WebSocket and TLS themselves have to say, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Self { socket, writable, tls, web } = self;
        if let Some(web) = web {
            web.flush(&mut |bytes: &[u8]| send_below(socket, writable, tls, bytes))?;
        }
        match tls {
            None => Ok(()),
            Some(session) => session.flush(&mut Outlet { socket, writable }),
        }
    }

    /// Says goodbye, if the peer listens.
    pub(crate) fn close(&mut self) {
        if let Some(web) = &mut self.web {
            web.close(NORMAL, "");
            let _ = self.flush();
        }
        if let Some(session) = &mut self.tls {
            session.say_goodbye();
            let _ = self.flush();
        }
    }

    /// Tells a peer that awaits no TLS yet why it may not stay.
    pub(crate) fn say_in_clear(&mut self, text: &[u8]) {
        let _ = self.socket.write(text);
    }

    /// The step that [`Halt::Step`] announced.
    pub(crate) fn step(&mut self) -> Option<Step> {
        self.tls.as_mut()?.step()
    }
}

/// Sends what is in no frame, or in one already.
fn send_below(
    socket: &mut TcpStream,
    writable: &mut bool,
    tls: &mut Option<Box<Session>>,
    bytes: &[u8],
) -> io::Result<usize> {
    let mut outlet = Outlet { socket, writable };
    match tls {
        None => outlet.write(bytes),
        Some(session) => session.send(&mut outlet, bytes),
    }
}

fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, Halt> {
    match socket.read(buffer) {
        Ok(0) => Err(Halt::Gone),
        Ok(count) => Ok(count),
        Err(error) => Err(halt(&error)),
    }
}

/// What an error of reading means.
pub(crate) fn halt(error: &io::Error) -> Halt {
    match error.kind() {
        io::ErrorKind::WouldBlock => Halt::Empty,
        io::ErrorKind::Interrupted => Halt::Again,
        _ => Halt::Gone,
    }
}

/// What a socket takes, which is asked no further when it is full.
pub(crate) struct Outlet<'a> {
    socket: &'a mut TcpStream,
    writable: &'a mut bool,
}

impl Outlet<'_> {
    fn attempt(
        &mut self,
        length: usize,
        mut write: impl FnMut(&mut TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        while *self.writable {
            match write(self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    // A short write means that the socket is full: asking again would only say so.
                    *self.writable = count == length;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => *self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |socket| socket.write(bytes))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        self.attempt(length, |socket| socket.write_vectored(pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
