//! What a million messages cost to hold, and to come back with.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::client::Client;
use crate::load::{MILLION, publish_count, request};
use crate::process::{Program, Running};

/// Figures of one server.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    /// Memory with nothing in it, bytes.
    idle: f64,
    /// Memory with the messages, bytes.
    loaded: f64,
    /// On disk after a clean stop, bytes.
    disk: f64,
    /// Seconds from the start of the process until it says how many messages there are, after a clean
    /// stop.
    clean: f64,
    /// The same after `kill -9`.
    killed: f64,
}

/// A row of the table: what it is, and how to read it off.
type Row = (&'static str, fn(&Figures) -> f64, fn(f64) -> String);

const ROWS: [Row; 5] = [
    ("memory, idle", |f| f.idle, megabytes),
    ("memory with 1M messages of 64 B", |f| f.loaded, megabytes),
    ("on disk", |f| f.disk, megabytes),
    ("ready after a clean stop", |f| f.clean, milliseconds),
    ("ready after kill -9", |f| f.killed, milliseconds),
];

/// Measures every program once and prints the table. How often a server syncs changes neither what
/// it holds nor how it comes back: of a peer, the one with its defaults is measured.
pub(crate) fn run(programs: &[Program]) -> anyhow::Result<()> {
    let programs: Vec<&Program> = programs.iter().filter(|program| program.is_default()).collect();
    let measured = programs
        .iter()
        .map(|program| measure(program).with_context(|| format!("restart on {}", program.name)));
    let figures: Vec<Figures> = measured.collect::<anyhow::Result<_>>()?;
    let mut out = std::io::stdout().lock();
    let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    write!(out, "\n| | {} |", names.join(" | "))?;
    for peer in &names[1..] {
        write!(out, " ÷ {peer} |")?;
    }
    writeln!(out, "\n|---|{}", "---|".repeat(names.len() * 2 - 1))?;
    for (name, value, show) in ROWS {
        let values: Vec<f64> = figures.iter().map(value).collect();
        let shown: Vec<String> = values.iter().map(|value| show(*value)).collect();
        write!(out, "| {name} | {} |", shown.join(" | "))?;
        for peer in &values[1..] {
            write!(out, " {:.2} |", values[0] / peer)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn measure(program: &Program) -> anyhow::Result<Figures> {
    let server = program.start()?;
    let idle = server.resident_bytes()?;
    publish_count(server.address, MILLION)?;
    if stored(&server)? != MILLION {
        bail!("not every message was stored");
    }
    let loaded = server.resident_bytes()?;
    let folder = server.stop()?;
    let disk = bytes_below(folder.path())?;
    let (server, clean) = ready(program, folder)?;
    let folder = server.kill()?;
    let (_server, killed) = ready(program, folder)?;
    Ok(Figures { idle, loaded, disk, clean, killed })
}

/// Starts on what is there, and waits until all of it is.
fn ready(program: &Program, folder: tempfile::TempDir) -> anyhow::Result<(Running, f64)> {
    let start = Instant::now();
    let server = program.start_in(folder)?;
    if stored(&server)? != MILLION {
        bail!("messages are missing after a restart");
    }
    Ok((server, start.elapsed().as_secs_f64()))
}

/// Messages that the server says it has.
fn stored(server: &Running) -> anyhow::Result<u64> {
    let mut client = Client::connect(server.address)?;
    client.send(b"SUB api 1\r\n")?;
    let info = request(&mut client, "$JS.API.STREAM.INFO.BENCH", "")?;
    let digits = info.split("\"messages\":").nth(1).and_then(|rest| rest.split(',').next());
    Ok(digits.context("no count of messages")?.parse()?)
}

fn bytes_below(folder: &std::path::Path) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(sum)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1e3)
}
