//! The run file: how other commands on this machine find a running `fleetwire run`.

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// What a running `fleetwire run` tells other commands. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Process id.
    pub(crate) pid: u32,
    /// Where devices connect.
    pub(crate) mqtt: SocketAddr,
    /// Where health and metrics are.
    pub(crate) admin: SocketAddr,
    /// Bootstrap address of the log.
    pub(crate) kafka: String,
    /// Whether that is the embedded log.
    pub(crate) embedded: bool,
    /// Prefix of the topics.
    pub(crate) topic_prefix: String,
    /// Its configuration file, where it has one.
    #[serde(default)]
    pub(crate) config: Option<PathBuf>,
}

/// Holds the data directory for this process; released when dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Where `fleetwire run` keeps its data unless told otherwise.
pub(crate) fn default_data_dir() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("XDG_STATE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("fleetwire")
}

impl DataDir {
    /// Makes the directory and takes it for this process alone.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("data directory {} cannot be made", path.display()))?;
        let lock = File::create(path.join("lock"))
            .with_context(|| format!("data directory {} cannot be written", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another `fleetwire run` uses {}; stop it, or choose another directory with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(err)) => {
                Err(err).with_context(|| format!("data directory {} cannot be locked", path.display()))
            }
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the run file, whole or not at all.
    pub(crate) fn publish(&self, run: &RunFile) -> Result<()> {
        let (file, draft) = (self.path.join("run.json"), self.path.join("run.json.new"));
        fs::write(&draft, serde_json::to_vec_pretty(run)?)
            .and_then(|()| fs::rename(&draft, &file))
            .with_context(|| format!("{} cannot be written", file.display()))
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Nothing is lost if it stays: the next reader sees that nobody holds the lock.
        let _ = fs::remove_file(self.path.join("run.json"));
    }
}

/// The `fleetwire run` that uses this data directory.
pub(crate) fn find(data_dir: &Path) -> Result<RunFile> {
    let file = data_dir.join("run.json");
    let text = fs::read_to_string(&file).ok().filter(|_| is_held(data_dir)).with_context(|| {
        format!(
            "no `fleetwire run` is running here ({} tells); start one with `make run` or `fleetwire run`, \
             or name a Kafka with --kafka HOST:PORT",
            file.display()
        )
    })?;
    serde_json::from_str(&text).with_context(|| format!("{} cannot be read", file.display()))
}

fn is_held(data_dir: &Path) -> bool {
    File::open(data_dir.join("lock"))
        .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_file_is_believed_only_while_its_process_holds_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFile {
            pid: 1,
            mqtt: "127.0.0.1:1883".parse().unwrap(),
            admin: "127.0.0.1:9464".parse().unwrap(),
            kafka: "127.0.0.1:9092".into(),
            embedded: true,
            topic_prefix: "fleetwire".into(),
            config: None,
        };
        assert!(find(dir.path()).is_err());
        let held = DataDir::take(dir.path()).unwrap();
        held.publish(&run).unwrap();
        assert_eq!(find(dir.path()).unwrap(), run);
        assert!(DataDir::take(dir.path()).unwrap_err().to_string().contains("another `fleetwire run`"));
        drop(held);
        fs::write(dir.path().join("run.json"), serde_json::to_vec(&run).unwrap()).unwrap();
        assert!(find(dir.path()).unwrap_err().to_string().contains("make run"));
        assert!(DataDir::take(dir.path()).is_ok());
    }
}
