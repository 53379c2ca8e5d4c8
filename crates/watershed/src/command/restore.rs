//! `watershed restore`: makes streams what their backups say.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use watershed_client::Backup;

use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;
use crate::ui::path::shown;
use crate::ui::progress::Progress;

/// Create streams from a backup. Messages get new sequences and times; consumers go on where they were.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed restore ./backup/ORDERS -s nats://test:4222")]
pub(crate) struct Arguments {
    /// Backup of a stream, or a folder of them.
    folder: PathBuf,
    /// Name for the stream, if it is only one.
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    // Every byte is checked before anything changes.
    let mut backups = Vec::new();
    for folder in folders(&arguments.folder)? {
        let backup = Backup::open(&folder)?;
        let name = backup.config.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        let name = arguments.name.clone().unwrap_or_else(|| name.to_owned());
        backups.push((name, backup));
    }
    if backups.is_empty() {
        bail!("no backup in {}", shown(&arguments.folder));
    }
    if arguments.name.is_some() && backups.len() > 1 {
        bail!("--as names one stream, and {} has {}", shown(&arguments.folder), backups.len());
    }
    block_on(async {
        let client = arguments.server.connect().await?;
        for (name, backup) in &backups {
            let mut progress = Progress::new(format!("restoring {name}"));
            let told = |count| progress.tell(count, backup.messages);
            let failed = || format!("`{name}` was not restored");
            let restored = client.restore(backup, name, told).await.with_context(failed)?;
            let messages = usize::try_from(restored.messages).unwrap_or(usize::MAX);
            ui::say(&format!(
                "restored {name}: {}, {}",
                ui::count(messages, "message"),
                ui::count(restored.consumers, "consumer")
            ));
            if !restored.origins.is_empty() {
                let origins = restored.origins.join(", ");
                ui::say(&format!("  further messages are copied again from {origins}"));
            }
            if restored.altered > 0 {
                let altered = usize::try_from(restored.altered).unwrap_or(usize::MAX);
                ui::say(&format!(
                    "  {} had a header that no client can send: what cannot be sent of it is left out",
                    ui::count(altered, "message")
                ));
            }
        }
        Ok(Exit::Clean)
    })
}

/// The backups in a folder: itself, or those in it.
fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if folder.join("backup.json").is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let read = || format!("cannot read {}", shown(folder));
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(read)? {
        let path = entry.with_context(read)?.path();
        if path.join("backup.json").is_file() {
            folders.push(path);
        } else if path.join("messages.jsonl").is_file() {
            bail!("{} is a backup that was cut off; nothing was restored", shown(&path));
        }
    }
    folders.sort();
    Ok(folders)
}
