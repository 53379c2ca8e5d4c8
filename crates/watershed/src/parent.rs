//! What `up` starts ends with it, also when `up` is killed.

use anyhow::bail;
use rustix::process::{Pid, getppid};

/// Names the process that somebody who was started by this program ends with.
pub(crate) const PARENT: &str = "WATERSHED_PARENT";

/// Sees to it that this process, or the program that takes its place, is told to end when its parent has, if it was
/// started so.
pub(crate) fn end_with_parent() -> anyhow::Result<()> {
    let Some(said) = std::env::var(PARENT).ok() else { return Ok(()) };
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    let parent = said.parse().ok().and_then(Pid::from_raw);
    if getppid() != parent {
        bail!("the process that started this one has ended");
    }
    Ok(())
}
