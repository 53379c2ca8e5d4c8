//! Flow control of push consumers: the client is asked to say when it has got somewhere (ADR-9).
//!
//! With `ack_policy: flow_control` (ADR-60) the answer says up to where the client has stored what it was given: that is
//! how it acknowledges, and nothing is delivered again by itself. It is asked when as much is outstanding as may be, and
//! when there is nothing else to send.

use watershed_base::AccountId;
use watershed_wire::header::{HeaderBlock, HeaderWriter};
use watershed_wire::jetstream::ConsumerConfig;
use watershed_wire::jetstream::consumer::AckPolicy;
use watershed_wire::op::Publish;

use crate::consumer_key::ConsumerKey;
use crate::jetstream::JetStream;
use crate::live::Dispatcher;
use crate::network::Network;

/// Bytes that a push consumer with flow control sends before it waits for an answer.
const FLOW_WINDOW_BYTES: usize = 512 * 1024;

/// Headers of an answer: the last delivery and the last sequence of the stream that the client has stored.
const LAST_CONSUMER: &str = "Nats-Last-Consumer";
const LAST_STREAM: &str = "Nats-Last-Stream";

impl Dispatcher {
    /// Whether a client is to be asked, now that something was sent to it.
    pub(crate) fn asks_for_flow(&self, config: &ConsumerConfig) -> bool {
        let acknowledges = config.ack_policy == AckPolicy::FlowControl;
        config.flow_control
            && (self.flow_bytes >= FLOW_WINDOW_BYTES || (acknowledges && self.is_full(config)))
    }
}

impl JetStream {
    /// Asks a push consumer's client to say when it has got here (ADR-9).
    pub(crate) fn ask_for_flow(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let Self { state, live, .. } = self;
        let stream = &state.streams[key.stream.index()];
        let config = &stream.consumers[key.index()].config;
        let Some(dispatcher) = live.dispatcher(key) else { return };
        dispatcher.flow_bytes = 0;
        let (stream_name, name) = (&stream.config.name, &config.name);
        let reply = format!("$JS.FC.{stream_name}.{name}.{}", dispatcher.deliveries);
        dispatcher.flow_awaited = Some(reply.as_bytes().into());
        let via = config.deliver_subject.as_bytes();
        let header = HeaderWriter::with_status(100, "FlowControl Request").finish();
        let message = Publish {
            subject: via,
            reply: Some(reply.as_bytes()),
            header: &header,
            payload: b"",
            has_header: true,
        };
        net.send(stream.account, via, &message);
    }

    /// Asks a client how far it has come, if it acknowledges that way and was sent all that there is.
    pub(crate) fn ask_when_idle(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let config = &self.state.stream(key.stream).consumers[key.index()].config;
        let acknowledges = config.ack_policy == AckPolicy::FlowControl;
        let Some(dispatcher) = self.live.dispatcher(key).filter(|_| acknowledges) else { return };
        if dispatcher.flow_awaited.is_none() && dispatcher.outstanding.len() > 0 {
            self.ask_for_flow(net, key);
        }
    }

    /// A client answers flow control.
    pub(crate) fn flow_answered(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        subject: &str,
        header: &[u8],
    ) {
        let mut tokens = subject.split('.').skip(2);
        let (Some(stream), Some(name)) = (tokens.next(), tokens.next()) else { return };
        let Some(key) = self.consumer(account, stream, name) else { return };
        let config = &self.state.stream(key.stream).consumers[key.index()].config;
        let acknowledges = config.ack_policy == AckPolicy::FlowControl;
        let Some(dispatcher) = self.live.dispatcher(key) else { return };
        if acknowledges && dispatcher.flow_awaited.as_deref() != Some(subject.as_bytes()) {
            // What it says may be of deliveries before a reset.
            return;
        }
        dispatcher.flow_awaited = None;
        let number = |name| {
            let value = std::str::from_utf8(HeaderBlock(header).value(name)?).ok()?;
            value.parse::<u64>().ok()
        };
        if acknowledges && let (Some(_), Some(last)) = (number(LAST_CONSUMER), number(LAST_STREAM))
        {
            let last = last.min(dispatcher.delivered);
            self.ack_all(net, key, last);
        }
        self.wake(key);
    }
}
