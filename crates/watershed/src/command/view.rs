//! `watershed view`: shows what a stream holds, without a consumer.

use anyhow::bail;
use clap::Args;
use watershed_client::{Client, stored};
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;
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
        let filter = arguments.subject.as_deref().unwrap_or(">");
        let mut next = start(&client, arguments, state).await?;
        let mut shown = 0;
        while let Some(sequence) = next.filter(|next| *next <= state.last_seq)
            && shown < arguments.last
        {
            let Some(message) = stored::next(&client, name, sequence, filter).await? else { break };
            Shown {
                subject: &message.subject,
                headers: message.headers(),
                payload: &message.payload,
                sequence: Some(message.sequence),
                time: Some(message.time.to_string()),
                delivery: None,
            }
            .print(arguments.json);
            shown += 1;
            next = message.sequence.checked_add(1);
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
    let filter = arguments.subject.as_deref().unwrap_or(">");
    Ok(stored::newest(client, &arguments.stream, state, arguments.last, filter).await?)
}
