//! `watershed render`: what follows from topologies for others.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use watershed_render::{Deployed, Target, render};
use watershed_topology::Severity;

use super::{mention, write_new};
use crate::exit::Exit;
use crate::load::{Reading, load, parts, text};
use crate::ui;

/// Write what follows from a topology: a nats.conf with its users, a script, a drawing, a page.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  watershed render nats-conf > nats.conf
  watershed render mermaid examples/persistent-events
  watershed render markdown watershed.yaml -o TOPOLOGY.md")]
pub(crate) struct Arguments {
    /// What to write.
    target: Kind,
    /// Topology files or folders, which run together on one server [default: the current folder].
    files: Vec<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to the file.
    #[arg(long)]
    env: Option<String>,
    /// New file to write, in place of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Configuration of nats-server: accounts, users with their permissions, exports, JetStream.
    NatsConf,
    /// Compose project: the server, a program that applies the topology, the services.
    Compose,
    /// Manifests for Kubernetes: the same, and Jobs that delete and purge.
    Kubernetes,
    /// Shell script that makes streams and consumers with the `nats` tool.
    Natscli,
    /// Configurations in the JSON of the API, for programs that create their streams by themselves.
    Json,
    /// Drawing for Mermaid: GitHub and GitLab show it in Markdown.
    Mermaid,
    /// Drawing for Graphviz.
    Dot,
    /// Page in Markdown, with a drawing and tables.
    Markdown,
}

impl From<Kind> for Target {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::NatsConf => Self::NatsConf,
            Kind::Compose => Self::Compose,
            Kind::Kubernetes => Self::Kubernetes,
            Kind::Natscli => Self::Natscli,
            Kind::Json => Self::Json,
            Kind::Mermaid => Self::Mermaid,
            Kind::Dot => Self::Dot,
            Kind::Markdown => Self::Markdown,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let reading = Reading { env: arguments.env.clone(), ..Reading::default() };
    let workspace = load(&arguments.files, &reading)?;
    if workspace.worst() == Some(Severity::Error) {
        ui::diagnostic::show(&workspace);
        return Ok(Exit::Findings);
    }
    mention(&workspace);
    let deployed = workspace
        .topologies
        .iter()
        .map(|loaded| Ok(Deployed { topology: &loaded.topology, files: files(&loaded.path)? }));
    let deployed = deployed.collect::<anyhow::Result<Vec<_>>>()?;
    let text = render(arguments.target.into(), &deployed).map_err(|why| anyhow!(why))?;
    match &arguments.output {
        Some(path) => write_new(path, &text)?,
        None => ui::out(text.trim_end()),
    }
    Ok(Exit::Clean)
}

/// The texts of a topology's files, by name.
fn files(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let paths = if path.is_dir() { parts(path)? } else { vec![path.to_owned()] };
    let read = |path: PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let text = text(&path)?;
        Ok((name.unwrap_or_default(), text))
    };
    paths.into_iter().map(read).collect()
}
