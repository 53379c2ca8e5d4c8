//! `watershed plan`: how a server differs from a topology.

use clap::Args;
use watershed_topology::plan::plan;

use super::{LossArguments, TopologyFile, unanswered};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::ui;

/// Show what would change on a server, and what would be lost.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed plan watershed.yaml -s nats://prod:4222")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    #[command(flatten)]
    loss: LossArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    arguments.topology.run(async |loaded| {
        let client = arguments.connection.connect(Some(loaded)).await?;
        let observed = client.observe(&loaded.topology).await?;
        let plan = plan(&loaded.topology, &observed);
        let policy = arguments.loss.policy([(&loaded.topology, &plan)])?;
        if arguments.json {
            ui::json::plan(&plan, &policy, &client.whereabouts().await);
        } else {
            ui::out(&format!("{}, on {}", plan.topology, client.whereabouts().await));
            ui::plan::show(&plan, &policy);
        }
        let work = plan.steps.iter().any(|step| policy.allows(step));
        Ok(match plan.is_empty() && !work {
            true => Exit::Clean,
            false if plan.steps.is_empty() => unanswered(Exit::Differs, &plan),
            false => Exit::Differs,
        })
    })
}
