//! `watershed wait`: until JetStream answers, and a topology holds.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep};
use watershed_topology::verify::verify;

use super::{TopologyFile, ready};
use crate::connection::{Connection, duration};
use crate::exit::Exit;
use crate::ui;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Wait until JetStream answers and the server matches the file: for init containers and scripts.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed wait watershed.yaml -s nats://prod:4222 --wait 2m")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    /// Longest wait.
    #[arg(long, default_value = "60s", value_parser = duration)]
    wait: Duration,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    arguments.topology.run(async |loaded| {
        let deadline = Instant::now() + arguments.wait;
        let name = &loaded.topology.name.value;
        let Some(client) = ready(&arguments.connection, loaded, arguments.wait).await? else {
            return Ok(Exit::NotReady);
        };
        let mut said = String::new();
        loop {
            let missing = match client.observe(&loaded.topology).await {
                Ok(observed) => {
                    let verdict = verify(&loaded.topology, &observed);
                    let more = verdict.problems.len().saturating_sub(1);
                    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                    verdict.problems.first().map(|problem| format!("{problem}{more}"))
                }
                Err(error) if error.is_unavailable() => Some(error.to_string()),
                Err(error) => return Err(error.into()),
            };
            let Some(missing) = missing else {
                ui::say(&format!("{name}: as declared"));
                return Ok(Exit::Clean);
            };
            if Instant::now() >= deadline {
                ui::say(&format!(
                    "error: {name} is not as declared after {:?}: {missing}",
                    arguments.wait
                ));
                return Ok(Exit::NotReady);
            }
            if missing != said {
                ui::say(&format!("waiting for {name}: {missing}"));
                said = missing;
            }
            sleep(PAUSE).await;
        }
    })
}
