//! Migrations: giving a stream what no server changes in place, while it is in use.
//!
//! The stream is copied by a mirror, which is then made a stream of its own (nats-server 2.12 and
//! later; before, it is copied by sources) and takes the subjects over; see `docs/design/migrate.md`. Everything that a run has to know is written into the
//! metadata of the streams themselves, so that any later run can go on from there.

mod consumers;
mod mark;
mod means;
mod staging;

pub(crate) use self::consumers::{
    HOLD, carried, durable, hold, is_keeper, is_paused_by_us, keep, keeper_name, narrowed,
    our_pause, owned, pause_from, position, started_as, to_hold,
};
pub(crate) use self::mark::{
    Copied, Last, Parked, Stopped, has_transit_name, migrated_of, park_subject, transit_name,
};
pub use self::means::Means;
pub(crate) use self::means::pauses_consumers;
pub(crate) use self::staging::{
    copy, finished, following, handing, marked, merging, parked, promoted, settled, unparked,
};

use serde_json::Value as Json;
use watershed_wire::jetstream::stream::StreamInfo;

use crate::observe::{Observed, ObservedStream};

/// A stream that has to do with a migration.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) info: StreamInfo,
    /// Its configuration as it came.
    pub(crate) config: Json,
    /// What it is a copy of, if it was made as one.
    pub(crate) copied: Option<Copied>,
    /// What it was before it was parked, if it is.
    pub(crate) parked: Option<Parked>,
}

impl Side {
    pub(crate) fn read(json: Json) -> Self {
        Self::of(&ObservedStream::read(json))
    }

    pub(crate) fn of(there: &ObservedStream) -> Self {
        let metadata = &there.info.config.metadata;
        Self {
            info: there.info.clone(),
            config: there.config.clone(),
            copied: Copied::of(metadata),
            parked: Parked::of(metadata),
        }
    }

    /// Whether it still follows another stream.
    pub(crate) fn follows(&self) -> bool {
        match &self.copied {
            Some(copied) if copied.sources => copied.last.is_none(),
            _ => self.info.config.mirror.is_some(),
        }
    }
}

/// How far the migration of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is being copied; publishers are with it.
    Copying,
    /// It is parked, and publishers get "no responders".
    Between,
    /// Publishers are with the copy.
    Away,
    /// The copy is copied back under the stream's name.
    Returning,
    /// Publishers are with the new stream, and its consumers may not be there yet.
    Arrived,
    /// It is being undone: both are parked.
    Reverting,
    /// It was undone, and what the copy had got is kept there, too.
    Undone,
    /// It is over, and what was before is kept.
    Kept,
}

impl Standing {
    /// Of the stream `name`; `None` if it is not migrated.
    pub(crate) fn of(name: &str, observed: &Observed) -> Option<Self> {
        let transit = Side::of(observed.streams.get(&transit_name(name))?);
        if transit.copied.as_ref()?.of != name {
            return None;
        }
        let Some(stream) = observed.streams.get(name).map(Side::of) else {
            return Some(Self::Away);
        };
        Some(match (stream.copied.is_some(), stream.parked.is_some()) {
            (true, _) => Self::Returning,
            (false, true) if transit.follows() => Self::Between,
            (false, true) if transit.parked.is_some() => Self::Reverting,
            (false, true) => Self::Away,
            (false, false) if transit.follows() => Self::Copying,
            (false, false) => Self::Kept,
        })
    }

    /// Of the stream `name`, which was `before`; `None` if that has not begun.
    pub(crate) fn of_renamed(name: &str, before: &str, observed: &Observed) -> Option<Self> {
        let stream = Side::of(observed.streams.get(name)?);
        let note = observed.streams.get(before).and_then(|old| Side::of(old).parked);
        let parked = note.is_some_and(|note| note.is_for(name));
        match stream.copied {
            Some(copied) if copied.of != before => None,
            Some(_) if !stream.follows() && stream.parked.is_some() => {
                Some(if parked { Self::Reverting } else { Self::Undone })
            }
            Some(_) if !stream.follows() => Some(Self::Arrived),
            Some(_) => Some(if parked { Self::Between } else { Self::Copying }),
            None => parked.then_some(Self::Kept),
        }
    }
}
