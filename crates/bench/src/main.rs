//! The same load on this server and on its peers, one after the other in every repetition, so that
//! what the machine does meanwhile falls on all of them. Prints medians, ranges and ratios.
//!
//! The load speaks the protocol directly over loopback: prebuilt frames, large writes, large reads.
//! It is not the limit of any cell but the fastest ones.

mod client;
mod load;
mod process;
mod report;
mod restart;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use self::load::{CASES, Case, Sample};
use self::process::Program;
use self::report::Report;

/// Compares servers under the same load.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example: watershed-bench --ours target/release/watershed --peer /tmp/nats-server"
)]
struct Arguments {
    /// This server's program.
    #[arg(long, default_value = "target/release/watershed")]
    ours: PathBuf,
    /// A nats-server to compare with. Without one, only this server is measured.
    #[arg(long)]
    peer: Vec<PathBuf>,
    /// Only cases whose name contains this.
    #[arg(long)]
    only: Vec<String>,
    /// Repetitions.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

/// What `--only` calls the table of memory and restarts.
const RESTART: &str = "restart and memory";

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut programs = vec![Program::ours(&arguments.ours)];
    for peer in &arguments.peer {
        programs.extend(Program::nats_servers(peer)?);
    }
    let wanted = |case: &&Case| {
        arguments.only.is_empty() || arguments.only.iter().any(|part| case.name.contains(part))
    };
    let cases: Vec<&Case> = CASES.iter().filter(wanted).collect();
    let mut report = Report::new(&programs, &cases);
    for repetition in 0..arguments.repeat {
        for case in &cases {
            // The order changes, so that nobody always comes first.
            for step in 0..programs.len() {
                let index = (step + repetition) % programs.len();
                let program = &programs[index];
                let sample = measure(program, case, arguments.seconds)
                    .with_context(|| format!("{} on {}", case.name, program.name))?;
                report.add(case.name, index, sample);
            }
        }
    }
    if !cases.is_empty() {
        report.print()?;
    }
    if arguments.only.is_empty() || arguments.only.iter().any(|part| RESTART.contains(part)) {
        restart::run(&programs)?;
    }
    Ok(())
}

fn measure(program: &Program, case: &Case, seconds: f64) -> anyhow::Result<Sample> {
    let server = program.start()?;
    let before = server.cpu_seconds()?;
    let (messages, elapsed) = (case.run)(server.address, seconds)?;
    let cpu = server.cpu_seconds()? - before;
    Ok(Sample { rate: messages / elapsed, cpu_micros: cpu * 1e6 / messages })
}
