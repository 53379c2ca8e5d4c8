//! What can be typed.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Parser, Subcommand};

use crate::command::serve;
use crate::exit::Exit;

/// JetStream topology as code, with a durable embedded server.
#[derive(Debug, Parser)]
#[command(name = "watershed", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server alone.
    Serve(serve::Arguments),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Serve(arguments) => serve::run(&arguments),
        }
    }
}

/// The name under which this program is `watershed serve`.
const SERVER_NAME: &str = "nats-server";

/// The arguments as clap takes them. Called as `nats-server` (a link), the program is
/// `watershed serve`; and `serve` takes long flags with one dash, as nats-server does.
pub(crate) fn arguments(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut typed: Vec<OsString> = typed.into_iter().collect();
    let name = typed.first().and_then(|path| Path::new(path).file_name());
    let as_server = name == Some(OsStr::new(SERVER_NAME));
    if as_server {
        typed.insert(1, "serve".into());
        typed.insert(2, "--as-nats-server".into());
    }
    if typed.get(1).is_some_and(|word| word == "serve") {
        for argument in typed.iter_mut().skip(2) {
            if let Some(long) = serve::long_form(argument) {
                *argument = long;
            }
        }
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, expected: &str) {
        let words = arguments(typed.split(' ').map(Into::into));
        assert_eq!(words.join(OsStr::new(" ")), expected);
    }

    #[test]
    fn under_the_name_nats_server_it_is_serve() {
        check("/tmp/nats-server -p 4333", "/tmp/nats-server serve --as-nats-server -p 4333");
        check("watershed serve -port 4333", "watershed serve --port 4333");
        check("watershed serve --port=4333 -a x", "watershed serve --port=4333 -a x");
        check("watershed lint -port", "watershed lint -port");
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
