//! The producer against the real Kafka: every record comes back with what became of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;

use fleetwire_apache_kafka::ApacheKafka;
use fleetwire_kafka::{
    ClientSettings, Delivered, DeliveryError, Event, Producer, Reader, ReaderOptions, Record, SendError,
};
use support::{LIMIT, block_on, eventually, settings, topic, topic_at};
use tokio_util::sync::CancellationToken;

type Outcome = Result<Delivered, DeliveryError>;

fn producer(settings: &ClientSettings) -> (Producer<u64>, mpsc::Receiver<(Outcome, u64)>) {
    let (sender, outcomes) = mpsc::channel();
    let producer = Producer::new(settings, move |delivery, opaque| {
        sender.send((delivery.outcome, opaque)).unwrap();
    });
    (producer.unwrap(), outcomes)
}

fn record<'a>(topic: &'a str, key: &'a str) -> Record<'a> {
    Record { topic, key: Some(key.as_bytes()), payload: Some(b"payload"), ..Record::default() }
}

#[test]
fn each_record_comes_back_with_its_place() {
    let topic = topic(1);
    let (producer, outcomes) = producer(&settings());
    for number in 0..100 {
        producer.send(record(&topic, "k"), number).unwrap();
    }
    producer.flush(LIMIT).unwrap();
    let all: Vec<(Outcome, u64)> = outcomes.try_iter().collect();
    let expected: Vec<(Outcome, u64)> = (0..100)
        .map(|number| (Ok(Delivered { partition: 0, offset: i64::try_from(number).unwrap() }), number))
        .collect();
    assert_eq!(all, expected);
    assert_eq!(producer.in_flight(), 0);
}

#[test]
fn key_timestamp_headers_and_tombstone_arrive() {
    let topic = topic(1);
    let (producer, _outcomes) = producer(&settings());
    let headers: [(&str, &[u8]); 2] = [("fleetwire-type", b"raw"), ("empty", b"")];
    let full = Record {
        timestamp_ms: Some(1_700_000_000_123),
        headers: &headers,
        ..record(&topic, "353456789012345")
    };
    producer.send(full, 1).unwrap();
    producer.send(Record { payload: None, ..record(&topic, "gone") }, 2).unwrap();
    producer.flush(LIMIT).unwrap();
    let reader =
        Reader::new(&settings(), &topic, ReaderOptions::default(), &CancellationToken::new()).unwrap();
    let Event::Record(first) = reader.next(LIMIT).unwrap() else { panic!("a record") };
    assert_eq!(first.key(), Some(&b"353456789012345"[..]));
    assert_eq!(first.payload(), Some(&b"payload"[..]));
    assert_eq!(first.timestamp_ms(), Some(1_700_000_000_123));
    assert_eq!(first.header("fleetwire-type"), Some(&b"raw"[..]));
    assert_eq!(first.headers().count(), 2);
    let Event::Record(second) = reader.next(LIMIT).unwrap() else { panic!("a record") };
    assert_eq!((second.key(), second.payload()), (Some(&b"gone"[..]), None));
}

/// `org.apache.kafka.common.utils.Utils.murmur2` of these strings, from Kafka's own test (`UtilsTest`).
const MURMUR2: [(&str, i32); 6] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
];

#[test]
fn java_and_we_agree_on_the_partition() {
    const PARTITIONS: i32 = 24;
    let topic = topic(PARTITIONS);
    let (producer, outcomes) = producer(&settings());
    for (number, (key, _)) in (0..).zip(MURMUR2) {
        producer.send(record(&topic, key), number).unwrap();
    }
    producer.flush(LIMIT).unwrap();
    let found: HashMap<u64, i32> =
        outcomes.try_iter().map(|(outcome, number)| (number, outcome.unwrap().partition)).collect();
    for (number, (key, hash)) in (0..).zip(MURMUR2) {
        // Java: toPositive(murmur2(key)) % partitions.
        assert_eq!(found[&number], (hash & 0x7fff_ffff) % PARTITIONS, "{key}");
    }
}

#[test]
fn an_unknown_topic_and_a_large_record_have_outcomes() {
    let mut settings = settings();
    settings.producer.delivery_timeout = Duration::from_mins(1);
    settings.properties.insert("topic.metadata.propagation.max.ms".into(), "500".into());
    let (producer, outcomes) = producer(&settings);
    producer.send(record("no-such-topic", "k"), 7).unwrap();
    assert_eq!(outcomes.recv_timeout(LIMIT).unwrap(), (Err(DeliveryError::UnknownTopic), 7));
    let large = vec![0; 2_000_000];
    let refused = producer.send(Record { payload: Some(&large), ..record("any", "k") }, 8);
    assert_eq!(refused, Err((SendError::TooLarge, 8)));
    eventually("nothing is in flight", || producer.in_flight() == 0);
}

#[test]
fn without_kafka_a_record_times_out_and_comes_back() {
    let mut settings = ClientSettings::new("127.0.0.1:1");
    settings.producer.delivery_timeout = Duration::from_millis(300);
    let (producer, outcomes) = producer(&settings);
    producer.send(record("any", "k"), 1).unwrap();
    assert_eq!(outcomes.recv_timeout(LIMIT).unwrap(), (Err(DeliveryError::TimedOut), 1));
    assert!(!producer.connected());
}

#[test]
fn what_is_in_flight_when_the_producer_goes_comes_back() {
    let (producer, outcomes) = producer(&ClientSettings::new("127.0.0.1:1"));
    producer.send(record("any", "k"), 1).unwrap();
    assert!(producer.flush(Duration::ZERO).is_err());
    drop(producer);
    assert_eq!(outcomes.recv_timeout(LIMIT).unwrap(), (Err(DeliveryError::Ended), 1));
}

#[test]
fn a_panic_in_the_handler_is_fatal_not_silent() {
    let topic = topic(1);
    let producer = Producer::new(&settings(), |_, (): ()| panic!("a defect of the service")).unwrap();
    producer.send(record(&topic, "k"), ()).unwrap();
    let fatal = producer.fatal();
    block_on(async { tokio::time::timeout(LIMIT, fatal.cancelled()).await }).unwrap();
    assert_eq!(producer.send(record(&topic, "k"), ()), Err((SendError::Fatal, ())));
}

#[test]
fn a_silent_broker_means_backpressure_and_no_loss() {
    const RECORDS: u64 = 500;
    let mut kafka = ApacheKafka::single().unwrap();
    let topic = topic_at(&kafka.bootstrap(), 1, &[]);
    let mut settings = ClientSettings::new(kafka.bootstrap());
    settings.producer.max_in_flight_records = 100;
    settings.producer.delivery_timeout = LIMIT;
    let (producer, outcomes) = producer(&settings);
    producer.send(record(&topic, "k"), 0).unwrap();
    producer.flush(LIMIT).unwrap();

    kafka.pause(0).unwrap();
    let mut next = 1;
    let refused = loop {
        match producer.send(record(&topic, "k"), next) {
            Ok(()) => next += 1,
            Err((error, _)) => break error,
        }
    };
    assert_eq!((refused, next, producer.in_flight()), (SendError::Full, 101, 100));
    assert!(!block_on(producer.room(Duration::from_millis(20))));

    kafka.resume(0).unwrap();
    while next < RECORDS {
        match producer.send(record(&topic, "k"), next) {
            Ok(()) => next += 1,
            Err((SendError::Full, _)) => assert!(block_on(producer.room(LIMIT))),
            Err((error, _)) => panic!("{error}"),
        }
    }
    producer.flush(LIMIT).unwrap();
    // In order, each once, none lost: the offsets follow the sends.
    let places: Vec<(i64, u64)> =
        outcomes.try_iter().map(|(outcome, n)| (outcome.unwrap().offset, n)).collect();
    let expected: Vec<(i64, u64)> = (0..).zip(0..RECORDS).collect();
    assert_eq!(places, expected);
}
