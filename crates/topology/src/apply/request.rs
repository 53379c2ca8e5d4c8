//! The calls of a run.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use watershed_wire::jetstream::account::Page;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::CreateAction;

use crate::call::{CallError, Request, answer};
use crate::observe::{ObservedConsumer, ObservedStream, RESERVED};
use crate::plan::difference::METADATA;
use crate::plan::live::{seen_consumer, seen_stream};
use crate::plan::{Seen, SeenConsumer, Target};

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

/// A look at an asset: what it is, and which consumers a stream has that is to go. These come first: where
/// it is made again between both answers, that shows by what it is then.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Whether consumers are to be asked for, and are not all here yet.
    lists: bool,
    consumers: Option<BTreeMap<String, SeenConsumer>>,
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
    /// At something that is to go.
    pub(super) fn whole(target: &Target) -> Self {
        Self { lists: target.consumer.is_none(), ..Self::default() }
    }

    pub(super) fn request(&self, target: &Target) -> Request {
        let stream = &target.stream;
        match &target.consumer {
            Some(consumer) => Request::bare(Call::ConsumerInfo { stream, consumer }),
            None if self.lists => {
                Request::new(Call::ConsumerList(stream), &json!({"offset": self.offset}))
            }
            None => Request::bare(Call::StreamInfo(stream)),
        }
    }

    /// Takes the answer.
    pub(super) fn done(
        &mut self,
        target: &Target,
        reply: Result<&[u8], CallError>,
    ) -> Result<Looked, CallError> {
        let json = match reply.and_then(answer::<Json>) {
            Ok(json) => json,
            Err(error) if error.is_absence() => return Ok(Looked::Absent),
            Err(error) => return Err(error),
        };
        if self.lists {
            self.list(json)?;
            return Ok(Looked::Open);
        }
        if target.consumer.is_some() {
            let ObservedConsumer { info, config, .. } = ObservedConsumer::read(json);
            let resume = info.ack_floor.stream_seq + 1;
            let live = Live { seen: seen_consumer(&info), config, resume };
            return Ok(Looked::There(Box::new(live)));
        }
        let ObservedStream { info, config, .. } = ObservedStream::read(json);
        let seen = seen_stream(&info, self.consumers.take());
        Ok(Looked::There(Box::new(Live { seen, config, resume: 0 })))
    }

    fn list(&mut self, json: Json) -> Result<(), CallError> {
        let unreadable = |error: serde_json::Error| CallError::Unreadable(error.to_string());
        let page: Consumers = serde_json::from_value(json).map_err(unreadable)?;
        let entries = page.consumers.unwrap_or_default();
        self.offset += entries.len();
        self.lists = !(entries.is_empty() || self.offset >= page.page.total);
        let all = self.consumers.get_or_insert_default();
        for json in entries {
            let consumer = ObservedConsumer::read(json);
            if consumer.is_durable() {
                let seen = consumer.seen_with_its_stream();
                all.insert(consumer.info.name, seen);
            }
        }
        Ok(())
    }
}
