//! Raw records as a frontend would write them, at times that a test chooses, and what a group has committed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleetwire_kafka::{ClientSettings, Delivered, Producer, Record};
use fleetwire_model::pb::RawPublish;
use fleetwire_model::time::from_unix_ms;
use prost::Message as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::support::LIMIT;

/// A device of the published samples, its two records with text, and its two events.
pub(crate) const OTHER: &str = "865209039554705";
const TEXT: &str = include_str!("../../../codec/tests/fixtures/iotm/i09_two_records_with_text.hex");
const EVENTS: &str = include_str!("../../../codec/tests/fixtures/iotm/i10_two_events.hex");

/// A payload of [`OTHER`] with two positions.
pub(crate) fn two_positions() -> Vec<u8> {
    hex::decode(TEXT.trim()).unwrap()
}

/// A payload of [`OTHER`] with two device events.
pub(crate) fn two_events() -> Vec<u8> {
    hex::decode(EVENTS.trim()).unwrap()
}

/// Now, Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// A publish of a device, received at that time.
pub(crate) fn publish(device: &str, payload: &[u8], received_ms: i64) -> RawPublish {
    RawPublish {
        payload: payload.to_vec().into(),
        topic: "BCE/D".into(),
        client_id: device.into(),
        account: "bce_device".into(),
        device_id: device.into(),
        received_time: Some(from_unix_ms(received_ms)),
        remote_address: "192.0.2.7:40000".into(),
        ..RawPublish::default()
    }
}

/// Writes publishes into the raw topic; returns where they lie.
pub(crate) fn write(kafka: &str, prefix: &str, publishes: &[RawPublish]) -> Vec<Delivered> {
    let records = publishes.iter().map(|publish| {
        let received = fleetwire_model::time::to_unix_ms(publish.received_time.as_ref().unwrap());
        (publish.device_id.clone(), publish.encode_to_vec(), Some(received))
    });
    produce(kafka, &format!("{prefix}.raw.v1"), records)
}

/// Writes records with a key, a value and a time; returns where they lie.
pub(crate) fn produce(
    kafka: &str,
    topic: &str,
    records: impl IntoIterator<Item = (String, Vec<u8>, Option<i64>)>,
) -> Vec<Delivered> {
    let places = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&places);
    let producer = Producer::<usize>::new(&ClientSettings::new(kafka), move |delivery, index| {
        kept.lock().unwrap().push((index, delivery.outcome.unwrap()));
    })
    .unwrap();
    for (index, (key, value, timestamp_ms)) in records.into_iter().enumerate() {
        let record = Record {
            topic,
            key: Some(key.as_bytes()),
            payload: Some(&value),
            timestamp_ms,
            ..Record::default()
        };
        producer.send(record, index).unwrap();
    }
    producer.flush(LIMIT).unwrap();
    let mut places = places.lock().unwrap().clone();
    places.sort_by_key(|(index, _)| *index);
    places.into_iter().map(|(_, place)| place).collect()
}

/// What a group has committed of a topic with four partitions, as text.
pub(crate) fn committed(kafka: &str, group: &str, topic: &str) -> String {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka).set("group.id", group).create().unwrap();
    let mut partitions = rdkafka::TopicPartitionList::new();
    partitions.add_partition_range(topic, 0, 3);
    let committed = consumer.committed_offsets(partitions, Duration::from_secs(30)).unwrap();
    let mut offsets: Vec<String> =
        committed.elements().iter().map(|e| format!("{}:{:?}", e.partition(), e.offset())).collect();
    offsets.sort();
    offsets.join(" ")
}
