//! `watershed env` and `watershed run`: what a client needs to connect, in the words of the `nats` tool's variables.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde_json::json;
use watershed_client::{Credential, Options};

use super::ServerArguments;
use crate::exit::Exit;
use crate::parent::{PARENT, end_with_parent};
use crate::ui;
use crate::ui::path::word;

/// Print what a client needs to connect, for `eval`, a `.env` file or a program. Secrets only with --reveal.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  eval \"$(watershed env -f examples/agentic-platform --user temporal --reveal)\"
  watershed env --user temporal --format json")]
pub(crate) struct Arguments {
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Sh)]
    format: Format,
    /// Print secrets, too.
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `export` commands of a shell.
    Sh,
    /// Lines of a `.env` file.
    Dotenv,
    /// A JSON object.
    Json,
}

/// Run a program with what it needs to connect in its environment.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed run --user temporal -- python worker.py")]
pub(crate) struct RunArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Program and arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A variable, its value, and whether that is a secret.
type Variable = (&'static str, String, bool);

/// The variables of a connection, as the `nats` tool reads them.
fn variables(options: &Options) -> Vec<Variable> {
    let mut all = vec![("NATS_URL", options.shown(), false)];
    match &options.credential {
        Credential::None => {}
        Credential::Password { user, password } => {
            all.push(("NATS_USER", user.clone(), false));
            all.push(("NATS_PASSWORD", password.clone(), true));
        }
        Credential::Token(token) => all.push(("NATS_TOKEN", token.clone(), true)),
        Credential::CredentialsFile(path) => {
            all.push(("NATS_CREDS", path.display().to_string(), false));
        }
        Credential::NkeyFile(path) => all.push(("NATS_NKEY", path.display().to_string(), false)),
    }
    if let Some(path) = &options.tls_ca {
        all.push(("NATS_CA", path.display().to_string(), false));
    }
    if let Some((certificate, key)) = &options.tls_identity {
        all.push(("NATS_CERT", certificate.display().to_string(), false));
        all.push(("NATS_KEY", key.display().to_string(), false));
    }
    if let Some(prefix) = &options.inbox_prefix {
        all.push(("NATS_INBOX_PREFIX", prefix.clone(), false));
    }
    all
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut variables = variables(&arguments.server.options()?);
    let hidden: Vec<&str> = variables
        .iter()
        .filter(|(_, _, secret)| *secret && !arguments.reveal)
        .map(|(name, ..)| *name)
        .collect();
    if !hidden.is_empty() {
        ui::say(&format!("note: {} left out; --reveal prints it", hidden.join(", ")));
    }
    variables.retain(|(_, _, secret)| arguments.reveal || !secret);
    match arguments.format {
        Format::Json => {
            let all: serde_json::Map<String, serde_json::Value> = variables
                .into_iter()
                .map(|(name, value, _)| (name.to_owned(), json!(value)))
                .collect();
            ui::json::print(&all.into());
        }
        Format::Sh => {
            for (name, value, _) in variables {
                ui::out(&format!("export {name}={}", word(&value)));
            }
        }
        Format::Dotenv => {
            for (name, value, _) in variables {
                ui::out(&format!("{name}={}", word(&value)));
            }
        }
    }
    Ok(Exit::Clean)
}

pub(crate) fn run_with(arguments: &RunArguments) -> anyhow::Result<Exit> {
    let [program, rest @ ..] = arguments.command.as_slice() else {
        return Err(anyhow!("missing the program to run"));
    };
    end_with_parent()?;
    let mut command = Command::new(program);
    command.args(rest).env_remove(PARENT);
    for (name, value, _) in variables(&arguments.server.options()?) {
        command.env(name, value);
    }
    // It takes the place of this process: signals and exit code are its own.
    Err(command.exec()).with_context(|| format!("cannot run {program}"))
}
