//! A connection that speaks the protocol directly.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use watershed_wire::{ServerDecoder, ServerOp, encode};

/// Nothing that is measured is silent for this long: 16,384 messages that a server syncs one by one, on
/// a disk that takes 10 ms for each.
const SILENCE_MAX: Duration = Duration::from_mins(3);

/// Sends as fast as the receiver reads. A system whose default is BBR paces what is sent even to
/// itself, by what it believes of the link: such a run would measure that belief. Reno is in every
/// Linux and does not pace. (The default of the servers' own sockets is the system's to choose.)
fn unpaced(stream: &TcpStream) -> anyhow::Result<()> {
    rustix::net::sockopt::set_tcp_congestion(stream, "reno").context("cannot choose Reno")
}

/// A blocking connection, past its handshake.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were read and not consumed.
    filled: std::ops::Range<usize>,
    decoder: ServerDecoder,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        unpaced(&stream)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let decoder = ServerDecoder::default();
        let mut client = Self { stream, buffer: vec![0; 1 << 20], filled: 0..0, decoder };
        client.send(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n")?;
        client.round_trip()?;
        Ok(client)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).context("the server closed the connection")
    }

    /// Waits until the server has dealt with everything that was sent.
    pub(crate) fn round_trip(&mut self) -> anyhow::Result<()> {
        self.send(b"PING\r\n")?;
        let mut answered = false;
        while !answered {
            self.read(|op| answered |= matches!(op, ServerOp::Pong))?;
        }
        Ok(())
    }

    /// Reads once and shows every operation that became whole. Answers pings.
    pub(crate) fn read(&mut self, mut show: impl FnMut(&ServerOp<'_>)) -> anyhow::Result<()> {
        if self.filled.end == self.buffer.len() {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
            if self.filled.len() == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let count = self.stream.read(&mut self.buffer[self.filled.end..])?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        self.filled.end += count;
        let mut pings = 0;
        while let Some((op, taken)) = self.decoder.next(&self.buffer[self.filled.clone()])? {
            match op {
                ServerOp::Ping => pings += 1,
                ServerOp::Err(text) => bail!("the server says: {}", text.escape_ascii()),
                op => show(&op),
            }
            self.filled.start += taken;
        }
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
        for _ in 0..pings {
            self.send(b"PONG\r\n")?;
        }
        Ok(())
    }

    /// Listens to a subject.
    pub(crate) fn subscribe(&mut self, subject: &str, sid: &str) -> anyhow::Result<()> {
        let mut line = Vec::new();
        encode::subscribe(&mut line, subject.as_bytes(), None, sid.as_bytes());
        self.send(&line)
    }

    /// Reads and throws away, saying how many bytes there were.
    pub(crate) fn skip(&mut self) -> anyhow::Result<usize> {
        let already = std::mem::replace(&mut self.filled, 0..0).len();
        let count = self.stream.read(&mut self.buffer)?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        Ok(already + count)
    }
}
