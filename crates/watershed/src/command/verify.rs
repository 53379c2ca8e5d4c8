//! `watershed verify`: whether a topology holds on a server.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use watershed_client::Client;
use watershed_topology::Topology;
use watershed_topology::call::CallError;
use watershed_topology::plan::Target;
use watershed_topology::probe::{Outcome, Probe, probes};
use watershed_topology::verify::{Problem, Verdict, verify};

use super::TopologyFile;
use crate::connection::{Connection, duration};
use crate::exit::Exit;
use crate::{moment, ui};

/// Check that the server matches the file. Read-only, except for a test message where a `probe` is
/// declared.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  watershed verify watershed.yaml -s nats://prod:4222
  watershed verify --watch 30s --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    /// Go on, look again after this time, and print what changes: a line each, `+` for what has come about, `-` for what
    /// is over. Without a `probe`.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10s", value_parser = duration)]
    watch: Option<Duration>,
    /// Print JSON; with --watch, an object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    arguments.topology.run(async |loaded| {
        let client = arguments.connection.connect(Some(loaded)).await?;
        if let Some(pause) = arguments.watch {
            return watch(&client, &loaded.topology, pause, arguments.json).await;
        }
        let observed = client.observe(&loaded.topology).await?;
        let mut verdict = verify(&loaded.topology, &observed);
        // What is not as declared may store it elsewhere.
        if verdict.problems.is_empty() {
            for probe in probes(&loaded.topology) {
                let result = client.probe(&probe).await;
                if let Err(CallError::Denied(denied)) = result {
                    return Err(denied.into());
                }
                tried(&probe, result, &mut verdict);
            }
        }
        let name = &loaded.topology.name.value;
        if arguments.json {
            ui::json::verdict(name, &verdict);
        } else {
            for note in &verdict.notes {
                ui::out(&format!("  {note}"));
            }
            for problem in &verdict.problems {
                ui::out(&format!("✗ {problem}"));
            }
            let held = ui::count(verdict.held.len(), "asset");
            ui::out(&match (verdict.problems.len(), verdict.unknown.len()) {
                (0, _) => format!("{name}: verified, {held} as declared"),
                (all, unknown) if all == unknown => {
                    format!("{name}: {unknown} not known, {held} as declared")
                }
                (all, _) => format!("{name}: {}, {held} as declared", ui::count(all, "difference")),
            });
        }
        Ok(match verdict.problems.is_empty() {
            true => Exit::Clean,
            false if verdict.differs() => Exit::Differs,
            false => Exit::NotReady,
        })
    })
}

/// What there is to say at one moment: how bad it is, about what, and what.
type Said = (&'static str, String, String);

/// Looks again and again, and says what has changed.
async fn watch(
    client: &Client,
    topology: &Topology,
    pause: Duration,
    json: bool,
) -> anyhow::Result<Exit> {
    let mut before = BTreeSet::new();
    loop {
        let now: BTreeSet<Said> = match client.observe(topology).await {
            Ok(observed) => {
                let verdict = verify(topology, &observed);
                let said =
                    |kind| move |one: Problem| (kind, one.target.to_string(), one.to_string());
                let problems = verdict.problems.into_iter().map(said("problem"));
                problems.chain(verdict.notes.into_iter().map(said("note"))).collect()
            }
            // Whoever may not look will not be allowed later.
            Err(error @ CallError::Denied(_)) => return Err(error.into()),
            Err(error) => BTreeSet::from([("problem", String::new(), error.to_string())]),
        };
        for (sign, event, changes) in
            [('-', "over", before.difference(&now)), ('+', "appeared", now.difference(&before))]
        {
            for (kind, target, text) in changes {
                let time = moment::now().to_string();
                ui::out(&if json {
                    let line = json!({"time": time, "event": event, "kind": kind, "target": target, "text": text});
                    line.to_string()
                } else {
                    let mark = if *kind == "problem" { "✗ " } else { "" };
                    format!("{time} {sign} {mark}{text}")
                });
            }
        }
        before = now;
        tokio::time::sleep(pause).await;
    }
}

/// Takes what a probe came to into the verdict.
fn tried(probe: &Probe<'_>, result: Result<Outcome, CallError>, verdict: &mut Verdict) {
    let target = Target::stream(probe.stream());
    let subject = probe.subject();
    let text = match result {
        Ok(Outcome::TakenBack) => format!("stored a probe on `{subject}`, which is out again"),
        Ok(Outcome::Gone) => format!("took a probe on `{subject}`, and has handed it on"),
        Ok(Outcome::Stays) => {
            format!("stored a probe on `{subject}`, which stays: it denies deletion")
        }
        Err(error) => {
            let text = match error {
                CallError::NoJetStream => format!("does not answer a probe on `{subject}`"),
                other => format!("failed a probe on `{subject}`: {other}"),
            };
            verdict.problems.push(Problem { target, text });
            return;
        }
    };
    verdict.notes.push(Problem { target, text });
}
