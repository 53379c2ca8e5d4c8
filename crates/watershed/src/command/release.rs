//! `watershed release`: gives assets back.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use watershed_topology::plan::{Names, Policy, release};

use super::apply::run_steps;
use super::{ServerArguments, block_on};
use crate::alone::{APPLY, Gap, LockArguments, alone};
use crate::exit::Exit;
use crate::ui;

/// Give streams or consumers back: only the mark of their topology goes.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed release ORDERS -s nats://prod:4222")]
pub(crate) struct Arguments {
    /// Streams, with the consumers of the same topology, or consumers (STREAM/CONSUMER).
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let client = arguments.server.connect().await?;
        let observed = client.observe_everything().await?;
        let plan = release(&Names::Only(arguments.names.clone()), None, &observed);
        for name in &arguments.names {
            if !plan.steps.iter().any(|step| step.target.to_string() == *name) {
                bail!("`{name}` belongs to no topology here; nothing was changed");
            }
        }
        // Nothing is made again.
        let backups = PathBuf::new();
        let policy = Policy::default();
        let gap = Gap::default();
        let task = Box::pin(run_steps(&client, backups, &plan, &policy, false, &gap));
        let (names, patience) = (arguments.names.join(", "), arguments.lock.lock_wait);
        let done = alone(&client, &names, &plan, patience, &gap, APPLY, task).await?;
        Ok(match done.flatten() {
            Ok(_) => {
                ui::say("a topology that declares them takes them over again with --adopt");
                Exit::Clean
            }
            Err(exit) => exit,
        })
    })
}
