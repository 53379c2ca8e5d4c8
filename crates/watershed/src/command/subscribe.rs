//! `watershed sub`: shows messages as they are published.

use clap::Args;

use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui::message::Shown;
use crate::ui::say;

/// Show messages as they are published. Reads no stream and acknowledges nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed sub 'events.>'")]
pub(crate) struct Arguments {
    /// Subject; may have wildcards.
    subject: String,
    /// Exit after N messages.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Share the messages with others of this queue group.
    #[arg(long, value_name = "GROUP")]
    queue: Option<String>,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let client = arguments.server.connect().await?;
        let queue = arguments.queue.as_deref();
        let mut subscription = client.subscribe(&arguments.subject, queue).await?;
        say(&format!("listening to {}", arguments.subject));
        let mut left = arguments.count;
        while left != Some(0) {
            let Some(message) = subscription.next().await? else { break };
            shown(&message).print(arguments.json);
            left = left.map(|left| left - 1);
        }
        Ok(Exit::Clean)
    })
}

/// A message that came over a subscription.
pub(crate) fn shown(message: &watershed_client::Message) -> Shown<'_> {
    let headers = message.headers.iter().flat_map(|map| map.iter());
    let headers = headers.flat_map(|(name, values)| {
        values.iter().map(move |value| (name.to_string(), value.to_string()))
    });
    Shown {
        subject: message.subject.as_str(),
        headers: headers.collect(),
        payload: &message.payload,
        sequence: None,
        time: None,
        delivery: None,
    }
}
