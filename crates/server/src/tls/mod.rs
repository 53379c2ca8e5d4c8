//! TLS of connections. Certificates and keys come in with the configuration; what a peer proves of
//! itself goes to `auth`.

mod acceptor;
mod certificate;
mod handshakes;
mod session;

pub(crate) use self::acceptor::Acceptor;
pub use self::acceptor::TlsError;
pub(crate) use self::handshakes::Handshakes;
pub(crate) use self::session::{Session, Step, Stepped};
