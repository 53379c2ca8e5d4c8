//! Subjects that two streams would store.

use watershed_base::AccountId;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::subject;

use crate::jetstream::JetStream;

impl JetStream {
    /// Whether another stream of the account takes a subject that `config` takes.
    pub(super) fn overlaps_another(&self, account: AccountId, config: &StreamConfig) -> bool {
        let others = self.state.streams_of(account);
        others.filter(|other| other.config.name != config.name).any(|other| {
            let pairs = other.config.subjects.iter().flat_map(|theirs| {
                config.subjects.iter().map(move |ours| (ours.as_bytes(), theirs.as_bytes()))
            });
            pairs.into_iter().any(|(ours, theirs)| subject::overlaps(ours, theirs))
        })
    }
}
