//! `watershed explain`: what a code means.

use anyhow::bail;
use clap::Args;
use watershed_topology::diagnostic::ServerSays;
use watershed_topology::lint::{FILE_RULES, FileRule, RULES, Rule, find, server_error};
use watershed_wire::jetstream::Coded;

use crate::exit::Exit;
use crate::ui::out;

/// Explain a rule of the linter, or an error code of the server.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed explain 10065")]
pub(crate) struct Arguments {
    /// Code or name of a rule (S004, streams-overlap), or error code of the server (10065).
    code: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let code = arguments.code.trim();
    if let Some(rule) = find(code) {
        show(rule);
        return Ok(Exit::Clean);
    }
    let same = |rule: &&FileRule| rule.code.eq_ignore_ascii_case(code) || rule.name == code;
    if let Some(rule) = FILE_RULES.iter().find(same) {
        out(&format!("{} {}\n\n{}", rule.code, rule.name, rule.about));
        return Ok(Exit::Clean);
    }
    let number = code.parse::<u16>().ok();
    let Some(coded) = number.and_then(Coded::find) else {
        bail!("unknown rule or server error `{code}`");
    };
    out(&format!("error {}: {}", coded.code, coded.text));
    if let Some(error) = server_error(coded.code) {
        out(&format!("\n{}\n{}", error.cause, error.fix));
    }
    for rule in RULES.iter().filter(|rule| rule.pre_empts(coded.code)) {
        out("");
        show(rule);
    }
    Ok(Exit::Clean)
}

fn show(rule: &Rule) {
    out(&format!("{} {} ({})", rule.code, rule.name, rule.severity.word()));
    out("");
    out(rule.about);
    match rule.server {
        ServerSays::Nothing => {}
        ServerSays::Refuses(code) => out(&format!("\nThe server refuses it with error {code}.")),
        ServerSays::Accepts => out("\nThe server accepts it silently."),
    }
    out(&format!("\nWrong:\n  {}", rule.bad.trim_end().replace('\n', "\n  ")));
    out(&format!("\nRight:\n  {}", rule.good.trim_end().replace('\n', "\n  ")));
}
