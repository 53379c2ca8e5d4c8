//! `CONSUMER.PAUSE`: until when a consumer delivers nothing.

use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::consumer::{PauseRequest, Paused};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::jetstream::{json, level};

use super::request::{Answer, Request};
use crate::jetstream::JetStream;
use crate::record::Command;

const PAUSE: &str = "consumer_pause_response";

impl JetStream {
    pub(super) fn consumer_pause(
        &mut self,
        request: &Request<'_>,
        stream: &str,
        name: &str,
    ) -> Answer {
        let PauseRequest { pause_until: until } = match json::decode_optional(request.body) {
            Ok(pause) => pause,
            Err(error) => return refuse(error),
        };
        let Some((key, stream)) = self.state.find(request.account, stream) else {
            return refuse(table::STREAM_NOT_FOUND.into());
        };
        let Some((_, consumer)) = stream.consumers.find(name) else {
            return refuse(table::CONSUMER_NOT_FOUND.into());
        };
        let mut config = consumer.config.clone();
        if config.pause_until == until {
            let paused = Paused::of(&config, self.now.wall);
            return Answer::Reply(json::encode(&Reply::new(PAUSE, Ok(paused))));
        }
        config.pause_until = until;
        let level = level::required_by_consumer(&config);
        Answer::Change(key, PAUSE, Command::PauseConsumer { name: name.to_owned(), until, level })
    }
}

fn refuse(error: ApiError) -> Answer {
    Answer::refuse_beside(PAUSE, Paused::default(), error)
}
