//! `watershed store`: a store on which no server runs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use watershed_server::offline::{self, StoreReport};

use crate::exit::Exit;
use crate::ui;

/// Time between lines that say how far long work is.
const EVERY: Duration = Duration::from_secs(2);

/// Check, repair or describe a store while no server runs on it.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed store check .watershed/shop")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read all of a store, and say what is damaged and what is lost. Changes nothing.
    Check(Store),
    /// Mend what can be mended without loss, and keep a copy of each file that is changed.
    Repair(Store),
    /// Show what a store holds. Changes nothing, and reads no message.
    Info(Store),
}

#[derive(Debug, Args)]
struct Store {
    /// Data directory of `serve --store_dir` or of `up`.
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Store {
    /// Where the store is: `up` has it in a folder of its data directory, and so has `serve` where the
    /// directory holds other things.
    fn folder(&self) -> PathBuf {
        let inner = ["store", "watershed"].map(|name| self.dir.join(name));
        let is_store = ["FORMAT", "journal"].iter().any(|name| self.dir.join(name).exists());
        let found = inner.into_iter().find(|folder| !is_store && folder.is_dir());
        found.unwrap_or_else(|| self.dir.clone())
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.action {
        Action::Check(store) => check(store),
        Action::Repair(store) => repair(store),
        Action::Info(store) => {
            let folder = store.folder();
            let report = offline::info(&folder)?;
            if store.json {
                ui::json::store(&report);
            } else {
                ui::store::holds(&folder, &report);
                ui::store::damage(&report);
            }
            Ok(outcome(&report))
        }
    }
}

fn check(store: &Store) -> anyhow::Result<Exit> {
    let folder = store.folder();
    let report = offline::check(&folder, &mut progress())?;
    if store.json {
        ui::json::store(&report);
        return Ok(outcome(&report));
    }
    ui::store::damage(&report);
    ui::store::verdict(&folder, &report);
    if !report.findings.is_empty() {
        let folder = ui::path::quoted(&folder);
        ui::out(&format!("to mend what can be mended: watershed store repair {folder}"));
    }
    Ok(outcome(&report))
}

fn repair(store: &Store) -> anyhow::Result<Exit> {
    let folder = store.folder();
    let repaired = offline::repair(&folder, &mut progress())?;
    if store.json {
        ui::json::repaired(&repaired);
        return Ok(outcome(&repaired.report));
    }
    for mended in &repaired.mended {
        ui::out(&format!("damaged: {mended}"));
    }
    if let Some(copies) = &repaired.copies {
        let copies = ui::path::shown(copies);
        ui::out(&format!("mended; files that were changed are as they were in {copies}"));
    }
    ui::store::damage(&repaired.report);
    ui::store::verdict(&folder, &repaired.report);
    Ok(outcome(&repaired.report))
}

fn outcome(report: &StoreReport) -> Exit {
    let whole = report.findings.is_empty() && report.losses.is_empty();
    if whole { Exit::Clean } else { Exit::Findings }
}

/// Says how far long work is.
fn progress() -> impl FnMut(usize, usize) {
    let mut said = Instant::now();
    move |done, total| {
        if said.elapsed() >= EVERY {
            said = Instant::now();
            ui::say(&format!("read {done} of {total} blocks"));
        }
    }
}
