//! `watershed destroy`: removes what a topology owns.

use std::path::PathBuf;

use clap::Args;
use watershed_topology::plan::{Policy, destroy};

use super::TopologyFile;
use super::apply::{CHANGED_SINCE, refused, run_steps};
use super::names::Known;
use crate::alone::{APPLY, Gap, LockArguments, alone};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::ui;
use crate::ui::prompt::confirm;

/// Delete exactly the streams and consumers that the topology owns, with their messages.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed destroy watershed.yaml -s nats://test:4222 --yes")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    /// Let these consumers of others go with their stream (STREAM/CONSUMER), or `all`.
    #[arg(long, value_name = "NAME")]
    allow_loss: Vec<String>,
    /// Skip the confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    arguments.topology.run(async |loaded| {
        let client = arguments.connection.connect(Some(loaded)).await?;
        let observed = client.observe(&loaded.topology).await?;
        let plan = destroy(&loaded.topology.name.value, &observed);
        if plan.is_empty() {
            ui::out(&format!("{}: nothing here belongs to it", plan.topology));
            return Ok(Exit::Clean);
        }
        let known = Known::new([(&loaded.topology, &plan)]);
        let allow_loss = known.named("--allow-loss", &arguments.allow_loss)?;
        let policy = Policy { prune: true, allow_loss, ..Policy::default() };
        let server = client.whereabouts().await;
        ui::out(&format!("{}, on {server}", plan.topology));
        ui::plan::show(&plan, &policy);
        if let Some(exit) = refused(&plan, &policy) {
            return Ok(exit);
        }
        if !arguments.yes
            && let Err(exit) =
                confirm(&format!("delete all of this on {server}, with its messages?"))
        {
            return Ok(exit);
        }
        // Nothing is made again.
        let gap = Gap::default();
        let task = Box::pin(async {
            // Who waited for somebody else's run has not seen what that did.
            let now = destroy(&plan.topology, &client.observe(&loaded.topology).await?);
            if !now.does_the_same_as(&plan) {
                ui::say(CHANGED_SINCE);
                return Ok(Err(Exit::Refused));
            }
            run_steps(&client, PathBuf::new(), &plan, &policy, false, &gap).await
        });
        let patience = arguments.lock.lock_wait;
        let done = alone(&client, &plan.topology, &plan, patience, &gap, APPLY, task).await?;
        Ok(match done.flatten() {
            Ok(steps) => {
                ui::say(&format!("deleted {}", ui::count(steps, "asset")));
                Exit::Clean
            }
            Err(exit) => exit,
        })
    })
}
