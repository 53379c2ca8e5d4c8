//! A consumer's deliveries get another time while others are served: a million may be outstanding.

use crate::jetstream::JetStream;
use crate::limits::RESCHEDULED_PER_TURN;

impl JetStream {
    /// Goes on with the deliveries of one consumer. Says whether there is more to do.
    pub(crate) fn reschedule_some(&mut self) -> bool {
        let Some(key) = self.rescheduling.first().copied() else { return false };
        let stream = self.state.streams.get(key.stream.index());
        let consumer = stream.and_then(|stream| stream.consumers.get(key.index()));
        let dispatcher = self.live.dispatcher(key);
        let more = match (consumer, dispatcher) {
            (Some(consumer), Some(own)) => own.reschedule(&consumer.config, RESCHEDULED_PER_TURN),
            _ => false,
        };
        if !more {
            self.rescheduling.remove(&key);
        }
        self.wake(key);
        !self.rescheduling.is_empty()
    }
}
