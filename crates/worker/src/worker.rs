//! A worker: handlers on consumers, from the start to a graceful end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use watershed_client::{Client, NotReady, Options, wait};
use watershed_topology::model::ConsumerName;

use crate::assignment::{Assignment, Unfit};
use crate::limits::DRAIN;
use crate::meter::{Counts, metrics};
use crate::station::Station;
use crate::take::take;
use crate::work::Work;

/// Handlers on consumers.
pub struct Worker {
    posts: Vec<(Assignment, Arc<dyn Work>)>,
    signals: Signals,
    drain: Duration,
    ready: Duration,
}

/// When a worker is to end.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// It is to take no more messages, and to finish those that it holds.
    pub stop: CancellationToken,
    /// It is to end at once, and to hand back what it holds.
    pub hurry: CancellationToken,
}

impl From<CancellationToken> for Signals {
    fn from(stop: CancellationToken) -> Self {
        Self { stop, ..Self::default() }
    }
}

/// Why a worker did not start, or did not go on.
#[derive(Debug, Error)]
pub enum WorkError {
    /// The server was not ready in time.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// A consumer cannot be worked on.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A handler said that the worker cannot go on.
    #[error("a handler stopped the worker: {0}")]
    Stopped(String),
    /// It has nothing to do.
    #[error("a worker without a handler: name the consumers and what handles their messages")]
    Idle,
}

/// What a worker has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// By consumer.
    pub consumers: Vec<(ConsumerName, Counts)>,
    /// Messages that were still being handled when its time was over: they come again.
    pub abandoned: u64,
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.posts.iter().map(|(assignment, _)| assignment.name.to_string());
        f.debug_list().entries(names).finish()
    }
}

impl Worker {
    /// A worker without handlers.
    pub fn new() -> Self {
        let (posts, signals) = (Vec::new(), Signals::default());
        Self { posts, signals, drain: DRAIN, ready: Duration::from_mins(1) }
    }

    /// Handles the messages of a consumer.
    pub fn on(mut self, assignment: Assignment, work: impl Work) -> Self {
        self.posts.push((assignment, Arc::new(work)));
        self
    }

    /// The same, for a handler that is chosen when the program runs.
    pub fn on_boxed(mut self, assignment: Assignment, work: Box<dyn Work>) -> Self {
        self.posts.push((assignment, Arc::from(work)));
        self
    }

    /// Lets it finish what it holds for this long when it is to end. By default [`DRAIN`].
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }

    /// Waits this long for JetStream and for what is declared, at the start. By default a minute.
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.ready = limit;
        self
    }

    /// Ends gracefully when this is cancelled: a token, or what [`stop_on_signals`] makes.
    pub fn stop_on(mut self, signals: impl Into<Signals>) -> Self {
        self.signals = signals.into();
        self
    }

    /// Waits until the server is ready and has what the handlers need.
    pub async fn start(
        self,
        options: &Options,
        mut waiting_for: impl FnMut(&str),
    ) -> Result<Running, WorkError> {
        if self.posts.is_empty() {
            return Err(WorkError::Idle);
        }
        let begun = std::time::Instant::now();
        let client = wait(options, self.ready, &mut waiting_for).await?;
        let abort = CancellationToken::new();
        let mut stations = Vec::new();
        for (assignment, work) in self.posts {
            let left = self.ready.saturating_sub(begun.elapsed());
            let place = fit(&client, &assignment, left, &mut waiting_for).await?;
            let (client, stop) = (client.clone(), self.signals.stop.clone());
            let station = Station::new(client, assignment, place, work, stop, abort.clone());
            stations.push(Arc::new(station));
        }
        let Signals { stop, hurry } = self.signals;
        Ok(Running { client, stations, stop, hurry, abort, drain: self.drain })
    }
}

/// Looks at a consumer, and once more while the server is not quite there. What is missing or other
/// than declared is no matter of time.
async fn fit(
    client: &Client,
    assignment: &Assignment,
    limit: Duration,
    waiting_for: &mut impl FnMut(&str),
) -> Result<crate::assignment::Place, Unfit> {
    let begun = std::time::Instant::now();
    let mut pauses = crate::backoff::Pauses::new();
    loop {
        match assignment.look(client).await {
            Err(Unfit::Call(error))
                if (error.is_unavailable() || error.passes()) && begun.elapsed() < limit =>
            {
                waiting_for(&error.to_string());
                tokio::time::sleep(pauses.next()).await;
            }
            other => return other,
        }
    }
}

/// A worker that is ready to take messages.
pub struct Running {
    client: Client,
    stations: Vec<Arc<Station>>,
    stop: CancellationToken,
    hurry: CancellationToken,
    abort: CancellationToken,
    drain: Duration,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.stations.iter().map(|station| station.assignment.name.to_string());
        f.debug_list().entries(names).finish()
    }
}

/// What a worker says of itself while it works.
#[derive(Clone)]
pub struct Status {
    client: Client,
    stations: Vec<Arc<Station>>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Status").field("healthy", &self.is_healthy()).finish_non_exhaustive()
    }
}

impl Status {
    /// Whether it is connected, takes messages, and has what it needs: its consumers are there, and dead
    /// letters are stored.
    pub fn is_healthy(&self) -> bool {
        let well = self.stations.iter().all(|station| station.is_well());
        well && self.client.is_connected() && !self.stop.is_cancelled()
    }

    /// How many messages it holds.
    pub fn held(&self) -> u64 {
        self.stations.iter().map(|station| station.held.count()).sum()
    }

    /// What it did so far, in the text format of Prometheus.
    pub fn metrics(&self) -> String {
        let all = self.stations.iter();
        let all = all.map(|one| (&one.assignment.name, &one.meter, one.held.count()));
        metrics(all, self.client.is_connected())
    }
}

impl Running {
    /// What to ask about it while it works.
    pub fn status(&self) -> Status {
        let (client, stations) = (self.client.clone(), self.stations.clone());
        Status { client, stations, stop: self.stop.clone() }
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What gives its consumers' dead letters a stream, by consumer; `None` where nothing does.
    pub fn dead_letters(&self) -> impl Iterator<Item = (&ConsumerName, Option<String>)> {
        let all = self.stations.iter();
        all.map(|station| (&station.assignment.name, station.place().dead_letter.clone()))
    }

    /// Works until it is to stop, then finishes what it holds.
    pub async fn run(self) -> Result<Report, WorkError> {
        let mut takers = JoinSet::new();
        for station in &self.stations {
            let station = Arc::clone(station);
            takers.spawn(async move { take(&station).await });
        }
        let mut failed = None;
        while let Some(ended) = takers.join_next().await {
            // A panic of a taker is a bug, and the worker ends as it would for any other reason.
            let problem = match ended {
                Ok(Ok(())) => continue,
                Ok(Err(problem)) => problem,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            self.stop.cancel();
            failed.get_or_insert(problem);
        }
        self.stop.cancel();
        let finished = async {
            for station in &self.stations {
                station.tasks.close();
                station.tasks.wait().await;
            }
        };
        let mut abandoned = 0;
        tokio::pin!(finished);
        let in_time = tokio::select! {
            ended = timeout(self.drain, &mut finished) => ended.is_ok(),
            () = self.hurry.cancelled() => false,
        };
        if !in_time {
            abandoned = self.stations.iter().map(|station| station.held.count()).sum();
            self.abort.cancel();
            let _ = timeout(AT_THE_END, finished).await;
        }
        if let Some(problem) = failed {
            return Err(problem.into());
        }
        for station in &self.stations {
            let why = station.stopped.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(why) = why {
                return Err(WorkError::Stopped(why));
            }
        }
        let consumers = self.stations.iter();
        let consumers =
            consumers.map(|station| (station.assignment.name.clone(), station.meter.counts()));
        Ok(Report { consumers: consumers.collect(), abandoned })
    }
}

/// How long what is let go may take to say so.
const AT_THE_END: Duration = Duration::from_secs(5);

/// Stops a worker when the process is told to end (SIGTERM, SIGINT), and at once when it is told so again.
///
/// # Errors
///
/// If the process cannot listen to signals.
pub fn stop_on_signals() -> std::io::Result<Signals> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut ends = signal(SignalKind::terminate())?;
    let mut interrupts = signal(SignalKind::interrupt())?;
    let signals = Signals::default();
    let own = signals.clone();
    tokio::spawn(async move {
        for token in [own.stop, own.hurry] {
            tokio::select! {
                _ = ends.recv() => {},
                _ = interrupts.recv() => {},
            }
            token.cancel();
        }
    });
    Ok(signals)
}
