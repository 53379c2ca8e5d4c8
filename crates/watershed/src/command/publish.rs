//! `watershed pub`: publishes, and says where it was stored.

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde_json::json;
use watershed_client::{Client, HeaderMap};
use watershed_topology::call::{CallError, answer};
use watershed_wire::jetstream::publish::PubAck;

use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;

/// Publish a message and wait until a stream has stored it.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed pub planning.plan.approved '{\"plan\":\"p1\"}'")]
pub(crate) struct Arguments {
    /// Subject.
    subject: String,
    /// Payload [default: stdin].
    payload: Option<String>,
    /// Header, as NAME:VALUE.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    headers: Vec<String>,
    /// Message ID for de-duplication (`Nats-Msg-Id`).
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Core publish: do not wait for a stream's acknowledgement.
    #[arg(long)]
    core: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let payload = payload(arguments.payload.as_deref())?;
    let headers = headers(&arguments.headers, arguments.id.as_deref())?;
    let subject = &arguments.subject;
    block_on(async {
        let client = arguments.server.connect().await?;
        if arguments.core {
            client.publish(subject, headers, payload.into()).await?;
            return Ok(Exit::Clean);
        }
        let reply = match client.publish_stored(subject, headers, payload.into()).await {
            Ok(reply) => reply,
            Err(error) => return Err(not_stored(&client, subject, error).await),
        };
        let ack: PubAck = answer(&reply)?;
        if arguments.json {
            ui::json::print(&json!({
                "stream": ack.stream, "sequence": ack.seq, "duplicate": ack.duplicate,
            }));
        } else if ack.duplicate {
            ui::out(&format!("{} has had it before, as {}", ack.stream, ack.seq));
        } else {
            ui::out(&format!("stored in {} as {}", ack.stream, ack.seq));
        }
        Ok(Exit::Clean)
    })
}

/// Why nothing was stored: what a server answers, or that it does not, says little of it.
async fn not_stored(client: &Client, subject: &str, error: CallError) -> anyhow::Error {
    if !matches!(error, CallError::NoJetStream | CallError::Timeout(_)) {
        return error.into();
    }
    match client.stream_of(subject).await {
        // Where JetStream is away, so are all streams.
        Err(away) if away.is_unavailable() => away.into(),
        Err(_) => error.into(),
        Ok(Some(stream)) => {
            let text = format!(
                "stream `{stream}` stores `{subject}` and did not acknowledge it: it is without a leader, or \
                 `no_ack` is set"
            );
            anyhow::Error::new(CallError::Timeout(subject.to_owned())).context(text)
        }
        Ok(None) if error == CallError::NoJetStream => anyhow!(
            "no stream stores `{subject}`; nothing was published (use --core to publish anyway)"
        ),
        Ok(None) => anyhow!("no stream stores `{subject}`; only who listens there got the message"),
    }
}

pub(crate) fn payload(typed: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut input = std::io::stdin();
    match typed {
        Some("-") => {}
        Some(text) => return Ok(text.as_bytes().to_vec()),
        None if input.is_terminal() => return Ok(Vec::new()),
        None => {}
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).context("cannot read the payload")?;
    Ok(bytes)
}

fn headers(typed: &[String], id: Option<&str>) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for header in typed {
        let Some((name, value)) = header.split_once(':') else {
            bail!("a header is NAME:VALUE, and this is `{header}`");
        };
        let clean = |text: &str| !text.contains(['\r', '\n', ':']) && !text.is_empty();
        if !clean(name) || value.contains(['\r', '\n']) {
            bail!("invalid header `{header}`");
        }
        headers.append(name, value.trim());
    }
    if let Some(id) = id {
        headers.insert("Nats-Msg-Id", id);
    }
    Ok(headers)
}
