//! What the exit codes mean.

use std::process::ExitCode;

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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
