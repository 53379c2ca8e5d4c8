//! What is there, comparable with what is declared: every default filled in, without what the server
//! notes for itself.

use std::collections::BTreeMap;

use watershed_wire::jetstream::check::{Bounds, fill_consumer, fill_stream};
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::stream::StreamInfo;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

use super::difference::json;
use super::mark::unreserved;
use super::step::{Seen, SeenConsumer, Target};
use crate::migration::{our_pause, started_as};
use crate::observe::{OWNER, ObservedConsumer, ObservedStream, PROTECT};

pub(crate) fn stream(info: &StreamInfo) -> StreamConfig {
    let mut config = info.config.clone();
    fill_stream(&mut config, &Bounds::default());
    unreserved(&mut config.metadata);
    config
}

/// A consumer of a stream that is configured so.
pub(crate) fn consumer(info: &ConsumerInfo, stream: &StreamConfig) -> ConsumerConfig {
    let mut config = info.config.clone();
    fill_consumer(&mut config, stream, &Bounds::default());
    unreserved(&mut config.metadata);
    started_as(&mut config);
    config.pause_until = config.pause_until.filter(|until| !our_pause(*until));
    one_filter(&mut config);
    config
}

/// One filter may be said in two ways.
pub(super) fn one_filter(config: &mut ConsumerConfig) {
    if let [only] = config.filter_subjects.as_slice()
        && config.filter_subject.is_empty()
    {
        config.filter_subject.clone_from(only);
        config.filter_subjects.clear();
    }
}

/// What a plan relies on about a stream; `consumers` are its durable ones, where they are known.
pub(crate) fn seen_stream(
    info: &StreamInfo,
    consumers: Option<BTreeMap<String, SeenConsumer>>,
) -> Seen {
    Seen {
        owner: info.config.metadata.get(OWNER).cloned(),
        created: info.created,
        config: json(&stream(info)),
        last_sequence: info.state.last_seq,
        consumers,
    }
}

/// What a plan relies on about a consumer.
pub(crate) fn seen_consumer(info: &ConsumerInfo) -> Seen {
    Seen {
        owner: info.config.metadata.get(OWNER).cloned(),
        created: info.created,
        // Servers show a consumer with the defaults of its stream filled in.
        config: json(&consumer(info, &StreamConfig::default())),
        last_sequence: 0,
        consumers: None,
    }
}

impl ObservedStream {
    /// What a plan relies on.
    pub(super) fn seen(&self) -> Seen {
        let durable = |(_, live): &(&String, &ObservedConsumer)| live.is_durable();
        let all = self.consumers.iter().filter(durable);
        let seen = all.map(|(name, live)| (name.clone(), live.seen_with_its_stream()));
        seen_stream(&self.info, Some(seen.collect()))
    }

    /// Its durable consumers that are not the topology's, and whose they are.
    pub(super) fn takes(&self, name: &str, topology: &str) -> Vec<(Target, Option<String>)> {
        let others = self.consumers.iter().filter(|(_, live)| live.owner() != Some(topology));
        let durable = others.filter(|(_, live)| live.is_durable());
        let taken = |(consumer, live): (&String, &ObservedConsumer)| {
            (Target::consumer(name, consumer), live.owner().map(str::to_owned))
        };
        durable.map(taken).collect()
    }
}

impl ObservedConsumer {
    /// What a plan relies on.
    pub(super) fn seen(&self) -> Seen {
        seen_consumer(&self.info)
    }

    /// What a plan relies on when it goes with its stream.
    pub(crate) fn seen_with_its_stream(&self) -> SeenConsumer {
        SeenConsumer {
            owner: self.owner().map(str::to_owned),
            created: self.info.created,
            protect: self.info.config.metadata.contains_key(PROTECT),
        }
    }
}
