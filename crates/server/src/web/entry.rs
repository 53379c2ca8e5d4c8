//! Where those come in who speak WebSocket.

use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};

use super::policy::Policy;
use super::session::WebSession;
use crate::config::WebSocketConfig;
use crate::tls::{Acceptor, TlsError};
use crate::transport::Transport;

/// A port for WebSocket.
#[derive(Debug)]
pub(crate) struct WebEntry {
    /// `None` when no connection is taken any more.
    pub(crate) listener: Option<TcpListener>,
    port: u16,
    policy: Arc<Policy>,
    acceptor: Option<Acceptor>,
    timeout: Duration,
}

impl WebEntry {
    /// Reads what the configuration names. `listener` is at `port`.
    pub(crate) fn new(
        config: &WebSocketConfig,
        listener: TcpListener,
        port: u16,
    ) -> Result<Self, TlsError> {
        let acceptor = config.tls.as_ref().map(Acceptor::load).transpose()?;
        let (policy, timeout) = (Arc::new(Policy::new(config)), config.handshake_timeout);
        Ok(Self { listener: Some(listener), port, policy, acceptor, timeout })
    }

    /// Whether everything is inside TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.acceptor.is_some()
    }

    /// Port that clients are told.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Time for the request, and for the TLS handshake before it.
    pub(crate) fn timeouts(&self) -> (Duration, Option<Duration>) {
        (self.timeout, self.acceptor.as_ref().map(Acceptor::timeout))
    }

    /// Takes other certificates.
    pub(crate) fn set_acceptor(&mut self, acceptor: Acceptor) {
        self.acceptor = Some(acceptor);
    }

    /// What a new connection begins with.
    pub(crate) fn transport(&self, stream: TcpStream) -> Transport {
        let below = match &self.acceptor {
            None => Transport::plain(stream),
            Some(acceptor) => Transport::secure(stream, acceptor.session()),
        };
        below.with_frames(WebSession::new(Arc::clone(&self.policy)))
    }
}
