//! Raw records of one device, as a frontend would write them, for as long as a test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_kafka::{ClientSettings, Producer, Record};
use fleetwire_model::pb::RawPublish;
use prost::Message as _;
use prost_types::Timestamp;

use crate::support::{DEVICE, LIMIT, vector};

/// Records a second: enough that a worker is always in the middle of some.
const RATE: u32 = 2_000;

/// Writes until it is stopped.
#[derive(Debug)]
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Load {
    pub(super) fn start(kafka: &str, prefix: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, writer) = (Arc::clone(&stop), Writer::new(kafka, prefix));
        let thread = std::thread::spawn(move || {
            let (started, mut written) = (Instant::now(), 0_u32);
            while !stopped.load(Ordering::Relaxed) {
                let due = started.elapsed().as_millis() * u128::from(RATE) / 1000;
                while u128::from(written) < due {
                    // Keys of their own, so that all partitions have work; whose record it is says the record.
                    writer.write(&format!("key {}", written % 64));
                    written += 1;
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
            writer.finish()
        });
        Self { stop, thread }
    }

    /// Stops it; returns how many records are in Kafka.
    pub(super) fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Writes the same record several times.
pub(super) fn publish(kafka: &str, prefix: &str, key: &str, times: usize) {
    let writer = Writer::new(kafka, prefix);
    for _ in 0..times {
        writer.write(key);
    }
    assert_eq!(writer.finish(), times);
}

struct Writer {
    producer: Producer<()>,
    topic: String,
    stored: Arc<AtomicUsize>,
}

impl Writer {
    fn new(kafka: &str, prefix: &str) -> Self {
        let stored = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&stored);
        let producer = Producer::new(&ClientSettings::new(kafka), move |delivery, ()| {
            delivery.outcome.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
        });
        Self { producer: producer.unwrap(), topic: format!("{prefix}.raw.v1"), stored }
    }

    fn write(&self, key: &str) {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        let raw = RawPublish {
            payload: vector().into(),
            topic: "BCE/D".to_owned(),
            client_id: DEVICE.to_owned(),
            device_id: DEVICE.to_owned(),
            account: "bce_device".to_owned(),
            received_time: Some(Timestamp {
                seconds: now.as_secs().try_into().unwrap(),
                nanos: now.subsec_millis().cast_signed() * 1_000_000,
            }),
            ..RawPublish::default()
        };
        let (topic, payload) = (self.topic.as_str(), raw.encode_to_vec());
        let record =
            Record { topic, key: Some(key.as_bytes()), payload: Some(&payload), ..Record::default() };
        self.producer.send(record, ()).unwrap();
    }

    fn finish(self) -> usize {
        self.producer.flush(LIMIT).unwrap();
        self.stored.load(Ordering::Relaxed)
    }
}
