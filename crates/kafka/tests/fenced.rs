//! Writers that share an id, and a reader that knows how far it is, against the real Kafka.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use fleetwire_apache_kafka::ApacheKafka;
use fleetwire_kafka::{ClientSettings, Delivered, FencedError, FencedWriter, Record, TailReader};
use support::{LIMIT, settings, topic, topic_at, unique};
use tokio_util::sync::CancellationToken;

const PARTITIONS: i32 = 3;

fn writer(id: &str) -> FencedWriter {
    FencedWriter::new(&settings(), id, Duration::from_secs(20))
}

fn record<'a>(topic: &'a str, key: &'a str) -> Record<'a> {
    Record { topic, key: Some(key.as_bytes()), payload: Some(key.as_bytes()), ..Record::default() }
}

fn write(writer: &mut FencedWriter, records: &[Record<'_>]) -> Result<Vec<Delivered>, FencedError> {
    let delivered = writer.send(records, LIMIT)?;
    writer.commit(LIMIT).map(|()| delivered)
}

/// Reads to the end, and returns the keys. What is `written` is waited for: Kafka shows it shortly after it has said
/// that it is committed.
fn read(reader: &TailReader, written: &[Delivered]) -> Vec<String> {
    let deadline = Instant::now() + LIMIT;
    let ends = loop {
        let ends = reader.ends(LIMIT).unwrap();
        let end = |place: &Delivered| ends.get(usize::try_from(place.partition).unwrap());
        let is_shown = |place: &Delivered| end(place).is_some_and(|end| *end > place.offset);
        if written.iter().all(is_shown) {
            break ends;
        }
        assert!(Instant::now() < deadline, "{written:?} is beyond {ends:?}");
    };
    let mut keys = Vec::new();
    while reader.positions().unwrap().iter().zip(&ends).any(|(position, end)| position < end) {
        assert!(Instant::now() < deadline, "{:?} of {ends:?}", reader.positions());
        if let Some(message) = reader.next(Duration::from_millis(2)).unwrap() {
            keys.push(String::from_utf8(message.key().unwrap().to_vec()).unwrap());
        }
    }
    keys.sort();
    keys
}

fn reader(topic: &str) -> TailReader {
    TailReader::new(&settings(), topic, LIMIT, &CancellationToken::new()).unwrap()
}

#[test]
fn whoever_takes_the_id_shuts_the_other_out_and_what_that_one_writes_is_not_there() {
    let (topic, id) = (topic(PARTITIONS), unique("id"));
    let reader = reader(&topic);
    let (mut one, mut other) = (writer(&id), writer(&id));
    assert_eq!(write(&mut one, &[record(&topic, "early")]), Err(FencedError::Fenced));
    one.take(LIMIT).unwrap();
    let delivered = write(&mut one, &[record(&topic, "a"), record(&topic, "b")]).unwrap();
    assert_eq!(delivered.len(), 2);
    other.take(LIMIT).unwrap();
    assert!(one.is_held(), "it does not know yet");
    let refused = write(&mut one, &[record(&topic, "lost")]);
    assert!(matches!(refused, Err(FencedError::Fenced | FencedError::Undone(_))), "{refused:?}");
    assert!(!one.is_held());
    write(&mut other, &[record(&topic, "c")]).unwrap();
    one.take(LIMIT).unwrap();
    let written = write(&mut one, &[record(&topic, "d")]).unwrap();
    assert_eq!(read(&reader, &written), ["a", "b", "c", "d"]);
}

#[test]
fn a_reader_gets_past_markers_and_what_was_undone() {
    let (topic, id) = (topic(PARTITIONS), unique("id"));
    let reader = reader(&topic);
    assert_eq!(read(&reader, &[]), [""; 0]);
    let mut one = writer(&id);
    one.take(LIMIT).unwrap();
    let large = "x".repeat(2 << 20);
    let too_large = write(&mut one, &[record(&topic, "a"), record(&topic, &large)]);
    assert_eq!(too_large, Err(FencedError::TooLarge));
    assert!(one.is_held());
    assert_eq!(read(&reader, &[]), [""; 0]);
    let written = write(&mut one, &[record(&topic, "a")]).unwrap();
    let delivered = written[0];
    assert_eq!(read(&reader, &written), ["a"]);
    let position = reader.positions().unwrap()[usize::try_from(delivered.partition).unwrap()];
    assert!(position > delivered.offset + 1, "the marker counts");
    assert_eq!(read(&reader, &[]), [""; 0]);
    // A new reader gets as far.
    assert_eq!(read(&self::reader(&topic), &written), ["a"]);
}

#[test]
fn what_a_dead_writer_left_open_is_undone_by_the_next_one() {
    let (topic, id) = (topic(PARTITIONS), unique("id"));
    let reader = reader(&topic);
    let (mut one, mut other) = (writer(&id), writer(&id));
    one.take(LIMIT).unwrap();
    one.send(&[record(&topic, "half"), record(&topic, "done")], LIMIT).unwrap();
    drop(one);
    other.take(LIMIT).unwrap();
    assert_eq!(read(&reader, &[]), [""; 0]);
    let written = write(&mut other, &[record(&topic, "whole")]).unwrap();
    assert_eq!(read(&reader, &written), ["whole"]);
}

#[test]
fn a_commit_without_an_answer_is_decided_by_the_next_taking_of_the_id() {
    let mut kafka = ApacheKafka::single().unwrap();
    let topic = topic_at(&kafka.bootstrap(), PARTITIONS, &[]);
    let settings = ClientSettings::new(kafka.bootstrap());
    let mut one = FencedWriter::new(&settings, &unique("id"), Duration::from_secs(30));
    let reader = TailReader::new(&settings, &topic, LIMIT, &CancellationToken::new()).unwrap();
    one.take(LIMIT).unwrap();
    let delivered = one.send(&[record(&topic, "a"), record(&topic, "b")], LIMIT).unwrap();
    kafka.pause(0).unwrap();
    assert_eq!(one.commit(Duration::from_secs(1)), Err(FencedError::Unknown));
    assert!(!one.is_held());
    let away = one.take(Duration::from_secs(1));
    assert!(matches!(away, Err(FencedError::Unreachable(_))), "{away:?}");
    kafka.resume(0).unwrap();
    one.take(LIMIT).unwrap();
    // All of it or nothing, and no more changes.
    let keys = read(&reader, &[]);
    assert!(keys.is_empty() || keys == ["a", "b"], "{keys:?} {delivered:?}");
    let written = write(&mut one, &[record(&topic, "c")]).unwrap();
    assert_eq!(read(&reader, &written), ["c"]);
}
