//! `watershed next`: takes messages from a pull consumer.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use watershed_topology::call::Request;
use watershed_wire::jetstream::ack::AckSubject;
use watershed_wire::jetstream::call::Call;
use watershed_wire::time::UnixNanos;

use super::subscribe::shown;
use super::{ServerArguments, block_on};
use crate::connection::duration;
use crate::exit::Exit;
use crate::ui::say;

/// Take the next messages from a pull consumer, show and acknowledge them.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed next WORKFLOWS workflow-processor --count 10")]
pub(crate) struct Arguments {
    /// Stream.
    stream: String,
    /// Consumer.
    consumer: String,
    /// Number of messages.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Do not acknowledge: the messages come again after the ack wait.
    #[arg(long)]
    no_ack: bool,
    /// Longest wait for the first message.
    #[arg(long, default_value = "5s", value_parser = duration)]
    wait: Duration,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let client = arguments.server.connect().await?;
        let inbox = client.inbox();
        let mut replies = client.subscribe(&inbox, None).await?;
        let call = Call::ConsumerNext { stream: &arguments.stream, consumer: &arguments.consumer };
        let expires = u64::try_from(arguments.wait.as_nanos()).unwrap_or(u64::MAX);
        let body = json!({"batch": arguments.count, "expires": expires});
        replies.ask(&Request::new(call, &body)).await?;
        let mut taken = 0;
        while taken < arguments.count {
            // The server says when the time is up; somewhat longer means that it is gone.
            let patience = arguments.wait + Duration::from_secs(2);
            let Some(message) = replies.next_within(patience).await? else {
                bail!("no answer from {}/{}", arguments.stream, arguments.consumer);
            };
            if let Some(status) = message.status.filter(|_| message.reply.is_none()) {
                let text = message.description.clone().unwrap_or_default();
                match status.as_u16() {
                    404 | 408 => break,
                    100 => continue,
                    503 => {
                        if let Err(error) = client.ready().await
                            && error.is_unavailable()
                        {
                            return Err(error.into());
                        }
                        bail!("unknown pull consumer {}/{}", arguments.stream, arguments.consumer)
                    }
                    code => bail!("the server answers: {code} {text}"),
                }
            }
            taken += 1;
            let reply = message.reply.as_ref().map(ToString::to_string).unwrap_or_default();
            let mut line = shown(&message);
            if let Some(delivered) = AckSubject::parse(reply.as_bytes()) {
                line.sequence = Some(delivered.stream_seq);
                line.delivery = Some(delivered.deliveries);
                line.time = Some(UnixNanos(delivered.timestamp).to_string());
            }
            line.print(arguments.json);
            if !arguments.no_ack {
                // Answered only when the acknowledgement is on disk.
                let ack = Request { subject: reply, body: b"+ACK".to_vec() };
                client.call(&ack).await?;
            }
        }
        if taken == 0 {
            say(&format!(
                "no message for {}/{} within {}s",
                arguments.stream,
                arguments.consumer,
                arguments.wait.as_secs_f32()
            ));
            return Ok(Exit::Error);
        }
        Ok(Exit::Clean)
    })
}
