//! What the tests of several modules share.

use serde_json::{Value as Json, json};

use crate::call::Request;
use crate::lower::lower;
use crate::model::Topology;
use crate::observe::{Observation, Observed, ServerFacts};
use crate::source::SourceMap;
use crate::yaml::parse;

/// The topology of a file that has no errors.
#[track_caller]
pub(crate) fn topology(text: &str) -> Topology {
    let mut sources = SourceMap::default();
    let file = sources.add("f", text);
    let (root, mut diagnostics) = parse(&sources, file);
    let (topology, mut found) = lower(&root.unwrap());
    diagnostics.append(&mut found);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    topology
}

/// The topology `x` with these streams.
#[track_caller]
pub(crate) fn streams(body: &str) -> Topology {
    topology(&format!("watershed: 1\nname: x\nstreams:\n{body}"))
}

pub(crate) fn facts() -> ServerFacts {
    ServerFacts { version: "2.14.6".into(), clustered: false }
}

/// What `topology` sees of a server that answers so.
pub(crate) fn observed(
    topology: &Topology,
    server: ServerFacts,
    mut answer: impl FnMut(&Request) -> Json,
) -> Observed {
    let mut observation = Observation::new(topology, server);
    while let Some((tag, request)) = observation.next() {
        observation.done(tag, answer(&request).to_string().as_bytes()).unwrap();
    }
    observation.finish()
}

/// The same, of a server with these lists: of streams, and of the consumers of some of them.
pub(crate) fn listed(
    topology: &Topology,
    server: ServerFacts,
    streams: &Json,
    consumers: &[(&str, &Json)],
) -> Observed {
    observed(topology, server, |request| {
        if request.subject == "$JS.API.STREAM.LIST" {
            return streams.clone();
        }
        let stream = request.subject.strip_prefix("$JS.API.CONSUMER.LIST.");
        let mut all = consumers.iter();
        all.find(|(name, _)| Some(*name) == stream).map_or(json!({}), |(_, list)| (*list).clone())
    })
}
