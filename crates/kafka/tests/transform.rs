//! Transactions against the real Kafka: a reader of what is committed sees everything once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_kafka::{
    ClientSettings, ConsumerOptions, EmbeddedLog, EmbeddedOptions, Message, Outputs, Producer, Record,
    SendError, Settled, Transform, TransformError, Transformer, TransformerOptions,
};
use fleetwire_model::Topics;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use support::{LIMIT, eventually, settings, topic, unique};
use tokio_util::sync::CancellationToken;

const PARTITIONS: i32 = 4;

/// Where a test reads and writes.
#[derive(Debug, Clone)]
struct Place {
    group: String,
    raw: String,
    made: String,
}

impl Place {
    fn new() -> Self {
        Self { group: unique("group"), raw: topic(PARTITIONS), made: topic(PARTITIONS) }
    }

    fn fill(&self, numbers: std::ops::Range<u64>) {
        let producer = Producer::<()>::new(&settings(), |delivery, ()| {
            delivery.outcome.unwrap();
        })
        .unwrap();
        for number in numbers {
            let text = number.to_string();
            let text = Some(text.as_bytes());
            producer
                .send(Record { topic: &self.raw, key: text, payload: text, ..Record::default() }, ())
                .unwrap();
        }
        producer.flush(LIMIT).unwrap();
    }
}

/// Copies records, and undoes the transaction where it is told to.
#[derive(Debug)]
struct Copy {
    made: String,
    /// The number at which a transaction is undone, once.
    stumble: Option<u64>,
    undone: u32,
}

impl Transform for Copy {
    fn record(&mut self, message: &Message<'_>, outputs: &Outputs<'_>) -> Result<(), SendError> {
        let (key, payload) = (message.key(), message.payload());
        outputs.send(Record { topic: &self.made, key, payload, ..Record::default() })?;
        let number: u64 = std::str::from_utf8(payload.unwrap()).unwrap().parse().unwrap();
        if self.stumble.take_if(|stumble| *stumble == number).is_some() {
            return Err(SendError::Full);
        }
        Ok(())
    }

    fn settled(&mut self, how: Settled) {
        self.undone += u32::from(how == Settled::Undone);
    }
}

/// A transformer on its own thread.
struct Member {
    stop: CancellationToken,
    monitor: fleetwire_kafka::Monitor,
    thread: JoinHandle<(Result<(), TransformError>, u32)>,
}

impl Member {
    fn start(place: &Place, id: &str, stumble: Option<u64>) -> Self {
        let mut settings = settings();
        settings.properties.insert("heartbeat.interval.ms".into(), "200".into());
        Self::start_at(&settings, place, id, stumble)
    }

    fn start_at(settings: &ClientSettings, place: &Place, id: &str, stumble: Option<u64>) -> Self {
        let options = ConsumerOptions {
            commit_interval: Duration::from_millis(50),
            max_in_flight_records: 500,
            ..ConsumerOptions::default()
        };
        let transactions =
            TransformerOptions { transactional_id: id.to_owned(), timeout: Duration::from_secs(15) };
        let transformer =
            Transformer::new(settings, &place.group, &[&place.raw], options, transactions).unwrap();
        let (monitor, stop) = (transformer.monitor(), CancellationToken::new());
        let (token, mut copy) = (stop.clone(), Copy { made: place.made.clone(), stumble, undone: 0 });
        let thread = std::thread::spawn(move || {
            let outcome = transformer.run(&token, &mut copy);
            (outcome, copy.undone)
        });
        Self { stop, monitor, thread }
    }

    /// Stops it, and tells how many transactions were undone.
    fn stop(self) -> u32 {
        self.stop.cancel();
        let (outcome, undone) = self.thread.join().unwrap();
        outcome.unwrap();
        undone
    }
}

/// Reads a topic as far as it is committed, and counts each number.
struct Committed {
    consumer: BaseConsumer,
    seen: BTreeMap<u64, u32>,
}

impl Committed {
    fn of(topic: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &settings().brokers)
            .set("group.id", unique("reader"))
            .set("isolation.level", "read_committed")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        Self { consumer, seen: BTreeMap::new() }
    }

    /// Waits until so many different numbers are there, and then for a moment more.
    fn wait_for(&mut self, numbers: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.seen.len() < numbers {
            assert!(Instant::now() < deadline, "{} of {numbers} are there", self.seen.len());
            self.poll(Duration::from_millis(100));
        }
        while self.poll(Duration::from_millis(300)) {}
    }

    fn poll(&mut self, limit: Duration) -> bool {
        let Some(message) = self.consumer.poll(limit) else { return false };
        let message = message.unwrap();
        let number = std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap();
        *self.seen.entry(number).or_default() += 1;
        true
    }

    fn repeated(&self) -> usize {
        self.seen.values().filter(|count| **count > 1).count()
    }
}

#[test]
fn what_is_undone_is_not_seen_and_comes_again() {
    let place = Place::new();
    place.fill(0..2_000);
    let mut reader = Committed::of(&place.made);
    let member = Member::start(&place, &unique("id"), Some(700));
    reader.wait_for(2_000);
    assert_eq!(reader.repeated(), 0);
    assert_eq!(member.stop(), 1);
    // The offsets are committed with it: the next one finds nothing to do.
    let member = Member::start(&place, &unique("id"), None);
    eventually("it has the partitions", || member.monitor.health().partitions == 4);
    place.fill(2_000..2_100);
    reader.wait_for(2_100);
    assert_eq!(reader.repeated(), 0);
    assert_eq!(member.stop(), 0);
}

#[test]
fn members_that_come_and_go_repeat_nothing() {
    let place = Place::new();
    let mut reader = Committed::of(&place.made);
    let first = Member::start(&place, &unique("id"), Some(4_321));
    place.fill(0..5_000);
    let second = Member::start(&place, &unique("id"), Some(8_765));
    place.fill(5_000..10_000);
    eventually("they share", || {
        [&first, &second].iter().all(|member| member.monitor.health().partitions == 2)
    });
    place.fill(10_000..15_000);
    first.stop();
    place.fill(15_000..20_000);
    reader.wait_for(20_000);
    second.stop();
    assert_eq!(reader.repeated(), 0);
}

#[test]
fn of_two_with_one_transactional_id_the_first_ends_and_says_why() {
    let (place, id) = (Place::new(), unique("id"));
    let first = Member::start(&place, &id, None);
    let mut reader = Committed::of(&place.made);
    place.fill(0..100);
    reader.wait_for(100);
    let second = Member::start(&place, &id, None);
    eventually("they share", || second.monitor.health().partitions == 2);
    place.fill(100..200);
    let (outcome, _) = first.thread.join().unwrap();
    assert_eq!(outcome, Err(TransformError::Fenced { id }));
    reader.wait_for(200);
    assert_eq!(reader.repeated(), 0);
    second.stop();
}

#[test]
fn the_embedded_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let topics = Topics::new("fleetwire").unwrap();
    let options = EmbeddedOptions { data: dir.path().to_owned(), topics, partitions: 1 };
    let log = EmbeddedLog::start(&options).unwrap();
    let place = Place {
        group: "group".into(),
        raw: "fleetwire.raw.v1".into(),
        made: "fleetwire.positions.v1".into(),
    };
    let member = Member::start_at(&log.settings(), &place, "id", None);
    let (outcome, _) = member.thread.join().unwrap();
    assert_eq!(outcome, Err(TransformError::EmbeddedLog));
    log.stop().unwrap();
}
