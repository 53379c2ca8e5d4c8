//! What there is instead of monitoring in a build without the feature `monitoring`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::shard::Remote;

/// Never there.
#[derive(Debug)]
pub(crate) enum Http {}

impl Http {
    pub(crate) fn start(_: TcpListener, _: Duration, _: Remote) -> io::Result<Self> {
        let text = "this build is without monitoring: the feature `monitoring` is off";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match *self {}
    }
}
