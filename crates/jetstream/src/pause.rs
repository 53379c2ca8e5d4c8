//! Consumers that are paused: nothing is delivered before a time on the wall's clock.
//!
//! That time stands in the configuration, and passing it changes nothing on disk: whoever delivers
//! looks at the clock. What is kept beside it is only whether people were told.

use std::time::Duration;

use serde_json::json;
use watershed_base::Tick;
use watershed_wire::jetstream::consumer::Paused;

use crate::consumer_key::ConsumerKey;
use crate::jetstream::JetStream;
use crate::limits::LOOK_AGAIN;
use crate::network::Network;
use crate::rounds::Owed;

impl JetStream {
    /// How a consumer stands, if it is there.
    fn paused(&self, key: ConsumerKey) -> Option<Paused> {
        let stream = self.state.streams.get(key.stream.index())?;
        let consumer = stream.consumers.get(key.index())?;
        Some(Paused::of(&consumer.config, self.now.wall))
    }

    /// A consumer was paused, or is to go on.
    pub(crate) fn consumer_paused(
        &mut self,
        net: &mut impl Network,
        key: ConsumerKey,
        owed: Owed<'_>,
    ) {
        let Some(paused) = self.paused(key) else { return };
        if let Some(dispatcher) = self.live.dispatcher(key) {
            dispatcher.paused = paused.paused;
        }
        self.done(net, owed, &paused);
        self.advise_paused(net, key, paused);
        self.wake(key);
    }

    /// Tells people of a consumer that was made, changed or asked for while it is paused.
    pub(crate) fn tell_if_paused(&mut self, net: &mut impl Network, key: ConsumerKey) {
        if let Some(paused) = self.paused(key).filter(|own| own.paused) {
            self.advise_paused(net, key, paused);
        }
    }

    /// Checks whether a pause has ended.
    pub(crate) fn look_at_pause(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let Some(paused) = self.paused(key) else { return };
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        let was = std::mem::replace(&mut dispatcher.paused, paused.paused);
        if was && !paused.paused {
            self.advise_paused(net, key, paused);
        }
    }

    /// When to look next.
    pub(crate) fn pause_deadline(&mut self, key: ConsumerKey) -> Option<Tick> {
        let left = self.paused(key)?.pause_remaining;
        let dispatcher = self.live.dispatcher(key)?;
        if left == 0 && !dispatcher.paused {
            return None;
        }
        let left = Duration::from_nanos(left.unsigned_abs());
        Some(self.now.tick.after(left.min(LOOK_AGAIN)))
    }

    fn advise_paused(&mut self, net: &mut impl Network, key: ConsumerKey, paused: Paused) {
        let fields = json!({
            "paused": paused.paused,
            "pause_until": paused.pause_until.to_string(),
        });
        self.advise(net, key, "PAUSE", "consumer_pause", fields);
    }
}
