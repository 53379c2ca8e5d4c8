//! `INFO`: what an account uses and may use.

use watershed_wire::jetstream::API_LEVEL;
use watershed_wire::jetstream::account::{AccountInfo, AccountLimits, ApiStats, Reply};
use watershed_wire::jetstream::json;
use watershed_wire::jetstream::stream::Storage;

use super::request::{Answer, Request};
use crate::jetstream::JetStream;

impl JetStream {
    pub(super) fn account_info(&self, request: &Request<'_>) -> Answer {
        let used = |storage: Storage| {
            let streams = self.state.streams_of(request.account);
            let same = streams.filter(|stream| stream.config.storage == storage);
            same.map(|stream| stream.log.weight()).sum()
        };
        let reserved = |storage: Storage| {
            let streams = self.state.streams_of(request.account);
            let same = streams.filter(|stream| stream.config.storage == storage);
            same.filter_map(|stream| u64::try_from(stream.config.max_bytes).ok()).sum()
        };
        let own = self.store_of(request.account);
        let bounds = own.bounds;
        let limit = |limit: Option<u64>| limit.map_or(-1, |l| i64::try_from(l).unwrap_or(i64::MAX));
        let info = AccountInfo {
            memory: used(Storage::Memory),
            storage: used(Storage::File),
            reserved_memory: reserved(Storage::Memory),
            reserved_storage: reserved(Storage::File),
            streams: self.state.streams_of(request.account).count(),
            consumers: self.state.streams_of(request.account).map(|s| s.consumers.len()).sum(),
            limits: AccountLimits {
                max_memory: limit(own.max_memory),
                max_storage: limit(own.max_file),
                max_streams: bounds.max_streams.unwrap_or(-1),
                max_consumers: bounds.max_consumers.unwrap_or(-1),
                max_ack_pending: bounds.max_ack_pending.unwrap_or(-1),
                memory_max_stream_bytes: bounds.memory_max_stream_bytes.unwrap_or(-1),
                storage_max_stream_bytes: bounds.disk_max_stream_bytes.unwrap_or(-1),
                max_bytes_required: bounds.max_bytes_required,
            },
            domain: String::new(),
            api: ApiStats { level: API_LEVEL, total: self.api_calls, errors: self.api_errors },
        };
        Answer::Reply(json::encode(&Reply::new("account_info_response", Ok(info))))
    }
}
