//! `watershed verify`: whether a topology holds on a server.

use clap::Args;
use watershed_topology::verify::verify;

use super::TopologyFile;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::ui;

/// Looks whether everything on the server is as declared, without touching anything.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed verify watershed.yaml -s nats://prod:4222")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    /// For programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    arguments.topology.run(async |loaded| {
        let client = arguments.connection.connect(Some(loaded)).await?;
        let observed = client.observe(&loaded.topology).await?;
        let verdict = verify(&loaded.topology, &observed);
        let name = &loaded.topology.name.value;
        if arguments.json {
            ui::json::verdict(name, &verdict);
        } else {
            for note in &verdict.notes {
                ui::out(&format!("  {note}"));
            }
            for problem in &verdict.problems {
                ui::out(&format!("✗ {problem}"));
            }
            let held = ui::count(verdict.held.len(), "asset");
            ui::out(&match verdict.problems.len() {
                0 => format!("{name}: verified, {held} as declared"),
                wrong => format!("{name}: {} wrong, {held} as declared", ui::count(wrong, "thing")),
            });
        }
        Ok(if verdict.problems.is_empty() { Exit::Clean } else { Exit::Differs })
    })
}
