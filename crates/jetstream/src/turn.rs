//! A turn of the loop: deadlines that passed, and what there is to do.

use watershed_base::Now;

use crate::jetstream::{JetStream, TimerKey};
use crate::network::Network;
use crate::output::DiskOutput;
use crate::sealing::SEALED_PER_TURN;

/// Deliveries that are found to have failed in one turn, whoever made them.
const DUE_PER_TURN: usize = 1024;

/// Those of them that take as long as a look at a consumer.
const DUE_CONSUMER: usize = 8;

/// Entries of indexes that are freed in one turn.
const FREED_PER_TURN: usize = 256;

/// Bytes that no allocator counts as few.
const LARGE_BYTES: usize = 4096;

impl JetStream {
    /// Deadlines up to `now` have passed.
    pub fn timeout(&mut self, net: &mut impl Network, now: Now) {
        self.now = now;
        let mut left = DUE_PER_TURN;
        while let Some(key) = self.timers.expired(now.tick) {
            match key {
                TimerKey::Expire(stream) => self.expire(net, stream),
                TimerKey::Schedules(stream) => self.fire_schedules(net, stream),
                TimerKey::Chores(stream) => self.do_chores_again(net, stream),
                TimerKey::Consumer(consumer) => {
                    left = left.saturating_sub(DUE_CONSUMER + self.consumer_timeout(net, consumer));
                }
                TimerKey::Events => self.save_all_events(net),
                // What is drained next lets it go.
                TimerKey::Round => {}
                TimerKey::Follow => self.wake_waiting_followers(),
                TimerKey::Local => self.go_on_locally(net),
                TimerKey::Space => self.free_space(),
                TimerKey::Batches => self.give_up_batches(net),
                TimerKey::FastBatches(stream) => {
                    left = left.saturating_sub(self.fast.count(stream));
                    self.give_up_fast(stream);
                }
                TimerKey::Archives => self.look_at_archives(net),
            }
            if key == TimerKey::Local || left == 0 {
                // The others have their turn before the next slice.
                break;
            }
        }
    }

    /// Does what there is to do, and takes what the disk is to do, appending to `out`. Says whether
    /// there is more to do at once.
    pub fn drain(&mut self, net: &mut impl Network, now: Now, out: &mut Vec<DiskOutput>) -> bool {
        self.now = now;
        let more = self.apply_durable(net);
        let more = more | self.refuse_some(net);
        self.advance_following(net);
        let more = more
            | self.seal_blocks(SEALED_PER_TURN)
            | self.finish_acknowledged(net)
            | self.reschedule_some()
            | self.count_backlogs(net)
            | self.search_some(net)
            | self.batch_some(net)
            | self.snapshot_some(net)
            | self.restore_some(net)
            | self.expect_some(net)
            | self.store_fast_waiting(net)
            | self.count_settled(net)
            | self.store_republished(net)
            | self.advance_ready(net)
            | self.free_garbage();
        self.answer_calls(net);
        let more = more | self.send_notices(net) | self.has_settled();
        self.close_round(net);
        out.append(&mut self.outputs);
        join_freed();
        more
    }

    /// Frees some of the memory of what has gone. Says whether there is more.
    fn free_garbage(&mut self) -> bool {
        if let Some(last) = self.garbage.last_mut()
            && last.free(FREED_PER_TURN)
        {
            self.garbage.pop();
        }
        !self.garbage.is_empty()
    }

    /// Whether everything that was accepted is durable. What may wait for a round does not any more.
    pub fn settle(&mut self, net: &mut impl Network, now: Now) -> bool {
        self.now = now;
        while self.finish_acknowledged(net) {}
        while self.store_republished(net) {}
        self.save_all_events(net);
        // What is not copied yet is copied after the next start.
        self.following.clear();
        self.rounds.is_settled() && self.republished.is_empty()
    }
}

/// Lets the allocator join what was freed in this turn. glibc keeps small pieces as they are until a
/// large one is asked for, and joins all of them then: a million names after a purge, in 45 ms.
fn join_freed() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE_BYTES)));
}
