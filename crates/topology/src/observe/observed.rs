//! What an account on a live server has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use watershed_wire::jetstream::account::AccountInfo;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::json::understood;
use watershed_wire::jetstream::stream::StreamInfo;

use crate::version::Version;

/// Key of the metadata that names the topology that owns an asset.
pub const OWNER: &str = "watershed.topology";

/// Key of the metadata of a stream that only proves the definition of another one, which it names.
pub const PROOF: &str = "watershed.proof";

/// Prefix of the metadata that says whose an asset is.
pub const OURS: &str = "watershed.";

/// Prefix of the metadata that the server writes itself.
pub const RESERVED: &str = "_nats.";

/// Key of the metadata that keeps an asset from being deleted.
pub const PROTECT: &str = "watershed.protect";

/// What the server said about itself when the connection was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Version, such as `2.14.6`.
    pub version: String,
    /// Whether it is one of a cluster, and can keep copies.
    pub clustered: bool,
}

impl ServerFacts {
    /// Whether metadata is kept, by which an owner is known: from 2.10 on.
    pub fn keeps_metadata(&self) -> bool {
        Version::of_server(&self.version).is_at_least(2, 10, 0)
    }
}

/// A live stream.
#[derive(Debug, Clone, Default)]
pub struct ObservedStream {
    /// What the server says about it, as far as this program understands it.
    pub info: StreamInfo,
    /// Its configuration as it came, fields included that this program does not know.
    pub config: Json,
    /// Fields of the configuration that this program does not know, or whose values it does not: by
    /// their path. In `info` they are absent.
    pub not_understood: BTreeMap<String, Json>,
    /// Its consumers, if they were asked for.
    pub consumers: BTreeMap<String, ObservedConsumer>,
    /// Consumers that are there, and of which nothing else is known: the server that keeps them did not
    /// answer.
    pub silent: BTreeSet<String>,
}

impl ObservedStream {
    /// Messages of a work queue that no consumer has to come or outstanding.
    pub(crate) fn left_over(&self) -> u64 {
        let waiting = |consumer: &ObservedConsumer| {
            consumer.info.num_pending.saturating_add(consumer.info.num_ack_pending as u64)
        };
        let taken = self.consumers.values().map(waiting).fold(0, u64::saturating_add);
        self.info.state.messages.saturating_sub(taken)
    }
}

/// A live consumer.
#[derive(Debug, Clone, Default)]
pub struct ObservedConsumer {
    /// What the server says about it, as far as this program understands it.
    pub info: ConsumerInfo,
    /// Its configuration as it came.
    pub config: Json,
    /// Fields of the configuration that this program does not know, or whose values it does not: by
    /// their path. In `info` they are absent.
    pub not_understood: BTreeMap<String, Json>,
}

/// A configuration as it came, without what the server notes for itself.
pub fn plain(config: &Json) -> Json {
    let mut config = config.clone();
    if let Some(Json::Object(metadata)) = config.get_mut("metadata") {
        metadata.retain(|key, _| !key.starts_with(RESERVED));
    }
    config
}

impl ObservedStream {
    /// Takes what a server says about a stream.
    pub(crate) fn read(mut json: Json) -> Self {
        let config = json.get_mut("config").map(Json::take).unwrap_or_default();
        let (mut info, _) = understood::<StreamInfo>(&json);
        let (known, not_understood) = understood(&config);
        info.config = known;
        Self { info, config, not_understood, ..Self::default() }
    }

    /// The topology that owns it.
    pub fn owner(&self) -> Option<&str> {
        self.info.config.metadata.get(OWNER).map(String::as_str)
    }
}

impl ObservedConsumer {
    /// Whether it stays when nobody uses it.
    pub fn is_durable(&self) -> bool {
        !self.info.config.durable_name.is_empty()
    }

    /// Takes what a server says about a consumer.
    pub(crate) fn read(mut json: Json) -> Self {
        let config = json.get_mut("config").map(Json::take).unwrap_or_default();
        let (mut info, _) = understood::<ConsumerInfo>(&json);
        let (known, not_understood) = understood(&config);
        info.config = known;
        Self { info, config, not_understood }
    }

    /// The topology that owns it.
    pub fn owner(&self) -> Option<&str> {
        self.info.config.metadata.get(OWNER).map(String::as_str)
    }
}

/// What an account on a live server has.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What the server said about itself.
    pub server: ServerFacts,
    /// What the account uses and may use.
    pub account: AccountInfo,
    /// Every stream, by name.
    pub streams: BTreeMap<String, ObservedStream>,
    /// Streams that are there, and of which nothing else is known: the servers that keep them did not
    /// answer.
    pub silent: BTreeSet<String>,
}

impl Observed {
    /// Whether a stream, or a consumer of it, is there and did not answer.
    pub fn is_silent(&self, stream: &str, consumer: Option<&str>) -> bool {
        let of_stream = |consumer| {
            self.streams.get(stream).is_some_and(|there| there.silent.contains(consumer))
        };
        self.silent.contains(stream) || consumer.is_some_and(of_stream)
    }

    /// Everything that did not answer: streams, and consumers as `STREAM/CONSUMER`.
    pub fn all_silent(&self) -> Vec<String> {
        let consumers = self.streams.iter().flat_map(|(stream, there)| {
            there.silent.iter().map(move |consumer| format!("{stream}/{consumer}"))
        });
        self.silent.iter().cloned().chain(consumers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_known_from_2_10_on() {
        for (version, keeps) in [
            ("2.9.25", false),
            ("2.10.0", true),
            ("2.15.0-dev", true),
            ("3.0.1", true),
            ("", false),
        ] {
            let facts = ServerFacts { version: version.into(), clustered: false };
            assert_eq!(facts.keeps_metadata(), keeps, "{version}");
        }
    }
}
