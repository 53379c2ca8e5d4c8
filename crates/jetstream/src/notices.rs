//! What people are told of streams and consumers that come, change and go, and of calls of the API. It is
//! sent a little in each turn, after the replies: a stream may go with thousands of consumers.

use serde_json::{Value, json};
use watershed_base::AccountId;
use watershed_wire::ident::unique_id;

use crate::consumer_key::ConsumerKey;
use crate::jetstream::JetStream;
use crate::network::Network;
use crate::state::{Stream, StreamKey};
use crate::told::Notice;

/// Notices that are sent in one turn.
const SENT_PER_TURN: usize = 128;

impl JetStream {
    /// A stream was created, with the consumers that come with it out of an archive.
    pub(crate) fn notice_created(&mut self, net: &mut impl Network, key: StreamKey) {
        let stream = self.state.stream(key);
        if stream.is_hidden() {
            return;
        }
        let (account, name, log) = (stream.account, stream.config.name.clone(), stream.log.id());
        if let Some(restored) = self.restored.remove(&log) {
            self.notice_restore_complete(net, account, &name, restored);
        }
        self.notice_stream(net, account, &name, "create");
        for place in self.consumers_of(key) {
            self.notice_consumer_created(net, place);
        }
    }

    /// A stream has another configuration.
    pub(crate) fn notice_updated(&mut self, net: &mut impl Network, key: StreamKey) {
        let stream = self.state.stream(key);
        let (account, name) = (stream.account, stream.config.name.clone());
        self.notice_stream(net, account, &name, "modify");
    }

    /// A stream is gone, and its consumers with it.
    pub(crate) fn notice_deleted(&mut self, net: &mut impl Network, stream: &Stream) {
        if stream.is_hidden() {
            return;
        }
        let (account, name) = (stream.account, &stream.config.name);
        for (consumer, _) in stream.consumers.by_name() {
            self.notice_consumer(net, account, (name, consumer), "delete");
        }
        self.notice_stream(net, account, name, "delete");
    }

    /// A consumer was created.
    pub(crate) fn notice_consumer_created(&mut self, net: &mut impl Network, key: ConsumerKey) {
        let stream = self.state.stream(key.stream);
        let (account, name) = (stream.account, stream.config.name.clone());
        let consumer = stream.consumers[key.index()].config.name.clone();
        self.notice_consumer(net, account, (&name, &consumer), "create");
    }

    /// A consumer of a stream is gone.
    pub(crate) fn notice_consumer_deleted(
        &mut self,
        net: &mut impl Network,
        key: StreamKey,
        consumer: &str,
    ) {
        let stream = self.state.stream(key);
        let (account, name) = (stream.account, stream.config.name.clone());
        self.notice_consumer(net, account, (&name, consumer), "delete");
    }

    fn notice_stream(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        name: &str,
        action: &str,
    ) {
        let subject = format!("$JS.EVENT.ADVISORY.STREAM.{}.{name}", past(action));
        let fields = json!({"stream": name, "action": action});
        self.notice(net, account, &subject, "advisory.v1.stream_action", fields);
    }

    fn notice_consumer(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        (stream, name): (&str, &str),
        action: &str,
    ) {
        let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.{}.{stream}.{name}", past(action));
        let fields = json!({"stream": stream, "consumer": name, "action": action});
        self.notice(net, account, &subject, "advisory.v1.consumer_action", fields);
    }

    /// Tells whoever wants to hear, in one of the next turns.
    pub(crate) fn notice(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        subject: &str,
        kind: &str,
        fields: Value,
    ) {
        if !net.hears(account, subject.as_bytes()) {
            return;
        }
        let (subject, body) = (subject.into(), self.event(kind, fields).into());
        self.notices.push(Notice { account, subject, body });
    }

    /// The body of an event of this kind: what all events say, and its own fields.
    pub(crate) fn event(&mut self, kind: &str, fields: Value) -> String {
        let mut body = json!({
            "type": format!("io.nats.jetstream.{kind}"),
            "id": unique_id([self.random.next(), self.random.next()]),
            "timestamp": self.now.wall.to_string(),
        });
        if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
            body.extend(fields);
            if !self.domain.is_empty() {
                body.insert("domain".into(), self.domain.as_str().into());
            }
        }
        body.to_string()
    }

    /// Sends some of what is to be told. Says whether there is more.
    pub(crate) fn send_notices(&mut self, net: &mut impl Network) -> bool {
        for _ in 0..SENT_PER_TURN {
            let Some(Notice { account, subject, body }) = self.notices.pop() else { return false };
            self.publish_own(net, account, subject.as_bytes(), body.as_bytes());
        }
        !self.notices.is_empty()
    }
}

/// What has happened when this was done.
fn past(action: &str) -> &'static str {
    match action {
        "create" => "CREATED",
        "modify" => "UPDATED",
        _ => "DELETED",
    }
}
