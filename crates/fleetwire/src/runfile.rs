//! The run file: how other commands on this machine find a running `fleetwire run`.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// What a running `fleetwire run` tells other commands of its user. Nobody else may read it.
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
    /// Its HTTP API; only a version that has none leaves it out.
    #[serde(default)]
    pub(crate) api: Option<RunApi>,
}

/// The HTTP API of a `fleetwire run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunApi {
    /// Where it is served.
    pub(crate) address: SocketAddr,
    /// A token with every scope, made at the start.
    pub(crate) token: RunToken,
}

/// A token that does not print itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RunToken(String);

impl RunToken {
    pub(crate) fn new(token: &SecretString) -> Self {
        Self(token.expose_secret().to_owned())
    }

    pub(crate) fn secret(self) -> SecretString {
        self.0.into()
    }
}

impl fmt::Debug for RunToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunToken")
    }
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
        let text = serde_json::to_vec_pretty(run)?;
        let write = || {
            // What another run left, with rights of its own, is not written into.
            match fs::remove_file(&draft) {
                Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(err),
                _ => {}
            }
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(&draft)?.write_all(&text)?;
            fs::rename(&draft, &file)
        };
        write().with_context(|| format!("{} cannot be written", file.display()))
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
    use std::os::unix::fs::PermissionsExt as _;

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
            api: Some(RunApi {
                address: "127.0.0.1:8080".parse().unwrap(),
                token: RunToken("secret".into()),
            }),
        };
        assert!(!format!("{run:?}").contains("secret"));
        assert!(find(dir.path()).is_err());
        let held = DataDir::take(dir.path()).unwrap();
        held.publish(&run).unwrap();
        assert_eq!(find(dir.path()).unwrap(), run);
        let mode = fs::metadata(dir.path().join("run.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "others can read the token");
        assert!(DataDir::take(dir.path()).unwrap_err().to_string().contains("another `fleetwire run`"));
        drop(held);
        fs::write(dir.path().join("run.json"), serde_json::to_vec(&run).unwrap()).unwrap();
        assert!(find(dir.path()).unwrap_err().to_string().contains("make run"));
        assert!(DataDir::take(dir.path()).is_ok());
    }
}
