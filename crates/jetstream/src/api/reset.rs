//! `CONSUMER.RESET`: a consumer goes on from another place, as if it had delivered nothing.

use serde::Serialize;
use watershed_wire::jetstream::consumer::{ConsumerConfig, DeliverPolicy, ResetRequest};
use watershed_wire::jetstream::error::{ApiError, table};
use watershed_wire::limits::SEQUENCE_MAX;

use super::request::{Answer, RESET, Request};
use crate::jetstream::JetStream;
use crate::record::Command;
use crate::state::Stream;

#[derive(Serialize)]
struct NotReset {
    reset_seq: u64,
}

impl JetStream {
    /// What names no consumer is heard and not answered, as on nats-server.
    pub(super) fn consumer_reset(
        &mut self,
        request: &Request<'_>,
        stream: &str,
        name: &str,
    ) -> Answer {
        let Some((key, stream)) = self.state.find(request.account, stream) else {
            return Answer::Later;
        };
        let Some((_, consumer)) = stream.consumers.find(name) else { return Answer::Later };
        let wanted = match ResetRequest::parse(request.body) {
            Ok(ResetRequest { seq }) => seq,
            Err(error) => return refuse(error),
        };
        let sequence = if wanted == 0 {
            // What was not acknowledged comes again.
            consumer.floor().1 + 1
        } else if let Some(why) = refused(stream, &consumer.config, wanted) {
            return refuse(table::CONSUMER_INVALID_RESET.with(why));
        } else {
            wanted
        };
        let command = Command::ResetConsumer { name: name.to_owned(), sequence };
        Answer::Change(key, RESET, command)
    }
}

/// Why a consumer may not go on from `sequence`.
fn refused(stream: &Stream, config: &ConsumerConfig, sequence: u64) -> Option<&'static str> {
    if sequence > SEQUENCE_MAX {
        return Some("above the highest sequence of a stream");
    }
    match config.deliver_policy {
        DeliverPolicy::All => None,
        DeliverPolicy::ByStartSequence => {
            (sequence < config.opt_start_seq).then_some("below start seq")
        }
        DeliverPolicy::ByStartTime => {
            let time = config.opt_start_time.unwrap_or_default();
            let start = stream.log.at_time(time.0).unwrap_or(stream.log.last() + 1);
            (sequence < start).then_some("below start time")
        }
        DeliverPolicy::Last | DeliverPolicy::New | DeliverPolicy::LastPerSubject => {
            Some("not allowed")
        }
    }
}

/// A result stands beside the error, as it does on nats-server.
fn refuse(error: ApiError) -> Answer {
    Answer::refuse_beside(RESET, NotReset { reset_seq: 0 }, error)
}
