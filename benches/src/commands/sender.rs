//! A plain producer of commands, as any program may have one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use fleetwire_kafka::{Producer, Record};
use fleetwire_model::{TYPE_HEADER, Topic};

use crate::site::Site;

const PATIENCE: Duration = Duration::from_mins(2);

/// Writes to the topic of commands.
#[derive(Debug)]
pub struct Sender {
    producer: Producer<()>,
    topic: String,
    failed: Arc<AtomicU64>,
}

impl Sender {
    /// A producer of this deployment's commands.
    pub fn new(site: &Site) -> Result<Self> {
        let failed = Arc::<AtomicU64>::default();
        let producer = Producer::new(&site.client(), {
            let failed = Arc::clone(&failed);
            move |delivery, ()| {
                failed.fetch_add(u64::from(delivery.outcome.is_err()), Relaxed);
            }
        })?;
        Ok(Self { producer, topic: site.topics().name(Topic::Commands), failed })
    }

    /// Hands a record over.
    pub fn send(&self, key: &str, value: &[u8]) -> Result<()> {
        self.send_to(&self.topic, key, value)
    }

    /// Hands a record for another topic over.
    pub fn send_to(&self, topic: &str, key: &str, value: &[u8]) -> Result<()> {
        let record = Record {
            topic,
            key: Some(key.as_bytes()),
            payload: Some(value),
            timestamp_ms: None,
            headers: &[(TYPE_HEADER, b"fleetwire.v1.Command")],
        };
        self.producer.send(record, ()).map_err(|(error, ())| anyhow!(error))
    }

    /// Waits until Kafka has everything.
    pub fn flush(&self) -> Result<()> {
        self.producer.flush(PATIENCE)?;
        let failed = self.failed.load(Relaxed);
        ensure!(failed == 0, "Kafka did not take {failed} commands");
        Ok(())
    }
}
