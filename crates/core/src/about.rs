//! What is known of a client beside who it is: it is told to people, and decides nothing.

use watershed_wire::handshake::Connect;
use watershed_wire::time::UnixNanos;

/// Bytes of each text that a client may say of itself. The rest is left out.
const TEXT_BYTES_MAX: usize = 256;

/// What a client and its connection say of themselves.
#[derive(Debug, Default)]
pub(crate) struct About {
    pub(crate) started: UnixNanos,
    pub(crate) ip: String,
    pub(crate) port: u16,
    /// The port that it came in at by WebSocket, if it did.
    pub(crate) websocket: Option<u16>,
    pub(crate) name: String,
    pub(crate) lang: String,
    pub(crate) version: String,
}

impl About {
    /// The client introduces itself.
    pub(crate) fn introduce(&mut self, connect: &Connect) {
        self.name = short(&connect.name);
        self.lang = short(&connect.lang);
        self.version = short(&connect.version);
    }
}

fn short(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
