//! Whether a server is well, and what it keeps.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use watershed_engine::{Damaged, Detail, Engine, Snapshot};

/// What is wrong with a server, for people.
pub(crate) fn trouble(snapshot: &Snapshot) -> Option<String> {
    match (snapshot.trouble, snapshot.damaged.as_slice()) {
        (Some(trouble), _) => Some(format!("JetStream is not available: {trouble}")),
        (None, []) => None,
        (None, [first, more @ ..]) => {
            let Damaged { account, stream, sequence } = first;
            let mut text =
                format!("message {sequence} of stream {stream} (account {account}) is damaged");
            if !more.is_empty() {
                let _ = write!(text, ", and {} more", more.len());
            }
            Some(text)
        }
    }
}

/// Whose health is asked for, beside the server's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    pub(crate) account: Option<String>,
    pub(crate) stream: Option<String>,
    pub(crate) consumer: Option<String>,
    /// Whether to say of each trouble what it is with.
    pub(crate) details: bool,
}

/// What is wrong.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// nats-server's status code for it.
    pub(crate) code: u16,
    /// What it is with, in nats-server's words.
    kind: &'static str,
    /// For people.
    pub(crate) error: String,
}

/// What is wrong with the server, or with what is named.
pub(crate) fn health(engine: &mut Engine, named: &Named) -> Result<(), Trouble> {
    let wrong = |code, kind, error| Err(Trouble { code, kind, error });
    let Named { account, stream, consumer, .. } = named;
    let detail = Detail {
        accounts: account.is_some(),
        streams: stream.is_some(),
        consumers: consumer.is_some(),
        account: account.clone(),
        ..Detail::default()
    };
    let snapshot = engine.snapshot(&detail);
    if let Some(trouble) = trouble(&snapshot) {
        return wrong(503, "JETSTREAM", trouble);
    }
    let incomplete = |missing: &str, what: &str| {
        let error = format!("{missing:?} must not be empty when checking {what} health");
        wrong(400, "BAD_REQUEST", error)
    };
    let account = match (account, stream, consumer) {
        (_, None, Some(_)) => return incomplete("stream", "consumer"),
        (None, Some(_), _) => return incomplete("account", "stream"),
        (None, None, None) => return Ok(()),
        (Some(account), _, _) => account,
    };
    // Without JetStream there is nothing to be well.
    let Some(jetstream) = snapshot.jetstream else { return Ok(()) };
    let accounts = jetstream.account_details;
    let Some(own) = accounts.iter().find(|own| own.name == *account) else {
        return wrong(404, "ACCOUNT", format!("JetStream account {account:?} not found"));
    };
    let Some(stream) = stream else { return Ok(()) };
    let Some(own) = own.stream_detail.iter().find(|own| own.name == *stream) else {
        let error = format!("JetStream stream {stream:?} not found on account {account:?}");
        return wrong(404, "STREAM", error);
    };
    let Some(consumer) = consumer else { return Ok(()) };
    if own.consumer_detail.iter().any(|own| own.name == *consumer) {
        return Ok(());
    }
    let place = format!("for stream {stream:?} on account {account:?}");
    wrong(404, "CONSUMER", format!("JetStream consumer {consumer:?} not found {place}"))
}

/// `HEALTHZ`, as the system account is told.
pub(super) fn answer(engine: &mut Engine, named: &Named) -> Json {
    let Err(Trouble { code, kind, error }) = health(engine, named) else {
        return json!({"status": "ok", "status_code": 200});
    };
    if !named.details {
        let status = if code == 400 { "error" } else { "unavailable" };
        return json!({"status": status, "status_code": code, "error": error});
    }
    let Named { account, stream, consumer, .. } = named;
    let mut one = json!({"type": kind, "error": error});
    let places = [("account", account), ("stream", stream), ("consumer", consumer)];
    let depth = ["ACCOUNT", "STREAM", "CONSUMER"].iter().position(|own| *own == kind);
    for (name, value) in places.into_iter().take(depth.map_or(0, |depth| depth + 1)) {
        if let Some(value) = value {
            one[name] = value.as_str().into();
        }
    }
    json!({"status": "error", "status_code": code, "errors": [one]})
}
