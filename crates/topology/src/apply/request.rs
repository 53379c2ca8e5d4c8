//! The calls of a run.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use watershed_wire::jetstream::account::Page;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::CreateAction;

use crate::call::{CallError, Request, answer};
use crate::observe::{ObservedConsumer, ObservedStream, RESERVED};
use crate::plan::difference::METADATA;
use crate::plan::live::{seen_consumer, seen_stream};
use crate::plan::{Seen, Target};

/// Creates what is not there.
pub(super) fn create(target: &Target, config: &Json) -> Request {
    match &target.consumer {
        None => Request::new(Call::StreamCreate(&target.stream), config),
        Some(consumer) => consumer_call(&target.stream, consumer, config, CreateAction::Create),
    }
}

/// Gives what is there another configuration.
pub(super) fn update(target: &Target, config: &Json) -> Request {
    match &target.consumer {
        None => Request::new(Call::StreamUpdate(&target.stream), config),
        Some(consumer) => consumer_call(&target.stream, consumer, config, CreateAction::Update),
    }
}

pub(super) fn delete(target: &Target) -> Request {
    let stream = &target.stream;
    Request::bare(match &target.consumer {
        None => Call::StreamDelete(stream),
        Some(consumer) => Call::ConsumerDelete { stream, consumer },
    })
}

/// The filter stands in the subject where there is one only: rights can be given on it.
fn consumer_call(stream: &str, consumer: &str, config: &Json, action: CreateAction) -> Request {
    let filter = config.get("filter_subject").and_then(Json::as_str);
    let filter = filter.filter(|filter| !filter.is_empty());
    let call = Call::ConsumerCreateNamed { stream, consumer, filter };
    Request::new(call, &json!({"stream_name": stream, "config": config, "action": action}))
}

/// A configuration as it came, without what the server notes for itself.
pub(super) fn plain(config: &Json) -> Json {
    let mut config = config.clone();
    if let Some(Json::Object(metadata)) = config.get_mut(METADATA) {
        metadata.retain(|key, _| !key.starts_with(RESERVED));
    }
    config
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

/// A look at an asset: what it is, and which consumers a stream has that is to go.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The stream, while its consumers are asked for.
    stream: Option<Live>,
    consumers: BTreeSet<String>,
    offset: usize,
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

#[derive(Deserialize)]
struct Consumers {
    #[serde(flatten)]
    page: Page,
    #[serde(default)]
    consumers: Option<Vec<Json>>,
}

impl Look {
    pub(super) fn request(&self, target: &Target) -> Request {
        let stream = &target.stream;
        match (&target.consumer, &self.stream) {
            (Some(consumer), _) => Request::bare(Call::ConsumerInfo { stream, consumer }),
            (None, None) => Request::bare(Call::StreamInfo(stream)),
            (None, Some(_)) => {
                Request::new(Call::ConsumerList(stream), &json!({"offset": self.offset}))
            }
        }
    }

    /// Takes the answer. The consumers of a stream are asked for if they are `wanted`.
    pub(super) fn done(
        &mut self,
        target: &Target,
        wanted: bool,
        reply: Result<&[u8], CallError>,
    ) -> Result<Looked, CallError> {
        let json = match reply.and_then(answer::<Json>) {
            Ok(json) => json,
            Err(error) if error.is_absence() => return Ok(Looked::Absent),
            Err(error) => return Err(error),
        };
        if self.stream.is_some() {
            return self.consumers(json);
        }
        if target.consumer.is_some() {
            let ObservedConsumer { info, config, .. } = ObservedConsumer::read(json);
            let resume = info.ack_floor.stream_seq + 1;
            let live = Live { seen: seen_consumer(&info), config, resume };
            return Ok(Looked::There(Box::new(live)));
        }
        let ObservedStream { info, config, .. } = ObservedStream::read(json);
        let live = Live { seen: seen_stream(&info, None), config, resume: 0 };
        if wanted && info.state.consumer_count > 0 {
            self.stream = Some(live);
            return Ok(Looked::Open);
        }
        Ok(Looked::There(Box::new(live)))
    }

    fn consumers(&mut self, json: Json) -> Result<Looked, CallError> {
        let unreadable = |error: serde_json::Error| CallError::Unreadable(error.to_string());
        let page: Consumers = serde_json::from_value(json).map_err(unreadable)?;
        let entries = page.consumers.unwrap_or_default();
        self.offset += entries.len();
        let whole = entries.is_empty() || self.offset >= page.page.total;
        for json in entries {
            let consumer = ObservedConsumer::read(json);
            if consumer.is_durable() {
                self.consumers.insert(consumer.info.name);
            }
        }
        Ok(match self.stream.take_if(|_| whole) {
            None => Looked::Open,
            Some(mut live) => {
                live.seen.consumers = Some(std::mem::take(&mut self.consumers));
                Looked::There(Box::new(live))
            }
        })
    }
}
