//! `watershed verify`: whether a topology holds on a server.

use clap::Args;
use watershed_topology::call::CallError;
use watershed_topology::plan::Target;
use watershed_topology::probe::{Outcome, Probe, probes};
use watershed_topology::verify::{Problem, Verdict, verify};

use super::TopologyFile;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::ui;

/// Check that the server matches the file. Read-only, except for a test message where a `probe` is
/// declared.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed verify watershed.yaml -s nats://prod:4222")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    arguments.topology.run(async |loaded| {
        let client = arguments.connection.connect(Some(loaded)).await?;
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
