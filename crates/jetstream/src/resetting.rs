//! A consumer that was reset begins to work anew; those who wait at it go on waiting.

use watershed_wire::jetstream::consumer::Reset;

use crate::api::RESET;
use crate::consumer_key::ConsumerKey;
use crate::garbage::Garbage;
use crate::jetstream::JetStream;
use crate::live::Dispatcher;
use crate::network::Network;
use crate::rounds::{Asked, Owed};

impl JetStream {
    /// A consumer goes on from another place.
    pub(crate) fn consumer_reset_done(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        owed: Owed<'_>,
    ) {
        let Self { state, live, now, .. } = self;
        let stream = &state.streams[key.stream.index()];
        let consumer = &stream.consumers[key.index()];
        let mut fresh = Dispatcher::new(consumer, stream.log.last(), *now);
        let Some(live) = live.get_mut(key.stream) else { return };
        if let Some(old) = live.dispatcher(key.index()) {
            fresh.replace(old);
        }
        self.garbage.push(Garbage::Outstanding(live.end(key.index())));
        live.put(key.index(), fresh);
        self.rescheduling.remove(&key);
        self.wake(key);
        if self.state.stream(key.stream).consumers[key.index()].is_counting() {
            self.count_later(key, owed);
        } else {
            self.tell_of_consumer(net, key, owed);
        }
    }

    /// Replies with a consumer as it is.
    pub(crate) fn tell_of_consumer(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        owed: Owed<'_>,
    ) {
        let info = self.consumer_info(net, key);
        let is_reset = match owed.asked {
            Asked::Change(call) | Asked::Rest(call) => call.kind == RESET,
            _ => false,
        };
        if is_reset {
            let reset_seq = info.delivered.stream_seq + 1;
            self.done(net, owed, &Reset { info, reset_seq });
        } else {
            self.done(net, owed, &info);
        }
    }
}
