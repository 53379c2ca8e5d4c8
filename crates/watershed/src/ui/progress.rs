//! How far something is that takes long, for whoever watches: a line each second, on a terminal only.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// Something on its way.
pub(crate) struct Progress {
    what: String,
    said: Instant,
    watched: bool,
}

impl Progress {
    /// `what` is what happens to messages: `copying ORDERS`.
    pub(crate) fn new(what: String) -> Self {
        Self { what, said: Instant::now(), watched: std::io::stderr().is_terminal() }
    }

    /// So many messages are done, of about so many.
    pub(crate) fn tell(&mut self, count: u64, of: u64) {
        if self.watched && self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            super::say(&format!("{}: {count} of {of} messages", self.what));
        }
    }
}
