//! What the exit codes mean.

use std::process::ExitCode;

/// How a command ended. Usage errors are 2, which clap takes care of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is as it should be.
    Clean = 0,
    /// It failed.
    Error = 1,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
