//! `watershed apply`: makes a server what a topology says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use watershed_client::{Backups, Client, News, Whereabouts};
use watershed_topology::apply::{Cause, stale};
use watershed_topology::plan::{Action, Plan, Policy, Step, plan_by};
use watershed_topology::verify::verify;

use super::{LossArguments, TopologyFile, block_on, ready, unanswered};
use crate::alone::{APPLY, Gap, LockArguments, alone};
use crate::connection::{Connection, duration};
use crate::exit::Exit;
use crate::load::Loaded;
use crate::private::DEFAULT;
use crate::saved::Saved;
use crate::ui::path::quoted;
use crate::ui::prompt::confirm;
use crate::ui::steps::{Steps, line};
use crate::{data, ui};

/// Make the server match the file (idempotent), or carry out a plan that `plan --out` saved.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  watershed apply watershed.yaml -s nats://prod:4222 --yes
  watershed apply plan.json -s nats://prod:4222")]
pub(crate) struct Arguments {
    #[command(flatten)]
    topology: TopologyFile,
    #[command(flatten)]
    loss: LossArguments,
    /// Skip the confirmation.
    #[arg(long)]
    yes: bool,
    /// Print JSON, an object a line: the plan, each step, the end.
    #[arg(long)]
    json: bool,
    /// Longest wait until JetStream is ready.
    #[arg(long, default_value = "60s", value_parser = duration)]
    wait: Duration,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if let Some(saved) = arguments.topology.saved()? {
        return block_on(carry_out_saved(arguments, saved));
    }
    arguments.topology.run(async |loaded| {
        let Some(client) = ready(&arguments.connection, loaded, arguments.wait).await? else {
            return Ok(Exit::NotReady);
        };
        let observed = client.observe(&loaded.topology).await?;
        let (plan, policy) = arguments.loss.plan(&loaded.topology, &observed)?;
        let server = client.whereabouts().await;
        shown_plan(&plan, &policy, &server, arguments.json);
        mention_backups(loaded, &plan);
        if let Some(exit) = refused(&plan, &policy) {
            return Ok(exit);
        }
        if !plan.steps.iter().any(|step| policy.allows(step)) {
            return Ok(Exit::Clean);
        }
        if !arguments.yes
            && let Err(exit) = confirm(&format!("apply this to {server}?"))
        {
            return Ok(exit);
        }
        let gap = Gap::default();
        let task = Box::pin(async {
            // Who waited for somebody else's run has not seen what that did.
            let observed = client.observe(&loaded.topology).await?;
            let now = plan_by(&loaded.topology, &observed, &policy.ways());
            if now.does_the_same_as(&plan) {
                return carry_out(&client, loaded, &plan, &policy, arguments.json, &gap).await;
            }
            if !now.steps.iter().any(|step| policy.allows(step)) && now.refused.is_empty() {
                ui::say("somebody else has done this since: nothing to do");
                return Ok(Exit::Clean);
            }
            if !arguments.yes {
                ui::say(CHANGED_SINCE);
                return Ok(Exit::Refused);
            }
            ui::say("the server was changed since; the plan is now:");
            shown_plan(&now, &policy, &server, arguments.json);
            if let Some(exit) = refused(&now, &policy) {
                return Ok(exit);
            }
            carry_out(&client, loaded, &now, &policy, arguments.json, &gap).await
        });
        let patience = arguments.lock.lock_wait;
        let done = alone(&client, &plan.topology, &plan, patience, &gap, APPLY, task).await?;
        Ok(done.unwrap_or_else(|exit| exit))
    })
}

/// What a run says that finds something else than what a person has agreed to.
pub(crate) const CHANGED_SINCE: &str = "error: refused, and nothing was changed: the server was changed since this plan was made; run it again";

/// Shows a plan before it is carried out.
fn shown_plan(plan: &Plan, policy: &Policy, server: &Whereabouts, json: bool) {
    if json {
        let mut event = ui::json::planned(plan, policy, server);
        event["event"] = "plan".into();
        line(&event);
    } else {
        ui::out(&format!("{}, on {server}", plan.topology));
        ui::plan::show(plan, policy);
    }
}

/// Says of what is to be created that a run which was cut off may have deleted it.
fn mention_backups(loaded: &Loaded, plan: &Plan) {
    let created = plan.steps.iter().filter(|step| step.action == Action::Create);
    for step in created.filter(|step| step.target.consumer.is_none()) {
        let name = &step.target.stream;
        if let Some(folder) = data::backup_of(loaded, name) {
            ui::say(&format!(
                "note: there is a backup of {name}: to have that back, run `watershed restore {}` instead",
                quoted(&folder)
            ));
        }
    }
}

/// Carries out a plan as it was saved, on the account that it was made for.
async fn carry_out_saved(arguments: &Arguments, saved: Saved) -> anyhow::Result<Exit> {
    if arguments.loss.is_given() {
        bail!("a saved plan has its own flags: give them to `watershed plan --out`");
    }
    let Saved { server: planned, policy, plan, .. } = saved;
    let client = arguments.connection.connect(None).await?;
    let server = client.whereabouts().await;
    shown_plan(&plan, &policy, &server, arguments.json);
    if server.account != planned.account || server.cluster != planned.cluster {
        ui::say(&format!("error: refused, and nothing was changed: the plan is for {planned}"));
        return Ok(Exit::Refused);
    }
    if !arguments.yes
        && let Err(exit) = confirm(&format!("apply this to {server}?"))
    {
        return Ok(exit);
    }
    let here = || Path::new(DEFAULT).join(&plan.topology);
    let home = arguments.topology.data.clone().unwrap_or_else(here);
    let backups = data::backups(&home, &plan, &policy)?;
    let gap = Gap::default();
    let task = Box::pin(async {
        // All of it, or nothing.
        if let Some((target, why)) = stale(&plan, &policy, &client.observe_everything().await?) {
            let kind = target.kind();
            ui::say(&format!(
                "error: refused, and nothing was changed: the plan is stale: {kind} `{target}`: {why}"
            ));
            return Ok(Err(Exit::Refused));
        }
        run_steps(&client, backups, &plan, &policy, arguments.json, &gap).await
    });
    let patience = arguments.lock.lock_wait;
    let done = alone(&client, &plan.topology, &plan, patience, &gap, APPLY, task).await?;
    Ok(match done.flatten() {
        Ok(steps) => {
            end(steps, arguments.json);
            Exit::Clean
        }
        Err(exit) => exit,
    })
}

/// Says that the steps were done, without a look at what came of them.
fn end(steps: usize, json: bool) {
    if json {
        line(&json!({"event": "end", "steps": steps}));
    } else {
        ui::say(&format!("applied {}", ui::count(steps, "step")));
    }
}

/// Says what stands in the way of a plan, if anything does. Nothing was changed then.
pub(crate) fn refused(plan: &Plan, policy: &Policy) -> Option<Exit> {
    let blocked = plan.steps.iter().any(|step| policy.is_blocked_by(step));
    if !blocked && plan.refused.is_empty() {
        return None;
    }
    ui::say("error: refused, and nothing was changed");
    Some(if blocked { Exit::Refused } else { unanswered(Exit::Refused, plan) })
}

/// Runs the steps that are allowed, and looks whether they did it.
pub(crate) async fn carry_out(
    client: &Client,
    loaded: &Loaded,
    plan: &Plan,
    policy: &Policy,
    json: bool,
    gap: &Gap,
) -> anyhow::Result<Exit> {
    let backups = data::backups(&data::backup_home(loaded), plan, policy)?;
    let mut steps = match run_steps(client, backups.clone(), plan, policy, json, gap).await? {
        Ok(steps) => steps,
        Err(exit) => return Ok(exit),
    };
    if steps == 0 {
        return Ok(Exit::Clean);
    }
    let mut observed = client.observe(&loaded.topology).await?;
    let migrates =
        plan.steps.iter().any(|step| step.action == Action::Migrate && policy.allows(step));
    if migrates {
        // What concerns the consumers that went along, and what was kept.
        let rest = plan_by(&loaded.topology, &observed, &policy.ways());
        steps += match run_steps(client, backups, &rest, policy, json, gap).await? {
            Ok(steps) => steps,
            Err(exit) => return Ok(exit),
        };
        observed = client.observe(&loaded.topology).await?;
    }
    let reverts = |step: &Step| step.action == Action::Revert && policy.allows(step);
    if plan.steps.iter().any(reverts) {
        // It is not as declared, and is not to be.
        end(steps, json);
        return Ok(Exit::Clean);
    }
    let verdict = verify(&loaded.topology, &observed);
    if json {
        let problems: Vec<String> = verdict.problems.iter().map(ToString::to_string).collect();
        line(&json!({"event": "end", "steps": steps, "problems": problems}));
        return Ok(if problems.is_empty() { Exit::Clean } else { Exit::Differs });
    }
    for problem in &verdict.problems {
        ui::say(&problem.to_string());
    }
    if verdict.problems.is_empty() {
        // The same last words as where there was nothing to do.
        let held = ui::count(verdict.held.len(), "asset");
        let steps = ui::count(steps, "step");
        ui::say(&format!("applied {steps}, verified: {held} as declared"));
        Ok(Exit::Clean)
    } else {
        ui::say("error: the server took every step, and is not as declared");
        Ok(Exit::Differs)
    }
}

/// Runs the steps that are allowed, saying each one. How many there were, or how the command ends if
/// somebody else has changed what the plan was made for.
pub(crate) async fn run_steps(
    client: &Client,
    backups: PathBuf,
    plan: &Plan,
    policy: &Policy,
    json: bool,
    gap: &Gap,
) -> anyhow::Result<Result<usize, Exit>> {
    let backups = Backups::below(backups);
    let mut steps = Steps::new(json);
    let tell = |news: News<'_>| match news {
        News::Done(step) => {
            let made = backups.made();
            let folder = made.get(&step.target.stream).filter(|_| step.replaces_stream());
            steps.done(step, folder.map(PathBuf::as_path));
        }
        News::Doing(step, what) => steps.doing(step, what),
        News::Between(open) => gap.set(open),
    };
    let halt = match client.apply(plan, policy, &backups, tell).await {
        Ok(steps) => return Ok(Ok(steps)),
        Err(halt) => halt,
    };
    let kept = backups
        .made()
        .get(&halt.target.stream)
        .map(|folder| format!("; a backup of it was made: watershed restore {}", quoted(folder)));
    let done = ui::count(halt.done, "step");
    let text = format!("stopped after {done}");
    if let Cause::Changed(_) | Cause::Unfit(_) = halt.source {
        ui::say(&format!("error: {text}: {halt}: {}", halt.source));
        return Ok(Err(Exit::Refused));
    }
    let next = kept.unwrap_or_else(|| "; apply again to go on".into());
    Err(anyhow::Error::new(*halt).context(format!("{text}{next}")))
}
