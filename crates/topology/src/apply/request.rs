//! The calls of a run.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::{CreateAction, PauseRequest};
use watershed_wire::jetstream::stream::StreamInfo;
use watershed_wire::time::UnixNanos;

use crate::call::{CallError, Request, answer};
use crate::migration::carried;
use crate::observe::{ConsumerListing, ObservedConsumer, ObservedStream};
use crate::plan::live::{seen_consumer, seen_stream};
use crate::plan::{Seen, SeenConsumer, Target};

/// Creates what is not there.
pub(super) fn create(target: &Target, config: &Json) -> Request {
    match &target.consumer {
        None => Request::new(Call::StreamCreate(&target.stream), config),
        Some(consumer) => {
            Request::put_consumer(&target.stream, consumer, config, CreateAction::Create)
        }
    }
}

/// Gives what is there another configuration.
pub(super) fn update(target: &Target, config: &Json) -> Request {
    match &target.consumer {
        None => Request::new(Call::StreamUpdate(&target.stream), config),
        Some(consumer) => {
            Request::put_consumer(&target.stream, consumer, config, CreateAction::Update)
        }
    }
}

/// A consumer that is configured so, and goes on at a sequence where another one was. It keeps where it was
/// declared to start, so that a plan sees no difference.
pub fn resumed(consumer: &Json, start: u64) -> Json {
    carried(consumer, start, false)
}

/// Pauses a consumer until then.
pub(super) fn pause(target: &Target, until: UnixNanos) -> Request {
    let consumer = target.consumer.as_deref().unwrap_or_default();
    let call = Call::ConsumerPause { stream: &target.stream, consumer };
    Request::new(call, &PauseRequest { pause_until: Some(until) })
}

/// Lets a consumer that was paused go on.
pub(super) fn unpause(target: &Target) -> Request {
    let consumer = target.consumer.as_deref().unwrap_or_default();
    let call = Call::ConsumerPause { stream: &target.stream, consumer };
    Request::new(call, &PauseRequest::default())
}

/// What an answer is about, which may not be there.
pub(super) fn found<T>(
    reply: Result<&[u8], CallError>,
    read: impl FnOnce(Json) -> T,
) -> Result<Option<T>, CallError> {
    match reply.and_then(answer::<Json>) {
        Ok(json) => Ok(Some(read(json))),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn delete(target: &Target) -> Request {
    let stream = &target.stream;
    Request::bare(match &target.consumer {
        None => Call::StreamDelete(stream),
        Some(consumer) => Call::ConsumerDelete { stream, consumer },
    })
}

/// An asset that is there.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) seen: Seen,
    /// Its configuration as it came.
    pub(super) config: Json,
    /// Sequence from which on a consumer has not finished.
    pub(super) resume: u64,
}

impl Live {
    /// A stream; `consumers` are its durable ones, where they are known.
    pub(super) fn of_stream(
        info: &StreamInfo,
        config: Json,
        consumers: Option<BTreeMap<String, SeenConsumer>>,
    ) -> Self {
        Self { seen: seen_stream(info, consumers), config, resume: 0 }
    }

    /// A consumer.
    pub(super) fn of_consumer(consumer: &ObservedConsumer) -> Self {
        let resume = consumer.info.ack_floor.stream_seq + 1;
        Self { seen: seen_consumer(&consumer.info), config: consumer.config.clone(), resume }
    }
}

/// A look at an asset: what it is, and which consumers a stream has that is to go. These come first: where
/// it is made again between both answers, that shows by what it is then.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Consumers that are asked for and not all here yet.
    listing: Option<ConsumerListing>,
    consumers: Option<BTreeMap<String, SeenConsumer>>,
}

/// What a look has come to.
#[derive(Debug)]
pub(super) enum Looked {
    /// There is more to ask.
    Open,
    /// The asset is not there.
    Absent,
    /// It is this.
    There(Box<Live>),
}

impl Look {
    /// At something that is to go.
    pub(super) fn whole(target: &Target) -> Self {
        let listing = target.consumer.is_none().then(ConsumerListing::default);
        Self { listing, ..Self::default() }
    }

    pub(super) fn request(&self, target: &Target) -> Request {
        let stream = &target.stream;
        match (&target.consumer, &self.listing) {
            (Some(consumer), _) => Request::bare(Call::ConsumerInfo { stream, consumer }),
            (None, Some(listing)) => listing.request(stream),
            (None, None) => Request::bare(Call::StreamInfo(stream)),
        }
    }

    /// Takes the answer.
    pub(super) fn done(
        &mut self,
        target: &Target,
        reply: Result<&[u8], CallError>,
    ) -> Result<Looked, CallError> {
        match self.read(target, reply) {
            Err(error) if error.is_absence() => Ok(Looked::Absent),
            looked => looked,
        }
    }

    fn read(
        &mut self,
        target: &Target,
        reply: Result<&[u8], CallError>,
    ) -> Result<Looked, CallError> {
        let reply = reply?;
        if let Some(listing) = &mut self.listing {
            if let Some(all) = listing.page(reply)? {
                let durable = all.into_iter().filter(|(_, consumer)| consumer.is_durable());
                let seen = durable.map(|(name, one)| (name, one.seen_with_its_stream()));
                self.consumers = Some(seen.collect());
                self.listing = None;
            }
            return Ok(Looked::Open);
        }
        let json = answer(reply)?;
        if target.consumer.is_some() {
            let live = Live::of_consumer(&ObservedConsumer::read(json));
            return Ok(Looked::There(Box::new(live)));
        }
        let ObservedStream { info, config, .. } = ObservedStream::read(json);
        let live = Live::of_stream(&info, config, self.consumers.take());
        Ok(Looked::There(Box::new(live)))
    }
}
