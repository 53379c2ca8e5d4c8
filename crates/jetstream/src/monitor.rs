//! What there is, as plain data for whoever watches.

use serde::Serialize;
use watershed_base::AccountId;
use watershed_wire::jetstream::StreamConfig;
use watershed_wire::jetstream::account::ApiStats;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::level;
use watershed_wire::jetstream::stream::StreamState;
use watershed_wire::time::UnixNanos;

use crate::consumer_key::ConsumerKey;
use crate::jetstream::JetStream;
use crate::network::Network;

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

impl JetStream {
    /// What there is now, in as much detail as is asked for; `None` where JetStream is off.
    pub fn snapshot(
        &mut self,
        net: &mut impl Network,
        detail: &Detail,
    ) -> Option<JetStreamSnapshot> {
        self.settings?;
        let total = self.state.usage.total();
        let mut snapshot = JetStreamSnapshot {
            reserved_memory: total.memory.reserved,
            reserved_storage: total.file.reserved,
            api: self.work.calls(),
            streams: total.streams,
            consumers: total.consumers,
            ..JetStreamSnapshot::default()
        };
        for account in self.state.accounts_with_streams() {
            let own = self.account_detail(net, account, detail, &mut snapshot);
            snapshot.accounts += 1;
            let wanted = detail.account.as_ref().is_none_or(|name| *name == own.name);
            if detail.accounts && wanted {
                snapshot.account_details.push(own);
            }
        }
        snapshot.bytes = snapshot.memory + snapshot.storage;
        Some(snapshot)
    }

    fn account_detail(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        detail: &Detail,
        sums: &mut JetStreamSnapshot,
    ) -> AccountDetail {
        let name = self.state.accounts.name(account).to_owned();
        let mut own = AccountDetail { id: name.clone(), name, ..AccountDetail::default() };
        let mut consumers = Vec::new();
        let shown = self.state.keys_of(account).filter(|(_, stream)| !stream.is_hidden());
        for (key, stream) in shown {
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
                let places = stream.consumers.by_name();
                let keys = places.map(|(_, index)| ConsumerKey::new(key, index));
                consumers.push(keys.collect::<Vec<_>>());
            }
        }
        if detail.consumers {
            for (stream, keys) in own.stream_detail.iter_mut().zip(consumers) {
                let infos = keys.into_iter().map(|key| self.consumer_info(net, key));
                stream.consumer_detail = infos.collect();
                for info in &mut stream.consumer_detail {
                    // As nats-server has it here: what it says of itself stands in what is said of one consumer.
                    level::hide(&mut info.config.metadata);
                }
            }
        }
        sums.memory += own.memory;
        sums.storage += own.storage;
        own
    }
}
