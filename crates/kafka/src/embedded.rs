//! The embedded log: librdkafka's in-process cluster, for a laptop, a demo and tests that need no real Kafka.
//!
//! What it is not:
//! - durable: records live in memory and end with the process. Only the newest record of each key of a compacted
//!   topic (but knocks and sessions, which mean nothing without the rest) is kept in a file of the data directory and put back at the next start; it reaches the disk shortly after
//!   its acknowledgement, so a power failure may cost the last moments. Headers are not kept.
//! - large: a partition holds 5 MiB or 100,000 batches, whichever is less; older records go without a word, those of
//!   compacted topics too (their file keeps them for the next start).
//! - complete: no admin requests (so no `topics apply`; all topics are there from the start), no look-up by time, no
//!   isolation of transactions, one broker, and a group's first join takes three seconds.
//! - quick to wake: a fetch sleeps its whole wait, therefore `fetch.wait.max.ms` is 10 in [`EmbeddedLog::settings`].
//!
//! It listens on loopback, so other processes of this machine reach it.

mod follower;
mod kept;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fleetwire_model::topic::Cleanup;
use fleetwire_model::{Topic, Topics};
use rdkafka::mocking::MockCluster;

use crate::error::{ClientError, DeliveryError};
use crate::reader::ReaderError;
use crate::settings::ClientSettings;
use follower::Follower;

/// What the embedded log is to be.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// Folder for what is kept; one process at a time.
    pub data: PathBuf,
    /// Names of the topics.
    pub topics: Topics,
    /// Partitions of every topic.
    pub partitions: u16,
}

/// Why the embedded log cannot start or stop well.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Another process has the data directory.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// A file cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried.
        reason: &'static str,
        /// The system's answer, where there is one.
        #[source]
        source: Option<io::Error>,
    },
    /// librdkafka cannot make the cluster.
    #[error("the in-process cluster cannot start: {0}")]
    Cluster(String),
    /// The client that puts kept records back, or follows them, failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The client that follows compacted topics failed.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// A kept record could not be put back.
    #[error("a kept record was not put back")]
    NotPutBack(#[from] DeliveryError),
}

/// A running embedded log. [`Self::stop`] it after all its clients; a drop stops it too and can only log errors.
#[derive(Debug)]
pub struct EmbeddedLog {
    bootstrap: String,
    followers: Vec<Follower>,
    cluster: Option<ClusterThread>,
    /// Held for as long as the data directory is ours.
    _lock: File,
}

impl EmbeddedLog {
    /// Starts it with all topics, and with the kept records in the compacted ones.
    pub fn start(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let lock = lock(options)?;
        let (cluster, bootstrap) = ClusterThread::start(options)?;
        let mut this = Self { bootstrap, followers: Vec::new(), cluster: Some(cluster), _lock: lock };
        let settings = this.settings();
        // What a knock tells of, and where sessions were, is gone with the process.
        let is_kept = |topic: &Topic| {
            topic.spec().cleanup == Cleanup::Compact && !matches!(topic, Topic::Knocks | Topic::Sessions)
        };
        for topic in Topic::ALL.into_iter().filter(is_kept) {
            let name = options.topics.name(topic);
            let file = options.data.join(format!("{name}.kept"));
            this.followers.push(Follower::start(&settings, &name, file)?);
        }
        Ok(this)
    }

    /// `host:port` of it.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Settings that reach it and suit it.
    pub fn settings(&self) -> ClientSettings {
        let mut settings = ClientSettings::new(self.bootstrap.clone());
        settings.properties.insert("fetch.wait.max.ms".to_owned(), "10".to_owned());
        settings
    }

    /// Writes what is to be kept, and ends.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), EmbeddedError> {
        let mut outcome = Ok(());
        for follower in self.followers.drain(..) {
            outcome = outcome.and(follower.stop());
        }
        if let Some(cluster) = self.cluster.take() {
            cluster.stop();
        }
        outcome
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::error!(%error, "the embedded log did not keep everything");
        }
    }
}

/// librdkafka's cluster is bound to its thread, so it gets one of its own.
#[derive(Debug)]
struct ClusterThread {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl ClusterThread {
    fn start(options: &EmbeddedOptions) -> Result<(Self, String), EmbeddedError> {
        let names: Vec<String> = Topic::ALL.into_iter().map(|topic| options.topics.name(topic)).collect();
        let partitions = i32::from(options.partitions.max(1));
        let (started, start) = mpsc::channel();
        let (stop, stopped) = mpsc::channel::<()>();
        let body = move || {
            let cluster = match cluster(&names, partitions) {
                Ok(cluster) => cluster,
                Err(reason) => {
                    // The starter waits, so it hears this.
                    let _ = started.send(Err(reason));
                    return;
                }
            };
            if started.send(Ok(cluster.bootstrap_servers())).is_ok() {
                // Ends with the word to stop, or when the other side is gone.
                let _ = stopped.recv();
            }
        };
        let thread = thread::Builder::new()
            .name("embedded-log".to_owned())
            .spawn(body)
            .map_err(|error| EmbeddedError::Cluster(error.to_string()))?;
        let outcome = start.recv_timeout(Duration::from_secs(30));
        let bootstrap =
            outcome.map_err(|error| error.to_string()).flatten().map_err(EmbeddedError::Cluster)?;
        Ok((Self { stop, thread }, bootstrap))
    }

    fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the embedded log's thread panicked");
        }
    }
}

fn cluster(
    names: &[String],
    partitions: i32,
) -> Result<MockCluster<'static, rdkafka::producer::DefaultProducerContext>, String> {
    let cluster = MockCluster::new(1).map_err(|error| error.to_string())?;
    for name in names {
        cluster.create_topic(name, partitions, 1).map_err(|error| error.to_string())?;
    }
    Ok(cluster)
}

fn lock(options: &EmbeddedOptions) -> Result<File, EmbeddedError> {
    let folder = &options.data;
    let failed = |reason| {
        let path = folder.clone();
        move |source| EmbeddedError::File { path, reason, source: Some(source) }
    };
    fs::create_dir_all(folder).map_err(failed("the folder cannot be created"))?;
    let file = File::create(folder.join("embedded.lock")).map_err(failed("the folder cannot be written"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(folder.clone())),
        Err(TryLockError::Error(source)) => Err(failed("the folder cannot be locked")(source)),
    }
}
