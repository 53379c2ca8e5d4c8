//! A server that runs somewhere, as stories play on it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::select_all;
use tokio::runtime::Runtime;
use watershed_client::{Client, HeaderMap, Options, Subscription, wait};
use watershed_story::{Broken, Heard, Link, Message, Reply, Server};
use watershed_topology::Topology;
use watershed_topology::call::{CallError, Request, answer};
use watershed_topology::model::{ConsumerName, User};
use watershed_topology::observe::ServerFacts;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::consumer::ConsumerInfo;

use super::host::Host;
use crate::connection::Connection;
use crate::load::Loaded;

/// Longest wait for the server at the start.
const READY: Duration = Duration::from_secs(10);

/// Time in which nothing comes any more of what was done.
const QUIET: Duration = Duration::from_millis(10);

/// Longest wait for a message that a consumer should deliver, and does not.
const OWED_MAX: Duration = Duration::from_millis(500);

/// Longest wait until a number is what it is to be. nats-server takes its time to begin a copy.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where stories are played, and as whom.
pub(super) enum Ground<'a> {
    /// On a server that somebody named.
    Named { connection: &'a Connection, loaded: &'a Loaded },
    /// On a server in this process.
    Own(Box<Host>),
}

impl Ground<'_> {
    fn options(&self, user: Option<&str>) -> anyhow::Result<Options> {
        match (self, user) {
            (Self::Own(host), user) => host.options(user),
            (Self::Named { connection, loaded }, None) => connection.options(Some(loaded)),
            (Self::Named { connection, loaded }, Some(user)) => connection.options_of(loaded, user),
        }
    }
}

/// Somebody who is connected.
struct Somebody {
    client: Client,
    /// Where answers come to that are waited for beside others, once somebody listens there.
    inbox: Option<String>,
    subscriptions: Vec<Subscription>,
    heard: VecDeque<Heard>,
}

pub(super) struct LiveServer<'a> {
    /// The connection of all those who may do everything.
    client: Client,
    people: Vec<Option<Somebody>>,
    runtime: Runtime,
    ground: Ground<'a>,
    begun: Instant,
    /// Set when somebody wants all of it to end.
    interrupts: Arc<AtomicBool>,
    /// Whether a story is played just now.
    is_played: bool,
}

impl<'a> LiveServer<'a> {
    pub(super) fn new(ground: Ground<'a>, interrupts: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot wait for sockets")?;
        let options = ground.options(None)?;
        let client = runtime.block_on(wait(&options, READY, |_| ()));
        let client = client.with_context(|| format!("cannot play on {}", options.shown()))?;
        let (people, begun) = (Vec::new(), Instant::now());
        Ok(Self { ground, runtime, client, people, begun, interrupts, is_played: false })
    }

    /// Whether somebody wanted all of it to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupts.load(Ordering::Relaxed)
    }

    /// Whether it is known how a user connects.
    pub(super) fn may_connect(&self, user: &str) -> anyhow::Result<()> {
        self.ground.options(Some(user)).map(drop)
    }

    /// Ends a story after an interrupt, and nothing else: what is set up is set up whole, and taken back whole.
    fn go_on(&self) -> Result<(), Broken> {
        if self.is_played && self.is_interrupted() {
            return Err(Broken::new("interrupted"));
        }
        Ok(())
    }

    fn somebody(&mut self, link: Link) -> Result<&mut Somebody, Broken> {
        let found = self.people.get_mut(link.0).and_then(Option::as_mut);
        found.ok_or_else(|| Broken::new("nobody is connected"))
    }

    fn subscribe(&mut self, link: Link, subject: &str, queue: Option<&str>) -> Result<(), Broken> {
        let client = self.somebody(link)?.client.clone();
        let made = self.runtime.block_on(client.subscribe(subject, queue));
        let made = made.map_err(Broken::new)?;
        self.somebody(link)?.subscriptions.push(made);
        Ok(())
    }

    /// Waits for a message to anybody. Returns whether one came.
    fn hear(&mut self, limit: Duration) -> Result<bool, Broken> {
        let mut waits = Vec::new();
        for (index, one) in self.people.iter_mut().enumerate() {
            let subscriptions = one.iter_mut().flat_map(|one| &mut one.subscriptions);
            waits
                .extend(subscriptions.map(|one| one.next().map(move |came| (index, came)).boxed()));
        }
        if waits.is_empty() {
            self.runtime.block_on(async { tokio::time::sleep(limit).await });
            return Ok(false);
        }
        let first = async { tokio::time::timeout(limit, select_all(waits)).await };
        let Ok(((index, came), ..)) = self.runtime.block_on(first) else { return Ok(false) };
        let message = came.map_err(Broken::new)?.ok_or_else(closed)?;
        self.somebody(Link(index))?.heard.push_back(heard(message));
        Ok(true)
    }

    /// What a consumer says of itself, and whether it owes a message to who waits there.
    fn look(&mut self, name: &ConsumerName) -> Result<(ConsumerInfo, bool), Broken> {
        let ConsumerName { stream, consumer } = name;
        let request = Request::bare(Call::ConsumerInfo { stream, consumer });
        let reply = self.runtime.block_on(self.client.call(&request)).map_err(Broken::new)?;
        let mut info: ConsumerInfo = answer(&reply).map_err(Broken::new)?;
        let most = info.config.max_ack_pending;
        let has_room = u64::try_from(most)
            .map_or(true, |most| most == 0 || (info.num_ack_pending as u64) < most);
        let is_awaited = info.num_waiting > 0 || info.push_bound;
        let owes = info.num_pending > 0 && has_room && is_awaited && !info.paused;
        info.ts = watershed_wire::time::UnixNanos(0);
        Ok((info, owes))
    }
}

fn closed() -> Broken {
    Broken::new("the connection is closed")
}

fn heard(message: watershed_client::Message) -> Heard {
    let status = message.status.filter(|status| status.as_u16() != 200);
    let words = message.description.unwrap_or_default();
    Heard {
        reply: message.reply.map(|subject| subject.to_string()),
        status: status.map(|status| (status.as_u16(), words)),
        payload: message.payload.to_vec(),
    }
}

impl Server for LiveServer<'_> {
    fn facts(&self) -> ServerFacts {
        self.client.facts()
    }

    fn connect(&mut self, _: &Topology, user: Option<&User>) -> Result<Link, Broken> {
        let client = match user {
            None => self.client.clone(),
            Some(user) => {
                let options = self.ground.options(Some(&user.name.value));
                let options = options.map_err(|error| Broken::new(format!("{error:#}")))?;
                self.runtime.block_on(Client::connect(&options)).map_err(Broken::new)?
            }
        };
        let (subscriptions, heard) = (Vec::new(), VecDeque::new());
        self.people.push(Some(Somebody { client, inbox: None, subscriptions, heard }));
        Ok(Link(self.people.len() - 1))
    }

    fn leave(&mut self, link: Link) -> Result<(), Broken> {
        let Some(one) = self.people.get_mut(link.0).and_then(Option::take) else {
            return Ok(());
        };
        let client = self.client.clone();
        self.runtime.block_on(async {
            drop(one);
            // A task of the connection says so to the server, which knows it before it answers the next call.
            tokio::task::yield_now().await;
            client.ready().await.map_err(Broken::new)
        })
    }

    fn listen(&mut self, link: Link, subject: &str, queue: Option<&str>) -> Result<(), Broken> {
        self.subscribe(link, subject, queue)
    }

    fn ask(&mut self, link: Link, message: &Message<'_>) -> Result<Reply, Broken> {
        self.go_on()?;
        let client = self.somebody(link)?.client.clone();
        let mut headers = HeaderMap::new();
        for (name, value) in message.headers {
            headers.append(name.as_str(), value.as_str());
        }
        let payload = message.payload.to_vec().into();
        let asked = client.publish_stored(message.subject, headers, payload);
        match self.runtime.block_on(asked) {
            Ok(answer) => Ok(Reply::Answer(answer.to_vec())),
            Err(CallError::NoJetStream | CallError::Timeout(_)) => Ok(Reply::Nobody),
            Err(CallError::Denied(denied)) => Ok(Reply::Denied(denied.to_string())),
            Err(error) => Err(Broken::new(error)),
        }
    }

    fn request(&mut self, link: Link, message: &Message<'_>) -> Result<(), Broken> {
        let inbox = if let Some(inbox) = &self.somebody(link)?.inbox {
            inbox.clone()
        } else {
            let inbox = self.client.inbox();
            self.subscribe(link, &inbox, None)?;
            self.somebody(link)?.inbox = Some(inbox.clone());
            inbox
        };
        let request = Request { subject: message.subject.into(), body: message.payload.into() };
        let somebody = self.people.get_mut(link.0).and_then(Option::as_mut);
        let last = somebody.and_then(|one| one.subscriptions.last_mut()).ok_or_else(closed)?;
        self.runtime.block_on(last.ask_on(&request, inbox)).map_err(Broken::new)
    }

    fn heard(&mut self, link: Link) -> Result<Vec<Heard>, Broken> {
        let somebody = self.somebody(link)?;
        let mut all: Vec<Heard> = somebody.heard.drain(..).collect();
        for subscription in &mut somebody.subscriptions {
            while let Some(came) = subscription.next().now_or_never() {
                all.push(heard(came.map_err(Broken::new)?.ok_or_else(closed)?));
            }
        }
        Ok(all)
    }

    fn begin(&mut self) {
        self.begun = Instant::now();
        self.is_played = true;
    }

    fn end(&mut self) {
        self.is_played = false;
    }

    fn passed(&self) -> u64 {
        // Nobody reads more than milliseconds.
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX / 1_000_000) * 1_000_000
    }

    fn pass(&mut self, _: u64) -> Result<u64, Broken> {
        Err(Broken::new("time passes by itself on this server"))
    }

    fn restart(&mut self) -> Result<(), Broken> {
        let Ground::Own(host) = &mut self.ground else {
            return Err(Broken::new("somebody else's server is not restarted"));
        };
        let failed = |error: anyhow::Error| Broken::new(format!("{error:#}"));
        self.people.iter_mut().for_each(|one| *one = None);
        host.restart().map_err(failed)?;
        let options = host.options(None).map_err(failed)?;
        let client = self.runtime.block_on(wait(&options, READY, |_| ()));
        self.client = client.map_err(Broken::new)?;
        Ok(())
    }

    fn settle(&mut self, at_work: &[ConsumerName]) -> Result<bool, Broken> {
        self.go_on()?;
        if at_work.is_empty() {
            return Ok(false);
        }
        let begun = Instant::now();
        let mut before = None;
        loop {
            if self.hear(QUIET)? {
                return Ok(true);
            }
            let mut infos = Vec::new();
            let mut owed = false;
            for name in at_work {
                let (info, owes) = self.look(name)?;
                owed |= owes;
                infos.push(info);
            }
            let is_still = before.as_ref() == Some(&infos);
            if is_still && (!owed || begun.elapsed() > OWED_MAX) {
                return Ok(false);
            }
            before = Some(infos);
        }
    }

    fn may_become(&mut self, since: u64) -> Result<bool, Broken> {
        self.go_on()?;
        if Duration::from_nanos(self.passed().saturating_sub(since)) > PATIENCE {
            return Ok(false);
        }
        self.hear(QUIET)?;
        Ok(true)
    }
}
