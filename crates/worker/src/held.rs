//! The messages that a worker holds: delivered, and not acknowledged yet.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for its turn, or is being handled.
    Open,
    /// It is done with, and that is being said.
    Finished,
    /// It goes back: when it comes, it comes anew.
    Returned,
}

/// A message that is held.
#[derive(Debug)]
pub(crate) struct Hold {
    sequence: u64,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    stage: Stage,
    /// Where its acknowledgement goes: of the latest delivery.
    reply: String,
    deliveries: u64,
}

impl Hold {
    fn with<T>(&self, use_it: impl FnOnce(&mut Now) -> T) -> T {
        use_it(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn reply(&self) -> String {
        self.with(|now| now.reply.clone())
    }

    /// How often it was delivered by now.
    pub(crate) fn deliveries(&self) -> u64 {
        self.with(|now| now.deliveries)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.with(|now| now.stage == Stage::Open)
    }
}

/// All messages that are held of one consumer, by sequence.
#[derive(Debug, Default)]
pub(crate) struct Held {
    all: Mutex<HashMap<u64, Arc<Hold>>>,
    /// How many are not open any more.
    settling: AtomicU64,
    /// Told when there is one less that is open.
    pub(crate) fewer: Notify,
}

impl Held {
    fn with<T>(&self, use_it: impl FnOnce(&mut HashMap<u64, Arc<Hold>>) -> T) -> T {
        use_it(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn count(&self) -> u64 {
        self.with(|all| all.len() as u64)
    }

    /// How many of them are done with, or go back, and nobody has confirmed that.
    pub(crate) fn settling(&self) -> u64 {
        self.settling.load(Ordering::Relaxed)
    }

    /// How many wait for their turn, or are being handled.
    pub(crate) fn open(&self) -> u64 {
        self.count().saturating_sub(self.settling())
    }

    /// An open message is done with, or goes back.
    pub(crate) fn settles(&self, hold: &Hold, stage: Stage) {
        let was_open = hold.with(|now| {
            let was = std::mem::replace(&mut now.stage, stage);
            was == Stage::Open && stage != Stage::Open
        });
        if was_open {
            self.settling.fetch_add(1, Ordering::Relaxed);
            self.fewer.notify_one();
        }
    }

    /// Takes a delivery. `None` for one more delivery of a message that is held: who holds it answers
    /// for both.
    pub(crate) fn take(&self, sequence: u64, deliveries: u64, reply: String) -> Option<Arc<Hold>> {
        self.with(|all| {
            let entry = all.entry(sequence);
            if let Entry::Occupied(there) = &entry {
                let adopted = there.get().with(|now| {
                    let adopts = now.stage != Stage::Returned;
                    if adopts {
                        now.reply.clone_from(&reply);
                        now.deliveries = now.deliveries.max(deliveries);
                    }
                    adopts
                });
                if adopted {
                    return None;
                }
            }
            let now = Mutex::new(Now { stage: Stage::Open, reply, deliveries });
            let hold = Arc::new(Hold { sequence, now });
            entry.insert_entry(Arc::clone(&hold));
            Some(hold)
        })
    }

    /// Lets a message go.
    pub(crate) fn release(&self, hold: &Arc<Hold>) {
        if !hold.is_open() {
            self.settling.fetch_sub(1, Ordering::Relaxed);
        }
        self.with(|all| {
            if all.get(&hold.sequence).is_some_and(|there| Arc::ptr_eq(there, hold)) {
                all.remove(&hold.sequence);
            }
        });
        self.fewer.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_delivery_of_what_is_held_is_answered_by_who_holds_it() {
        let held = Held::default();
        let first = held.take(7, 1, "a".into()).unwrap();
        assert!(held.take(7, 2, "b".into()).is_none());
        assert_eq!((first.reply().as_str(), first.deliveries(), held.count()), ("b", 2, 1));
        // It went back, and came again before that was confirmed.
        assert_eq!((held.open(), held.settling()), (1, 0));
        held.settles(&first, Stage::Returned);
        assert_eq!((held.open(), held.settling()), (0, 1));
        let second = held.take(7, 3, "c".into()).unwrap();
        held.release(&first);
        assert_eq!((held.count(), held.open(), held.settling()), (1, 1, 0));
        held.release(&second);
        assert_eq!(held.count(), 0);
    }
}
