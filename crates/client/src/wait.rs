//! Waits until JetStream answers. That a port is open says nothing about it.

use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep};
use watershed_topology::call::{CallError, Denied};

use crate::client::Client;
use crate::options::{ConnectError, Options};

/// Time between attempts; short, because a server that has just started is soon there.
const PAUSE: Duration = Duration::from_millis(200);

/// The server was not there in time.
#[derive(Debug, Error)]
pub enum NotReady {
    /// It did not become ready.
    #[error("not ready after {waited:?}: {cause}")]
    InTime {
        /// How long it was given.
        waited: Duration,
        /// What it was last.
        cause: String,
    },
    /// Waiting would not help.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The user may not ask.
    #[error(transparent)]
    Denied(Box<Denied>),
}

/// Connects and waits until JetStream answers, for `limit` at most. Tells what it waits for,
/// whenever that changes.
pub async fn wait(
    options: &Options,
    limit: Duration,
    mut waiting_for: impl FnMut(&str),
) -> Result<Client, NotReady> {
    let deadline = Instant::now() + limit;
    let mut last = String::new();
    let mut client = None;
    loop {
        let cause = match &client {
            None => match Client::connect(options).await {
                Ok(connected) => {
                    client = Some(connected);
                    continue;
                }
                Err(error) if !error.is_unavailable() => return Err(error.into()),
                Err(error) => error.to_string(),
            },
            Some(connected) => match connected.ready().await {
                Ok(()) => return Ok(connected.clone()),
                Err(CallError::Denied(denied)) => return Err(NotReady::Denied(denied)),
                Err(error) => error.to_string(),
            },
        };
        if Instant::now() >= deadline {
            return Err(NotReady::InTime { waited: limit, cause });
        }
        if cause != last {
            waiting_for(&cause);
            last = cause;
        }
        sleep(PAUSE).await;
    }
}
