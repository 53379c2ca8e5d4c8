//! `watershed doctor`: why is nothing arriving?

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use watershed_client::{Client, ConnectError, Whereabouts};
use watershed_topology::Topology;
use watershed_topology::call::CallError;
use watershed_topology::doctor::{Doctor, Finding, Mend, Symptom};

use super::block_on;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::load::{Loaded, Reading, load};
use crate::ui;
use crate::ui::path::{quoted, word};

/// Find out why messages do not arrive: what is the matter, what shows it, and what helps. Read-only.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  watershed doctor
  watershed doctor watershed.yaml -s nats://prod:4222")]
pub(crate) struct Arguments {
    /// Topology file or folder to judge by [default: that of the current folder, if there is one].
    file: Option<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to the file.
    #[arg(long)]
    env: Option<String>,
    /// Data directory that `watershed up --data` was given, to take passwords from.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let loaded = topology(arguments)?;
    block_on(async {
        let client = match arguments.connection.connect(loaded.as_ref()).await {
            Ok(client) => client,
            Err(error) => {
                let Some(connect) = error.downcast_ref::<ConnectError>() else { return Err(error) };
                let exit = if connect.is_unavailable() { Exit::NotReady } else { Exit::Findings };
                let finding = no_connection(connect);
                show(arguments, loaded.as_ref(), None, &[finding], "");
                return Ok(exit);
            }
        };
        let server = client.whereabouts().await;
        let of = loaded.as_ref().map(|loaded| &loaded.topology);
        match examine(&client, of).await {
            Ok((findings, seen)) => {
                show(arguments, loaded.as_ref(), Some(&server), &findings, &seen);
                Ok(if findings.is_empty() { Exit::Clean } else { Exit::Findings })
            }
            Err(error) => {
                let finding = no_jetstream(&error).ok_or(error)?;
                show(arguments, loaded.as_ref(), Some(&server), &[finding], "");
                Ok(Exit::NotReady)
            }
        }
    })
}

/// The topology that was named, or that of the current folder, if there is one.
fn topology(arguments: &Arguments) -> anyhow::Result<Option<Loaded>> {
    let reading = Reading { env: arguments.env.clone(), ..Reading::default() };
    let mut workspace = match &arguments.file {
        Some(file) => load(std::slice::from_ref(file), &reading)?,
        None if Path::new(crate::load::DEFAULT_FILE).exists() => load(&[], &reading)?,
        None => return Ok(None),
    };
    let mut loaded = workspace.topologies.pop().context("no topology")?;
    loaded.data.clone_from(&arguments.data);
    Ok(Some(loaded))
}

/// What was found, and how much was looked at.
async fn examine(
    client: &Client,
    topology: Option<&Topology>,
) -> Result<(Vec<Finding>, String), CallError> {
    let observed = client.observe_everything().await?;
    let mut doctor = Doctor::new(topology, &observed);
    for (stream, request) in doctor.questions() {
        let reply = client.call(&request).await?;
        doctor.take(stream, &reply)?;
    }
    let consumers: usize = observed.streams.values().map(|stream| stream.consumers.len()).sum();
    let streams = ui::count(observed.streams.len(), "stream");
    Ok((doctor.findings(), format!("{streams}, {}", ui::count(consumers, "consumer"))))
}

/// Why the server cannot be talked to.
fn no_connection(error: &ConnectError) -> Finding {
    let mut finding = account(error.to_string());
    if error.is_unavailable() {
        finding.mend = vec![
            Mend::Advice("start a server, or check address and port; from a container, `localhost` is the container".into()),
            Mend::Command("up".into()),
        ];
    } else {
        finding.mend = vec![
            Mend::Advice(
                "check user and password: `--user` with NATS_PASSWORD, or `--creds`".into(),
            ),
            Mend::Advice(
                "in nats.conf, `\"$NAME\"` in quotes is that text and no variable; lint finds it:"
                    .into(),
            ),
            Mend::Command("lint nats.conf".into()),
        ];
    }
    finding
}

/// Why JetStream cannot be asked; `None` if it is something else.
fn no_jetstream(error: &CallError) -> Option<Finding> {
    let mut finding = account(error.to_string());
    finding.mend = match error {
        CallError::NoJetStream | CallError::Refused(_) => vec![
            Mend::Advice(
                "start nats-server with `-js`, or write `jetstream {}` into its configuration"
                    .into(),
            ),
            Mend::Advice(
                "with accounts: `jetstream: enabled` in this one; the system account has none"
                    .into(),
            ),
        ],
        CallError::Timeout(_) => vec![Mend::Advice(
            "a cluster needs more than half of its servers to answer: look at their logs".into(),
        )],
        _ => return None,
    };
    Some(finding)
}

fn account(text: String) -> Finding {
    let (evidence, mend) = (Vec::new(), Vec::new());
    Finding { symptom: Symptom::CannotConnect, target: None, text, evidence, mend }
}

fn show(
    arguments: &Arguments,
    loaded: Option<&Loaded>,
    server: Option<&Whereabouts>,
    findings: &[Finding],
    seen: &str,
) {
    let commands = |mend: &Mend| match mend {
        Mend::Command(command) => Mend::Command(whole(arguments, loaded, command)),
        advice @ Mend::Advice(_) => advice.clone(),
    };
    let findings: Vec<Finding> = findings
        .iter()
        .map(|finding| Finding {
            mend: finding.mend.iter().map(commands).collect(),
            ..finding.clone()
        })
        .collect();
    if arguments.json {
        ui::out(&json!({"server": server, "findings": findings}).to_string());
        return;
    }
    let name = loaded.map_or("this account", |loaded| &loaded.topology.name.value);
    if let Some(server) = server {
        ui::out(&format!("{name}, on {server}"));
    }
    ui::doctor::show(&findings);
    if findings.is_empty() {
        ui::out(&format!("nothing found: {seen}"));
    }
}

/// A command as it can be pasted.
fn whole(arguments: &Arguments, loaded: Option<&Loaded>, command: &str) -> String {
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
    let file = loaded.filter(|_| arguments.file.is_some()).map(|loaded| quoted(&loaded.path));
    let env = arguments.env.as_ref().map(|env| format!(" --env {}", word(env))).unwrap_or_default();
    let file = match (verb, file) {
        ("lint" | "import", _) | (_, None) => String::new(),
        ("apply" | "up", Some(file)) => format!(" {file}{env}"),
        (_, Some(file)) => format!(" -f {file}{env}"),
    };
    let server = match verb {
        "lint" | "up" => String::new(),
        _ => arguments.connection.as_typed(),
    };
    format!("watershed {verb}{rest}{file}{server}")
}
