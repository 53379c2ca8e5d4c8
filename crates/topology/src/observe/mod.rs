//! What a live server has, and the calls that find it out.

mod listing;
mod observation;
mod observed;

pub use self::observation::{ConsumerListing, Observation, Tag};
pub use self::observed::{
    OURS, OWNER, Observed, ObservedConsumer, ObservedStream, PROOF, PROTECT, RESERVED, ServerFacts,
    plain,
};
