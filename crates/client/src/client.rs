//! A connection, and what the planner wants of it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{HeaderMap, Message, RequestErrorKind};
use bytes::Bytes;
use futures_util::StreamExt as _;
use watershed_topology::Topology;
use watershed_topology::call::{CallError, Request};
use watershed_topology::observe::{Observation, Observed, ServerFacts};
use watershed_topology::probe::{Outcome, Probe};
use watershed_topology::system::Accounts;

use crate::options::{ConnectError, Options};

/// A connection to a live server.
#[derive(Debug, Clone)]
pub struct Client {
    nats: async_nats::Client,
    timeout: Duration,
}

impl Client {
    /// Connects, once.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        Ok(Self { nats: options.connect().await?, timeout: options.timeout })
    }

    /// What the server said about itself.
    pub fn facts(&self) -> ServerFacts {
        let info = self.nats.server_info();
        ServerFacts { version: info.version, clustered: info.cluster.is_some() }
    }

    /// Sends a call and waits for the answer.
    pub async fn call(&self, request: &Request) -> Result<Bytes, CallError> {
        let wanted = async_nats::Request::new().payload(request.body.clone().into());
        self.send(&request.subject, wanted).await
    }

    async fn send(&self, subject: &str, wanted: async_nats::Request) -> Result<Bytes, CallError> {
        let wanted = wanted.timeout(Some(self.timeout));
        match self.nats.send_request(subject.to_owned(), wanted).await {
            Ok(message) => Ok(message.payload),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::NoResponders => CallError::NoJetStream,
                RequestErrorKind::TimedOut => CallError::Timeout(subject.to_owned()),
                _ => CallError::Connection(error.to_string()),
            }),
        }
    }

    /// The account that the credentials lead to; `None` where the server does not say.
    pub async fn account(&self) -> Option<String> {
        let request = Request { subject: "$SYS.REQ.USER.INFO".into(), body: Vec::new() };
        let reply = self.call(&request).await.ok()?;
        let reply: serde_json::Value = serde_json::from_slice(&reply).ok()?;
        Some(reply.get("data")?.get("account")?.as_str()?.to_owned())
    }

    /// Looks at everything that `topology` has to do with.
    pub async fn observe(&self, topology: &Topology) -> Result<Observed, CallError> {
        self.finish(Observation::new(topology, self.facts())).await
    }

    /// Looks at everything in the account.
    pub async fn observe_everything(&self) -> Result<Observed, CallError> {
        self.finish(Observation::everything(self.facts())).await
    }

    async fn finish(&self, mut observation: Observation) -> Result<Observed, CallError> {
        while let Some(request) = observation.next() {
            observation.done(&self.call(&request).await?)?;
        }
        Ok(observation.finish())
    }

    /// Looks at every account, as a user of the system account may; `None` for anybody else. A server
    /// of a cluster that does not answer within `quiet` after the others is left out.
    pub async fn observe_accounts(
        &self,
        quiet: Duration,
    ) -> Result<Option<BTreeMap<String, Observed>>, CallError> {
        let inbox = self.inbox();
        let mut answers = self.subscribe(&inbox, None).await?;
        self.ask(&Accounts::request(), &inbox).await?;
        let mut accounts = Accounts::default();
        // Nobody answers whoever may not ask.
        let Some(first) = answers.next_within(self.timeout).await else { return Ok(None) };
        if first.status.is_some() {
            return Ok(None);
        }
        accounts.done(&first.payload)?;
        if !self.facts().clustered {
            return Ok(Some(accounts.finish()));
        }
        while let Some(answer) = answers.next_within(quiet).await {
            accounts.done(&answer.payload)?;
        }
        Ok(Some(accounts.finish()))
    }

    /// Publishes and waits for the acknowledgement of the stream that stores it. The answer is the
    /// API's; [`CallError::NoJetStream`] if no stream does.
    pub async fn publish_stored(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Bytes, CallError> {
        let wanted = async_nats::Request::new().payload(payload).headers(headers);
        self.send(subject, wanted).await
    }

    /// Stores a probe, sees that it is there, and takes it out again.
    pub async fn probe(&self, probe: &Probe<'_>) -> Result<Outcome, CallError> {
        let mut headers = HeaderMap::new();
        for (name, value) in probe.headers() {
            headers.insert(name, value);
        }
        let reply = self.publish_stored(probe.subject(), headers, Bytes::new()).await?;
        let sequence = probe.stored(&reply)?;
        if let Some(gone) = probe.seen(&self.call(&probe.look(sequence)).await?)? {
            return Ok(gone);
        }
        match probe.take_back(sequence) {
            None => Ok(Outcome::Stays),
            Some(request) => probe.taken_back(&self.call(&request).await?),
        }
    }

    /// Publishes to whoever listens, and waits until the server has it.
    pub async fn publish(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), CallError> {
        let lost = |error: &dyn std::fmt::Display| CallError::Connection(error.to_string());
        let sent = self.nats.publish_with_headers(subject.to_owned(), headers, payload).await;
        sent.map_err(|error| lost(&error))?;
        self.nats.flush().await.map_err(|error| lost(&error))
    }

    /// Listens.
    pub async fn subscribe(
        &self,
        subject: &str,
        queue: Option<&str>,
    ) -> Result<Subscription, CallError> {
        let subject = subject.to_owned();
        let subscribed = match queue {
            None => self.nats.subscribe(subject).await.map_err(|error| error.to_string()),
            Some(queue) => {
                let queue = queue.to_owned();
                self.nats.queue_subscribe(subject, queue).await.map_err(|error| error.to_string())
            }
        };
        let subscriber = subscribed.map_err(CallError::Connection)?;
        self.nats.flush().await.map_err(|error| CallError::Connection(error.to_string()))?;
        Ok(Subscription(subscriber))
    }

    /// A new subject for answers.
    pub fn inbox(&self) -> String {
        self.nats.new_inbox()
    }

    /// Publishes with a subject for answers.
    pub async fn ask(&self, request: &Request, inbox: &str) -> Result<(), CallError> {
        let payload: Bytes = request.body.clone().into();
        let sent =
            self.nats.publish_with_reply(request.subject.clone(), inbox.to_owned(), payload).await;
        sent.map_err(|error| CallError::Connection(error.to_string()))
    }
}

/// Somebody who listens.
#[derive(Debug)]
pub struct Subscription(async_nats::Subscriber);

impl Subscription {
    /// The next message; `None` when the connection is closed.
    pub async fn next(&mut self) -> Option<Message> {
        self.0.next().await
    }

    /// The next message, within `limit`.
    pub async fn next_within(&mut self, limit: Duration) -> Option<Message> {
        tokio::time::timeout(limit, self.next()).await.ok().flatten()
    }
}
