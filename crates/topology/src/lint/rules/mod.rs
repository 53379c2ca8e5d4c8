//! The rules, one a file.

mod access_unknown_service;
mod ack_wait_replaced;
mod ack_wait_short;
mod acknowledged_before_synced;
mod acks_shared;
mod backlog_skipped;
mod backoff_without_ack;
mod bucket_unknown;
mod compression_in_memory;
mod consumer_name;
mod consumer_unknown;
mod consumers_too_many;
mod copies_differ;
mod copies_even;
mod copies_need_cluster;
mod copies_too_many;
mod dead_letter_circle;
mod dead_letter_nowhere;
mod dead_letter_short;
mod dead_letter_small;
mod dead_letter_unread;
mod delivered_into_stream;
mod delivered_once;
mod durable_goes;
mod ensured_unknown;
mod expires_while_retried;
mod filter_is_subject;
mod filter_outside_stream;
mod filter_partly_outside;
mod filters_overlap;
mod first_sequence;
mod given_up_without_trace;
mod group_without_push;
mod guest_unknown;
mod handled_twice;
mod import_shadows_api;
mod import_unfit;
mod interest_without_consumer;
mod mapping_invalid;
mod memory_with_durables;
mod message_larger_than_server;
mod metadata_reserved;
mod name_not_plain;
mod name_unconventional;
mod names_alike;
mod newer_than_server;
mod nobody_publishes;
mod nobody_reads;
mod not_stored;
mod one_way;
mod open_to_network;
mod origin_gives_away;
mod origin_messages_larger;
mod origin_not_imported;
mod origin_unknown;
mod origins_in_circle;
mod over_limits;
mod paused;
mod payload_large;
mod pending_unlimited;
mod permissions_one_sided;
mod probe_delivered;
mod probe_not_stored;
mod publishers_unanswered;
mod push_alone;
mod push_shared_without_group;
mod republished_into_stream;
mod request_stored;
mod request_unanswered;
mod retries_without_end;
mod server_refuses;
mod service_without_user;
mod state_in_memory;
mod store_not_lasting;
mod store_shared_unbounded;
mod store_too_small;
mod stream_name;
mod stream_named_like_bucket;
mod stream_without_limit;
mod streams_overlap;
mod subject_invalid;
mod subject_is_the_name;
mod subject_long;
mod subject_of_clients;
mod subject_open_at_front;
mod subjects_overlap;
mod threshold_unknown;
mod two_generations;
mod window_long;
mod work_queue_drops_work;
mod work_queue_readers;
mod work_queue_remainder;
mod worker_on_limits;
mod workers_idle;

use super::Rule;

/// Every rule, by code.
pub const RULES: &[&Rule] = &[
    &access_unknown_service::RULE,
    &origin_not_imported::RULE,
    &service_without_user::RULE,
    &import_unfit::RULE,
    &import_shadows_api::RULE,
    &permissions_one_sided::RULE,
    &guest_unknown::RULE,
    &mapping_invalid::RULE,
    &server_refuses::RULE,
    &ack_wait_replaced::RULE,
    &backoff_without_ack::RULE,
    &ack_wait_short::RULE,
    &delivered_into_stream::RULE,
    &push_shared_without_group::RULE,
    &group_without_push::RULE,
    &filters_overlap::RULE,
    &copies_differ::RULE,
    &given_up_without_trace::RULE,
    &durable_goes::RULE,
    &acks_shared::RULE,
    &pending_unlimited::RULE,
    &state_in_memory::RULE,
    &paused::RULE,
    &retries_without_end::RULE,
    &delivered_once::RULE,
    &push_alone::RULE,
    &store_too_small::RULE,
    &over_limits::RULE,
    &copies_too_many::RULE,
    &payload_large::RULE,
    &store_not_lasting::RULE,
    &store_shared_unbounded::RULE,
    &open_to_network::RULE,
    &origin_messages_larger::RULE,
    &origins_in_circle::RULE,
    &origin_unknown::RULE,
    &origin_gives_away::RULE,
    &stream_name::RULE,
    &consumer_name::RULE,
    &metadata_reserved::RULE,
    &names_alike::RULE,
    &stream_named_like_bucket::RULE,
    &name_not_plain::RULE,
    &threshold_unknown::RULE,
    &name_unconventional::RULE,
    &dead_letter_nowhere::RULE,
    &dead_letter_circle::RULE,
    &dead_letter_short::RULE,
    &dead_letter_unread::RULE,
    &dead_letter_small::RULE,
    &workers_idle::RULE,
    &handled_twice::RULE,
    &subject_invalid::RULE,
    &subjects_overlap::RULE,
    &streams_overlap::RULE,
    &subject_of_clients::RULE,
    &subject_open_at_front::RULE,
    &subject_is_the_name::RULE,
    &subject_long::RULE,
    &copies_need_cluster::RULE,
    &copies_even::RULE,
    &memory_with_durables::RULE,
    &window_long::RULE,
    &stream_without_limit::RULE,
    &work_queue_drops_work::RULE,
    &message_larger_than_server::RULE,
    &one_way::RULE,
    &newer_than_server::RULE,
    &republished_into_stream::RULE,
    &publishers_unanswered::RULE,
    &compression_in_memory::RULE,
    &expires_while_retried::RULE,
    &first_sequence::RULE,
    &probe_not_stored::RULE,
    &probe_delivered::RULE,
    &acknowledged_before_synced::RULE,
    &consumer_unknown::RULE,
    &filter_outside_stream::RULE,
    &filter_partly_outside::RULE,
    &filter_is_subject::RULE,
    &work_queue_readers::RULE,
    &interest_without_consumer::RULE,
    &work_queue_remainder::RULE,
    &consumers_too_many::RULE,
    &worker_on_limits::RULE,
    &two_generations::RULE,
    &backlog_skipped::RULE,
    &not_stored::RULE,
    &nobody_reads::RULE,
    &nobody_publishes::RULE,
    &request_stored::RULE,
    &request_unanswered::RULE,
    &bucket_unknown::RULE,
    &ensured_unknown::RULE,
];
