//! What a user of the system account may have done with a client: `KICK` and `LDM`.

use serde::Deserialize;
use watershed_engine::{About, CloseReason, Engine};

/// Which client is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ClientAsked {
    /// Its number.
    cid: u64,
}

impl ClientAsked {
    /// Does what is asked; an error for the answer where it can't.
    pub(super) fn carry_out(&self, about: About, engine: &mut Engine) -> Result<(), &'static str> {
        let conn = engine.connected().into_iter().find(|conn| conn.number == self.cid);
        match (about, conn) {
            (About::LameDuck, None) => Err("no such client id"),
            (About::LameDuck, Some(conn)) if engine.ask_to_leave(conn) => Ok(()),
            (About::LameDuck, Some(_)) => Err(
                "client does not support Lame Duck Mode or is not ready to receive the notification",
            ),
            (_, None) => Err("no such client or leafnode id"),
            (_, Some(conn)) => {
                engine.end(conn, CloseReason::Kicked);
                Ok(())
            }
        }
    }
}
