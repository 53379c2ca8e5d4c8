//! What a live server has, and the calls that find it out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::{Value as Json, json};
use watershed_wire::jetstream::account::{AccountInfo, Page};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::jetstream::stream::StreamInfo;

use crate::call::{CallError, Request, answer};
use crate::model::Topology;
use crate::version::Version;

/// Key of the metadata that names the topology that owns an asset.
pub const OWNER: &str = "watershed.topology";

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
    /// What the server says about it.
    pub info: StreamInfo,
    /// Its configuration as it came, fields included that this program does not know.
    pub config: Json,
    /// Its consumers, if they were asked for.
    pub consumers: BTreeMap<String, ObservedConsumer>,
}

/// A live consumer.
#[derive(Debug, Clone, Default)]
pub struct ObservedConsumer {
    /// What the server says about it.
    pub info: ConsumerInfo,
    /// Its configuration as it came.
    pub config: Json,
}

impl ObservedStream {
    /// The topology that owns it.
    pub fn owner(&self) -> Option<&str> {
        self.info.config.metadata.get(OWNER).map(String::as_str)
    }
}

impl ObservedConsumer {
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
}

/// Finds out what a server has: [`next`](Self::next) says what to ask, [`done`](Self::done) takes
/// the answer.
#[derive(Debug)]
pub struct Observation {
    observed: Observed,
    /// Whose consumers are looked at; `None` for everybody's.
    wanted: Option<Wanted>,
    asked: VecDeque<Question>,
}

/// Streams that a topology has to do with.
#[derive(Debug)]
struct Wanted {
    topology: String,
    declared: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Account,
    Streams { offset: usize },
    Consumers { stream: String, offset: usize },
}

#[derive(Deserialize)]
struct Streams {
    #[serde(flatten)]
    page: Page,
    #[serde(default)]
    streams: Option<Vec<Json>>,
}

#[derive(Deserialize)]
struct Consumers {
    #[serde(flatten)]
    page: Page,
    #[serde(default)]
    consumers: Option<Vec<Json>>,
}

impl Observation {
    /// Looks at all streams of the account, and at the consumers of those that `topology` declares
    /// or owns.
    pub fn new(topology: &Topology, server: ServerFacts) -> Self {
        let wanted = Wanted {
            topology: topology.name.value.clone(),
            declared: topology.streams.iter().map(|stream| stream.name.value.clone()).collect(),
        };
        Self { wanted: Some(wanted), ..Self::everything(server) }
    }

    /// Looks at all streams and all consumers of the account.
    pub fn everything(server: ServerFacts) -> Self {
        Self {
            observed: Observed { server, ..Observed::default() },
            wanted: None,
            asked: VecDeque::from([Question::Account, Question::Streams { offset: 0 }]),
        }
    }

    /// The next call; `None` when everything is known.
    pub fn next(&self) -> Option<Request> {
        Some(match self.asked.front()? {
            Question::Account => Request::bare(Call::AccountInfo),
            Question::Streams { offset } => {
                Request::new(Call::StreamList, &json!({"offset": offset}))
            }
            Question::Consumers { stream, offset } => {
                Request::new(Call::ConsumerList(stream), &json!({"offset": offset}))
            }
        })
    }

    /// Takes the answer to the last [`next`](Self::next).
    pub fn done(&mut self, reply: &[u8]) -> Result<(), CallError> {
        match self.asked.pop_front() {
            None => {}
            Some(Question::Account) => self.observed.account = answer(reply)?,
            Some(Question::Streams { offset }) => self.streams(offset, reply)?,
            Some(Question::Consumers { stream, offset }) => {
                self.consumers(&stream, offset, reply)?;
            }
        }
        Ok(())
    }

    /// What was seen.
    pub fn finish(self) -> Observed {
        self.observed
    }

    fn streams(&mut self, offset: usize, reply: &[u8]) -> Result<(), CallError> {
        let reply: Streams = answer(reply)?;
        let entries = reply.streams.unwrap_or_default();
        let seen = offset + entries.len();
        if !entries.is_empty() && seen < reply.page.total {
            self.asked.push_front(Question::Streams { offset: seen });
        }
        for json in entries {
            let config = json.get("config").cloned().unwrap_or_default();
            let info: StreamInfo = typed(json)?;
            let name = info.config.name.clone();
            let stream = ObservedStream { info, config, consumers: BTreeMap::new() };
            let wanted = self.wanted.as_ref().is_none_or(|wanted| {
                wanted.declared.contains(&name) || stream.owner() == Some(&wanted.topology)
            });
            if wanted {
                self.asked.push_back(Question::Consumers { stream: name.clone(), offset: 0 });
            }
            self.observed.streams.insert(name, stream);
        }
        Ok(())
    }

    fn consumers(&mut self, stream: &str, offset: usize, reply: &[u8]) -> Result<(), CallError> {
        let reply: Consumers = answer(reply)?;
        let entries = reply.consumers.unwrap_or_default();
        let seen = offset + entries.len();
        if !entries.is_empty() && seen < reply.page.total {
            self.asked.push_front(Question::Consumers { stream: stream.to_owned(), offset: seen });
        }
        for json in entries {
            let config = json.get("config").cloned().unwrap_or_default();
            let info: ConsumerInfo = typed(json)?;
            if let Some(stream) = self.observed.streams.get_mut(stream) {
                stream.consumers.insert(info.name.clone(), ObservedConsumer { info, config });
            }
        }
        Ok(())
    }
}

pub(crate) fn typed<T: serde::de::DeserializeOwned>(json: Json) -> Result<T, CallError> {
    serde_json::from_value(json).map_err(|error| CallError::Unreadable(error.to_string()))
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

    #[test]
    fn long_lists_come_in_pages() {
        let mut observation = Observation::new(&Topology::default(), ServerFacts::default());
        observation.done(br#"{"type":"x","memory":0}"#).unwrap();
        let page = |from: usize, to: usize| {
            let streams: Vec<_> =
                (from..to).map(|n| json!({"config": {"name": format!("S{n}")}})).collect();
            json!({"total": 5, "offset": from, "limit": 2, "streams": streams}).to_string()
        };
        for (from, to) in [(0, 2), (2, 4), (4, 5)] {
            let request = observation.next().unwrap();
            assert_eq!(request.body, format!("{{\"offset\":{from}}}").into_bytes());
            observation.done(page(from, to).as_bytes()).unwrap();
        }
        assert_eq!(observation.next(), None);
        assert_eq!(observation.finish().streams.len(), 5);
    }
}
