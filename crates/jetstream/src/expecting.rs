//! A publish may expect which message is the last one that a wildcard takes. Where few are to be looked
//! at, it is admitted at once. Otherwise it waits until the message is found, while others are
//! served, and is admitted then, on what is true then: messages behind it may be stored before it.

use watershed_store::LogId;
use watershed_wire::jetstream::error::table;
use watershed_wire::op::Publish;

use crate::jetstream::JetStream;
use crate::limits::PUBLISH_BYTES_WAITING_MAX;
use crate::network::Network;
use crate::publishes::{LOOKED_AT_PER_TURN, Waiting};
use crate::rounds::Owed;
use crate::state::{Lookup, Search};

/// Messages that a long search looks at in one turn: more than are applied in one, so that it comes to
/// an end.
const SEARCHED_PER_TURN: usize = 1024;

/// Long searches that have their turn. Those behind them wait.
const SEARCHES_PER_TURN: usize = 2;

impl JetStream {
    /// A publish waits for a search, or for its turn to search.
    pub(crate) fn expect_later(
        &mut self,
        net: &mut impl Network,
        log: LogId,
        message: &Publish<'_>,
        owed: Owed<'_>,
        search: Option<Search>,
    ) {
        let waiting = Waiting::new(log, owed.account, message, search);
        if self.expecting.bytes + waiting.len() > PUBLISH_BYTES_WAITING_MAX {
            self.refuse_waiting(net, log, owed, table::INSUFFICIENT_RESOURCES.into());
        } else {
            self.expecting.push(waiting);
        }
    }

    /// Goes on with publishes that wait for a search. Says whether there is more to do.
    pub(crate) fn expect_some(&mut self, net: &mut impl Network) -> bool {
        self.expecting.looked_at = 0;
        for _ in 0..self.expecting.fresh.len() {
            let left = LOOKED_AT_PER_TURN.saturating_sub(self.expecting.looked_at);
            if left == 0 {
                break;
            }
            let Some(own) = self.expecting.fresh.pop_front() else { break };
            self.expect(net, &own, Lookup::new(left));
        }
        let turns = SEARCHES_PER_TURN.min(self.expecting.searching.len());
        for _ in 0..turns {
            let Some(mut own) = self.expecting.searching.pop_front() else { break };
            let search = own.search.take();
            self.expect(net, &own, Lookup::going_on(SEARCHED_PER_TURN, search));
        }
        // Those that are not done go before those that had no turn.
        let done = turns.min(self.expecting.searching.len());
        self.expecting.searching.rotate_right(done);
        // As much may be looked at for those who come until the next turn.
        self.expecting.looked_at = 0;
        !(self.expecting.fresh.is_empty() && self.expecting.searching.is_empty())
    }

    fn expect(&mut self, net: &mut impl Network, own: &Waiting, lookup: Lookup) {
        self.expecting.bytes -= own.len();
        let Some(key) = self.state.by_log(own.log) else {
            Self::refuse_publish(net, own.owed(), table::STREAM_NOT_FOUND.into());
            return;
        };
        self.store_looking(net, key, &own.publish(), lookup);
    }
}
