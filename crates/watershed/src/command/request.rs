//! `watershed req`: asks, and prints the answer.

use anyhow::bail;
use clap::Args;
use watershed_topology::call::{CallError, Request};

use super::publish::payload;
use super::subscribe::shown;
use super::{ServerArguments, block_on};
use crate::exit::Exit;

/// Send a request and print the replies.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed req price.get '{\"item\":\"a\"}'")]
pub(crate) struct Arguments {
    /// Subject.
    subject: String,
    /// Payload [default: stdin].
    payload: Option<String>,
    /// Number of replies to wait for.
    #[arg(long, default_value_t = 1, value_name = "N")]
    replies: usize,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let body = payload(arguments.payload.as_deref())?;
    block_on(async {
        let client = arguments.server.connect().await?;
        let mut answers = client.subscribe(&client.inbox(), None).await?;
        let subject = arguments.subject.clone();
        answers.ask(&Request { subject, body }).await?;
        for number in 0..arguments.replies {
            let Some(reply) = answers.next_within(client.timeout()).await? else {
                if number > 0 {
                    break;
                }
                bail!(CallError::Timeout(arguments.subject.clone()));
            };
            if reply.status.is_some_and(|status| status.as_u16() == 503) {
                bail!("nobody answers requests on `{}`", arguments.subject);
            }
            shown(&reply).print(arguments.json);
        }
        Ok(Exit::Clean)
    })
}
