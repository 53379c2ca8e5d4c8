//! `watershed explain`: what a code means, what a user may do, what becomes of a subject.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use watershed_topology::lint::{FILE_RULES, FileRule, RULES, Rule, find, server_error};
use watershed_topology::permission::reasoned;
use watershed_topology::trace::trace;
use watershed_topology::{Severity, SourceMap, Topology};
use watershed_wire::jetstream::Coded;

use crate::exit::Exit;
use crate::load::{Reading, load};
use crate::ui;
use crate::ui::out;

/// Explain a rule of the linter, an error code of the server, what a user may do, or what becomes of a subject.
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  watershed explain 10065\n  watershed explain user billing\n  watershed explain subject orders.eu.paid"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Code or name of a rule (S004, streams-overlap), or error code of the server (10065).
    #[arg(required = true)]
    code: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Explain what a user may publish and subscribe to, and the lines of the file that it follows from.
    User {
        /// Name of the user.
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// Explain who publishes a subject, which streams store it and who gets it, in how many copies.
    Subject {
        /// Subject; with wildcards, any of its messages is meant.
        subject: String,
        #[command(flatten)]
        of: Of,
    },
}

/// The topology that is asked about.
#[derive(Debug, Args)]
struct Of {
    /// Topology file, or a folder whose files are one topology [default: the current folder].
    file: Option<PathBuf>,
    /// Environment: apply the overrides in `watershed.<ENV>.yaml` next to the file.
    #[arg(long)]
    env: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.what {
        Some(What::User { name, of }) => of.ask(|sources, topology| {
            let mut users = topology.users.iter();
            let Some(user) = users.find(|user| user.name.value == *name) else {
                let all: Vec<&str> =
                    topology.users.iter().map(|user| user.name.value.as_str()).collect();
                bail!("unknown user `{name}`: the topology has {}", listed(&all));
            };
            ui::explain::user(sources, user, &reasoned(topology, user), of.json);
            Ok(())
        }),
        Some(What::Subject { subject, of }) => of.ask(|sources, topology| {
            let found =
                trace(topology, subject).with_context(|| format!("invalid subject `{subject}`"))?;
            ui::explain::subject(sources, subject, &found, of.json);
            Ok(())
        }),
        None => {
            let code = arguments.code.as_deref().unwrap_or_default().trim();
            let Some(text) = text(code) else {
                bail!("unknown rule or server error `{code}`");
            };
            out(&text);
            Ok(Exit::Clean)
        }
    }
}

/// Names in a sentence.
fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Of {
    /// Reads the topology, and asks about it if it is without errors.
    fn ask(
        &self,
        task: impl FnOnce(&SourceMap, &Topology) -> anyhow::Result<()>,
    ) -> anyhow::Result<Exit> {
        let paths: Vec<PathBuf> = self.file.iter().cloned().collect();
        let workspace = load(&paths, &Reading { env: self.env.clone(), ..Reading::default() })?;
        if workspace.worst() == Some(Severity::Error) {
            ui::diagnostic::show(&workspace);
            return Ok(Exit::Findings);
        }
        let loaded = workspace.topologies.first().context("no topology")?;
        task(&workspace.sources, &loaded.topology)?;
        Ok(Exit::Clean)
    }
}

/// What a code means, in several lines.
pub(crate) fn text(code: &str) -> Option<String> {
    if let Some(rule) = find(code) {
        return Some(about(rule));
    }
    let same = |rule: &&FileRule| rule.code.eq_ignore_ascii_case(code) || rule.name == code;
    if let Some(rule) = FILE_RULES.iter().find(same) {
        return Some(format!("{} {}\n\n{}", rule.code, rule.name, rule.about));
    }
    let coded = Coded::find(code.parse().ok()?)?;
    let mut text = format!("error {}: {}", coded.code, coded.text);
    if let Some(error) = server_error(coded.code) {
        let _ = write!(text, "\n\n{}\n{}", error.cause, error.fix);
    }
    for rule in RULES.iter().filter(|rule| rule.pre_empts(coded.code)) {
        let _ = write!(text, "\n\n{}", about(rule));
    }
    Some(text)
}

fn about(rule: &Rule) -> String {
    let head = format!("{} {} ({})", rule.code, rule.name, rule.severity.word());
    let server = rule.server.sentence().map(|says| format!("\n\n{says}")).unwrap_or_default();
    let example = |text: &str| text.trim_end().replace('\n', "\n  ");
    let (bad, good) = (example(rule.bad), example(rule.good));
    format!("{head}\n\n{}{server}\n\nWrong:\n  {bad}\n\nRight:\n  {good}", rule.about)
}
