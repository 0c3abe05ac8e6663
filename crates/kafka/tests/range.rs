//! The reader of a range against the real Kafka: it reads what lies between two times, no more, and ends.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwire_kafka::{
    ClientSettings, Producer, Range, RangeEvent, RangeProgress, RangeReader, ReaderError, Record,
};
use support::{LIMIT, settings, topic, unique};
use tokio_util::sync::CancellationToken;

/// The first time of these tests, Unix milliseconds.
const T0: i64 = 1_700_000_000_000;

/// Writes records with these times, after `T0`; the value is the time.
fn fill(topic: &str, records: impl IntoIterator<Item = (u8, i64)>) {
    let producer = Producer::<()>::new(&settings(), |delivery, ()| {
        delivery.outcome.unwrap();
    })
    .unwrap();
    for (key, time) in records {
        let (key, value) = ([key], time.to_string());
        let record = Record {
            topic,
            key: Some(&key),
            payload: Some(value.as_bytes()),
            timestamp_ms: Some(T0 + time),
            ..Record::default()
        };
        producer.send(record, ()).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

fn reader(topic: &str, range: Range) -> RangeReader {
    RangeReader::new(&settings(), topic, range, &CancellationToken::new()).unwrap()
}

/// Every record to the end: its partition and the time that is its value.
fn drain(reader: &RangeReader) -> Vec<(i32, i64)> {
    let mut found = Vec::new();
    loop {
        match reader.next(LIMIT).unwrap() {
            RangeEvent::Record(message) => {
                let value = std::str::from_utf8(message.payload().unwrap()).unwrap();
                found.push((message.partition(), value.parse().unwrap()));
            }
            RangeEvent::End => return found,
            RangeEvent::Idle => panic!("it never ends"),
        }
    }
}

fn times(found: Vec<(i32, i64)>) -> Vec<i64> {
    let mut times: Vec<i64> = found.into_iter().map(|(_, time)| time).collect();
    times.sort_unstable();
    times
}

#[test]
fn records_between_two_times_come_from_every_partition_and_no_others() {
    let topic = topic(4);
    fill(&topic, (0..400_u16).map(|number| (number.to_le_bytes()[0], i64::from(number) * 1000)));
    let range = Range { from_ms: Some(T0 + 100_000), to_ms: Some(T0 + 150_000), ..Range::default() };
    let reader = reader(&topic, range);
    assert!(reader.found_by_time());
    assert_eq!(times(drain(&reader)), (100..150).map(|second| second * 1000).collect::<Vec<_>>());
    let RangeProgress { done, total } = reader.progress();
    assert_eq!(done, total);
    // By its times it need not look at what lies before, and only a little at what lies behind.
    assert!(total < 400 - 90, "{total}");
    assert!(reader.rest().is_empty());
}

#[test]
fn a_record_that_is_a_little_out_of_order_is_found() {
    let topic = topic(1);
    fill(&topic, [(0, 1000), (0, 70_000), (0, 40_000), (0, 900_000), (0, 50_000)]);
    let range = |slack| Range { from_ms: Some(T0), to_ms: Some(T0 + 60_000), slack, ..Range::default() };
    assert_eq!(times(drain(&reader(&topic, range(Duration::from_mins(1))))), [1000, 40_000]);
    assert_eq!(times(drain(&reader(&topic, range(Duration::from_mins(30))))), [1000, 40_000, 50_000]);
}

#[test]
fn what_is_empty_ends_at_once() {
    let topic = topic(2);
    assert_eq!(drain(&reader(&topic, Range::default())), []);
    fill(&topic, [(0, 0), (1, 0)]);
    let later = Range { from_ms: Some(T0 + 1), ..Range::default() };
    assert_eq!(drain(&reader(&topic, later)), []);
    let nowhere = Range { offsets: Some(BTreeMap::new()), ..Range::default() };
    assert_eq!(drain(&reader(&topic, nowhere)), []);
}

#[test]
fn a_range_that_was_left_goes_on_where_it_stopped() {
    let topic = topic(3);
    fill(&topic, (0..300_u16).map(|number| (number.to_le_bytes()[0], i64::from(number))));
    let first = reader(&topic, Range::default());
    let mut found = Vec::new();
    while found.len() < 120 {
        if let RangeEvent::Record(message) = first.next(LIMIT).unwrap() {
            let value = std::str::from_utf8(message.payload().unwrap()).unwrap();
            found.push((message.partition(), value.parse().unwrap()));
        }
    }
    let rest = Range { offsets: Some(first.rest()), ..Range::default() };
    found.extend(drain(&reader(&topic, rest)));
    assert_eq!(times(found), (0..300).collect::<Vec<_>>());
}

#[test]
fn a_partition_that_is_given_up_comes_no_more_and_the_others_do() {
    let topic = topic(2);
    fill(&topic, (0..200_u16).map(|number| (number.to_le_bytes()[0], i64::from(number))));
    let reader = reader(&topic, Range::default());
    reader.finish(0);
    reader.finish(0);
    let found = drain(&reader);
    assert!(!found.is_empty() && found.iter().all(|(partition, _)| *partition == 1));
}

#[test]
fn partitions_are_merged_by_time() {
    let topic = topic(2);
    let records = |second: i64| (0..8).map(move |key| (key, second * 1000));
    fill(&topic, (0..2000).flat_map(records));
    let found = drain(&reader(&topic, Range::default()));
    assert_eq!(found.len(), 16_000);
    let (mut last, mut apart) = ([0, 0], 0);
    for (partition, time) in found {
        last[usize::try_from(partition).unwrap()] = time;
        apart = apart.max((last[0] - last[1]).abs());
    }
    assert!(apart <= 1000, "{apart} ms apart");
}

#[test]
fn no_topic_and_no_kafka_are_said_in_time() {
    let missing = unique("missing");
    let stop = CancellationToken::new();
    let error = RangeReader::new(&settings(), &missing, Range::default(), &stop).unwrap_err();
    assert_eq!(error, ReaderError::NoSuchTopic(missing));
    let range = Range { ready_timeout: Duration::from_millis(50), ..Range::default() };
    let error = RangeReader::new(&ClientSettings::new("127.0.0.1:1"), "any", range, &stop);
    assert!(matches!(error.unwrap_err(), ReaderError::Unreachable(_)));
}
