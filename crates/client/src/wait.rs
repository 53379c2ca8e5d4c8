//! Waits until JetStream answers. That a port is open says nothing about it.

use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep};
use watershed_topology::call::{CallError, Request};
use watershed_wire::jetstream::call::Call;

use crate::client::Client;
use crate::options::{ConnectError, Options};

/// Time between attempts; short, because a server that has just started is soon there.
const PAUSE: Duration = Duration::from_millis(200);

/// The server was not there in time.
#[derive(Debug, Error)]
pub enum NotReady {
    /// It did not become ready.
    #[error("not ready after {}s: {cause}", waited.as_secs())]
    InTime {
        /// How long it was given.
        waited: Duration,
        /// What it was last.
        cause: String,
    },
    /// Waiting would not help.
    #[error(transparent)]
    Connect(#[from] ConnectError),
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
                Err(error) if settled(&error) => return Err(error.into()),
                Err(error) => error.to_string(),
            },
            Some(connected) => match ready(connected).await {
                Ok(()) => return Ok(connected.clone()),
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

fn settled(error: &ConnectError) -> bool {
    matches!(error, ConnectError::File { .. } | ConnectError::Refused { settled: true, .. })
}

async fn ready(client: &Client) -> Result<(), CallError> {
    let reply = client.call(&Request::bare(Call::AccountInfo)).await?;
    watershed_topology::call::check(&reply)
}
