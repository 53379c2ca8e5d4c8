//! Acknowledging a message before it is durable, and telling people when that was too early. When it may be done is
//! in `ahead.rs`.

use watershed_store::Record;
use watershed_wire::jetstream::stream::PersistMode;

use crate::ahead::Forgotten;
use crate::jetstream::JetStream;
use crate::network::Network;
use crate::output::DiskOutput;
use crate::rounds::Owed;
use crate::state::{Stream, StreamKey};

/// Whether messages of a stream may be acknowledged before they are durable. What a stream copies is
/// copied again after a failure, and must have the sequence that it had.
fn is_async(stream: &Stream) -> bool {
    stream.config.persist_mode == PersistMode::Async && stream.origins.is_empty()
}

impl JetStream {
    /// Acknowledges a message that is in the open round, if its stream wants that and it may be done.
    /// Says whether it was.
    pub(crate) fn acknowledge_ahead(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        record: &Record<'_>,
        owed: Owed<'_>,
    ) -> bool {
        let stream = &self.state.streams[key.index()];
        if owed.subject.is_empty() || !is_async(stream) {
            return false;
        }
        let now = self.now.tick;
        if !self.ahead.may_go(now, self.rounds.bytes_waiting()) {
            return false;
        }
        self.ahead.went(now);
        self.live(key).acknowledged = record.sequence;
        self.acknowledge_stored(net, key, record, owed);
        true
    }

    /// The disk has refused what was acknowledged ahead of it: people are told.
    pub(crate) fn forget_acknowledged(&mut self) {
        for (key, stream) in &self.state.streams {
            let last = self.live.get(StreamKey::at(key)).map_or(0, |live| live.acknowledged);
            let durable = stream.log.last();
            if last > durable {
                let account = self.state.accounts.name(stream.account).to_owned();
                let stream = stream.config.name.clone();
                let forgotten = Forgotten { account, stream, first: durable + 1, last };
                self.outputs.push(DiskOutput::Forgotten(forgotten));
            }
        }
    }
}
