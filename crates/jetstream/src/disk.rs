//! How the disk gets on, and what may be accepted therefore.
//!
//! Nothing is lost where it refuses: what is not durable has not happened, and who asked is told. A
//! full disk takes what frees space (purges, deletes, acknowledgements) and refuses messages. A disk
//! that fails takes nothing. Reads go on in either case.

use crate::limits::JOURNAL_BYTES_PER_CHECKPOINT_SHORT;
use crate::output::Keeping;

/// Checkpoints until blocks that hold nothing any more are gone: each of the two that are kept may
/// refer to them.
const CHECKPOINTS_UNTIL_GONE: u8 = 2;

/// How the journal gets on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Journal {
    #[default]
    Well,
    /// It takes what frees space.
    Full,
    /// It takes nothing.
    Failing,
}

/// How the disk gets on.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    journal: Journal,
    keeping: Keeping,
    /// Checkpoints to make so that space becomes free.
    checkpoints_owed: u8,
    /// Whether one is on its way.
    checkpointing: bool,
}

impl Disk {
    /// A round could not be written.
    pub(crate) fn refused(&mut self, full: bool) {
        self.journal = if full { Journal::Full } else { Journal::Failing };
        if full {
            self.free_space();
        }
    }

    /// Rounds can be written again.
    pub(crate) fn healed(&mut self) {
        self.journal = Journal::Well;
    }

    /// The keeper says how it gets on.
    pub(crate) fn keeps(&mut self, keeping: Keeping) {
        self.keeping = keeping;
        if keeping == Keeping::Full {
            self.free_space();
        }
    }

    /// Whether records can become durable, at least those that free space.
    pub(crate) fn takes_records(&self) -> bool {
        self.journal != Journal::Failing
    }

    /// Whether messages can be stored, where `behind` says that the keeper has as much to do as it may.
    pub(crate) fn takes_messages(&self, behind: bool) -> bool {
        self.journal == Journal::Well
            && match self.keeping {
                Keeping::Well => true,
                Keeping::Full => false,
                Keeping::Failing => !behind,
            }
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.journal == Journal::Full || self.keeping == Keeping::Full
    }

    /// Blocks that hold nothing any more are to go. A checkpoint that is on its way knows nothing of it.
    pub(crate) fn free_space(&mut self) {
        self.checkpoints_owed = CHECKPOINTS_UNTIL_GONE + u8::from(self.checkpointing);
    }

    /// A checkpoint is to be made, if one is due after `journal_bytes` of rounds since the last one,
    /// `usual` being how many there are mostly.
    pub(crate) fn begin_checkpoint(&mut self, journal_bytes: usize, usual: usize) -> bool {
        let enough =
            if self.is_full() { usual.min(JOURNAL_BYTES_PER_CHECKPOINT_SHORT) } else { usual };
        let begins = !self.checkpointing && (self.checkpoints_owed > 0 || journal_bytes >= enough);
        self.checkpointing |= begins;
        begins
    }

    /// A checkpoint is durable, or was left out.
    pub(crate) fn end_checkpoint(&mut self, made: bool) {
        self.checkpointing = false;
        self.checkpoints_owed = self.checkpoints_owed.saturating_sub(u8::from(made));
    }

    /// What is wrong, for people.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        match (self.journal, self.keeping) {
            (Journal::Failing, _) => Some("the disk cannot be written: nothing can be stored"),
            (Journal::Full, _) | (_, Keeping::Full) => {
                Some("the disk is full: messages are refused until something is removed")
            }
            (_, Keeping::Failing) => {
                Some("blocks cannot be written: the journal keeps everything meanwhile")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints that are made one after the other.
    fn checkpoints(disk: &mut Disk) -> usize {
        std::iter::from_fn(|| disk.begin_checkpoint(0, 1000).then(|| disk.end_checkpoint(true)))
            .count()
    }

    #[test]
    fn space_is_free_after_two_checkpoints_that_know_of_it() {
        let mut disk = Disk::default();
        assert_eq!(checkpoints(&mut disk), 0);
        disk.free_space();
        assert_eq!(checkpoints(&mut disk), 2);
        assert!(disk.begin_checkpoint(1000, 1000));
        disk.free_space();
        disk.end_checkpoint(true);
        assert_eq!(checkpoints(&mut disk), 2);
        disk.free_space();
        assert!(disk.begin_checkpoint(0, 1000));
        disk.end_checkpoint(false);
        assert_eq!(checkpoints(&mut disk), 2);
    }

    #[test]
    fn a_disk_that_refuses_takes_what_it_can() {
        let takes = |disk: &Disk| (disk.takes_records(), disk.takes_messages(false));
        let mut disk = Disk::default();
        assert_eq!((takes(&disk), disk.trouble()), ((true, true), None));
        disk.refused(true);
        assert_eq!(takes(&disk), (true, false));
        disk.refused(false);
        assert_eq!(takes(&disk), (false, false));
        disk.healed();
        disk.keeps(Keeping::Full);
        assert_eq!(takes(&disk), (true, false));
        disk.keeps(Keeping::Failing);
        assert_eq!((takes(&disk), disk.takes_messages(true)), ((true, true), false));
        assert!(disk.trouble().is_some());
        disk.keeps(Keeping::Well);
        assert_eq!(disk.trouble(), None);
    }
}
