//! `watershed work`: runs a program or an endpoint for each message of a consumer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use serde_json::json;
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;
use watershed_client::{Client, NotReady, Options, wait};
use watershed_topology::call::CallError;
use watershed_topology::dead_letter::record;
use watershed_topology::model::{Access, ConsumerName, Runs, Service, User};
use watershed_worker::dead::{Sweep, Swept};
use watershed_worker::limits::HANDLER_TIMEOUT;
use watershed_worker::{
    Assignment, CancellationToken, Counts, Endpoint, Program, Report, Signals, Status, Unfit, Work,
    WorkError, Worker, monitor, stop_on_signals,
};

use super::{ServerArguments, block_on};
use crate::connection::{duration, guard_account};
use crate::exit::{Exit, Mistyped};
use crate::load::Loaded;
use crate::parent::end_with_parent;
use crate::ui;

/// Run a program or an HTTP endpoint for each message of a consumer.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["consumer", "service", "dead_letters"]),
    after_help = "\
The payload is the program's input; WATERSHED_SUBJECT, WATERSHED_SEQUENCE, WATERSHED_DELIVERIES and others \
say what is known about it. Exit code 0: done. 65: reject for good. 75 and all others: retry, after the \
consumer's `backoff`. What is rejected, or fails at its last delivery, goes to the consumer's dead letters.
An endpoint gets a POST. 2xx: done. 400, 415, 422: reject. All others: retry.

Example: watershed work JOBS/resize -- ./resize.sh
         watershed work --service resizer -f watershed.yaml"
)]
pub(crate) struct Arguments {
    /// Consumer.
    #[arg(value_name = "STREAM/CONSUMER", value_parser = consumer)]
    consumer: Option<ConsumerName>,
    /// Program and arguments.
    #[arg(last = true, value_name = "COMMAND", requires = "consumer")]
    command: Vec<String>,
    /// POST the messages to this URL instead.
    #[arg(long, value_name = "URL", requires = "consumer", conflicts_with = "command")]
    http: Option<String>,
    /// Run the `handlers` of this service of the topology.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Keep the messages that other workers gave up: fetch what the server has a record of.
    #[arg(long)]
    dead_letters: bool,
    /// With --dead-letters: stop when there is nothing left.
    #[arg(long, requires = "dead_letters")]
    once: bool,
    /// Handle this many messages at once [default: the topology's `concurrency`, or 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    concurrency: Option<u64>,
    /// Longest time for one message [default: the topology's `handler_timeout`, or 5m].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    handler_timeout: Option<Duration>,
    /// Longest time to finish what is being handled, when told to stop.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    drain: Duration,
    /// Longest wait for JetStream.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    wait: Duration,
    /// Answer /healthz and /metrics here.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// Print what was done as JSON, at the end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

fn consumer(text: &str) -> Result<ConsumerName, String> {
    let (stream, consumer) = text.split_once('/').ok_or("write it as STREAM/CONSUMER")?;
    Ok(ConsumerName { stream: stream.into(), consumer: consumer.into() })
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    ui::log(LevelFilter::WARN);
    end_with_parent()?;
    let loaded = arguments.server.loaded(arguments.service.is_some())?;
    let user = loaded.as_ref().and_then(|loaded| user_of(loaded, arguments.service.as_deref()?));
    let connection = &arguments.server.connection;
    let user = user.map(|user| user.name.value.as_str());
    let options = connection.options_as(loaded.as_ref(), user)?;
    block_on(async {
        let signals = stop_on_signals().context("cannot listen to signals")?;
        if arguments.dead_letters {
            return sweep(arguments, &options, loaded.as_ref(), &signals.stop).await;
        }
        let worker = worker(arguments, loaded.as_ref())?.drain(arguments.drain);
        let worker = worker.stop_on(signals.clone()).ready_within(arguments.wait);
        work(arguments, worker, &signals, &options, loaded.as_ref()).await
    })
}

/// The user of the topology that a service connects as, if it has one of its own.
pub(super) fn user_of<'l>(loaded: &'l Loaded, service: &str) -> Option<&'l User> {
    let own = |access: &Access| matches!(access, Access::Service(name) if name.value == service);
    loaded.topology.users.iter().find(|user| own(&user.access))
}

/// The worker that was asked for.
fn worker(arguments: &Arguments, loaded: Option<&Loaded>) -> anyhow::Result<Worker> {
    let topology = loaded.map(|loaded| &loaded.topology);
    let mut worker = Worker::new();
    if let Some(name) = &arguments.consumer {
        let assignment = match topology {
            None => Assignment::live(name),
            Some(topology) => {
                let reads =
                    |service: &&Service| service.consumes.iter().any(|read| read.value == *name);
                match topology.services.iter().find(reads) {
                    Some(service) => Assignment::of(topology, &service.name.value, name)?,
                    None => Assignment::declared(topology, name)?,
                }
            }
        };
        let runs = match (&arguments.http, arguments.command.as_slice()) {
            (Some(url), _) => Runs::Http(url.clone()),
            (None, []) => {
                let usage = "name what handles the messages: `-- COMMAND`, or `--http URL`";
                return Err(Mistyped(usage.into()).into());
            }
            (None, words) => Runs::Command(words.to_vec()),
        };
        return on(worker, arguments, assignment, &runs);
    }
    let (Some(topology), Some(name)) = (topology, &arguments.service) else {
        return Ok(worker);
    };
    let Some(service) = topology.service(name) else {
        return Err(Mistyped(format!("unknown service `{name}`")).into());
    };
    if service.handlers.is_empty() {
        let message = format!(
            "the service `{name}` is without handlers: write \
             `handlers: {{ STREAM/CONSUMER: {{ command: [./handler] }} }}`"
        );
        return Err(Mistyped(message).into());
    }
    for handler in &service.handlers {
        let assignment = Assignment::of(topology, name, &handler.consumer.value)?;
        worker = on(worker, arguments, assignment, &handler.runs)?;
    }
    Ok(worker)
}

fn on(
    worker: Worker,
    arguments: &Arguments,
    mut assignment: Assignment,
    runs: &Runs,
) -> anyhow::Result<Worker> {
    if let Some(number) = arguments.concurrency {
        assignment = assignment.concurrency(number);
    }
    let limit = arguments.handler_timeout.unwrap_or_else(|| assignment.handler_timeout());
    assignment = assignment.timeout(limit);
    let name = assignment.name().clone();
    let work: Box<dyn Work> = match runs {
        Runs::Command(words) => {
            // The program is told to end when its time is over; the worker waits for that.
            assignment = assignment.timeout(limit + Program::GRACE * 2);
            ui::say(&format!("{name}: each message to `{}`", words.join(" ")));
            Box::new(Program::new(words.clone(), limit))
        }
        Runs::Http(url) => {
            ui::say(&format!("{name}: each message to {url}"));
            Box::new(Endpoint::new(url)?)
        }
    };
    Ok(worker.on_boxed(assignment, work))
}

async fn work(
    arguments: &Arguments,
    worker: Worker,
    signals: &Signals,
    options: &Options,
    loaded: Option<&Loaded>,
) -> anyhow::Result<Exit> {
    let shown = options.shown();
    let say = |cause: &str| ui::say(&format!("waiting for {shown}: {cause}"));
    let running = match worker.start(options, say).await {
        Ok(running) => running,
        Err(error) => return ended(error),
    };
    if let Some(loaded) = loaded {
        guard_account(running.client(), loaded).await?;
    }
    for (name, dead_letters) in running.dead_letters() {
        if dead_letters.is_none() {
            ui::say(&format!(
                "{name}: no stream keeps its dead letters: what is rejected is gone, and what fails too often \
                 stays with nobody to take it"
            ));
        }
    }
    let monitoring = match arguments.listen {
        None => None,
        Some(address) => {
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
            ui::say(&format!("/healthz and /metrics on http://{}", listener.local_addr()?));
            Some(tokio::spawn(monitor(listener, running.status())))
        }
    };
    ui::say("working; Ctrl-C stops");
    let status = running.status();
    let report = tokio::select! {
        biased;
        never = ending(signals, &status, arguments.drain) => never,
        report = running.run() => report,
    };
    if let Some(monitoring) = monitoring {
        monitoring.abort();
    }
    match report {
        Ok(report) => Ok(show(&report, arguments.json)),
        Err(error) => ended(error),
    }
}

/// Says what happens when the worker is told to end.
async fn ending<T>(signals: &Signals, status: &Status, drain: Duration) -> T {
    signals.stop.cancelled().await;
    let held = usize::try_from(status.held()).unwrap_or(usize::MAX);
    if held > 0 {
        let drain = drain.as_secs_f32();
        let messages = ui::count(held, "message");
        ui::say(&format!("finishing {messages}, for {drain}s at most; Ctrl-C again stops at once"));
    }
    std::future::pending().await
}

/// How a command ends whose worker did not start, or did not go on.
fn ended(error: WorkError) -> anyhow::Result<Exit> {
    let exit = match &error {
        WorkError::NotReady(NotReady::InTime { .. }) => Exit::NotReady,
        WorkError::Unfit(Unfit::Call(_)) => return Err(error.into()),
        WorkError::Unfit(_) => Exit::Differs,
        _ => return Err(error.into()),
    };
    ui::say(&format!("error: {error}"));
    Ok(exit)
}

fn show(report: &Report, as_json: bool) -> Exit {
    if as_json {
        let row = |(name, counts): &(ConsumerName, Counts)| {
            json!({
                "stream": name.stream, "consumer": name.consumer,
                "delivered": counts.delivered, "redelivered": counts.redelivered,
                "done": counts.done, "retried": counts.retried, "rejected": counts.rejected,
                "dead": counts.dead, "unconfirmed": counts.unconfirmed,
            })
        };
        let consumers: Vec<_> = report.consumers.iter().map(row).collect();
        let report = json!({"consumers": consumers, "abandoned": report.abandoned});
        ui::out(&report.to_string());
    } else {
        for (name, counts) in &report.consumers {
            let Counts { done, retried, rejected, dead, .. } = counts;
            ui::out(&format!(
                "{name}: {done} done, {retried} to be retried, {rejected} rejected, {dead} kept as dead letters"
            ));
        }
    }
    if report.abandoned > 0 {
        ui::say(&format!(
            "error: {} not finished in time: delivered again",
            ui::count(usize::try_from(report.abandoned).unwrap_or(usize::MAX), "message")
        ));
        return Exit::Error;
    }
    Exit::Clean
}

/// How often a stream of dead letters is looked at.
const EVERY: Duration = Duration::from_secs(10);

async fn sweep(
    arguments: &Arguments,
    options: &Options,
    loaded: Option<&Loaded>,
    stop: &CancellationToken,
) -> anyhow::Result<Exit> {
    let shown = options.shown();
    let say = |cause: &str| ui::say(&format!("waiting for {shown}: {cause}"));
    let client = match wait(options, arguments.wait, say).await {
        Ok(client) => client,
        Err(error) => return ended(error.into()),
    };
    if let Some(loaded) = loaded {
        guard_account(&client, loaded).await?;
    }
    let streams = keepers(&client, loaded).await?;
    if streams.is_empty() {
        anyhow::bail!("no stream keeps dead letters: write `dead_letter: STREAM` in a consumer");
    }
    ui::say(&format!("looking through {}", streams.join(", ")));
    let mut sweeps: Vec<_> = streams.iter().map(|stream| Sweep::of(&client, stream)).collect();
    let mut counts = BTreeMap::new();
    loop {
        for sweep in &mut sweeps {
            match once_through(sweep, stop, &mut counts).await {
                Ok(()) => {}
                Err(error) if error.is_unavailable() && !arguments.once => {
                    ui::say(&format!("waiting: {error}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if arguments.once || stop.is_cancelled() {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {},
            () = stop.cancelled() => {},
        }
    }
    if arguments.json {
        ui::out(&json!(counts).to_string());
    } else {
        ui::out(&Swept::summary(&counts));
    }
    Ok(Exit::Clean)
}

/// Looks at every record that a stream has got since it was last looked at.
async fn once_through(
    sweep: &mut Sweep<'_>,
    stop: &CancellationToken,
    counts: &mut BTreeMap<&'static str, u64>,
) -> Result<(), CallError> {
    loop {
        let next = tokio::select! {
            next = sweep.next() => next?,
            () = stop.cancelled() => return Ok(()),
        };
        let Some((record, swept)) = next else { return Ok(()) };
        *counts.entry(swept.word()).or_insert(0) += 1;
        let name = format!("{}/{} #{}", record.stream, record.consumer, record.sequence);
        match &swept {
            Swept::Kept | Swept::Lost => {
                ui::say(&format!("{name} ({}): {}", record.reason(), swept.word()));
            }
            Swept::NotKept(why) => ui::say(&format!("{name}: not kept: {why}")),
            Swept::WasKept | Swept::Deleted | Swept::Elsewhere => {}
        }
    }
}

/// The streams that keep dead letters: those of the topology, or whichever have the server's records.
pub(super) async fn keepers(
    client: &Client,
    loaded: Option<&Loaded>,
) -> anyhow::Result<Vec<String>> {
    if let Some(loaded) = loaded {
        let all = loaded.topology.consumers();
        let mut names: Vec<String> = all
            .filter_map(|(_, consumer)| Some(consumer.dead_letter.as_ref()?.value.clone()))
            .collect();
        names.sort();
        names.dedup();
        return Ok(names);
    }
    Ok(client.streams_of(&record("MAX_DELIVERIES", "*", "*")).await?)
}

const _: () = assert!(HANDLER_TIMEOUT.as_secs() == 300, "the help says so");
