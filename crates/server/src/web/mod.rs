//! WebSocket (RFC 6455): a request that becomes a connection, and the client protocol in frames. Frames are opened where they
//! were read and are as long as they like: none is gathered.

mod entry;
mod policy;
mod session;
mod unframer;

pub(crate) use self::entry::WebEntry;
pub(crate) use self::policy::is_origin;
pub(crate) use self::session::{NORMAL, POLICY, WebSession};
