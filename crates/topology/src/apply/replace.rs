//! Replacing a consumer by one that no update makes of it, and that goes on where it was.
//!
//! Its position is kept by another consumer of the same filters, which nobody reads, from before the old
//! one goes until the new one is there; so a run that was cut off is continued by the next one, and a stream
//! that keeps only what is wanted drops nothing meanwhile. In a work queue that is not possible, and not
//! needed: what is left in it is what is not done.

use std::time::Duration;

use serde_json::Value as Json;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::{Retention, StreamInfo};

use super::decide::{is, same_config};
use super::request::{self, Live, found};
use super::task::{CALLS_MAX, Cause, Event, MOMENT, PAUSE, PAUSES_MAX, Stop, Task};
use crate::call::{CallError, Request, answer};
use crate::migration::{carried, is_paused_by_us, keep, keeper_name, pause_from, position};
use crate::observe::ObservedConsumer;
use crate::plan::{Step, Target, Work};

/// A consumer on its way.
#[derive(Debug)]
pub(super) struct Replacement {
    phase: Phase,
    /// What it is doing, for people.
    says: String,
    stream: StreamInfo,
    /// The consumer, the old or the new one.
    there: Option<ObservedConsumer>,
    /// How long it may still take to acknowledge what it has.
    drain: Duration,
    /// Whether this run has deleted it.
    deleted: bool,
    calls: u32,
    pauses: u32,
}

#[derive(Debug)]
enum Phase {
    Stream,
    There,
    Keeper,
    Call(Request),
    /// A while, and then all is looked at again.
    Wait(Duration),
    /// It is no longer paused, because of this.
    GoOn(Request, Box<Stop>),
}

impl Replacement {
    /// The consumer is given the time `drain` to acknowledge what it has.
    pub(super) fn new(drain: Duration) -> Self {
        Self {
            phase: Phase::Stream,
            says: String::new(),
            stream: StreamInfo::default(),
            there: None,
            drain,
            deleted: false,
            calls: 0,
            pauses: 0,
        }
    }

    /// What it is doing, once it is known.
    pub(super) fn says(&self) -> Option<&str> {
        (!self.says.is_empty()).then_some(self.says.as_str())
    }

    pub(super) fn task(&self, step: &Step) -> Task {
        let (stream, consumer) = names(&step.target);
        let keeper = keeper_name(consumer);
        Task::Call(match &self.phase {
            Phase::Stream => Request::bare(Call::StreamInfo(stream)),
            Phase::There => Request::bare(Call::ConsumerInfo { stream, consumer }),
            Phase::Keeper => Request::bare(Call::ConsumerInfo { stream, consumer: &keeper }),
            Phase::Call(request) | Phase::GoOn(request, _) => request.clone(),
            Phase::Wait(time) => return Task::Pause(*time),
        })
    }

    /// Takes what came of its task. `None` when it is over.
    pub(super) fn take(mut self, step: &Step, event: Event<'_>) -> Result<Option<Self>, Stop> {
        let phase = std::mem::replace(&mut self.phase, Phase::Stream);
        let Event::Answer(reply) = event else {
            // A wait is over; what else was not asked for changes nothing.
            return match phase {
                Phase::Wait(_) => Ok(Some(self)),
                phase => self.then(phase),
            };
        };
        match (phase, reply) {
            (Phase::GoOn(_, stop), reply) => Err(match reply.and_then(answer::<Json>) {
                Ok(_) => *stop,
                Err(error) => {
                    stop.leaving(format!("; it stays paused for up to an hour ({error})"))
                }
            }),
            (Phase::Stream, reply) => match reply.and_then(answer::<StreamInfo>) {
                Ok(stream) => {
                    self.stream = stream;
                    self.then(Phase::There)
                }
                Err(error) => self.failed(step, error),
            },
            (Phase::There, reply) => match found(reply, ObservedConsumer::read) {
                Ok(there) => {
                    self.there = there;
                    self.then(Phase::Keeper)
                }
                Err(error) => self.failed(step, error),
            },
            (Phase::Keeper, reply) => match found(reply, ObservedConsumer::read) {
                Ok(keeper) => self.decide(step, keeper.as_ref()),
                Err(error) => self.failed(step, error),
            },
            (Phase::Call(_), reply) => match reply.and_then(answer::<Json>) {
                Ok(_) => {
                    (self.calls, self.pauses) = (0, 0);
                    Ok(Some(self))
                }
                Err(error) => self.failed(step, error),
            },
            (phase @ Phase::Wait(_), _) => self.then(phase),
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "what follows is said in one way")]
    fn then(mut self, phase: Phase) -> Result<Option<Self>, Stop> {
        self.phase = phase;
        Ok(Some(self))
    }

    fn call(mut self, says: String, request: Request) -> Result<Option<Self>, Stop> {
        self.says = says;
        self.then(Phase::Call(request))
    }

    fn failed(mut self, step: &Step, error: CallError) -> Result<Option<Self>, Stop> {
        self.calls += 1;
        if error.is_lost() && self.calls < CALLS_MAX {
            return Ok(Some(self));
        }
        let passes = error.passes() || error.is_unavailable();
        if passes && !error.is_lost() && self.pauses < PAUSES_MAX {
            self.pauses += 1;
            return self.then(Phase::Wait(PAUSE));
        }
        self.give_up(step, error.into())
    }

    /// Ends because of `stop`; what was paused for this goes on.
    fn give_up(self, step: &Step, stop: Stop) -> Result<Option<Self>, Stop> {
        if self.there.as_ref().is_some_and(|one| is_paused_by_us(&one.info)) {
            let request = request::unpause(&step.target);
            return self.then(Phase::GoOn(request, Box::new(stop)));
        }
        let gone = self.there.is_none() && self.deleted;
        Err(if gone {
            stop.leaving("; its position is kept, and applying again goes on")
        } else {
            stop
        })
    }

    /// What comes next.
    fn decide(
        mut self,
        step: &Step,
        keeper: Option<&ObservedConsumer>,
    ) -> Result<Option<Self>, Stop> {
        let (stream, consumer) = names(&step.target);
        let kept = keeper.map(|keeper| keeper.info.config.opt_start_seq);
        let (pauses, after) = match &step.work {
            Work::Replace { pauses, after } => (*pauses, after.clone()),
            _ => (false, Json::Null),
        };
        let work_queue = self.stream.config.retention == Retention::WorkQueue;
        let drop_keeper = || {
            let keeper = keeper_name(consumer);
            Request::bare(Call::ConsumerDelete { stream, consumer: &keeper })
        };
        let Some(there) = self.there.clone() else {
            let start = match kept {
                Some(start) => start,
                None if work_queue && self.deleted => 1,
                None => return Err(Cause::Changed("it is gone since".into()).into()),
            };
            let config = carried(&after, start, work_queue);
            return self.call("creates it anew".into(), request::create(&step.target, &config));
        };
        let live = Live::of_consumer(&there);
        if is(step, &live, &after) {
            return match kept {
                Some(_) => self.call("drops what kept its position".into(), drop_keeper()),
                None => Ok(None),
            };
        }
        if !is_paused_by_us(&there.info) {
            if kept.is_none() {
                same_config(step, &live)?;
            }
            if !there.info.paused && pauses {
                let request = request::pause(&step.target, pause_from(self.stream.ts));
                return self.call("pauses it".into(), request);
            }
        }
        let outstanding = there.info.num_ack_pending;
        if pauses && outstanding > 0 && !self.drain.is_zero() {
            self.drain = self.drain.saturating_sub(MOMENT);
            self.says = format!("waits for {outstanding} outstanding acknowledgements");
            return self.then(Phase::Wait(MOMENT));
        }
        let start = position(&there.info);
        match kept {
            Some(kept) if kept != start => {
                self.call("drops a position of before".into(), drop_keeper())
            }
            None if !work_queue => {
                let config = keep(&there.info.config, consumer, start);
                let target = Target::consumer(stream, &keeper_name(consumer));
                self.call("keeps its position".into(), request::create(&target, &config))
            }
            _ => {
                self.deleted = true;
                self.call("deletes it".into(), request::delete(&step.target))
            }
        }
    }
}

fn names(target: &Target) -> (&str, &str) {
    (&target.stream, target.consumer.as_deref().unwrap_or_default())
}
