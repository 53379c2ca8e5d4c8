//! One run at a time at an account, and one that can be interrupted.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::emulate_default_handler;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use watershed_client::{Client, Locked, Lost};
use watershed_topology::call::{Request, answer};
use watershed_topology::lock::Holder;
use watershed_topology::plan::{Action, Plan, Step};
use watershed_wire::jetstream::account::AccountInfo;
use watershed_wire::jetstream::call::Call;

use crate::connection::duration;
use crate::exit::Exit;
use crate::{moment, ui};

/// Longest time that giving the lock back may take before an interrupted run ends.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// Longest time that an interrupted run goes on because others have no stream.
const GAP_MAX: Duration = Duration::from_secs(10);

/// Whether others have no stream just now, and will when the run goes on.
#[derive(Debug, Default)]
pub(crate) struct Gap(watch::Sender<bool>);

impl Gap {
    pub(crate) fn set(&self, open: bool) {
        self.0.send_replace(open);
    }

    fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Comes back when it is over.
    async fn over(&self) {
        // It does not fail, as long as the sender is here.
        let _ = self.0.subscribe().wait_for(|open| !open).await;
    }
}

/// How long to wait for others.
#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    /// How long to wait for another run on the same account.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) lock_wait: Duration,
}

/// What goes on with a plan that was cut off.
pub(crate) const APPLY: &str = "apply again";

/// How a run ended.
enum Ended<T> {
    Itself(T),
    Lost(Lost),
    Interrupted(i32),
}

/// Runs `task`, which carries out `plan` for `topology`, while nobody else of ours changes the account. Or says why it
/// was not run, or not to its end, and what `goes_on` then. Interrupted in a gap, it goes on until that is over.
pub(crate) async fn alone<T>(
    client: &Client,
    topology: &str,
    plan: &Plan,
    patience: Duration,
    gap: &Gap,
    goes_on: &str,
    task: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Result<T, Exit>> {
    let holder = holder(client, topology);
    let mut said = None;
    let waits = |other: &Holder| {
        if said.as_ref() != Some(&other.run) {
            said = Some(other.run.clone());
            ui::say(&format!("waiting: {other}"));
        }
    };
    let reply = client.call(&Request::bare(Call::AccountInfo)).await?;
    let room = is_room(plan, &answer::<AccountInfo>(&reply)?);
    let guard = match client.lock(&holder, patience, room, waits, gone).await {
        Locked::Held(guard) => Some(guard),
        Locked::Others(other) => {
            ui::say(&format!("error: refused, and nothing was changed: {}", who(other.as_ref())));
            return Ok(Err(Exit::Refused));
        }
        Locked::Without(why) => {
            ui::say(&format!(
                "note: nothing keeps others from applying at the same time, because the lock cannot be \
                 taken: {why}"
            ));
            None
        }
    };
    let lost = async {
        match &guard {
            Some(guard) => Ended::Lost(guard.lost().await),
            None => std::future::pending().await,
        }
    };
    let ended = ended(task, lost, gap).await?;
    match ended {
        Ended::Itself(done) => {
            if let Some(guard) = guard {
                guard.release().await;
            }
            done.map(Ok)
        }
        Ended::Lost(lost) => {
            let why = match &lost {
                Lost::Others(other) => format!("the lock was taken over: {}", who(other.as_ref())),
                Lost::Late => "the lock could not be held: the server does not answer".to_owned(),
            };
            ui::say(&format!("error: stopped: {why}; {goes_on} to go on"));
            Ok(Err(Exit::Refused))
        }
        Ended::Interrupted(signal) => {
            if let Some(guard) = guard {
                let _ = tokio::time::timeout(RELEASE_MAX, guard.release()).await;
            }
            ui::say(&if gap.is_open() {
                format!("interrupted; others are without their stream until you {goes_on}")
            } else {
                format!("interrupted; what was done stays: {goes_on} to go on")
            });
            // Whoever started this sees how it ended, as if nobody had listened.
            emulate_default_handler(signal).context("cannot end by the signal")?;
            Ok(Err(Exit::Error))
        }
    }
}

/// Runs `task` to its end, or to where it is stopped.
async fn ended<T>(
    task: impl Future<Output = anyhow::Result<T>>,
    lost: impl Future<Output = Ended<anyhow::Result<T>>>,
    gap: &Gap,
) -> anyhow::Result<Ended<anyhow::Result<T>>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let (mut task, mut lost) = (pin!(task), pin!(lost));
    let ended = tokio::select! {
        done = &mut task => Ended::Itself(done),
        lost = &mut lost => lost,
        _ = interrupt.recv() => Ended::Interrupted(SIGINT),
        _ = terminate.recv() => Ended::Interrupted(SIGTERM),
    };
    Ok(match ended {
        Ended::Interrupted(signal) if gap.is_open() => {
            ui::say("interrupted: stops as soon as others have their stream again");
            tokio::select! {
                done = &mut task => Ended::Itself(done),
                lost = &mut lost => lost,
                () = gap.over() => Ended::Interrupted(signal),
                () = tokio::time::sleep(GAP_MAX) => Ended::Interrupted(signal),
                _ = interrupt.recv() => Ended::Interrupted(SIGINT),
                _ = terminate.recv() => Ended::Interrupted(SIGTERM),
            }
        }
        ended => ended,
    })
}

/// Whether there may be one more stream than a plan makes.
fn is_room(plan: &Plan, account: &AccountInfo) -> bool {
    let creates = |step: &&Step| {
        matches!(step.action, Action::Create | Action::Migrate) && step.target.consumer.is_none()
    };
    let streams = account.streams + plan.steps.iter().filter(creates).count();
    let max = account.limits.max_streams;
    max <= 0 || i64::try_from(streams).is_ok_and(|streams| streams < max)
}

fn who(other: Option<&Holder>) -> String {
    other.map_or_else(|| "another run holds the lock of this account".to_owned(), Holder::to_string)
}

/// This run, as others read it.
fn holder(client: &Client, topology: &str) -> Holder {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Holder {
        run: client.run_name(),
        topology: topology.to_owned(),
        by: user.map_or_else(|| machine.clone(), |user| format!("{user}@{machine}")),
        since: moment::now().to_string(),
        process: neighbours().map(|neighbours| format!("{neighbours}/{}", std::process::id())),
    }
}

/// Names all processes that can be seen from here, if the system says it: a machine since it was started, and what of it
/// a container is.
fn neighbours() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), space.to_str()?))
}

/// Whether the process that wrote this would be seen here, and is not. (If its number was given to another
/// one, it is not known, and the lease has to pass.)
fn gone(other: &Holder) -> bool {
    let Some((space, process)) = other.process.as_ref().and_then(|all| all.rsplit_once('/')) else {
        return false;
    };
    let Ok(process) = process.parse::<u32>() else { return false };
    neighbours().is_some_and(|here| here == space)
        && !std::path::Path::new("/proc").join(process.to_string()).exists()
}
