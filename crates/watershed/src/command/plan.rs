//! `watershed plan`: how a server differs from a topology.

use std::path::PathBuf;

use super::apply::refused;
use super::{LossArguments, TopologyFile, unanswered};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::saved::Saved;
use crate::ui;
use crate::ui::path::quoted;
use clap::Args;

/// Show what would change on a server, and what would be lost.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed plan watershed.yaml -s nats://prod:4222")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    #[command(flatten)]
    loss: LossArguments,
    /// Save the plan, with what the flags allow, for `watershed apply FILE`.
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
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
        let (plan, policy) = arguments.loss.plan(&loaded.topology, &observed)?;
        let server = client.whereabouts().await;
        if arguments.json {
            ui::json::plan(&plan, &policy, &server);
        } else {
            ui::out(&format!("{}, on {server}", plan.topology));
            ui::plan::show(&plan, &policy);
        }
        if let Some(path) = &arguments.out {
            if let Some(exit) = refused(&plan, &policy) {
                return Ok(exit);
            }
            let saved = Saved::new(server, policy.clone(), plan.clone());
            saved.write(path)?;
            ui::say(&format!("saved; carry it out with `watershed apply {}`", quoted(path)));
        }
        let work = plan.steps.iter().any(|step| policy.allows(step));
        Ok(match plan.is_empty() && !work {
            true => Exit::Clean,
            false if plan.steps.is_empty() => unanswered(Exit::Differs, &plan),
            false => Exit::Differs,
        })
    })
}
