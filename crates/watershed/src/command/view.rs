//! `watershed view`: shows what a stream holds, without a consumer.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use serde_json::json;
use watershed_client::{Client, Newest};
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;
use watershed_wire::jetstream::message::StoredMessage;
use watershed_wire::jetstream::stream::StreamState;

use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;
use crate::ui::message::Shown;

/// Show the newest messages of a stream, without taking them from its consumers.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed view PLANNING_EVENTS --last 10")]
pub(crate) struct Arguments {
    /// Stream.
    stream: String,
    /// Show the N newest messages.
    #[arg(long, default_value_t = 10, value_name = "N")]
    last: u64,
    /// Start at this sequence and show up to --last messages.
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<u64>,
    /// Show only messages of this subject; wildcards are allowed.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// What this command reads of a stream's info: it knows nothing of configurations.
#[derive(serde::Deserialize)]
struct Held {
    state: StreamState,
}

#[derive(serde::Deserialize)]
struct Found {
    message: StoredMessage,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let name = &arguments.stream;
    block_on(async {
        let client = arguments.server.connect().await?;
        let reply = client.call(&Request::bare(Call::StreamInfo(name))).await?;
        let info: Held = match answer(&reply) {
            Err(CallError::Refused(error)) if error.err_code == table::STREAM_NOT_FOUND.code => {
                bail!("unknown stream `{name}`")
            }
            other => other?,
        };
        let state = &info.state;
        let mut next = start(&client, arguments, state).await?;
        let mut shown = 0;
        while let Some(sequence) = next.filter(|next| *next <= state.last_seq)
            && shown < arguments.last
        {
            let Some(message) = first_from(&client, arguments, sequence).await? else { break };
            Shown {
                subject: &message.subject,
                headers: headers(&decode(&message.hdrs)?),
                payload: &decode(&message.data)?,
                sequence: Some(message.seq),
                time: Some(message.time.to_string()),
                delivery: None,
            }
            .print(arguments.json);
            shown += 1;
            next = message.seq.checked_add(1);
        }
        if !arguments.json {
            let all = ui::count(usize::try_from(state.messages).unwrap_or(usize::MAX), "message");
            ui::say(&format!("{shown} shown; {name} holds {all}"));
        }
        Ok(Exit::Clean)
    })
}

/// The sequence of the first message to show, if there is one.
async fn start(
    client: &Client,
    arguments: &Arguments,
    state: &StreamState,
) -> anyhow::Result<Option<u64>> {
    if let Some(from) = arguments.from {
        return Ok(Some(from.max(state.first_seq)));
    }
    if arguments.subject.is_none() && state.messages <= arguments.last {
        return Ok((state.messages > 0).then_some(state.first_seq));
    }
    let mut newest = Newest::new(state.first_seq, state.last_seq, arguments.last);
    while let Some(sequence) = newest.next() {
        let found = first_from(client, arguments, sequence).await?;
        newest.found(sequence, found.map(|message| message.seq));
    }
    Ok(newest.start())
}

/// The first message from `sequence` on that is to be shown.
async fn first_from(
    client: &Client,
    arguments: &Arguments,
    sequence: u64,
) -> anyhow::Result<Option<StoredMessage>> {
    let filter = arguments.subject.as_deref().unwrap_or(">");
    let body = json!({"seq": sequence, "next_by_subj": filter});
    let reply = client.call(&Request::new(Call::MessageGet(&arguments.stream), &body)).await?;
    match answer::<Found>(&reply) {
        Ok(found) => Ok(Some(found.message)),
        Err(CallError::Refused(error)) if error.code == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Header block and payload come in base64.
fn decode(text: &str) -> anyhow::Result<Vec<u8>> {
    BASE64.decode(text).context("the server sent a message that cannot be read")
}

/// The lines of a header block.
fn headers(block: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(block);
    let pairs = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}
