//! Why is nothing arriving? What a live account shows of the usual troubles, each with its evidence and what helps.
//!
//! Nothing is changed, and nothing is asked but what every client may ask. Where a topology is at hand,
//! the account is judged by it; without one, by itself.

mod consumers;
mod finding;
mod publishers;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::json;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::StreamInfo;

pub use self::finding::{Finding, Mend, Symptom};
use crate::call::{CallError, Request, answer};
use crate::model::Topology;
use crate::observe::{Observed, ObservedConsumer};

/// Most subjects of a stream that are asked for.
const SUBJECTS_MAX: u64 = 10_000;

/// Finds out what is the matter. [`questions`](Self::questions) says what else to ask, [`take`](Self::take)
/// takes the answers.
#[derive(Debug)]
pub struct Doctor<'a> {
    topology: Option<&'a Topology>,
    observed: &'a Observed,
    /// Subjects that streams hold, where it depends on them.
    subjects: BTreeMap<String, BTreeMap<String, u64>>,
}

impl<'a> Doctor<'a> {
    /// Looks at an account: all of its streams and consumers.
    pub fn new(topology: Option<&'a Topology>, observed: &'a Observed) -> Self {
        Self { topology, observed, subjects: BTreeMap::new() }
    }

    /// Streams of which it has to be known under which subjects their messages are, and the calls that say it.
    pub fn questions(&self) -> Vec<(String, Request)> {
        let matters = |consumer: &ObservedConsumer| {
            let info = &consumer.info;
            info.num_pending == 0
                && info.delivered.consumer_seq == 0
                && !info.config.filters().is_empty()
        };
        self.observed
            .streams
            .iter()
            .filter(|(_, stream)| {
                let state = &stream.info.state;
                state.messages > 0
                    && state.num_subjects <= SUBJECTS_MAX
                    && stream.consumers.values().any(matters)
            })
            .map(|(name, _)| {
                let body = json!({"subjects_filter": ">"});
                (name.clone(), Request::new(Call::StreamInfo(name), &body))
            })
            .collect()
    }

    /// Takes the answer to one of the questions.
    pub fn take(&mut self, stream: String, reply: &[u8]) -> Result<(), CallError> {
        let info: StreamInfo = answer(reply)?;
        self.subjects.insert(stream, info.state.subjects);
        Ok(())
    }

    /// What was found, by symptom.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(topology) = self.topology {
            streams::missing(topology, self.observed, &mut findings);
            publishers::unanswered(topology, self.observed, &mut findings);
        }
        publishers::full(self.observed, &mut findings);
        for (name, stream) in &self.observed.streams {
            streams::look(name, stream, &mut findings);
            let declared = self.topology.and_then(|topology| topology.stream(name));
            consumers::stranded(name, stream, &mut findings);
            for (consumer, live) in &stream.consumers {
                let look = consumers::Look {
                    stream: name,
                    name: consumer,
                    live,
                    of: stream,
                    subjects: self.subjects.get(name),
                    topology: self.topology.filter(|_| declared.is_some()),
                };
                look.all(&mut findings);
            }
        }
        findings.sort_by(|a, b| (a.symptom, &a.target).cmp(&(b.symptom, &b.target)));
        findings
    }
}
