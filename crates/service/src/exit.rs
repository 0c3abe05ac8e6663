//! Exit codes, part of the command line's contract (docs/operations.md).

use std::process::ExitCode;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked, or was told to stop and drained.
    Done,
    /// It failed; the reason is the last line on standard error.
    Failed,
    /// The command line or a configuration file is wrong (clap uses the same code).
    Usage,
    /// It was told to stop, and work was left when the grace period ended.
    NotDrained,
    /// It did what was asked, and a device did not: a command to it ended otherwise than it should.
    Unfulfilled,
    /// A second signal aborted the drain.
    Aborted,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotDrained => 3,
            Self::Unfulfilled => 4,
            Self::Aborted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
