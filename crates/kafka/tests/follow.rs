//! A follower of partitions that come and go.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use fleetwire_kafka::{PartitionFollower, Producer, Record, TopicPartition, Watermarks, partition_of};
use support::{LIMIT, eventually, settings, topic};

/// Writes numbers, each under its own key.
fn write(topic: &str, numbers: std::ops::Range<u32>, timestamp_ms: Option<i64>) {
    let producer = Producer::new(&settings(), |delivery, ()| {
        delivery.outcome.unwrap();
    })
    .unwrap();
    for number in numbers {
        let text = number.to_string();
        let (key, payload) = (Some(text.as_bytes()), Some(text.as_bytes()));
        let record = Record { topic, key, payload, timestamp_ms, ..Record::default() };
        producer.send(record, ()).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

fn place(topic: &str, number: i32) -> TopicPartition {
    TopicPartition { topic: topic.into(), number }
}

/// What comes next, by topic and text; none if nothing does.
fn next(follower: &PartitionFollower, wait: Duration) -> Option<(String, String)> {
    let message = follower.next(wait).unwrap()?;
    let text = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
    Some((message.topic().to_owned(), text))
}

#[test]
fn a_follower_reads_only_partitions_that_it_was_told_of_and_from_where_it_was_told() {
    let (one, other) = (topic(2), topic(2));
    for topic in [&one, &other] {
        write(topic, 0..20, None);
    }
    let of_partition = |number| {
        let keys = (0..20_u32).map(|number| number.to_string());
        keys.filter(|key| partition_of(key.as_bytes(), 2) == number).collect::<Vec<_>>()
    };
    let follower = PartitionFollower::new(&settings()).unwrap();
    follower.add(&place(&one, 0), 0).unwrap();
    let mut seen = Vec::new();
    eventually("the first partition is read", || {
        seen.extend(next(&follower, Duration::from_millis(100)));
        seen.len() == of_partition(0).len()
    });
    assert!(seen.iter().all(|(topic, _)| *topic == one));
    assert_eq!(seen.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>(), of_partition(0));

    // Another topic's comes beside it, from the middle.
    follower.add(&place(&other, 1), 3).unwrap();
    let mut seen = Vec::new();
    eventually("the other topic's is read", || {
        seen.extend(next(&follower, Duration::from_millis(100)));
        seen.len() == of_partition(1).len() - 3
    });
    assert_eq!(seen.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>(), of_partition(1)[3..]);

    // What has gone is read no more; what is added again starts anew.
    follower.remove(&place(&one, 0)).unwrap();
    write(&one, 20..40, None);
    follower.add(&place(&other, 1), 0).unwrap();
    let mut seen = Vec::new();
    eventually("it is read again", || {
        seen.extend(next(&follower, Duration::from_millis(100)));
        seen.len() == of_partition(1).len()
    });
    assert!(seen.iter().all(|(topic, _)| *topic == other), "{seen:?}");
}

#[test]
fn a_partition_that_pauses_goes_on_where_it_was() {
    let (one, other) = (topic(1), topic(1));
    write(&one, 0..1000, None);
    let follower = PartitionFollower::new(&settings()).unwrap();
    let paused = place(&one, 0);
    follower.add(&paused, 0).unwrap();
    let mut seen = Vec::new();
    eventually("some is read", || {
        seen.extend(next(&follower, Duration::from_millis(100)));
        seen.len() == 10
    });
    follower.pause(&paused).unwrap();
    write(&other, 0..1, None);
    follower.add(&place(&other, 0), 0).unwrap();
    eventually("the other is read", || {
        let found = next(&follower, Duration::from_millis(100));
        assert!(found.as_ref().is_none_or(|(topic, _)| *topic == other), "{found:?}");
        found.is_some()
    });
    follower.resume(&paused).unwrap();
    eventually("the rest is read", || {
        seen.extend(next(&follower, Duration::from_millis(100)));
        seen.len() == 1000
    });
    let texts: Vec<String> = seen.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn the_offset_of_a_time_is_that_of_the_first_record_which_is_not_older() {
    let topic = topic(1);
    let now_ms = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    write(&topic, 0..5, Some(now_ms - 10_000));
    write(&topic, 5..10, Some(now_ms));
    let watermarks = Watermarks::new(&settings()).unwrap();
    assert_eq!(watermarks.at(&topic, 0, now_ms - 20_000).unwrap(), Some(0));
    assert_eq!(watermarks.at(&topic, 0, now_ms - 5000).unwrap(), Some(5));
    assert_eq!(watermarks.at(&topic, 0, now_ms + 1000).unwrap(), None);
}
