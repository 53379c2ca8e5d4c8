//! The same load on this server and on its peers, one after the other in every repetition, so that
//! what the machine does meanwhile falls on all of them.
//!
//! The load speaks the protocol directly over loopback: prebuilt frames, large writes, large reads.
//! It is not the limit of any cell but the fastest ones. A *cell* is one load on one server in one
//! repetition, with an empty store of its own; what it measured is a line of a file, so that a run
//! that was stopped goes on where it was.

mod api;
mod arguments;
mod client;
mod flush;
mod held;
mod judge;
mod latency;
mod load;
mod measure;
mod plan;
mod process;
mod report;
mod restart;
mod results;
mod scale;
mod size;
mod soak;
mod stats;
mod targets;

use std::io::Write;

use anyhow::bail;

pub use self::arguments::Arguments;
use self::load::{CASES, Case, Group};
use self::plan::{Plan, Step};
use self::process::Program;
use self::results::{Configuration, Results};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was measured, and is as it should be.
    Complete,
    /// The time was over first. `--resume` measures the rest.
    Unfinished,
    /// Everything was measured, and something is not as it should be.
    Missed,
}

/// Where what is found is written.
pub struct Output<'a> {
    /// Tables.
    pub tables: &'a mut dyn Write,
    /// How far it is.
    pub progress: &'a mut dyn Write,
}

/// Does what the arguments say.
pub fn run(arguments: &Arguments, output: &mut Output<'_>) -> anyhow::Result<Outcome> {
    if !arguments.judge.is_empty() {
        return judge::run(&arguments.judge, output.tables);
    }
    let mut programs = Vec::new();
    for (index, path) in arguments.ours.iter().enumerate() {
        programs.push(Program::ours(path, index)?);
    }
    for peer in &arguments.peer {
        programs.extend(Program::nats_servers(peer)?);
    }
    if programs.is_empty() {
        bail!("nothing to measure: name a program with --ours");
    }
    let scale = arguments.scale();
    if !arguments.quick {
        // Nothing that is measured there is true of a disk.
        plan::check_folder(arguments.folder.as_deref())?;
    }
    if let Some(minutes) = arguments.soak {
        return soak::run(&programs[0], &scale, &soak::Length::minutes(minutes), arguments, output);
    }
    let steps = if arguments.targets {
        targets::steps(&programs, |name| arguments.wants(name))
    } else {
        steps(&programs, arguments)
    };
    if steps.is_empty() {
        bail!("no load has such a name");
    }
    let mut results =
        Results::open(arguments.resume.as_deref(), &Configuration::new(&scale, &programs))?;
    let plan = Plan {
        steps,
        programs: &programs,
        scale: &scale,
        folder: arguments.folder.as_deref(),
        repetitions: arguments.repetitions(),
    };
    if !plan.carry_out(&mut results, arguments.deadline(), output.progress)? {
        writeln!(output.progress, "the time is over: --resume measures the rest")?;
        return Ok(Outcome::Unfinished);
    }
    if arguments.targets {
        return targets::conclude(&programs, &results, arguments, output.tables);
    }
    report::print(&programs, &plan.cases(), &results, output.tables)?;
    if arguments.quick {
        soak::run(&programs[0], &scale, &soak::Length::smoke(), arguments, output)?;
    }
    Ok(Outcome::Complete)
}

/// Every load that is wanted, on every program that it can tell apart.
fn steps(programs: &[Program], arguments: &Arguments) -> Vec<Step> {
    let held = |case: &Case| case.group == Group::HeldUp;
    let wanted = |case: &&'static Case| {
        arguments.wants(case.name) && (arguments.quick || held(case) == arguments.held_up)
    };
    let step = |case: &'static Case| {
        let told_apart = |index: &usize| case.always || !programs[*index].is_always();
        Step { case, programs: (0..programs.len()).filter(told_apart).collect() }
    };
    CASES.iter().copied().flatten().filter(wanted).map(step).collect()
}
