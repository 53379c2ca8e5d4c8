//! `watershed destroy`: removes what a topology owns.

use clap::Args;
use watershed_topology::plan::{Policy, destroy};

use super::apply::refused;
use super::{TopologyFile, unanswered};
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
    /// Skip the confirmation.
    #[arg(long)]
    yes: bool,
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
        let policy = Policy { prune: true, ..Policy::default() };
        ui::plan::show(&plan, &policy);
        if let Some(exit) = refused(&plan, &policy) {
            return Ok(unanswered(exit, &plan));
        }
        if !arguments.yes
            && let Err(exit) = confirm("delete all of this, with its messages?")
        {
            return Ok(exit);
        }
        let steps = client.apply(&plan, &policy, |_| {}).await?;
        ui::say(&format!("deleted {}", ui::count(steps, "asset")));
        Ok(Exit::Clean)
    })
}
