//! The rules, one a file.

mod access_unknown_service;
mod ack_wait_replaced;
mod consumer_name;
mod consumer_unknown;
mod consumers_too_many;
mod filter_outside_stream;
mod filter_partly_outside;
mod given_up_without_trace;
mod interest_without_consumer;
mod memory_with_durables;
mod nobody_publishes;
mod nobody_reads;
mod not_stored;
mod origin_unknown;
mod push_shared_without_group;
mod server_refuses;
mod store_too_small;
mod stream_name;
mod stream_without_limit;
mod streams_overlap;
mod subject_invalid;
mod subjects_overlap;
mod work_queue_readers;
mod work_queue_remainder;

use super::Rule;

/// Every rule, by code.
pub const RULES: &[&Rule] = &[
    &access_unknown_service::RULE,
    &server_refuses::RULE,
    &ack_wait_replaced::RULE,
    &push_shared_without_group::RULE,
    &given_up_without_trace::RULE,
    &store_too_small::RULE,
    &origin_unknown::RULE,
    &stream_name::RULE,
    &consumer_name::RULE,
    &subject_invalid::RULE,
    &subjects_overlap::RULE,
    &streams_overlap::RULE,
    &memory_with_durables::RULE,
    &stream_without_limit::RULE,
    &consumer_unknown::RULE,
    &filter_outside_stream::RULE,
    &filter_partly_outside::RULE,
    &work_queue_readers::RULE,
    &interest_without_consumer::RULE,
    &work_queue_remainder::RULE,
    &consumers_too_many::RULE,
    &not_stored::RULE,
    &nobody_reads::RULE,
    &nobody_publishes::RULE,
];
