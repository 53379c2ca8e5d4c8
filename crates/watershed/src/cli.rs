//! What can be typed.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::command::{
    apply, backup, dead, destroy, doctor, env, explain, fmt, import, init, key_value, lint, lsp,
    mcp, moving, next, object, plan, publish, purge, release, render, request, restore, schema,
    serve, status, store, subscribe, test, top, up, verify, view, wait, work,
};
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
    Up(up::Arguments),
    Init(init::Arguments),
    Import(import::Arguments),
    Lint(lint::Arguments),
    Fmt(fmt::Arguments),
    Test(test::Arguments),
    Explain(explain::Arguments),
    Schema(schema::Arguments),
    Lsp(lsp::Arguments),
    Mcp(mcp::Arguments),
    Render(render::Arguments),
    Plan(plan::Arguments),
    Apply(apply::Arguments),
    Verify(verify::Arguments),
    Doctor(doctor::Arguments),
    Wait(wait::Arguments),
    Release(release::Arguments),
    Destroy(destroy::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    Move(moving::Arguments),
    Status(status::Arguments),
    Top(top::Arguments),
    #[command(name = "pub")]
    Publish(publish::Arguments),
    #[command(name = "sub")]
    Subscribe(subscribe::Arguments),
    Next(next::Arguments),
    #[command(name = "req")]
    Request(request::Arguments),
    Env(env::Arguments),
    Run(env::RunArguments),
    View(view::Arguments),
    Kv(key_value::Arguments),
    Object(object::Arguments),
    Purge(purge::Arguments),
    Work(work::Arguments),
    Dead(dead::Arguments),
    Serve(serve::Arguments),
    Store(store::Arguments),
    /// Print the completion script of a shell.
    Completion {
        /// Shell.
        shell: clap_complete::Shell,
    },
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Up(arguments) => up::run(&arguments),
            Command::Init(arguments) => init::run(&arguments),
            Command::Import(arguments) => import::run(&arguments),
            Command::Lint(arguments) => lint::run(&arguments),
            Command::Fmt(arguments) => fmt::run(&arguments),
            Command::Test(arguments) => test::run(&arguments),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Lsp(arguments) => lsp::run(&arguments),
            Command::Mcp(arguments) => mcp::run(&arguments),
            Command::Schema(arguments) => Ok(schema::run(&arguments)),
            Command::Render(arguments) => render::run(&arguments),
            Command::Plan(arguments) => plan::run(&arguments),
            Command::Apply(arguments) => apply::run(&arguments),
            Command::Verify(arguments) => verify::run(&arguments),
            Command::Doctor(arguments) => doctor::run(&arguments),
            Command::Wait(arguments) => wait::run(&arguments),
            Command::Release(arguments) => release::run(&arguments),
            Command::Destroy(arguments) => destroy::run(&arguments),
            Command::Backup(arguments) => backup::run(&arguments),
            Command::Restore(arguments) => restore::run(&arguments),
            Command::Move(arguments) => moving::run(&arguments),
            Command::Status(arguments) => status::run(&arguments),
            Command::Top(arguments) => top::run(&arguments),
            Command::Publish(arguments) => publish::run(&arguments),
            Command::Subscribe(arguments) => subscribe::run(&arguments),
            Command::Request(arguments) => request::run(&arguments),
            Command::Env(arguments) => env::run(&arguments),
            Command::Run(arguments) => env::run_with(&arguments),
            Command::Next(arguments) => next::run(&arguments),
            Command::View(arguments) => view::run(&arguments),
            Command::Kv(arguments) => key_value::run(&arguments),
            Command::Object(arguments) => object::run(&arguments),
            Command::Purge(arguments) => purge::run(&arguments),
            Command::Work(arguments) => work::run(&arguments),
            Command::Dead(arguments) => dead::run(&arguments),
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Store(arguments) => store::run(&arguments),
            Command::Completion { shell } => {
                let mut command = Self::command();
                clap_complete::generate(shell, &mut command, "watershed", &mut std::io::stdout());
                Ok(Exit::Clean)
            }
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
        Cli::command().debug_assert();
    }
}
