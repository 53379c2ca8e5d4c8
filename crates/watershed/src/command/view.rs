//! `watershed view`: shows what a stream holds, without a consumer.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use serde_json::json;
use watershed_topology::call::{CallError, Request, answer};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;
use watershed_wire::jetstream::message::StoredMessage;
use watershed_wire::jetstream::stream::StreamInfo;

use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;
use crate::ui::message::Shown;

/// Shows the messages of a stream. It takes nothing away from its consumers.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed view PLANNING_EVENTS --last 10")]
pub(crate) struct Arguments {
    /// Stream.
    stream: String,
    /// So many of the newest.
    #[arg(long, default_value_t = 10, value_name = "N")]
    last: u64,
    /// From this sequence on instead, so many as --last says.
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<u64>,
    /// Only these subjects; may have wildcards.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// For programs: an object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
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
        let info: StreamInfo = match answer(&reply) {
            Err(CallError::Refused(error)) if error.err_code == table::STREAM_NOT_FOUND.code => {
                bail!("there is no stream `{name}`")
            }
            other => other?,
        };
        let state = &info.state;
        let newest = (state.last_seq + 1).saturating_sub(arguments.last);
        let mut sequence = arguments.from.unwrap_or(newest).max(state.first_seq);
        let filter = arguments.subject.as_deref().unwrap_or(">");
        let mut shown = 0;
        while shown < arguments.last && state.messages > 0 && sequence <= state.last_seq {
            let body = json!({"seq": sequence, "next_by_subj": filter});
            let reply = client.call(&Request::new(Call::MessageGet(name), &body)).await?;
            let found: Found = match answer(&reply) {
                Err(CallError::Refused(error)) if error.code == 404 => break,
                other => other?,
            };
            let message = &found.message;
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
            sequence = message.seq + 1;
        }
        if !arguments.json {
            let all = ui::count(usize::try_from(state.messages).unwrap_or(usize::MAX), "message");
            ui::say(&format!("{shown} shown; {name} holds {all}"));
        }
        Ok(Exit::Clean)
    })
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
