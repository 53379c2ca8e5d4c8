//! `INFO`: what an account uses and may use.

use watershed_wire::jetstream::account::{AccountInfo, AccountLimits, Reply};
use watershed_wire::jetstream::json;

use super::request::{Answer, Request};
use crate::jetstream::JetStream;

impl JetStream {
    pub(super) fn account_info(&self, request: &Request<'_>) -> Answer {
        let used = self.state.usage.of(request.account);
        let own = self.store_of(request.account);
        let bounds = own.bounds;
        let limit = |limit: Option<u64>| limit.map_or(-1, |l| i64::try_from(l).unwrap_or(i64::MAX));
        let info = AccountInfo {
            memory: used.memory.stored,
            storage: used.file.stored,
            reserved_memory: used.memory.reserved,
            reserved_storage: used.file.reserved,
            streams: used.streams,
            consumers: used.consumers,
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
            domain: self.domain.clone(),
            api: self.work.calls_of(request.account),
        };
        Answer::Reply(json::encode(&Reply::new("account_info_response", Ok(info))))
    }
}
