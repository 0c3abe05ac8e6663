//! The embedded log: all topics at once, other processes' clients, and compacted topics that survive a restart.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use fleetwire_kafka::{
    EmbeddedError, EmbeddedLog, EmbeddedOptions, Event, Producer, Reader, ReaderOptions, Record,
};
use fleetwire_model::{Topic, Topics};
use support::LIMIT;
use tokio_util::sync::CancellationToken;

fn start(data: &Path) -> Result<EmbeddedLog, EmbeddedError> {
    EmbeddedLog::start(&EmbeddedOptions { data: data.to_owned(), topics: Topics::default(), partitions: 4 })
}

fn put(log: &EmbeddedLog, topic: Topic, key: &str, value: Option<&str>) {
    let producer = Producer::<()>::new(&log.settings(), |delivery, ()| {
        delivery.outcome.unwrap();
    })
    .unwrap();
    let topic = Topics::default().name(topic);
    let record = Record {
        topic: &topic,
        key: Some(key.as_bytes()),
        payload: value.map(str::as_bytes),
        timestamp_ms: Some(1_700_000_000_000),
        ..Record::default()
    };
    producer.send(record, ()).unwrap();
    producer.flush(LIMIT).unwrap();
}

/// The newest value of each key, as a process that starts now sees it, and the count of records.
fn read(log: &EmbeddedLog, topic: Topic) -> (BTreeMap<String, Option<String>>, usize) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let name = Topics::default().name(topic);
    let reader =
        Reader::new(&log.settings(), &name, ReaderOptions::default(), &CancellationToken::new()).unwrap();
    let (mut newest, mut count) = (BTreeMap::new(), 0);
    loop {
        match reader.next(LIMIT).unwrap() {
            Event::Record(message) => {
                assert_eq!(message.timestamp_ms(), Some(1_700_000_000_000));
                newest.insert(text(message.key().unwrap()), message.payload().map(text));
                count += 1;
            }
            Event::CaughtUp => return (newest, count),
            Event::Idle => panic!("never caught up"),
        }
    }
}

#[test]
fn compacted_topics_are_there_after_a_restart_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let log = start(folder.path()).unwrap();
    put(&log, Topic::Devices, "a", Some("1"));
    put(&log, Topic::Devices, "a", Some("2"));
    put(&log, Topic::Devices, "b", Some("1"));
    put(&log, Topic::Devices, "b", None);
    put(&log, Topic::Raw, "a", Some("1"));
    assert_eq!(read(&log, Topic::Devices).1, 4);
    log.stop().unwrap();

    let log = start(folder.path()).unwrap();
    let expected = BTreeMap::from([("a".to_owned(), Some("2".to_owned()))]);
    assert_eq!(read(&log, Topic::Devices), (expected, 1));
    assert_eq!(read(&log, Topic::Raw).1, 0);
    // A third life knows what the second wrote.
    put(&log, Topic::Devices, "c", Some("3"));
    drop(log);
    let log = start(folder.path()).unwrap();
    assert_eq!(read(&log, Topic::Devices).0.len(), 2);
    log.stop().unwrap();
}

#[test]
fn a_data_directory_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let log = start(folder.path()).unwrap();
    assert!(matches!(start(folder.path()), Err(EmbeddedError::InUse(_))));
    log.stop().unwrap();
    start(folder.path()).unwrap().stop().unwrap();
}

#[test]
fn every_topic_has_its_partitions() {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    let folder = tempfile::tempdir().unwrap();
    let log = start(folder.path()).unwrap();
    let client: BaseConsumer =
        rdkafka::ClientConfig::new().set("bootstrap.servers", log.bootstrap()).create().unwrap();
    for topic in Topic::ALL {
        let name = Topics::default().name(topic);
        let metadata = client.fetch_metadata(Some(&name), LIMIT).unwrap();
        assert_eq!(metadata.topics()[0].partitions().len(), 4, "{name}");
    }
}
