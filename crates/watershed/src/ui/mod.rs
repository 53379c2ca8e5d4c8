//! The only place that prints.

pub(crate) mod diagnostic;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod message;
pub(crate) mod path;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod sarif;
pub(crate) mod steps;
pub(crate) mod store;
pub(crate) mod story;
pub(crate) mod table;
pub(crate) mod wrapped;

use std::io::Write as _;

use tracing::level_filters::LevelFilter;

/// Prints a line for whoever reads the result. A reader that has gone away is no error.
pub(crate) fn out(line: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{line}");
}

/// Prints a line for whoever watches.
pub(crate) fn say(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Logs what servers in this process have to say, in colour where a person reads it.
pub(crate) fn log(level: LevelFilter) {
    let stderr = std::io::stderr();
    // Asks whether it is a terminal, and what NO_COLOR and its like say.
    let colour = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt().with_max_level(level).with_ansi(colour);
    log.with_writer(std::io::stderr).init();
}

pub(crate) use watershed_topology::quantity::show_count as count;
