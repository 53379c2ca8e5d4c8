//! What the exit codes mean.

use std::process::ExitCode;

use watershed_client::ConnectError;
use watershed_topology::call::CallError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is as it should be.
    Clean = 0,
    /// It failed.
    Error = 1,
    /// It was called wrongly; most of this clap takes care of.
    Usage = 2,
    /// The server is not what the file says.
    Differs = 3,
    /// The file has findings at or above the threshold.
    Findings = 4,
    /// It would have lost something that nobody allowed to lose.
    Refused = 5,
    /// The server was not ready in time.
    NotReady = 6,
}

/// Something was typed that cannot be meant.
#[derive(Debug)]
pub(crate) struct Mistyped(pub(crate) String);

impl std::fmt::Display for Mistyped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mistyped {}

impl Exit {
    /// How a command ends that could not go on.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let is = |cause: &(dyn std::error::Error + 'static)| {
            if cause.is::<Mistyped>() {
                return Some(Self::Usage);
            }
            let silent = cause.downcast_ref().is_some_and(CallError::is_unavailable);
            let away = cause.downcast_ref().is_some_and(ConnectError::is_unavailable);
            (silent || away).then_some(Self::NotReady)
        };
        error.chain().find_map(is).unwrap_or(Self::Error)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
