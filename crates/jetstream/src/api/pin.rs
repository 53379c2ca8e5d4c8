//! `CONSUMER.UNPIN`: another client may be pinned to a consumer (ADR-42).

use serde::Serialize;
use watershed_wire::jetstream::account::Reply;
use watershed_wire::jetstream::consumer::UnpinRequest;
use watershed_wire::jetstream::error::table;
use watershed_wire::jetstream::json;

use super::request::{Answer, Request};
use crate::jetstream::JetStream;
use crate::network::Network;

const UNPIN: &str = "consumer_unpin_response";

#[derive(Serialize)]
struct Unpinned {}

impl JetStream {
    pub(super) fn consumer_unpin(
        &mut self,
        net: &mut impl Network,
        request: &Request<'_>,
        stream: &str,
        name: &str,
    ) -> Answer {
        let UnpinRequest { group } = match UnpinRequest::parse(request.body) {
            Ok(unpin) => unpin,
            Err(error) => return Self::refuse_call(UNPIN, error),
        };
        if let Err(answer) = self.stream_or(request, UNPIN, stream) {
            return answer;
        }
        let Some(key) = self.consumer(request.account, stream, name) else {
            return Self::refuse_call(UNPIN, table::CONSUMER_NOT_FOUND);
        };
        let config = &self.state.stream(key.stream).consumers[key.index()].config;
        if !config.priority_groups.contains(&group) {
            return Self::refuse_call(UNPIN, table::CONSUMER_INVALID_PRIORITY_GROUP);
        }
        self.unpin(net, key, "admin", Some(&group));
        Answer::Reply(json::encode(&Reply::new(UNPIN, Ok(Unpinned {}))))
    }
}
