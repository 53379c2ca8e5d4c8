//! Configurations in the JSON of the API, for programs that create their streams and consumers by themselves.
//!
//! `streams` are what `$JS.API.STREAM.CREATE` takes, `consumers` what `$JS.API.CONSUMER.CREATE` does; client
//! libraries read both. What is made of them is the topology's own, as if `apply` had made it.

use serde_json::json;
use watershed_topology::Topology;
use watershed_topology::model::{Consumer, Stream};
use watershed_topology::plan::claim;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig};

pub(crate) fn render(topologies: &[&Topology]) -> String {
    let (mut streams, mut consumers) = (Vec::new(), Vec::new());
    for topology in topologies {
        for stream in &topology.streams {
            if !stream.is_placeholder() {
                streams.push(owned_stream(stream, topology));
            }
            let name = &stream.name.value;
            consumers.extend(stream.consumers.iter().map(|consumer| {
                json!({"stream_name": name, "config": owned_consumer(consumer, topology)})
            }));
        }
    }
    let all = json!({"streams": streams, "consumers": consumers});
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

/// The configuration of a stream that says whose it is.
pub(crate) fn owned_stream(stream: &Stream, topology: &Topology) -> StreamConfig {
    let mut config = stream.config.clone();
    claim(&mut config.metadata, topology, stream.protect);
    config
}

/// The configuration of a consumer that says whose it is.
pub(crate) fn owned_consumer(consumer: &Consumer, topology: &Topology) -> ConsumerConfig {
    let mut config = consumer.config.clone();
    claim(&mut config.metadata, topology, consumer.protect);
    config
}
