//! `watershed status`: what an account has.

use std::time::Duration;

use clap::Args;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::stream::PersistMode;

use super::{ServerArguments, block_on, top};
use crate::exit::Exit;
use crate::ui;

/// Show streams and consumers with stored and pending messages.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed status -s nats://127.0.0.1:4222")]
pub(crate) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show it on the whole screen, anew every 2s; the same as `watershed top`.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    #[command(flatten)]
    server: ServerArguments,
}

fn is_async(config: &StreamConfig) -> bool {
    config.persist_mode == PersistMode::Async
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.watch {
        return top::watch(&arguments.server, Duration::from_secs(2));
    }
    block_on(async {
        let client = arguments.server.connect().await?;
        let observed = client.observe_everything().await?;
        let silent = observed.all_silent();
        let exit = if silent.is_empty() { Exit::Clean } else { Exit::NotReady };
        if arguments.json {
            ui::json::status(&observed);
            return Ok(exit);
        }
        let names = observed.streams.keys().map(String::as_str);
        let owner = |name: &str| match observed.streams.get(name).and_then(|s| s.owner()) {
            Some(_) => "managed",
            None => "unmanaged",
        };
        ui::out(&ui::table::streams(&observed, names, owner));
        let rows = observed.streams.values().flat_map(|stream| stream.consumers.values());
        let rows = rows
            .map(|live| (&live.info, if live.owner().is_some() { "managed" } else { "unmanaged" }));
        if let Some(table) = ui::table::consumers(rows) {
            ui::out(&table);
        }
        let ahead = observed.streams.iter().filter(|(_, live)| is_async(&live.info.config));
        for (name, _) in ahead {
            ui::out(&format!(
                "{name}: acknowledged before it is on disk (`persist_mode: async`): a power cut takes the \
                 last messages"
            ));
        }
        for name in silent {
            ui::out(&format!("{name}: not known, because the server that keeps it did not answer"));
        }
        let account = &observed.account;
        ui::out(&format!(
            "server {}, {} and {} in this account, {} stored on disk, {} in memory",
            observed.server.version,
            ui::count(observed.streams.len() + observed.silent.len(), "stream"),
            ui::count(account.consumers, "consumer"),
            ui::table::bytes(account.storage),
            ui::table::bytes(account.memory),
        ));
        Ok(exit)
    })
}
