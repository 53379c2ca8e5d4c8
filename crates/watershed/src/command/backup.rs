//! `watershed backup`: copies streams out of a server.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use watershed_client::check_room;

use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;
use crate::ui::path::shown;
use crate::ui::progress::Progress;

/// Copy streams into files: definitions, messages, and the positions of durable consumers. Nothing on
/// the server changes.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed backup ./backup ORDERS -s nats://prod:4222")]
pub(crate) struct Arguments {
    /// Folder to create a folder for each stream in.
    folder: PathBuf,
    /// Streams to copy [default: all].
    streams: Vec<String>,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let client = arguments.server.connect().await?;
        let observed = client.observe_everything().await?;
        let streams: Vec<&String> = if arguments.streams.is_empty() {
            observed.streams.keys().collect()
        } else {
            arguments.streams.iter().collect()
        };
        for name in &streams {
            if !observed.streams.contains_key(*name) {
                bail!("unknown stream `{name}`; nothing was copied");
            }
            let folder = arguments.folder.join(name);
            if folder.exists() {
                bail!("{} exists already; nothing was copied", shown(&folder));
            }
        }
        let states = streams.iter().filter_map(|name| observed.streams.get(*name));
        check_room(&arguments.folder, states.map(|there| &there.info.state))?;
        for name in &streams {
            let folder = arguments.folder.join(name);
            let all = observed.streams.get(*name).map_or(0, |there| there.info.state.messages);
            let mut progress = Progress::new(format!("copying {name}"));
            let backup = client.back_up(name, &folder, |count| progress.tell(count, all)).await?;
            let messages = usize::try_from(backup.messages).unwrap_or(usize::MAX);
            ui::say(&format!(
                "backed up {name}: {}, {}",
                ui::count(messages, "message"),
                ui::count(backup.consumers.len(), "consumer")
            ));
        }
        ui::out(&format!(
            "{}: {} (restore with `watershed restore {}`)",
            shown(&arguments.folder),
            ui::count(streams.len(), "stream"),
            ui::path::quoted(&arguments.folder)
        ));
        Ok(Exit::Clean)
    })
}
