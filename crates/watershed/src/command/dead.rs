//! `watershed dead`: what was given up, with its message.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use watershed_client::Client;
use watershed_topology::quantity;
use watershed_wire::time::UnixNanos;
use watershed_worker::dead::{Case, Cases, Selection};
use watershed_worker::{Letter, Reason};

use super::work::keepers;
use super::{ServerArguments, block_on};
use crate::exit::{Exit, Mistyped};
use crate::moment::exact;
use crate::ui;
use crate::ui::message::{Shown, tame_line};
use crate::ui::prompt::confirm;

/// List, show, send again or drop messages that were given up.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed dead ls --consumer JOBS/resize --since 2h
         watershed dead show DEAD/17
         watershed dead retry DEAD/17")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what was given up.
    Ls(ListArguments),
    /// Show messages that were given up, with why.
    Show(ShowArguments),
    /// Send messages again: to their subjects, for every consumer of those.
    Retry(ActArguments),
    /// Delete what was given up.
    Drop(ActArguments),
}

/// Which of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
struct Selected {
    /// Only of this stream.
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
    /// Only of this consumer, as CONSUMER or STREAM/CONSUMER.
    #[arg(long, value_name = "CONSUMER")]
    consumer: Option<String>,
    /// Only for this reason: rejected, undecodable, max_deliver, terminated or deleted.
    #[arg(long, value_name = "REASON")]
    reason: Option<Reason>,
    /// Only of this subject; may have wildcards.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only what was given up since then: a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<UnixNanos>,
    /// Only what was given up before then: a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<UnixNanos>,
    /// Only in this stream of dead letters [default: those of the topology, or of the server].
    #[arg(long, value_name = "STREAM")]
    kept_in: Option<String>,
    /// Most messages to look through in each of them.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
}

/// Arguments of `ls`.
#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    selected: Selected,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
struct ShowArguments {
    /// Which, as `watershed dead ls` names them.
    #[arg(required = true, value_name = "ID", value_parser = id)]
    ids: Vec<Id>,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Arguments of `retry` and `drop`.
#[derive(Debug, Args)]
struct ActArguments {
    /// Which, as `watershed dead ls` names them.
    #[arg(value_name = "ID", value_parser = id)]
    ids: Vec<Id>,
    #[command(flatten)]
    selected: Selected,
    /// All that there are.
    #[arg(long)]
    all: bool,
    /// Skip the confirmation.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// The name of something that was given up.
#[derive(Debug, Clone)]
struct Id {
    kept_in: String,
    sequence: u64,
}

fn id(text: &str) -> Result<Id, String> {
    let parsed = text.rsplit_once('/').and_then(|(stream, sequence)| {
        Some(Id { kept_in: stream.to_owned(), sequence: sequence.parse().ok()? })
    });
    parsed.ok_or_else(|| format!("`{text}` is not an ID: write it as in DEAD/17"))
}

/// A time, or how long ago.
fn moment(text: &str) -> Result<UnixNanos, String> {
    if let Ok(time) = UnixNanos::parse(text) {
        return Ok(time);
    }
    let ago = quantity::duration(text)
        .map_err(|_| format!("`{text}` is not a time: write `2h`, or `2026-11-21T10:00:00Z`"))?;
    Ok(UnixNanos(exact().0.saturating_sub(ago)))
}

impl Selected {
    fn is_given(&self) -> bool {
        let texts = [&self.stream, &self.consumer, &self.subject, &self.kept_in];
        let times = [self.since, self.until];
        self.reason.is_some()
            || texts.iter().any(|text| text.is_some())
            || times.iter().any(Option::is_some)
    }

    fn selection(&self) -> Result<Selection, Mistyped> {
        let (mut stream, mut consumer) = (self.stream.clone(), self.consumer.clone());
        if let Some((of, name)) = self.consumer.as_deref().and_then(|name| name.split_once('/')) {
            if stream.as_deref().is_some_and(|stream| stream != of) {
                return Err(Mistyped("--stream and --consumer name two streams".into()));
            }
            (stream, consumer) = (Some(of.to_owned()), Some(name.to_owned()));
        }
        let plain = |name: &String| !name.is_empty() && !name.contains(['.', '*', '>', ' ']);
        if let Some(name) = [&stream, &consumer].into_iter().flatten().find(|name| !plain(name)) {
            return Err(Mistyped(format!("`{name}` is not the name of a stream or a consumer")));
        }
        let (subject, reason) = (self.subject.clone(), self.reason);
        let (since, until) = (self.since, self.until);
        Ok(Selection { stream, consumer, reason, subject, since, until })
    }

    /// The cases that are meant.
    async fn read(&self, client: &Client, server: &ServerArguments) -> anyhow::Result<Vec<Case>> {
        let selection = self.selection()?;
        let streams = match &self.kept_in {
            Some(name) => vec![name.clone()],
            None => keepers(client, server.loaded(false)?.as_ref()).await?,
        };
        if streams.is_empty() {
            bail!("no stream keeps dead letters: write `dead_letter: STREAM` in a consumer");
        }
        let mut all = Vec::new();
        for stream in &streams {
            let mut cases = Cases::read(client, stream, &selection, self.limit).await?;
            if cases.more {
                ui::say(&format!(
                    "note: looked through {} messages of {stream}, and there are more: see --limit",
                    self.limit
                ));
            }
            all.append(&mut cases.all);
        }
        Ok(all)
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        match &arguments.action {
            Action::Ls(arguments) => list(arguments).await,
            Action::Show(arguments) => show(arguments).await,
            Action::Retry(arguments) => act(arguments, Deed::Retry).await,
            Action::Drop(arguments) => act(arguments, Deed::Drop).await,
        }
    })
}

fn name(case: &Case) -> String {
    format!("{}/{}", case.kept_in, case.id)
}

/// What is there of a message.
fn kept(case: &Case) -> &'static str {
    match &case.letter {
        Some(Letter { body: Some(_), .. }) => "message",
        Some(_) => "lost",
        None if case.reason() == Reason::Deleted => "lost",
        None => "record",
    }
}

fn facts(case: &Case) -> Json {
    json!({
        "id": name(case),
        "time": case.time.to_string(),
        "stream": case.stream(),
        "consumer": case.consumer(),
        "sequence": case.sequence(),
        "subject": case.subject(),
        "reason": case.reason().word(),
        "error": case.error(),
        "deliveries": case.deliveries(),
        "kept": kept(case),
    })
}

async fn list(arguments: &ListArguments) -> anyhow::Result<Exit> {
    let client = arguments.server.connect().await?;
    let cases = arguments.selected.read(&client, &arguments.server).await?;
    if arguments.json {
        let all: Vec<Json> = cases.iter().map(facts).collect();
        ui::out(&json!(all).to_string());
        return Ok(Exit::Clean);
    }
    if cases.is_empty() {
        ui::out("nothing was given up");
        return Ok(Exit::Clean);
    }
    ui::out(&table(&cases));
    let records = cases.iter().filter(|case| kept(case) == "record").count();
    if records > 0 {
        ui::say(&format!(
            "{} only as the server's record: `watershed work --dead-letters` keeps the messages",
            ui::count(records, "message")
        ));
    }
    Ok(Exit::Clean)
}

/// Letters of an error that a table shows.
const ERROR_SHOWN: usize = 60;

fn table(cases: &[Case]) -> String {
    let mut table = ui::table::table(
        &["id", "given up", "consumer", "message", "subject", "reason", "tries", "kept", "error"],
        &[3, 6],
    );
    for case in cases {
        // It is a worker's, and may hold anything.
        let error = tame_line(case.error());
        let shown: String = error.chars().take(ERROR_SHOWN).collect();
        let more = if shown.len() < error.len() { "…" } else { "" };
        table.add_row([
            name(case),
            case.time.to_string(),
            format!("{}/{}", case.stream(), case.consumer()),
            format!("#{}", case.sequence()),
            tame_line(case.subject().unwrap_or("-")).into_owned(),
            case.reason().to_string(),
            case.deliveries().to_string(),
            kept(case).to_owned(),
            format!("{shown}{more}"),
        ]);
    }
    table.to_string()
}

async fn one(client: &Client, id: &Id) -> anyhow::Result<Case> {
    let found = Cases::one(client, &id.kept_in, id.sequence).await?;
    match found {
        Some(case) => Ok(case),
        None => {
            bail!("{}/{} is not a dead letter: see `watershed dead ls`", id.kept_in, id.sequence)
        }
    }
}

async fn show(arguments: &ShowArguments) -> anyhow::Result<Exit> {
    let client = arguments.server.connect().await?;
    for id in &arguments.ids {
        let case = one(&client, id).await?;
        let message = case.message(&client).await?;
        let whole = message.as_ref().and_then(|message| message.body.as_ref());
        if arguments.json {
            let mut facts = facts(&case);
            let headers: serde_json::Map<String, Json> =
                headers(message.as_ref()).into_iter().map(|(k, v)| (k, v.into())).collect();
            facts["headers"] = headers.into();
            facts["payload"] = whole.map(|body| String::from_utf8_lossy(body)).into();
            ui::out(&facts.to_string());
            continue;
        }
        ui::out(&format!(
            "{}: {}/{} gave up #{} after {}: {}",
            name(&case),
            case.stream(),
            case.consumer(),
            case.sequence(),
            match case.deliveries() {
                1 => "1 delivery".to_owned(),
                number => format!("{number} deliveries"),
            },
            case.reason()
        ));
        if !case.error().is_empty() {
            ui::out(&format!("  {}", tame_line(case.error())));
        }
        match (&message, whole) {
            (Some(message), Some(body)) => Shown {
                subject: message.subject.as_deref().unwrap_or_default(),
                headers: headers(Some(message)),
                payload: body,
                sequence: Some(message.sequence),
                time: message.time.map(|time| time.to_string()),
                delivery: None,
            }
            .print(false),
            _ => ui::out("  the message is lost: it was gone before it was kept"),
        }
    }
    Ok(Exit::Clean)
}

fn headers(message: Option<&Letter>) -> Vec<(String, String)> {
    let all = message.into_iter().flat_map(|message| message.headers.iter());
    let mut all: Vec<(String, String)> = all
        .flat_map(|(name, values)| {
            values.iter().map(move |value| (name.to_string(), value.to_string()))
        })
        .collect();
    all.sort();
    all
}

/// What is done with what was given up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Retry,
    Drop,
}

async fn act(arguments: &ActArguments, deed: Deed) -> anyhow::Result<Exit> {
    let given = arguments.selected.is_given();
    if arguments.ids.is_empty() && !given && !arguments.all {
        let message = "name what is meant: IDs, a selection such as --consumer, or --all";
        return Err(Mistyped(message.into()).into());
    }
    let client = arguments.server.connect().await?;
    let mut cases = Vec::new();
    for id in &arguments.ids {
        cases.push(one(&client, id).await?);
    }
    if cases.is_empty() {
        cases = arguments.selected.read(&client, &arguments.server).await?;
    }
    if cases.is_empty() {
        ui::out(if arguments.json { "[]" } else { "nothing was given up" });
        return Ok(Exit::Clean);
    }
    if !arguments.yes {
        ui::say(&table(&cases));
        let question = match deed {
            Deed::Retry => "send them again, to every consumer of their subjects?",
            Deed::Drop => "delete them?",
        };
        if let Err(exit) = confirm(question) {
            return Ok(exit);
        }
    }
    let mut exit = Exit::Clean;
    let mut all = Vec::new();
    for case in &cases {
        let name = name(case);
        let done = match deed {
            Deed::Drop => case.remove(&client).await.map(|()| None).map_err(anyhow::Error::from),
            Deed::Retry => case.retry(&client).await.map(Some).map_err(anyhow::Error::from),
        };
        match done {
            Ok(sent) => {
                if !arguments.json {
                    ui::out(&match sent {
                        Some(sequence) => {
                            format!("{name}: sent again, {} #{sequence} now", case.stream())
                        }
                        None => format!("{name}: deleted"),
                    });
                }
                all.push(json!({"id": name, "sequence": sent, "error": null}));
            }
            Err(error) => {
                exit = Exit::Error;
                ui::say(&format!("error: {name}: {error:#}"));
                all.push(json!({"id": name, "sequence": null, "error": format!("{error:#}")}));
            }
        }
    }
    if arguments.json {
        ui::out(&json!(all).to_string());
    }
    Ok(exit)
}
