//! What a node has and does, as plain data for whoever watches.

use serde::Serialize;
use watershed_wire::jetstream::API_LEVEL;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::account::ApiStats;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::stream::{Storage, StreamState};
use watershed_wire::time::UnixNanos;

use crate::account::AccountId;
use crate::engine::Engine;

/// Messages and bytes between the node and its clients since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Messages that clients published.
    pub in_msgs: u64,
    /// Their headers and payloads.
    pub in_bytes: u64,
    /// Messages that were delivered.
    pub out_msgs: u64,
    /// Their headers and payloads.
    pub out_bytes: u64,
    /// Connections that were closed because they did not read.
    pub slow_consumers: u64,
}

/// How much to look at. Each level takes the owner of the engine longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// Each account.
    pub accounts: bool,
    /// Each stream.
    pub streams: bool,
    /// Each consumer.
    pub consumers: bool,
    /// Configurations too.
    pub config: bool,
    /// Only this account.
    pub account: Option<String>,
}

/// A node at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Connections.
    pub connections: usize,
    /// Connections ever.
    pub total_connections: u64,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Messages and bytes.
    pub traffic: Traffic,
    /// Streams; `None` where JetStream is off.
    pub jetstream: Option<JetStreamSnapshot>,
    /// Whether what is stored can be made durable.
    pub healthy: bool,
}

/// JetStream at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JetStreamSnapshot {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
    /// Bytes in memory that are set aside.
    pub reserved_memory: u64,
    /// Bytes on disk that are set aside.
    pub reserved_storage: u64,
    /// Accounts with streams.
    pub accounts: usize,
    /// Always 0: nothing here is one of several copies.
    pub ha_assets: usize,
    /// Calls.
    pub api: ApiStats,
    /// Streams.
    pub streams: usize,
    /// Consumers.
    pub consumers: usize,
    /// Messages.
    pub messages: u64,
    /// Bytes, in memory and on disk.
    pub bytes: u64,
    /// Each account, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub account_details: Vec<AccountDetail>,
}

/// An account with streams.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AccountDetail {
    /// Name.
    pub name: String,
    /// The same: accounts of a configuration have no other id.
    pub id: String,
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
    /// Each stream, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stream_detail: Vec<StreamDetail>,
}

/// A stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StreamDetail {
    /// Name.
    pub name: String,
    /// When it was created.
    pub created: UnixNanos,
    /// Configuration, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<StreamConfig>,
    /// What it holds.
    pub state: StreamState,
    /// Each consumer, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consumer_detail: Vec<ConsumerInfo>,
}

impl Engine {
    /// What there is now, in as much detail as is asked for.
    pub fn snapshot(&mut self, detail: &Detail) -> Snapshot {
        let jetstream = self.jetstream.settings.is_some().then(|| self.jetstream_snapshot(detail));
        Snapshot {
            connections: self.sessions.len(),
            total_connections: self.connections_ever,
            subscriptions: self.subscriptions.len(),
            traffic: self.traffic,
            healthy: jetstream.is_none() || self.jetstream.rounds.works(),
            jetstream,
        }
    }

    fn jetstream_snapshot(&mut self, detail: &Detail) -> JetStreamSnapshot {
        let jetstream = &self.jetstream;
        let mut snapshot = JetStreamSnapshot {
            reserved_memory: jetstream.reserved(Storage::Memory),
            reserved_storage: jetstream.reserved(Storage::File),
            api: ApiStats {
                level: API_LEVEL,
                total: jetstream.api_calls,
                errors: jetstream.api_errors,
            },
            streams: jetstream.streams.len(),
            consumers: jetstream.consumers.len(),
            ..JetStreamSnapshot::default()
        };
        for index in 0..self.accounts.len() {
            let account = AccountId(u32::try_from(index).expect("accounts are few"));
            let Some(own) = self.account_detail(account, detail, &mut snapshot) else { continue };
            snapshot.accounts += 1;
            let wanted = detail.account.as_ref().is_none_or(|name| *name == own.name);
            if detail.accounts && wanted {
                snapshot.account_details.push(own);
            }
        }
        snapshot.bytes = snapshot.memory + snapshot.storage;
        snapshot
    }

    /// `None` for an account without streams.
    fn account_detail(
        &mut self,
        account: AccountId,
        detail: &Detail,
        sums: &mut JetStreamSnapshot,
    ) -> Option<AccountDetail> {
        let name = self.accounts.get(account.0 as usize)?.name.clone();
        let mut own = AccountDetail { id: name.clone(), name, ..AccountDetail::default() };
        let mut consumers = Vec::new();
        let mut any = false;
        for stream in self.jetstream.streams_of(account) {
            any = true;
            let state = stream.state();
            sums.messages += state.messages;
            *if stream.is_memory() { &mut own.memory } else { &mut own.storage } += state.bytes;
            if detail.streams {
                own.stream_detail.push(StreamDetail {
                    name: stream.config.name.clone(),
                    created: stream.created,
                    config: detail.config.then(|| stream.config.clone()),
                    state,
                    consumer_detail: Vec::new(),
                });
                consumers.push(stream.consumers.values().copied().collect::<Vec<_>>());
            }
        }
        if detail.consumers {
            let now = self.now;
            for (stream, keys) in own.stream_detail.iter_mut().zip(consumers) {
                let infos = keys.into_iter().map(|key| self.consumer_info(key, now));
                stream.consumer_detail = infos.collect();
            }
        }
        sums.memory += own.memory;
        sums.storage += own.storage;
        any.then_some(own)
    }
}
