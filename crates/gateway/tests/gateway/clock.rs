//! The wall clock of a gateway in a process of its own, which is as far beside the real one as it is told.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fleetwire_service::clock;
use tempfile::TempDir;

/// Where the process reads how far that is.
const FILE: &str = "FLEETWIRE_TEST_CLOCK";

/// A wall clock.
pub(crate) struct Clock(TempDir);

impl Clock {
    pub(crate) fn new() -> Self {
        let clock = Self(tempfile::tempdir().unwrap());
        clock.jump(0);
        clock
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("ahead-s")
    }

    /// From now on it is so many seconds ahead of the real one, or behind it.
    pub(crate) fn jump(&self, seconds: i64) {
        // As a whole: the file is read at any time.
        let next = self.0.path().join("next");
        std::fs::write(&next, seconds.to_string()).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }

    /// Whether the process has taken the last jump in.
    pub(crate) fn is_followed(&self) -> bool {
        std::fs::read(self.file()).unwrap() == std::fs::read(seen(&self.file())).unwrap_or_default()
    }

    /// A process that is about to start goes by it.
    pub(crate) fn rule(&self, process: &mut Command) {
        process.env(FILE, self.file());
    }
}

fn seen(file: &Path) -> PathBuf {
    file.with_extension("seen")
}

/// Goes by the clock that this process was started with, if any, for so long.
pub(crate) fn follow(limit: Duration) {
    let Some(file) = std::env::var_os(FILE).map(PathBuf::from) else {
        return std::thread::sleep(limit);
    };
    let (mut left, pause) = (limit, Duration::from_millis(5));
    while !left.is_zero() {
        // The folder goes when the test ends, and this process with it.
        if let Ok(seconds) = std::fs::read_to_string(&file) {
            clock::jump(seconds.parse::<i64>().unwrap() * 1000);
            let _ = std::fs::write(seen(&file), seconds);
        }
        std::thread::sleep(pause);
        left = left.saturating_sub(pause);
    }
}
