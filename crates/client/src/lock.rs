//! Holding the lock of an account for as long as a run takes.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use bytes::Bytes;
use futures_util::future::{Either, select};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use watershed_topology::call::CallError;
use watershed_topology::lock::{
    Bucket, Event, Holder, LEASE, Lock, Outcome, RENEWAL, Task, expectations,
};

use crate::client::Client;

/// The lock, which is written again from time to time until it is given back.
#[derive(Debug)]
pub struct Guard {
    client: Client,
    /// Message by which it is held.
    sequence: Arc<AtomicU64>,
    lost: watch::Receiver<Option<Lost>>,
    renewal: JoinHandle<()>,
}

/// How a lock was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Somebody has taken it over. Who, if that can be read.
    Others(Option<Holder>),
    /// It could not be written again in time.
    Late,
}

/// What came of the attempt to take a lock.
#[derive(Debug)]
pub enum Locked {
    /// It is held.
    Held(Guard),
    /// Somebody else holds it still. Who, if that can be read.
    Others(Option<Holder>),
    /// There can be no lock in this account, and why.
    Without(String),
}

impl Client {
    /// A name for a run that no other run has.
    pub fn run_name(&self) -> String {
        let inbox = self.inbox();
        inbox.rsplit_once('.').map_or(inbox.as_str(), |(_, name)| name).to_owned()
    }

    /// Takes the lock of this account, and waits for others for as long as `patience`; `waits` is told for whom, and
    /// `gone` asked whether a process that holds it is gone for sure. `room` says whether its bucket may be made.
    pub async fn lock(
        &self,
        holder: &Holder,
        patience: Duration,
        room: bool,
        mut waits: impl FnMut(&Holder),
        gone: impl Fn(&Holder) -> bool,
    ) -> Locked {
        let mut lock =
            Lock::new(holder.clone(), patience, Bucket { room, clustered: self.facts().clustered });
        let (outcome, at) = self.settle_lock(&mut lock, &mut waits, gone).await;
        match outcome {
            Outcome::Held(sequence) => Locked::Held(self.keep(holder.clone(), sequence, at)),
            Outcome::Others(other) => Locked::Others(other),
            Outcome::Without(why) => Locked::Without(why),
        }
    }

    /// Takes a lock, or holds it longer. When the message was sent by which it is held, at the earliest.
    async fn settle_lock(
        &self,
        lock: &mut Lock,
        mut waits: impl FnMut(&Holder),
        gone: impl Fn(&Holder) -> bool,
    ) -> (Outcome, Instant) {
        let mut sent = Instant::now();
        loop {
            if let Some(other) = lock.waits_for() {
                waits(other);
            }
            let reply: Result<Bytes, CallError>;
            let event = match lock.next() {
                Task::Call(request) => {
                    reply = self.call(&request).await;
                    Event::Answer(reply.as_deref().map_err(Clone::clone))
                }
                Task::Put { message, last } => {
                    let mut headers = HeaderMap::new();
                    for (name, value) in expectations(last) {
                        headers.insert(name, value);
                    }
                    sent = Instant::now();
                    reply =
                        self.publish_stored(&message.subject, headers, message.body.into()).await;
                    Event::Answer(reply.as_deref().map_err(Clone::clone))
                }
                Task::Find(other) => Event::Gone(gone(&other)),
                Task::Pause(time) => {
                    tokio::time::sleep(time).await;
                    Event::Passed
                }
            };
            if let Some(outcome) = lock.done(event) {
                return (outcome, sent);
            }
        }
    }

    fn keep(&self, holder: Holder, sequence: u64, mut at: Instant) -> Guard {
        let sequence = Arc::new(AtomicU64::new(sequence));
        let (say, lost) = watch::channel(None);
        let (client, held) = (self.clone(), Arc::clone(&sequence));
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                let mut lock = Lock::again(holder.clone(), held.load(Ordering::Relaxed));
                let renewed = pin!(client.settle_lock(&mut lock, |_| {}, |_| false));
                let over = pin!(tokio::time::sleep_until((at + LEASE).into()));
                match select(renewed, over).await {
                    Either::Left(((Outcome::Held(now), sent), _)) => {
                        held.store(now, Ordering::Relaxed);
                        at = sent;
                    }
                    Either::Left(((Outcome::Others(other), _), _)) => {
                        say.send_replace(Some(Lost::Others(other)));
                        return;
                    }
                    // Tried again, while there is time.
                    Either::Left(((Outcome::Without(_), _), _)) => {}
                    Either::Right(_) => {
                        say.send_replace(Some(Lost::Late));
                        return;
                    }
                }
            }
        });
        Guard { client: self.clone(), sequence, lost, renewal }
    }
}

impl Guard {
    /// Waits until the lock is lost, and returns how.
    pub async fn lost(&self) -> Lost {
        let mut lost = self.lost.clone();
        match lost.wait_for(Option::is_some).await.map(|lost| lost.clone()) {
            Ok(Some(lost)) => lost,
            // Whoever writes it again has ended: it does that only after it has said why.
            Ok(None) | Err(_) => Lost::Late,
        }
    }

    /// Gives the lock back. If that fails, it is over by itself.
    pub async fn release(self) {
        self.renewal.abort();
        // A renewal that is on its way arrives before this does.
        let sequence = self.sequence.load(Ordering::Relaxed).saturating_add(1);
        let _ = self.client.call(&Lock::release(sequence)).await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
