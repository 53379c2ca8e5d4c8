//! Opening a store: what is whole in its files, and what stands in for what is not.
//!
//! One damaged bit or sector anywhere changes nothing of what is found: what a store is stands in each
//! of its segments, each round and each footer has its parity, and without one checkpoint the
//! other one and the journal say the same. What is damaged beyond that is an error, and nothing is changed.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::blocks::block_path;
use crate::checkpoint::{Checkpoint, CheckpointError, Checkpoints, Found};
use crate::disk::Disk;
use crate::format::Origin;
use crate::identity::{FormatError, Identified, identify, write};
use crate::journal::{Journal, Needed, OpenError, Recovered, Rounds, Torn};
use crate::record::LogId;

/// A store that was opened.
#[derive(Debug)]
pub struct Opened<D: Disk> {
    /// The journal, ready for the next round.
    pub journal: Journal<D>,
    /// The checkpoints, ready for the next one.
    pub checkpoints: Checkpoints<D>,
    /// Number of the round before the store's first one.
    pub origin: Origin,
    /// The newest checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The rounds behind it, in order.
    pub rounds: Rounds,
    /// Blocks that a checkpoint refers to.
    pub referred: BTreeSet<(LogId, u32)>,
    /// What was not as it should be.
    pub findings: Vec<Finding>,
    /// The earlier format that it had, and has no longer.
    pub earlier: Option<u32>,
}

/// Why a store cannot be opened. Nothing in it was changed.
#[derive(Debug, Error)]
pub enum OpeningError {
    /// It is of another format, or is none.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The journal is damaged, or cannot be read.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// Checkpoints are damaged, and the journal does not have everything.
    #[error("{} damaged, and the journal does not go back to its first round; nothing was changed", they_are(.0))]
    Checkpoints(Vec<&'static str>),
}

/// Something in a store that was not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The file that says what the store is was missing or damaged.
    Format,
    /// A checkpoint is damaged; the other one or the journal stands in for it.
    Checkpoint(&'static str),
    /// Rounds of the journal were damaged and are whole again.
    Rounds(Vec<u64>),
    /// The last round is not whole.
    Torn(Torn),
    /// A sealed block's footer was damaged and is whole again.
    Footer(LogId, u32),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => write!(f, "FORMAT was damaged or missing, and is written anew"),
            Self::Checkpoint(path) => {
                write!(f, "{path} is damaged, and the journal has what it said")
            }
            Self::Rounds(rounds) => {
                let plural = if rounds.len() == 1 { " was" } else { "s were" };
                write!(f, "{} round{plural} damaged in the journal, and mended", rounds.len())
            }
            Self::Torn(torn) => {
                let Torn { records, path, offset, .. } = torn;
                write!(
                    f,
                    "the last round was being written when the power went, or was damaged since: \
                     up to {records} records may be lost ({path} at byte {offset}, "
                )?;
                match &torn.aside {
                    Some(aside) => write!(f, "kept as {aside})"),
                    None => write!(f, "not kept)"),
                }
            }
            Self::Footer(log, block) => {
                write!(f, "the footer of {} was damaged, and is mended", block_path(*log, *block))
            }
        }
    }
}

fn they_are(paths: &[&str]) -> String {
    match paths {
        [one] => format!("{one} is"),
        paths => format!("{} are", paths.join(" and ")),
    }
}

/// Opens the store of `disk`, or makes one. `fresh` is the origin of a new one.
pub fn open<D: Disk + Clone>(disk: &D, fresh: Origin) -> Result<Opened<D>, OpeningError> {
    let mut findings = Vec::new();
    let identified = identify(disk)?;
    let origin = match identified {
        Identified::Whole(origin) | Identified::Earlier(_, origin) => origin,
        Identified::Bit(origin) | Identified::Restored(origin) => {
            findings.push(Finding::Format);
            origin
        }
        Identified::New => fresh,
    };
    if identified == Identified::New {
        write(disk, origin)?;
    }
    let Found { checkpoints, newest: checkpoint, older, damaged, referred } =
        Checkpoints::open(disk.clone(), origin)?;
    let newest = checkpoint.as_ref().map_or(origin.0, |checkpoint| checkpoint.round);
    let opened = Journal::open(disk.clone(), Needed { origin, older, newest });
    let lost = |error| match error {
        OpenError::Missing { .. } if !damaged.is_empty() => {
            OpeningError::Checkpoints(damaged.clone())
        }
        error => error.into(),
    };
    let Recovered { journal, rounds, torn, mended } = opened.map_err(lost)?;
    // There was a checkpoint, so there were rounds.
    if checkpoint.is_none() && !damaged.is_empty() && journal.next_round() == newest + 1 {
        return Err(OpeningError::Checkpoints(damaged));
    }
    let earlier = match identified {
        Identified::Earlier(format, _) => Some(format),
        _ => None,
    };
    if findings.contains(&Finding::Format) || earlier.is_some() {
        write(disk, origin)?;
    }
    findings.extend(damaged.into_iter().map(Finding::Checkpoint));
    if !mended.is_empty() {
        findings.push(Finding::Rounds(mended));
    }
    findings.extend(torn.map(Finding::Torn));
    Ok(Opened { journal, checkpoints, origin, checkpoint, rounds, referred, findings, earlier })
}
