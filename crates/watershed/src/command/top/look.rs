//! Looks at an account again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::crossterm::event::Event;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use watershed_client::Client;
use watershed_client::stored::{self, Stored};
use watershed_topology::dead_letter;
use watershed_topology::observe::Observed;
use watershed_wire::jetstream::consumer::ConsumerInfo;
use watershed_wire::time::UnixNanos;
use watershed_worker::dead::Tally;

use super::state::{Message, Sample, Target};
use crate::moment;

/// What there is to hear.
#[derive(Debug)]
pub(crate) enum News {
    Sample(Box<Sample>),
    /// Why there is none.
    Failed(String),
    Event(Event),
}

/// Most consumers whose oldest message is asked for at one look.
const OLDEST_MAX: usize = 50;

/// Most dead letters that are read at one look.
const DEAD_MAX: usize = 200;

/// Messages of what is looked at.
const MESSAGES: usize = 5;

/// Looks every `interval`, and at once when something else is to be looked at, until nobody hears it.
pub(crate) async fn look(
    client: Client,
    interval: Duration,
    mut target: watch::Receiver<Option<Target>>,
    tell: mpsc::Sender<News>,
) {
    let start = Instant::now();
    let mut tallies = BTreeMap::new();
    loop {
        let wanted = target.borrow_and_update().clone();
        let news = match sample(&client, start, wanted, &mut tallies).await {
            Ok(sample) => News::Sample(Box::new(sample)),
            Err(error) => News::Failed(format!("{error:#}")),
        };
        if tell.send(news).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(interval) => {}
            changed = target.changed() => if changed.is_err() { return },
        }
    }
}

/// Counts of what was given up, by the streams that keep it.
type Tallies = BTreeMap<String, Tally>;

async fn sample(
    client: &Client,
    start: Instant,
    target: Option<Target>,
    tallies: &mut Tallies,
) -> anyhow::Result<Sample> {
    let observed = client.observe_everything().await?;
    let at = start.elapsed();
    let oldest = oldest(client, &observed).await;
    let dead = dead(client, &observed, tallies).await;
    let messages = match target {
        Some(target) => {
            // Who may not read messages still sees the numbers.
            let found = messages(client, &observed, &target).await.unwrap_or_default();
            Some((target, found))
        }
        None => None,
    };
    Ok(Sample { at, now: moment::exact(), observed, oldest, dead, messages })
}

/// How many messages were given up, as far as that may be asked.
async fn dead(client: &Client, observed: &Observed, tallies: &mut Tallies) -> u64 {
    tallies.retain(|name, _| observed.streams.contains_key(name));
    for (name, live) in &observed.streams {
        if dead_letter::is_kept_by(&live.info.config.subjects) {
            let tally = tallies.entry(name.clone()).or_default();
            if tally.look(client, name, &live.info.state, DEAD_MAX).await.is_err() {
                break;
            }
        }
    }
    tallies.values().map(Tally::count).sum()
}

/// When the oldest message was stored that each consumer has not had acknowledged, as far as that may be asked.
async fn oldest(client: &Client, observed: &Observed) -> BTreeMap<(String, String), UnixNanos> {
    let mut found = BTreeMap::new();
    let mut busy = Vec::new();
    for (stream, live) in &observed.streams {
        for (name, consumer) in &live.consumers {
            let info = &consumer.info;
            if info.num_pending > 0 || info.num_ack_pending > 0 {
                busy.push((stream, name, info));
            }
        }
    }
    for (stream, name, info) in busy.into_iter().take(OLDEST_MAX) {
        match first(client, stream, info, info.ack_floor.stream_seq + 1).await {
            Ok(Some(message)) => drop(found.insert((stream.clone(), name.clone()), message.time)),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    found
}

/// The first message from `sequence` on that a consumer takes.
async fn first(
    client: &Client,
    stream: &str,
    info: &ConsumerInfo,
    sequence: u64,
) -> anyhow::Result<Option<Stored>> {
    let filters = info.config.filters();
    if filters.is_empty() {
        return Ok(stored::next(client, stream, sequence, ">").await?);
    }
    let mut first: Option<Stored> = None;
    for filter in filters {
        let found = stored::next(client, stream, sequence, filter).await?;
        first = first.into_iter().chain(found).min_by_key(|message| message.sequence);
    }
    Ok(first)
}

/// The next messages of a consumer, or the newest ones of a stream.
async fn messages(
    client: &Client,
    observed: &Observed,
    target: &Target,
) -> anyhow::Result<Vec<Message>> {
    let (stream, consumer) = match target {
        Target::Stream(stream) => (stream, None),
        Target::Consumer(stream, consumer) => (stream, Some(consumer)),
    };
    let Some(live) = observed.streams.get(stream) else { return Ok(Vec::new()) };
    let info = consumer.and_then(|name| live.consumers.get(name)).map(|live| &live.info);
    let mut next = match info {
        Some(info) => Some(info.ack_floor.stream_seq + 1),
        None => stored::newest(client, stream, &live.info.state, MESSAGES as u64, ">").await?,
    };
    let mut found = Vec::new();
    while let Some(sequence) = next
        && found.len() < MESSAGES
    {
        let message = match info {
            Some(info) => first(client, stream, info, sequence).await?,
            None => stored::next(client, stream, sequence, ">").await?,
        };
        let Some(message) = message else { break };
        next = message.sequence.checked_add(1);
        found.push(Message {
            sequence: message.sequence,
            time: message.time,
            headers: message.headers(),
            payload: message.payload.to_vec(),
            subject: message.subject,
        });
    }
    Ok(found)
}
