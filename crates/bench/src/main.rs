//! See the library: this only says how it ended.

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use watershed_bench::{Arguments, Outcome, Output};

/// What is left can be measured with `--resume` (`EX_TEMPFAIL` of sysexits.h).
const UNFINISHED: u8 = 75;

/// What was measured is not what it should be; `watershed plan` says "differs" with the same code.
const MISSED: u8 = 3;

fn main() -> anyhow::Result<ExitCode> {
    let mut output = Output { tables: &mut io::stdout(), progress: &mut io::stderr() };
    Ok(match watershed_bench::run(&Arguments::parse(), &mut output)? {
        Outcome::Complete => ExitCode::SUCCESS,
        Outcome::Unfinished => ExitCode::from(UNFINISHED),
        Outcome::Missed => ExitCode::from(MISSED),
    })
}
