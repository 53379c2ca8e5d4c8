//! Taking messages: asking a pull consumer for them, listening where a push consumer delivers.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::time::{Instant, sleep};
use watershed_client::{HeaderValue, Message, Subscription};
use watershed_topology::call::{CallError, Request};
use watershed_topology::model::ConsumerName;
use watershed_wire::jetstream::call::Call;

use crate::assignment::Unfit;
use crate::backoff::Pauses;
use crate::limits::{GONE_PATIENCE, PULL_EXPIRES, PULL_HEARTBEAT, UNCONFIRMED_MAX};
use crate::requests::Requests;
use crate::station::Station;

/// Takes messages until the worker is to stop, or the consumer is gone for good.
pub(crate) async fn take(station: &Arc<Station>) -> Result<(), Unfit> {
    if station.place().config.is_push() { push(station).await } else { pull(station).await }
}

/// Takes what came before the server knew that nobody listens any longer.
async fn drain(station: &Arc<Station>, mut answers: Subscription) {
    if answers.drain().await.is_err() {
        return;
    }
    while let Ok(Some(message)) = answers.next_within(station.client.timeout()).await {
        if message.status.is_none() {
            station.take(message);
        }
    }
}

async fn pull(station: &Arc<Station>) -> Result<(), Unfit> {
    let inbox = station.client.inbox();
    let mut answers = station.client.subscribe(&format!("{inbox}.*"), None).await?;
    let mut requests = Requests::default();
    let mut pauses = Pauses::new();
    let mut connections = station.client.connections();
    loop {
        if station.held.settling() < UNCONFIRMED_MAX
            && let Some(batch) = requests.wanted(station.room(), station.held.open())
        {
            let batch = within(station, batch);
            let id = requests.ask(batch);
            ask(station, &mut answers, batch, format!("{inbox}.{id}")).await?;
        }
        let silence = PULL_HEARTBEAT * 2;
        let begun = Instant::now();
        tokio::select! {
            biased;
            () = station.stop.cancelled() => break,
            answer = answers.next_within(silence) => match answer? {
                None => {
                    requests.forget();
                    if begun.elapsed() < silence {
                        // The connection is closed, and does not say when it is open again.
                        sleep(pauses.next()).await;
                    }
                }
                Some(message) if message.status.is_none() => {
                    requests.delivered();
                    pauses.reset();
                    station.take(message);
                }
                Some(status) => told(station, &mut requests, &mut pauses, &status).await?,
            },
            () = station.held.fewer.notified() => {},
            // The server that comes back knows of no request.
            changed = connections.changed() => {
                if changed.is_err() {
                    break;
                }
                requests.forget();
            }
        }
    }
    drain(station, answers).await;
    Ok(())
}

/// What one request may ask for, as the consumer limits it.
fn within(station: &Station, batch: u64) -> u64 {
    let most = u64::try_from(station.place().config.max_batch).unwrap_or_default();
    if most == 0 { batch } else { batch.min(most) }
}

async fn ask(
    station: &Station,
    answers: &mut Subscription,
    batch: u64,
    inbox: String,
) -> Result<(), CallError> {
    let ConsumerName { stream, consumer } = &station.assignment.name;
    let nanos = |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let most = station.place().config.max_expires;
    let expires = if most > 0 { most.min(nanos(PULL_EXPIRES)) } else { nanos(PULL_EXPIRES) };
    // A heartbeat is at most half of the time.
    let heartbeat = nanos(PULL_HEARTBEAT).min(expires / 2);
    let body = json!({"batch": batch, "expires": expires, "idle_heartbeat": heartbeat});
    let request = Request::new(Call::ConsumerNext { stream, consumer }, &body);
    match answers.ask_on(&request, inbox).await {
        // It is asked again when there is a connection.
        Err(CallError::Connection(_)) => Ok(()),
        other => other,
    }
}

/// Takes what the server says of a request.
async fn told(
    station: &Arc<Station>,
    requests: &mut Requests,
    pauses: &mut Pauses,
    status: &Message,
) -> Result<(), Unfit> {
    let code = status.status.map(|status| status.as_u16()).unwrap_or_default();
    if code == 100 {
        pauses.reset();
        return Ok(());
    }
    let id = status.subject.as_str().rsplit('.').next().and_then(|id| id.parse().ok());
    match id {
        Some(id) => requests.ended(id),
        None => requests.forget(),
    }
    match code {
        // It was answered, or its time is over.
        404 | 408 => Ok(()),
        _ => {
            let text = status.description.clone().unwrap_or_default();
            tracing::debug!("{}: the server answers: {code} {text}", station.assignment.name);
            tokio::select! {
                () = sleep(pauses.next()) => {},
                () = station.stop.cancelled() => return Ok(()),
            }
            look_again(station).await
        }
    }
}

/// Waits until the consumer is there as declared. An error if it has been gone for long, or has become
/// another one.
async fn look_again(station: &Station) -> Result<(), Unfit> {
    let begun = Instant::now();
    let mut pauses = Pauses::new();
    let mut trouble = None;
    loop {
        let problem = match station.assignment.look(&station.client).await {
            Ok(place) => {
                if place.config.is_push() != station.place().config.is_push() {
                    return Err(Unfit::Differs {
                        consumer: station.assignment.name.clone(),
                        fields: vec!["deliver_subject"],
                    });
                }
                station.set_place(place);
                return Ok(());
            }
            Err(problem) => problem,
        };
        // A server that is away comes back; what was deleted does not.
        let is_away = matches!(problem, Unfit::Call(_));
        if !problem.passes() || (!is_away && begun.elapsed() >= GONE_PATIENCE) {
            return Err(problem);
        }
        if trouble.is_none() {
            trouble = Some(station.trouble());
            tracing::warn!("{}: waiting: {problem}", station.assignment.name);
        }
        tokio::select! {
            () = sleep(pauses.next()) => {},
            () = station.stop.cancelled() => return Ok(()),
        }
    }
}

async fn push(station: &Arc<Station>) -> Result<(), Unfit> {
    let config = station.place().config.clone();
    let group = (!config.deliver_group.is_empty()).then_some(config.deliver_group.as_str());
    let mut answers = station.client.subscribe(&config.deliver_subject, group).await?;
    loop {
        tokio::select! {
            biased;
            () = station.stop.cancelled() => break,
            answer = answers.next_within(PULL_EXPIRES) => match answer? {
                // It may be gone: nobody says so to a push consumer's listener.
                None => look_again(station).await?,
                Some(message) if message.status.is_none() => station.take(message),
                Some(status) => flow(station, &status).await,
            },
        }
    }
    drain(station, answers).await;
    Ok(())
}

/// Answers flow control: the server goes on when it is answered.
async fn flow(station: &Station, status: &Message) {
    let stalled = status.headers.as_ref().and_then(|headers| headers.get("Nats-Consumer-Stalled"));
    let asked = stalled.map(HeaderValue::as_str).or(status.reply.as_deref());
    if let Some(subject) = asked {
        let _ = station.client.tell(subject, Bytes::new()).await;
    }
}
