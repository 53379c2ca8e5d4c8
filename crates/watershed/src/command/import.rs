//! `watershed import`: a topology out of what is there.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use watershed_topology::SourceMap;
use watershed_topology::import::{Imported, comments, import, live};
use watershed_topology::render::{Comments, render_checked};
use watershed_topology::source::{Span, Spanned};

use super::{block_on, write_new};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::load;
use crate::ui;

/// Writes a topology file out of what other tools use, or out of a live server.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: watershed import k8s/nats-streams-init.yaml nats.conf -o watershed.yaml\n         \
    watershed import -s nats://127.0.0.1:4222"
)]
pub(crate) struct Arguments {
    /// Files: answers and lists as JSON, manifests, Terraform, shell scripts, nats.conf. Without any, the live
    /// server.
    sources: Vec<PathBuf>,
    /// Name of the topology.
    #[arg(long, default_value = "imported")]
    name: String,
    /// File to write, never one that is there; else it is printed.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let (mut imported, above) = if arguments.sources.is_empty() {
        block_on(from_server(&arguments.connection))?
    } else {
        from_files(&arguments.sources)?
    };
    imported.topology.name = Spanned::new(arguments.name.clone(), Span::default());
    let text = render_checked(&imported.topology, &above);
    let streams = imported.topology.streams.len();
    let consumers = imported.topology.consumers().count();
    match &arguments.output {
        None => ui::out(text.trim_end()),
        Some(path) => write_new(path, &text)?,
    }
    let to = arguments.output.as_ref().map_or("-".into(), |path| path.display().to_string());
    ui::say(&format!(
        "{to}: {} and {}; `watershed lint` says what is wrong with them",
        ui::count(streams, "stream"),
        ui::count(consumers, "consumer")
    ));
    Ok(Exit::Clean)
}

async fn from_server(connection: &Connection) -> anyhow::Result<(Imported, Comments)> {
    let client = connection.connect(None).await?;
    let observed = client.observe_everything().await?;
    let all: usize = observed.streams.values().map(|stream| stream.consumers.len()).sum();
    let imported = live(&observed);
    let left_out = all - imported.topology.consumers().count();
    if left_out > 0 {
        ui::say(&format!(
            "{} without a durable name left out: they go with their clients",
            ui::count(left_out, "consumer")
        ));
    }
    Ok((imported, Comments::new()))
}

fn from_files(paths: &[PathBuf]) -> anyhow::Result<(Imported, Comments)> {
    let mut sources = SourceMap::default();
    let mut files = Vec::new();
    for path in paths {
        files.push(sources.add(&path.display().to_string(), &load::text(path)?));
    }
    let (imported, others) = import(&sources, &files);
    let unknown: Vec<&str> = others.iter().map(|file| sources.file(*file).name.as_str()).collect();
    if !imported.recognized {
        bail!("nothing in {} declares a stream, a consumer or a server", unknown.join(", "));
    }
    for name in unknown {
        ui::say(&format!("{name} declares nothing that is known here and is passed over"));
    }
    for finding in &imported.findings {
        ui::say(&format!("{}: {}", sources.place(finding.place.span), finding.message));
    }
    let above = comments(&sources, &imported);
    Ok((imported, above))
}
