//! One consumer at work: what its messages are done with, and what is held of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use watershed_client::{Client, Message};
use watershed_topology::call::Request;
use watershed_topology::retry::{RETRY_FIRST, retry_delay};
use watershed_wire::jetstream::ack::Ack;

use crate::assignment::{Assignment, Place};
use crate::backoff::{Pauses, progress_interval};
use crate::delivery::Delivery;
use crate::held::{Held, Hold, Stage};
use crate::keep::{KeepError, keep};
use crate::letter::{Letter, Reason, line};
use crate::limits::ACK_PATIENCE;
use crate::meter::Meter;
use crate::outcome::Outcome;
use crate::work::Work;

/// What the reason of a termination begins with where the message was kept.
pub(crate) const KEPT: &str = "kept as a dead letter in ";

/// One consumer at work.
pub(crate) struct Station {
    pub(crate) client: Client,
    pub(crate) assignment: Assignment,
    place: Mutex<Arc<Place>>,
    work: Arc<dyn Work>,
    turns: Semaphore,
    pub(crate) held: Held,
    pub(crate) meter: Meter,
    pub(crate) tasks: TaskTracker,
    /// No more messages are to be taken.
    pub(crate) stop: CancellationToken,
    /// Those that are held are to be let go.
    pub(crate) abort: CancellationToken,
    /// Why a handler wants the worker to end.
    pub(crate) stopped: Mutex<Option<String>>,
    /// Things that it waits for and that should be there.
    troubles: AtomicU64,
}

/// Something that a consumer's work waits for.
pub(crate) struct Trouble<'a>(&'a AtomicU64);

impl Drop for Trouble<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Station {
    pub(crate) fn new(
        client: Client,
        assignment: Assignment,
        place: Place,
        work: Arc<dyn Work>,
        stop: CancellationToken,
        abort: CancellationToken,
    ) -> Self {
        let turns = usize::try_from(assignment.concurrency).unwrap_or(1);
        Self {
            client,
            place: Mutex::new(Arc::new(place)),
            work,
            turns: Semaphore::new(turns),
            held: Held::default(),
            meter: Meter::default(),
            tasks: TaskTracker::new(),
            stop,
            abort,
            stopped: Mutex::new(None),
            troubles: AtomicU64::new(0),
            assignment,
        }
    }

    pub(crate) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_place(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(place);
    }

    /// Begins to wait for something that should be there.
    pub(crate) fn trouble(&self) -> Trouble<'_> {
        self.troubles.fetch_add(1, Ordering::Relaxed);
        Trouble(&self.troubles)
    }

    /// Whether everything is there that it needs.
    pub(crate) fn is_well(&self) -> bool {
        self.troubles.load(Ordering::Relaxed) == 0
    }

    /// How many messages it holds at most that are not done with.
    pub(crate) fn room(&self) -> u64 {
        let at_once = self.assignment.concurrency;
        at_once + self.assignment.ahead.unwrap_or_else(|| self.meter.ahead(at_once))
    }

    /// Takes what a consumer delivered.
    pub(crate) fn take(self: &Arc<Self>, message: Message) {
        let place = self.place();
        let Some((delivery, reply)) = Delivery::read(message, place.created, place.max_deliver())
        else {
            return;
        };
        self.meter.count(|counts| {
            counts.delivered += 1;
            counts.redelivered += u64::from(delivery.deliveries > 1);
        });
        let Some(hold) = self.held.take(delivery.sequence, delivery.deliveries, reply) else {
            return;
        };
        let station = Arc::clone(self);
        self.tasks.spawn(async move {
            station.hold(&hold, delivery, &place).await;
            station.held.release(&hold);
        });
    }

    /// Deals with a message, and says meanwhile that it is being dealt with.
    async fn hold(&self, hold: &Hold, delivery: Delivery, place: &Place) {
        let every = progress_interval(&place.config, delivery.deliveries);
        let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let dealing = self.deal(hold, delivery, place);
        tokio::pin!(dealing);
        loop {
            tokio::select! {
                () = &mut dealing => return,
                _ = ticks.tick() => {
                    // What goes back comes at its time: progress would change that.
                    if hold.is_open() {
                        let _ = self.client.tell(&hold.reply(), Bytes::from_static(b"+WPI")).await;
                    }
                }
            }
        }
    }

    async fn deal(&self, hold: &Hold, delivery: Delivery, place: &Place) {
        let turn = tokio::select! {
            biased;
            () = self.abort.cancelled() => None,
            turn = self.turns.acquire() => turn.ok(),
        };
        let Some(turn) = turn else {
            // Nobody has tried it. At its last delivery the server would take that for a failure.
            if !delivery.is_last() {
                self.hand_back(hold, RETRY_FIRST).await;
            }
            return;
        };
        let outcome = self.handle(&delivery).await;
        drop(turn);
        self.settle(hold, &delivery, place, outcome).await;
    }

    /// Runs the handler, in a task of its own: it may panic.
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let begun = Instant::now();
        let work = Arc::clone(&self.work);
        let own = delivery.clone();
        let task = async move { work.handle(own).await };
        let mut task = AbortOnDropHandle::new(tokio::spawn(task));
        let limit = self.assignment.timeout;
        let outcome = tokio::select! {
            ended = timeout(limit, &mut task) => match ended {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(error)) => Outcome::retry(panicked(error)),
                Err(_) => Outcome::retry(format_args!("timed out after {}s", limit.as_secs_f64())),
            },
            () = self.abort.cancelled() => Outcome::retry("interrupted: the worker ended"),
        };
        self.meter.took(begun.elapsed());
        outcome
    }

    /// Says what became of a message.
    async fn settle(&self, hold: &Hold, delivery: &Delivery, place: &Place, outcome: Outcome) {
        let what = format!("{} #{}", self.assignment.name, delivery.sequence);
        let last = Delivery { deliveries: hold.deliveries(), ..delivery.clone() }.is_last();
        let (reason, why) = match outcome {
            Outcome::Done => {
                self.held.settles(hold, Stage::Finished);
                let confirmed = self.confirm(hold, b"+ACK".to_vec()).await;
                self.meter.count(|counts| {
                    counts.done += u64::from(confirmed);
                    counts.unconfirmed += u64::from(!confirmed);
                });
                return;
            }
            Outcome::Reject { why } => (Reason::Rejected, why),
            Outcome::Undecodable { why } => (Reason::Undecodable, why),
            Outcome::Retry { why, .. } if last && place.dead_letter.is_some() => {
                (Reason::MaxDeliver, why)
            }
            Outcome::Retry { after, why } => {
                let delay = retry_delay(&place.config, hold.deliveries(), after);
                if last {
                    tracing::error!("{what}: {why}; that was its last delivery");
                } else {
                    tracing::warn!("{what}: {why}; again in {}s", delay.as_secs_f64());
                }
                self.hand_back(hold, delay).await;
                return;
            }
            Outcome::Stop { why } => {
                tracing::error!("{what}: {why}; this worker ends");
                *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
                self.stop.cancel();
                if place.dead_letter.is_none() || !last {
                    let delay = retry_delay(&place.config, hold.deliveries(), None);
                    self.hand_back(hold, delay).await;
                    return;
                }
                (Reason::MaxDeliver, why)
            }
        };
        tracing::error!("{what}: {why}; given up ({reason})");
        self.give_up(hold, delivery, place, reason, &why).await;
    }

    async fn hand_back(&self, hold: &Hold, delay: std::time::Duration) {
        self.held.settles(hold, Stage::Returned);
        self.meter.count(|counts| counts.retried += 1);
        let nanos = delay.as_nanos();
        self.confirm(hold, format!("-NAK {{\"delay\": {nanos}}}").into_bytes()).await;
    }

    /// Keeps a message as a dead letter, and only then takes it from its consumer.
    async fn give_up(
        &self,
        hold: &Hold,
        delivery: &Delivery,
        place: &Place,
        reason: Reason,
        why: &str,
    ) {
        let mut text = line(why);
        if let Some(stream) = &place.dead_letter {
            let current = Delivery { deliveries: hold.deliveries(), ..delivery.clone() };
            let letter = Letter::of(&current, reason, why);
            match self.keep(stream, &letter).await {
                Ok(()) => text = format!("{KEPT}{stream}: {text}"),
                Err(problem) => {
                    // It stays where it is; at its last delivery the server says that it gave it up.
                    tracing::error!(
                        "{} #{}: cannot be kept in {stream}: {problem}",
                        self.assignment.name,
                        delivery.sequence
                    );
                    if !current.is_last() {
                        let delay = retry_delay(&place.config, current.deliveries, None);
                        self.hand_back(hold, delay).await;
                    }
                    return;
                }
            }
            self.meter.count(|counts| counts.dead += 1);
        }
        self.held.settles(hold, Stage::Finished);
        if reason != Reason::MaxDeliver {
            self.meter.count(|counts| counts.rejected += 1);
        }
        if !self.confirm(hold, format!("+TERM {text}").into_bytes()).await {
            self.meter.count(|counts| counts.unconfirmed += 1);
        }
    }

    /// Stores a dead letter, however long that takes: until then the message is held. Ends without
    /// it when the worker ends, or where it can never be stored.
    async fn keep(&self, stream: &str, letter: &Letter) -> Result<(), KeepError> {
        let mut pauses = Pauses::new();
        let mut trouble = None;
        loop {
            let error = match keep(&self.client, stream, letter).await {
                Ok(_) => return Ok(()),
                Err(error @ (KeepError::TooLarge { .. } | KeepError::NotTaken(_))) => {
                    return Err(error);
                }
                Err(error) if self.abort.is_cancelled() => return Err(error),
                Err(error) => error,
            };
            if trouble.is_none() {
                trouble = Some(self.trouble());
                tracing::error!(
                    "{stream} does not take a dead letter, and is asked again: {error}"
                );
            }
            let pause = sleep(pauses.next());
            tokio::select! {
                () = pause => {},
                () = self.abort.cancelled() => {},
            }
        }
    }

    /// Says something about a message until the server confirms it. `false` if it never did.
    async fn confirm(&self, hold: &Hold, body: Vec<u8>) -> bool {
        debug_assert!(Ack::parse(&body).is_some(), "what is said is an acknowledgement");
        let mut pauses = Pauses::new();
        let ask = async {
            loop {
                let request = Request { subject: hold.reply(), body: body.clone() };
                match self.client.call(&request).await {
                    Ok(_) => return true,
                    Err(error) if error.is_unavailable() => sleep(pauses.next()).await,
                    Err(error) => {
                        tracing::error!("{}: {error}", self.assignment.name);
                        return false;
                    }
                }
            }
        };
        tokio::select! {
            answered = timeout(ACK_PATIENCE, ask) => answered.unwrap_or(false),
            // What was sent may arrive all the same.
            () = async { self.abort.cancelled().await; sleep(ACK_AT_THE_END).await } => false,
        }
    }
}

/// How long an acknowledgement is waited for when the worker has no more time.
const ACK_AT_THE_END: std::time::Duration = std::time::Duration::from_secs(2);

/// What a panic said.
fn panicked(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "the handler was ended".into() };
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(
        || "the handler panicked".into(),
        |text| format!("the handler panicked: {text}"),
    )
}
