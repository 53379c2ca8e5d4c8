//! The `watershed` command: load, call one function of a library, show.

mod alone;
mod cli;
mod command;
mod connection;
mod data;
mod exit;
mod load;
mod moment;
mod parent;
mod private;
mod rewrite;
mod saved;
mod secret;
mod tree;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = cli::arguments(std::env::args_os());
    let outcome = cli::Cli::parse_from(arguments).run();
    match outcome {
        Ok(code) => code.into(),
        Err(error) => {
            let _ = print_error(&error);
            exit::Exit::of(&error).into()
        }
    }
}

/// The one place where an error is printed.
fn print_error(error: &anyhow::Error) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stderr().lock(), "error: {error:#}")
}
