//! The reader against the real Kafka: it says once that it has caught up, whatever the topic looks like.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwire_kafka::{
    ClientSettings, Event, MissingTopic, Producer, Reader, ReaderError, ReaderOptions, Record, Start,
};
use support::{LIMIT, eventually, settings, topic, topic_at, unique};
use tokio_util::sync::CancellationToken;

fn fill(topic: &str, pairs: &[(&str, Option<&str>)]) {
    let producer = Producer::<()>::new(&settings(), |delivery, ()| {
        delivery.outcome.unwrap();
    })
    .unwrap();
    for (key, value) in pairs {
        let record = Record {
            topic,
            key: Some(key.as_bytes()),
            payload: value.map(str::as_bytes),
            ..Record::default()
        };
        producer.send(record, ()).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

fn reader(topic: &str, options: ReaderOptions) -> Reader {
    Reader::new(&settings(), topic, options, &CancellationToken::new()).unwrap()
}

/// Every record up to the word that it has caught up.
fn catch_up(reader: &Reader) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        match reader.next(LIMIT).unwrap() {
            Event::Record(message) => keys.push(String::from_utf8(message.key().unwrap().to_vec()).unwrap()),
            Event::CaughtUp => return keys,
            Event::Idle => panic!("never caught up"),
        }
    }
}

#[test]
fn an_empty_topic_is_caught_up_at_once() {
    let topic = topic(3);
    let reader = reader(&topic, ReaderOptions::default());
    assert_eq!(catch_up(&reader), [""; 0]);
    fill(&topic, &[("late", Some("1"))]);
    assert!(matches!(reader.next(LIMIT).unwrap(), Event::Record(_)));
    assert!(matches!(reader.next(Duration::ZERO).unwrap(), Event::Idle));
}

#[test]
fn all_partitions_are_read_before_it_has_caught_up() {
    let topic = topic(5);
    let keys: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
    let pairs: Vec<(&str, Option<&str>)> = keys.iter().map(|key| (key.as_str(), Some("x"))).collect();
    fill(&topic, &pairs);
    let mut found = catch_up(&reader(&topic, ReaderOptions::default()));
    found.sort();
    assert_eq!(found, keys);
    let from_end = ReaderOptions { start: Start::End, ..ReaderOptions::default() };
    assert_eq!(catch_up(&reader(&topic, from_end)), [""; 0]);
}

#[test]
fn a_reader_may_begin_at_a_time() {
    let topic = topic(3);
    let producer = Producer::<()>::new(&settings(), |delivery, ()| {
        delivery.outcome.unwrap();
    })
    .unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let send = |key: &str, timestamp_ms: i64| {
        let (key, payload) = (Some(key.as_bytes()), Some(b"x".as_slice()));
        let timestamp_ms = Some(timestamp_ms);
        producer.send(Record { topic: &topic, key, payload, timestamp_ms, headers: &[] }, ()).unwrap();
    };
    for number in 0..20 {
        send(&format!("old-{number}"), now - 3_600_000);
    }
    for number in 0..20 {
        send(&format!("new-{number}"), now);
    }
    producer.flush(LIMIT).unwrap();
    let since = |from_ms: i64| {
        Reader::since(&settings(), &topic, from_ms, ReaderOptions::default(), &CancellationToken::new())
            .unwrap()
    };
    let recent = catch_up(&since(now - 60_000));
    assert!(recent.len() == 20 && recent.iter().all(|key| key.starts_with("new-")), "{recent:?}");
    assert_eq!(catch_up(&since(now - 7_200_000)).len(), 40);
    let later = since(now + 60_000);
    assert_eq!(catch_up(&later), [""; 0]);
    fill(&topic, &[("late", Some("1"))]);
    assert!(matches!(later.next(LIMIT).unwrap(), Event::Record(_)));
}

#[test]
fn a_compacted_topic_with_gaps_is_caught_up() {
    let bootstrap = settings().brokers;
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "0"),
    ];
    let topic = topic_at(&bootstrap, 1, &configs);
    for round in 0..5 {
        let value = round.to_string();
        fill(&topic, &[("a", Some(&value)), ("b", Some(&value)), ("gone", Some(&value)), ("gone", None)]);
    }
    // Each look appends a record, because only a new one closes the active segment.
    eventually("the cleaner left gaps", || {
        fill(&topic, &[("tick", Some("1"))]);
        let mut newest = BTreeMap::new();
        let reader = reader(&topic, ReaderOptions::default());
        let mut count = 0;
        loop {
            match reader.next(LIMIT).unwrap() {
                Event::Record(message) => {
                    count += 1;
                    newest.insert(message.key().unwrap().to_vec(), message.payload().map(<[u8]>::to_vec));
                }
                Event::CaughtUp => break,
                Event::Idle => panic!("never caught up"),
            }
        }
        assert_eq!(newest[&b"a"[..]], Some(b"4".to_vec()));
        assert!(newest.get(&b"gone"[..]).is_none_or(Option::is_none));
        count < 12
    });
}

#[test]
fn a_missing_topic_is_an_error_or_waited_for() {
    let missing = unique("missing");
    let stop = CancellationToken::new();
    let options = ReaderOptions::default();
    let error = Reader::new(&settings(), &missing, options, &stop).unwrap_err();
    assert_eq!(error, ReaderError::NoSuchTopic(missing.clone()));
    let waiting =
        ReaderOptions { missing: MissingTopic::Wait, ready_timeout: Duration::from_millis(50), ..options };
    let error = Reader::new(&settings(), &missing, waiting, &stop).unwrap_err();
    assert_eq!(error, ReaderError::NoSuchTopic(missing));
}

#[test]
fn kafka_down_is_said_in_time() {
    let options = ReaderOptions { ready_timeout: Duration::from_millis(50), ..ReaderOptions::default() };
    let error = Reader::new(&ClientSettings::new("127.0.0.1:1"), "any", options, &CancellationToken::new());
    assert!(matches!(error.unwrap_err(), ReaderError::Unreachable(_)));
}
