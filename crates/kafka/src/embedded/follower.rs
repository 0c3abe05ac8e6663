//! Keeps the file of one compacted topic up to date: puts its records back at the start, then follows the topic.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::EmbeddedError;
use super::kept::KeptFile;
use crate::consumer::Start;
use crate::error::{DeliveryError, SendError};
use crate::producer::{Producer, Record};
use crate::reader::{Event, MissingTopic, Reader, ReaderOptions};
use crate::settings::ClientSettings;

/// How long nothing must come before the file is made durable, and before a stop believes that all came.
const QUIET: Duration = Duration::from_millis(100);
/// How long a stop may take over records that still come.
const STOP_LIMIT: Duration = Duration::from_secs(5);
const START_LIMIT: Duration = Duration::from_secs(30);

/// The thread that follows one topic.
#[derive(Debug)]
pub(super) struct Follower {
    stop: CancellationToken,
    thread: JoinHandle<Result<(), EmbeddedError>>,
}

impl Follower {
    /// Returns when the kept records are in the topic and later ones are seen.
    pub(super) fn start(
        settings: &ClientSettings,
        topic: &str,
        path: PathBuf,
    ) -> Result<Self, EmbeddedError> {
        let file = KeptFile::open(path, topic)?;
        put_back(settings, topic, &file)?;
        let stop = CancellationToken::new();
        // From the end: what was put back is in the file.
        let options =
            ReaderOptions { start: Start::End, missing: MissingTopic::Wait, ready_timeout: START_LIMIT };
        let reader = Reader::new(settings, topic, options, &stop)?;
        let token = stop.clone();
        let thread = thread::Builder::new()
            .name("embedded-keep".to_owned())
            .spawn(move || follow(&reader, file, &token))
            .map_err(|error| EmbeddedError::Cluster(error.to_string()))?;
        Ok(Self { stop, thread })
    }

    /// Reads what is left, and makes it durable.
    pub(super) fn stop(self) -> Result<(), EmbeddedError> {
        self.stop.cancel();
        let panicked = |_| EmbeddedError::Cluster("the thread that keeps records panicked".to_owned());
        self.thread.join().map_err(panicked).flatten()
    }
}

fn follow(reader: &Reader, mut file: KeptFile, stop: &CancellationToken) -> Result<(), EmbeddedError> {
    let mut deadline = None;
    loop {
        match reader.next(QUIET)? {
            Event::Record(message) => {
                // Compacted topics have keys; one without could not be kept in any Kafka.
                let key = message.key().unwrap_or_default();
                file.put(key, message.timestamp_ms().unwrap_or(0), message.payload())?;
            }
            Event::CaughtUp => {}
            Event::Idle => {
                file.sync()?;
                if deadline.is_some() {
                    return Ok(());
                }
            }
        }
        // The first quiet moment that began after the stop ends it.
        if deadline.is_none() && stop.is_cancelled() {
            deadline = Some(Instant::now() + STOP_LIMIT);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return file.sync();
        }
    }
}

fn put_back(settings: &ClientSettings, topic: &str, file: &KeptFile) -> Result<(), EmbeddedError> {
    if file.live().is_empty() {
        return Ok(());
    }
    let (sender, failures) = mpsc::channel();
    let producer = Producer::<()>::new(settings, move |delivery, ()| {
        if let Err(error) = delivery.outcome {
            // Nobody listens any more when the first failure has been seen.
            let _ = sender.send(error);
        }
    })?;
    let deadline = Instant::now() + START_LIMIT;
    for (key, kept) in file.live() {
        let record = Record {
            topic,
            key: Some(key),
            payload: Some(&kept.value),
            timestamp_ms: Some(kept.timestamp_ms),
            ..Record::default()
        };
        while let Err((error, ())) = producer.send(record, ()) {
            if error != SendError::Full || Instant::now() >= deadline {
                return Err(EmbeddedError::Cluster(error.to_string()));
            }
            let _ = producer.flush(QUIET);
        }
    }
    producer.flush(START_LIMIT).map_err(|_| DeliveryError::TimedOut)?;
    match failures.try_recv() {
        Ok(error) => Err(error.into()),
        Err(_) => Ok(()),
    }
}
