//! The whole state as a checkpoint keeps it, written in pieces: a million subjects take longer than
//! others should wait. No record is applied before all of it is written, so it is the state after one
//! round.

use std::collections::VecDeque;

use watershed_store::bytes::{put_count, put_u32};
use watershed_store::log::Writing;

use super::key::StreamKey;
use super::stream::Stream;
use super::tables::{State, VERSION};

/// What is written, and what is to be written next.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
    /// Streams that are not written, by account and name.
    streams: VecDeque<StreamKey>,
    /// What comes next of the first of them.
    part: Part,
}

/// Parts of a stream, in their order.
#[derive(Debug)]
enum Part {
    Head,
    Log(Writing),
    /// From this one on.
    Dedup(usize),
    /// From this sequence on.
    Deadlines(u64),
    /// From this sequence on.
    Schedules(u64),
    Origins,
    /// Those that are left, and what comes next of the first of them.
    Consumers(VecDeque<usize>, u64),
}

impl Writer {
    /// Begins to write a state.
    pub(crate) fn new(state: &State) -> Self {
        let mut out = Vec::new();
        put_u32(&mut out, VERSION);
        put_u32(&mut out, state.last_log);
        let streams: VecDeque<StreamKey> = state.keys().collect();
        put_count(&mut out, streams.len());
        Self { out, streams, part: Part::Head }
    }

    /// Goes on, with about `budget` records, keys and the like. Says whether all is written.
    pub(crate) fn go_on(&mut self, state: &State, mut budget: usize) -> bool {
        while let Some(key) = self.streams.front() {
            if budget == 0 {
                return false;
            }
            let stream = state.stream(*key);
            let part = std::mem::replace(&mut self.part, Part::Head);
            let account = state.accounts.name(stream.account);
            match part.write(stream, account, &mut budget, &mut self.out) {
                Some(next) => self.part = next,
                None => drop(self.streams.pop_front()),
            }
        }
        true
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }
}

impl Part {
    /// Writes it, or some of it. Says what is next of the stream.
    fn write(
        self,
        stream: &Stream,
        account: &str,
        budget: &mut usize,
        out: &mut Vec<u8>,
    ) -> Option<Self> {
        Some(match self {
            Self::Head => {
                *budget = budget.saturating_sub(1);
                stream.checkpoint_head(account, out);
                if stream.is_memory() {
                    stream.checkpoint_emptied(out);
                    return None;
                }
                Self::Log(Writing::default())
            }
            Self::Log(mut writing) => {
                let all = stream.log.checkpoint_some(&mut writing, budget, out);
                if all { Self::Dedup(0) } else { Self::Log(writing) }
            }
            Self::Dedup(from) => {
                stream.dedup.checkpoint(from, budget, out).map_or(Self::Deadlines(0), Self::Dedup)
            }
            Self::Deadlines(from) => {
                let next = stream.deadlines.checkpoint(from, budget, out);
                next.map_or(Self::Schedules(0), Self::Deadlines)
            }
            Self::Schedules(from) => {
                let next = stream.schedules.checkpoint(from, budget, out);
                next.map_or(Self::Origins, Self::Schedules)
            }
            Self::Origins => {
                super::origins::checkpoint(&stream.origins, &stream.places, out);
                let consumers: VecDeque<usize> = stream.consumers.kept().collect();
                put_count(out, consumers.len());
                Self::Consumers(consumers, 0)
            }
            Self::Consumers(mut left, from) => {
                let consumer = &stream.consumers[*left.front()?];
                let next = consumer.checkpoint(from, budget, out);
                if next.is_none() {
                    left.pop_front();
                }
                Self::Consumers(left, next.unwrap_or(0))
            }
        })
    }
}

impl State {
    /// The whole state, as a checkpoint keeps it.
    pub(crate) fn checkpoint(&self) -> Vec<u8> {
        let mut writer = Writer::new(self);
        writer.go_on(self, usize::MAX);
        writer.finish()
    }
}
