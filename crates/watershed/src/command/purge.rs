//! `watershed purge`: removes messages of a stream.

use anyhow::bail;
use clap::Args;
use serde_json::{Value as Json, json};
use watershed_topology::call::{Request, answer};
use watershed_topology::observe::{OWNER, PROTECT};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::stream::{PurgeRequest, StreamInfo};

use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;
use crate::ui::prompt::confirm;

/// Remove messages of a stream, after showing how many there are.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed purge ORDERS --subject 'orders.test.>' --yes")]
pub(crate) struct Arguments {
    /// Stream.
    stream: String,
    /// Remove only messages of these subjects.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Keep this many of the newest.
    #[arg(long, value_name = "N", conflicts_with = "seq")]
    keep: Option<u64>,
    /// Remove only messages before this sequence.
    #[arg(long, value_name = "N")]
    seq: Option<u64>,
    /// Skip the confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let client = arguments.server.connect().await?;
        let name = &arguments.stream;
        let filter = arguments.subject.as_deref().unwrap_or(">");
        let request = Request::new(Call::StreamInfo(name), &json!({"subjects_filter": filter}));
        let reply = client.call(&request).await?;
        let info: StreamInfo = answer(&reply)?;
        let metadata = &info.config.metadata;
        if metadata.contains_key(PROTECT) {
            ui::say(&format!(
                "error: refused: {name} is protected: write `protect: false` and apply that first"
            ));
            return Ok(Exit::Refused);
        }
        let state = &info.state;
        let held = match &arguments.subject {
            None => state.messages,
            Some(_) => counted(&answer::<Json>(&reply)?),
        };
        let most = match (arguments.keep, arguments.seq) {
            (Some(keep), _) => held.saturating_sub(keep),
            (_, Some(seq)) => held.min(seq.saturating_sub(state.first_seq)),
            _ => held,
        };
        let of = match metadata.get(OWNER) {
            Some(owner) => format!("{name} (topology {owner})"),
            None => name.clone(),
        };
        let up_to = if arguments.seq.is_some() { "up to " } else { "" };
        let server = client.whereabouts().await;
        ui::out(&format!(
            "{of}, on {server}: {up_to}{most} of {} messages to remove",
            state.messages
        ));
        if most == 0 {
            return Ok(Exit::Clean);
        }
        if !arguments.yes
            && let Err(exit) = confirm("remove them?")
        {
            return Ok(exit);
        }
        let purge = PurgeRequest {
            filter: arguments.subject.clone().unwrap_or_default(),
            seq: arguments.seq.unwrap_or_default(),
            keep: arguments.keep.unwrap_or_default(),
        };
        let reply = client.call(&Request::new(Call::StreamPurge(name), &body(&purge))).await?;
        let Some(purged) = answer::<Json>(&reply)?.get("purged").and_then(Json::as_u64) else {
            bail!("the server does not say how many it removed");
        };
        ui::out(&format!("removed {purged} messages of {name}"));
        Ok(Exit::Clean)
    })
}

/// What is asked for, without what is not: a server takes `seq` or `keep`, and never both.
fn body(purge: &PurgeRequest) -> Json {
    let mut body = json!({});
    if let Some(object) = body.as_object_mut() {
        if !purge.filter.is_empty() {
            object.insert("filter".into(), json!(purge.filter));
        }
        for (key, value) in [("seq", purge.seq), ("keep", purge.keep)] {
            if value > 0 {
                object.insert(key.into(), json!(value));
            }
        }
    }
    body
}

/// Messages of the subjects that were asked for.
fn counted(reply: &Json) -> u64 {
    let subjects = reply.pointer("/state/subjects").and_then(Json::as_object);
    subjects.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}
