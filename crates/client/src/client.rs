//! A connection, and what the planner wants of it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{HeaderMap, Message, PublishErrorKind, RequestErrorKind};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::sync::watch;
use watershed_topology::Topology;
use watershed_topology::call::{CallError, Denied, Operation, Request, answer, check};
use watershed_topology::observe::{Observation, Observed, ObservedStream, ServerFacts};
use watershed_topology::probe::{Outcome, Probe};
use watershed_topology::system::Accounts;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::StreamListRequest;

use crate::denials::{Denials, Mark};
use crate::options::{ConnectError, Options};

/// Most calls that are under way at once.
const CALLS_MAX: usize = 32;

/// A connection to a live server.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where it was told to connect.
    url: String,
    nats: async_nats::Client,
    timeout: Duration,
    denials: Denials,
    /// What the subjects for answers begin with.
    inboxes: String,
    connected: watch::Receiver<u64>,
}

impl Client {
    /// Connects, once.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let denials = Denials::new(options.user());
        let (told, connected) = watch::channel(0);
        let nats = options.connect(&denials, told).await?;
        let inbox = nats.new_inbox();
        let inboxes = inbox.rsplit_once('.').map_or("", |(prefix, _)| prefix).to_owned();
        let url = options.shown();
        Ok(Self { url, nats, timeout: options.timeout, denials, inboxes, connected })
    }

    /// What the server said about itself.
    pub fn facts(&self) -> ServerFacts {
        let info = self.nats.server_info();
        ServerFacts { version: info.version, clustered: info.cluster.is_some() }
    }

    /// How often there was a connection: changes when one is made anew, after which the server knows
    /// nothing of requests that waited.
    pub fn connections(&self) -> watch::Receiver<u64> {
        self.connected.clone()
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        self.nats.connection_state() == State::Connected
    }

    /// Most bytes of a message, headers included, that the server takes.
    pub fn max_payload(&self) -> usize {
        self.nats.max_payload()
    }

    pub(crate) fn nats(&self) -> &async_nats::Client {
        &self.nats
    }

    pub(crate) fn denials(&self) -> &Denials {
        &self.denials
    }

    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a call and waits for the answer.
    pub async fn call(&self, request: &Request) -> Result<Bytes, CallError> {
        let wanted = async_nats::Request::new().payload(request.body.clone().into());
        self.send(&request.subject, wanted).await
    }

    async fn send(&self, subject: &str, wanted: async_nats::Request) -> Result<Bytes, CallError> {
        let wanted = wanted.timeout(Some(self.timeout));
        let mark = self.denials.mark();
        let answered = pin!(self.nats.send_request(subject.to_owned(), wanted));
        let denied = pin!(self.denied(mark, subject));
        match select(answered, denied).await {
            Either::Left((Ok(message), _)) => Ok(message.payload),
            Either::Left((Err(error), _)) => Err(match error.kind() {
                RequestErrorKind::NoResponders => CallError::NoJetStream,
                RequestErrorKind::TimedOut => CallError::Timeout(subject.to_owned()),
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                    CallError::Unsendable(error.to_string())
                }
                RequestErrorKind::Other => CallError::Connection(error.to_string()),
            }),
            Either::Right((denied, _)) => Err(denied.into()),
        }
    }

    /// Ends when the server has said that a request to `subject` is not allowed, or that nobody may
    /// listen to the answer.
    async fn denied(&self, mark: Mark, subject: &str) -> Denied {
        let publish =
            |denied: &Denied| denied.what == Operation::Publish && denied.subject == subject;
        // All answers come to one subscription, which is made once.
        let answer = |denied: &Denied| {
            let rest = denied.subject.strip_prefix(&self.inboxes);
            denied.what == Operation::Subscribe && rest.is_some_and(|rest| rest.ends_with(".*"))
        };
        let asked = pin!(self.denials.wait(mark, publish));
        let answered = pin!(self.denials.wait(Mark::default(), answer));
        select(asked, answered).await.factor_first().0
    }

    /// Waits until the server has dealt with all that was sent to it. What it said meanwhile of something
    /// that `concerns` the caller, it said behind `mark`.
    async fn settle(
        &self,
        mark: Mark,
        concerns: impl Fn(&Denied) -> bool,
    ) -> Result<(), CallError> {
        // What is sent to oneself comes back, or is not allowed: both are an answer.
        let inbox = self.nats.new_inbox();
        let echo = async {
            let mut back = self.nats.subscribe(inbox.clone()).await.map_err(lost)?;
            self.nats.publish(inbox.clone(), Bytes::new()).await.map_err(|error| unsent(&error))?;
            self.nats.flush().await.map_err(lost)?;
            let back = pin!(back.next());
            let denied = pin!(self.denials.wait(mark, |denied| denied.subject == inbox));
            select(back, denied).await;
            Ok::<(), CallError>(())
        };
        match tokio::time::timeout(self.timeout, echo).await {
            Ok(done) => done?,
            Err(_) => return Err(CallError::Connection("the server does not answer".into())),
        }
        // Messages and errors come on two ways, the latter through a task of its own.
        tokio::task::yield_now().await;
        self.denials.find(mark, concerns).map_or(Ok(()), |denied| Err(denied.into()))
    }

    /// Whether JetStream answers.
    pub async fn ready(&self) -> Result<(), CallError> {
        check(&self.call(&Request::bare(Call::AccountInfo)).await?)
    }

    /// The stream that stores a subject, if there is one.
    pub async fn stream_of(&self, subject: &str) -> Result<Option<String>, CallError> {
        Ok(self.streams_of(subject).await?.into_iter().next())
    }

    /// The first streams that store some of what a filter takes: as many as the server names at once.
    pub async fn streams_of(&self, filter: &str) -> Result<Vec<String>, CallError> {
        #[derive(serde::Deserialize)]
        struct Names {
            streams: Option<Vec<String>>,
        }
        let wanted = StreamListRequest { subject: filter.to_owned(), ..Default::default() };
        let reply = self.call(&Request::new(Call::StreamNames, &wanted)).await?;
        Ok(answer::<Names>(&reply)?.streams.unwrap_or_default())
    }

    /// Which server this is, and as whom it is used.
    pub async fn whereabouts(&self) -> Whereabouts {
        let info = self.nats.server_info();
        let request = Request { subject: "$SYS.REQ.USER.INFO".into(), body: Vec::new() };
        let reply = self.call(&request).await.ok();
        let reply = reply.and_then(|reply| serde_json::from_slice::<Json>(&reply).ok());
        let said = |key: &str| {
            let text = reply.as_ref()?.get("data")?.get(key)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        Whereabouts {
            url: self.url.clone(),
            server: Some(info.server_name).filter(|name| *name != info.server_id),
            version: info.version,
            cluster: info.cluster,
            account: said("account"),
            user: said("user"),
        }
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
        let mut calls = FuturesUnordered::new();
        loop {
            while calls.len() < CALLS_MAX
                && let Some((tag, request)) = observation.next()
            {
                calls.push(async move { (tag, self.call(&request).await) });
            }
            let Some((tag, reply)) = calls.next().await else { return Ok(observation.finish()) };
            observation.done(tag, &reply?)?;
        }
    }

    /// Looks at one stream and its consumers; `None` for an unknown stream.
    pub async fn look_at(&self, stream: &str) -> Result<Option<ObservedStream>, CallError> {
        let observation = Observation::of_stream(stream, self.facts());
        Ok(self.finish(observation).await?.streams.remove(stream))
    }

    /// Deletes a stream, with its messages.
    pub async fn delete_stream(&self, stream: &str) -> Result<(), CallError> {
        check(&self.call(&Request::bare(Call::StreamDelete(stream))).await?)
    }

    /// Looks at every account, as a user of the system account may; `None` for anybody else. A server
    /// of a cluster that does not answer within `quiet` after the others is left out.
    pub async fn observe_accounts(
        &self,
        quiet: Duration,
    ) -> Result<Option<BTreeMap<String, Observed>>, CallError> {
        let inbox = self.inbox();
        let mut answers = self.subscribe(&inbox, None).await?;
        answers.ask(&Accounts::request()).await?;
        let mut accounts = Accounts::default();
        // Nobody answers whoever may not ask.
        let first = match answers.next_within(self.timeout).await {
            Err(CallError::Denied(_)) | Ok(None) => return Ok(None),
            first => first?,
        };
        let Some(first) = first else { return Ok(None) };
        if first.status.is_some() {
            return Ok(None);
        }
        accounts.done(&first.payload)?;
        if !self.facts().clustered {
            return Ok(Some(accounts.finish()));
        }
        while let Some(answer) = answers.next_within(quiet).await? {
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
        let mark = self.denials.mark();
        let sent = self.nats.publish_with_headers(subject.to_owned(), headers, payload).await;
        sent.map_err(|error| unsent(&error))?;
        let concerns =
            |denied: &Denied| denied.what == Operation::Publish && denied.subject == subject;
        self.settle(mark, concerns).await
    }

    /// Sends a message and waits for nothing: whether the server has it is not known.
    pub async fn tell(&self, subject: &str, payload: Bytes) -> Result<(), CallError> {
        self.nats.publish(subject.to_owned(), payload).await.map_err(|error| unsent(&error))
    }

    /// Listens. When this returns, the server knows.
    pub async fn subscribe(
        &self,
        subject: &str,
        queue: Option<&str>,
    ) -> Result<Subscription, CallError> {
        let mark = self.denials.mark();
        let name = subject.to_owned();
        let subscribed = match queue {
            None => self.nats.subscribe(name).await.map_err(lost),
            Some(queue) => self.nats.queue_subscribe(name, queue.to_owned()).await.map_err(lost),
        };
        let subscriber = subscribed?;
        let concerns =
            |denied: &Denied| denied.what == Operation::Subscribe && denied.subject == subject;
        self.settle(mark, concerns).await?;
        let (client, subject) = (self.clone(), subject.to_owned());
        Ok(Subscription { client, subscriber, subject, mark, asked: None })
    }

    /// A new subject for answers.
    pub fn inbox(&self) -> String {
        self.nats.new_inbox()
    }
}

fn lost(error: impl std::fmt::Display) -> CallError {
    CallError::Connection(error.to_string())
}

fn unsent(error: &async_nats::PublishError) -> CallError {
    match error.kind() {
        PublishErrorKind::Send => CallError::Connection(error.to_string()),
        _ => CallError::Unsendable(error.to_string()),
    }
}

/// A server, and as whom it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// URL, or several with commas.
    pub url: String,
    /// Name of the server, if somebody gave it one.
    pub server: Option<String>,
    /// Its version.
    pub version: String,
    /// Its cluster, if it is in one.
    pub cluster: Option<String>,
    /// Account that the credentials lead to, where the server says it.
    pub account: Option<String>,
    /// User, where the server says it.
    pub user: Option<String>,
}

impl std::fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (NATS {}", self.url, self.version)?;
        for (what, value) in [
            ("server", &self.server),
            ("cluster", &self.cluster),
            ("account", &self.account),
            ("user", &self.user),
        ] {
            if let Some(value) = value {
                write!(f, ", {what} {value}")?;
            }
        }
        f.write_str(")")
    }
}

/// Somebody who listens.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    subscriber: async_nats::Subscriber,
    subject: String,
    /// Behind this stand the denials that concern it.
    mark: Mark,
    /// Whom it waits for.
    asked: Option<String>,
}

impl Subscription {
    /// Sends a request, the answers to which come here.
    pub async fn ask(&mut self, request: &Request) -> Result<(), CallError> {
        self.ask_on(request, self.subject.clone()).await
    }

    /// The same, for somebody who listens to `inbox` among others.
    pub async fn ask_on(&mut self, request: &Request, inbox: String) -> Result<(), CallError> {
        let payload = request.body.clone().into();
        let subject = request.subject.clone();
        self.asked = Some(subject.clone());
        self.client
            .nats
            .publish_with_reply(subject, inbox, payload)
            .await
            .map_err(|error| unsent(&error))
    }

    /// The next message; `None` when the connection is closed. An error when the server does not allow
    /// to listen, or to ask what was asked.
    pub async fn next(&mut self) -> Result<Option<Message>, CallError> {
        let (subject, asked) = (&self.subject, self.asked.as_ref());
        let concerns = |denied: &Denied| match denied.what {
            Operation::Publish => asked == Some(&denied.subject),
            Operation::Subscribe => denied.subject == *subject,
        };
        let denied = pin!(self.client.denials.wait(self.mark, concerns));
        match select(self.subscriber.next(), denied).await {
            Either::Left((message, _)) => Ok(message),
            Either::Right((denied, _)) => Err(denied.into()),
        }
    }

    /// Stops listening. What was sent before the server heard of it still comes, then the end.
    pub async fn drain(&mut self) -> Result<(), CallError> {
        self.subscriber.drain().await.map_err(lost)
    }

    /// The next message, within `limit`.
    pub async fn next_within(&mut self, limit: Duration) -> Result<Option<Message>, CallError> {
        tokio::time::timeout(limit, self.next()).await.unwrap_or(Ok(None))
    }
}
