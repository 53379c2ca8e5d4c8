//! `watershed restore`: makes streams what their backups say.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use watershed_client::{Backup, Restored, Way};

use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;
use crate::ui::path::shown;
use crate::ui::progress::Progress;

/// Create streams from backups of `watershed backup` or `nats stream backup`. Sequences, times and the
/// positions of consumers stay.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  watershed restore ./backup/ORDERS -s nats://test:4222\n  \
                        watershed restore ./backup/ORDERS --as ORDERS_OLD --publish")]
pub(crate) struct Arguments {
    /// Backup of a stream, or a folder of them.
    folder: PathBuf,
    /// Name for the stream, if it is only one.
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Publish the messages again, with new sequences and times: none is too old then.
    #[arg(long)]
    publish: bool,
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
        client.check_restore(&backups).await?;
        for (name, backup) in &backups {
            let mut progress = Progress::new(format!("restoring {name}"));
            let told = |count| progress.tell(count, backup.messages);
            let failed = || format!("`{name}` was not restored");
            let restored = client.restore(backup, name, arguments.publish, told).await;
            let restored = restored.with_context(failed)?;
            let messages = usize::try_from(restored.messages).unwrap_or(usize::MAX);
            ui::say(&format!(
                "restored {name}: {}, {}",
                ui::count(messages, "message"),
                ui::count(restored.consumers, "consumer")
            ));
            tell(&restored);
        }
        Ok(Exit::Clean)
    })
}

/// Says how a stream came back, and what did not.
pub(super) fn tell(restored: &Restored) {
    let several = |number: u64| ui::count(usize::try_from(number).unwrap_or(usize::MAX), "message");
    let origins = restored.origins.join(", ");
    match &restored.way {
        Way::Archive { messages, anew } => {
            let of = if *anew { "made anew for this server or name" } else { "as it is" };
            ui::say(&format!("  out of the archive, {of}: sequences, times and positions stay"));
            if let Some(gone) = messages.checked_sub(restored.messages).filter(|gone| *gone > 0) {
                ui::say(&format!(
                    "  {} went at once by the stream's limits; --publish gives all of them a new time",
                    several(gone)
                ));
            }
            if !origins.is_empty() {
                ui::say(&format!("  it goes on copying {origins}"));
            }
        }
        Way::Published { because } => {
            ui::say("  published again: sequences and times are new");
            if !because.is_empty() {
                ui::say(&format!("  the server takes no archive of it: {because}"));
            }
            if !origins.is_empty() {
                ui::say(&format!("  further messages are copied again from {origins}"));
            }
        }
    }
    if restored.altered > 0 {
        ui::say(&format!(
            "  {} had a header that no client can send: what cannot be sent of it is left out",
            several(restored.altered)
        ));
    }
    if !restored.unknown.is_empty() {
        ui::say(&format!("  this server does not know {}", restored.unknown.join(", ")));
    }
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
