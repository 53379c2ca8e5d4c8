//! What happened to messages, and when.

use std::collections::{BTreeMap, VecDeque};

use watershed_topology::model::ConsumerName;
use watershed_topology::quantity::show_duration;

use crate::limits::{EVENTS_MAX, EVENTS_SHOWN};

/// Something that happened.
#[derive(Debug)]
struct Event {
    /// Nanoseconds since the beginning.
    at: u64,
    /// Stream of the message; `None` for what concerns all.
    stream: Option<String>,
    /// Consumer.
    consumer: Option<String>,
    text: String,
}

/// What happened in a story so far.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    events: VecDeque<Event>,
    /// Deliveries, and how many of them were done, by consumer.
    counts: BTreeMap<ConsumerName, Counts>,
    /// All deliveries.
    pub(crate) deliveries: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) done: u64,
}

impl Timeline {
    /// Something that concerns all.
    pub(crate) fn note(&mut self, at: u64, text: String) {
        self.push(Event { at, stream: None, consumer: None, text });
    }

    /// Something about a message of a stream.
    pub(crate) fn stored(&mut self, at: u64, stream: &str, text: String) {
        self.push(Event { at, stream: Some(stream.to_owned()), consumer: None, text });
    }

    /// Something about a message at a consumer.
    pub(crate) fn delivered(&mut self, at: u64, name: &ConsumerName, text: String) {
        let ConsumerName { stream, consumer } = name.clone();
        self.push(Event { at, stream: Some(stream), consumer: Some(consumer), text });
    }

    fn push(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(crate) fn counts(&mut self, name: &ConsumerName) -> &mut Counts {
        self.counts.entry(name.clone()).or_default()
    }

    /// The last lines of what concerns a stream, or one consumer of it.
    pub(crate) fn about(&self, stream: &str, consumer: Option<&str>) -> Vec<String> {
        let concerns = |event: &&Event| {
            let same = event.stream.as_deref().is_none_or(|own| own == stream);
            let other =
                event.consumer.as_deref().zip(consumer).is_some_and(|(own, one)| own != one);
            same && !other
        };
        let all: Vec<&Event> = self.events.iter().filter(concerns).collect();
        let (left_out, shown) = all.split_at(all.len().saturating_sub(EVENTS_SHOWN));
        let times: Vec<String> = shown.iter().map(|event| time(event.at)).collect();
        let width = times.iter().map(String::len).max().unwrap_or_default();
        let lines = shown.iter().zip(&times);
        let lines = lines.map(|(event, time)| format!("{time:>width$}  {}", event.text));
        let before = (!left_out.is_empty()).then(|| format!("({} before that)", left_out.len()));
        before.into_iter().chain(lines).collect()
    }
}

fn time(nanos: u64) -> String {
    show_duration(i64::try_from(nanos).unwrap_or(i64::MAX))
}
