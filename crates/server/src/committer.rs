//! The committer: makes rounds durable, one at a time, and does nothing else.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use watershed_engine::Completion;
use watershed_store::{CommitError, Journal, Round};

use crate::disk::OsDisk;
use crate::shard::{Command, Remote};

/// Time between two looks at whether a disk works again that refused.
const PROBE: Duration = Duration::from_millis(500);

/// What the committer is to do.
pub(crate) enum Commit {
    /// Make a round durable.
    Round(Round),
    /// Rounds up to this one are durable elsewhere.
    Release(u64),
}

/// Works until nobody gives it anything more to do.
pub(crate) fn commit(mut journal: Journal<OsDisk>, jobs: &Receiver<Commit>, remote: &Remote) {
    let send = |done| remote.send(Command::Completed(done));
    // Nobody waits for what is set aside now.
    let mut probe_at = None;
    if let Err(error) = journal.heal() {
        probe_at = Some(Instant::now() + PROBE);
        say(&error);
        if matches!(error, CommitError::Full(_)) {
            send(Completion::Full);
        }
    }
    loop {
        let job = match probe_at {
            Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => jobs.recv().map_err(RecvTimeoutError::from),
        };
        match job {
            Ok(Commit::Release(round)) => journal.release(round),
            Ok(Commit::Round(round)) => match journal.commit(&round) {
                Ok(()) => {
                    let room = journal.room();
                    send(Completion::Durable { round: round.number(), room });
                }
                Err(error) => {
                    if probe_at.is_none() {
                        say(&error);
                    }
                    probe_at = probe_at.or_else(|| Some(Instant::now() + PROBE));
                    send(Completion::refused(&error));
                }
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if probe_at.is_some_and(|at| at <= Instant::now()) {
            probe_at = if journal.heal().is_ok() {
                tracing::info!("the disk takes messages again");
                send(Completion::Healed);
                None
            } else {
                Some(Instant::now() + PROBE)
            };
        }
    }
}

fn say(error: &CommitError) {
    if let CommitError::Full(_) = error {
        tracing::error!(%error, "messages are refused until something is removed; reads, acknowledgements, purges and deletes go on");
    } else {
        tracing::error!(%error, "nothing is stored until the disk works again; reads go on");
    }
}
