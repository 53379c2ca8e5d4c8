//! Subjects that two streams would store.

use watershed_base::AccountId;
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::{StreamConfig, check};

use crate::jetstream::JetStream;

impl JetStream {
    /// Refuses a stream that takes a subject that another one of the account takes.
    pub(super) fn check_overlap(
        &self,
        account: AccountId,
        config: &StreamConfig,
    ) -> Result<(), ApiError> {
        let others = self.state.streams_of(account).map(|other| &other.config);
        let others = others.filter(|other| other.name != config.name);
        let theirs = others.flat_map(|other| other.subjects.iter().map(String::as_str));
        if check::meet(config.subjects.iter().map(String::as_str), theirs)? {
            return Err(table::STREAM_SUBJECT_OVERLAP.into());
        }
        Ok(())
    }
}
