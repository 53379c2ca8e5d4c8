//! Getting an archive of a stream from its server.

use std::io::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::StreamState;

use super::error::BackupError;
use super::files::create_file;
use crate::client::Client;

/// How often the time for an answer may pass before the next piece comes.
const TURNS: u32 = 4;

/// Bytes of a piece.
const PIECE: u64 = 128 * 1024;

/// What a server says of a stream that it sends.
#[derive(Debug, Deserialize)]
pub(super) struct Begun {
    pub(super) config: Json,
    pub(super) state: StreamState,
}

impl Client {
    /// Gets an archive of a stream into a new file. `None`: the server makes none, as of a stream in memory, or not for this
    /// user.
    pub(super) async fn snapshot(
        &self,
        stream: &str,
        path: &Path,
    ) -> Result<Option<Begun>, BackupError> {
        let inbox = self.inbox();
        let mut pieces = match self.subscribe(&inbox, None).await {
            Err(CallError::Denied(_)) => return Ok(None),
            subscribed => subscribed?,
        };
        let body = json!({"deliver_subject": inbox, "chunk_size": PIECE});
        let reply = self.call(&Request::new(Call::StreamSnapshot(stream), &body)).await;
        let begun: Begun = match reply.and_then(|reply| answer(&reply)) {
            Err(error @ CallError::Refused(_)) if error.is_absence() => return Err(error.into()),
            Err(CallError::Refused(_) | CallError::Denied(_)) => return Ok(None),
            begun => begun?,
        };
        let mut file = create_file(path)?;
        let failed = |error| BackupError::file("write", path)(error);
        loop {
            let late = || CallError::Timeout(Call::StreamSnapshot(stream).subject());
            let piece = pieces.next_within(self.timeout() * TURNS).await?.ok_or_else(late)?;
            if piece.payload.is_empty() {
                let status = piece.status.filter(|status| status.as_u16() >= 400);
                if let Some(status) = status {
                    let said = piece.description.unwrap_or_default();
                    let text =
                        format!("the server ended its snapshot of `{stream}`: {status} {said}");
                    return Err(BackupError::Impossible(text));
                }
                file.sync_all().map_err(failed)?;
                return Ok(Some(begun));
            }
            file.write_all(&piece.payload).map_err(failed)?;
            if let Some(next) = piece.reply {
                self.tell(&next, bytes::Bytes::new()).await?;
            }
        }
    }
}
