//! The group consumer against the real Kafka: it commits only what is done, and hands over without loss.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::ApacheKafka;
use fleetwire_kafka::{
    ClientSettings, Consumer, ConsumerOptions, Done, Monitor, Producer, Reader, ReaderOptions, Record,
    RunError,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::{LIMIT, eventually, settings, topic, topic_at, unique};
use tokio_util::sync::CancellationToken;

fn fill(topic: &str, numbers: std::ops::Range<u64>) {
    fill_at(&settings(), topic, numbers);
}

fn fill_at(settings: &ClientSettings, topic: &str, numbers: std::ops::Range<u64>) {
    let producer = Producer::<()>::new(settings, |delivery, ()| {
        delivery.outcome.unwrap();
    })
    .unwrap();
    for number in numbers {
        let text = number.to_string();
        let record =
            Record { topic, key: Some(text.as_bytes()), payload: Some(text.as_bytes()), ..Record::default() };
        producer.send(record, ()).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

/// Asks what a group has committed. One client for a test: making and dropping one takes seconds.
struct Committed {
    client: BaseConsumer,
    topic: String,
    partitions: i32,
}

impl Committed {
    fn of(group: &str, topic: &str, partitions: i32) -> Self {
        let client = ClientConfig::new()
            .set("bootstrap.servers", &settings().brokers)
            .set("group.id", group)
            .create()
            .unwrap();
        Self { client, topic: topic.to_owned(), partitions }
    }

    /// Partition by partition; nothing is 0.
    fn offsets(&self) -> Vec<i64> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.topic, 0, self.partitions - 1);
        let offsets = self.client.committed_offsets(list, LIMIT).unwrap();
        let known = |partition| match offsets.find_partition(&self.topic, partition).unwrap().offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        (0..self.partitions).map(known).collect()
    }
}

/// A member on its own thread; what `handle` does with each record is the test's.
struct Member {
    stop: CancellationToken,
    monitor: Monitor,
    thread: JoinHandle<Result<(), RunError>>,
}

impl Member {
    fn start(
        group: &str,
        topic: &str,
        options: ConsumerOptions,
        strategy: &str,
        handle: impl FnMut(u64, Done) + Send + 'static,
    ) -> Self {
        Self::start_at(settings(), group, topic, options, strategy, handle)
    }

    #[expect(clippy::too_many_arguments, reason = "a test says all of it")]
    fn start_at(
        mut settings: ClientSettings,
        group: &str,
        topic: &str,
        options: ConsumerOptions,
        strategy: &str,
        mut handle: impl FnMut(u64, Done) + Send + 'static,
    ) -> Self {
        settings.properties.insert("partition.assignment.strategy".into(), strategy.into());
        // A member hears of a rebalance with its next heartbeat.
        settings.properties.insert("heartbeat.interval.ms".into(), "200".into());
        // Often, so that the look for lost commits takes place in every test.
        settings.properties.insert("statistics.interval.ms".into(), "100".into());
        let consumer = Consumer::new(&settings, group, &[topic], options).unwrap();
        let (monitor, stop) = (consumer.monitor(), CancellationToken::new());
        let token = stop.clone();
        let thread = std::thread::spawn(move || {
            consumer.run(&token, |message, done| {
                let number = std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap();
                handle(number, done);
            })
        });
        Self { stop, monitor, thread }
    }

    fn stop(self) -> Result<(), RunError> {
        self.stop.cancel();
        let outcome = self.thread.join().unwrap();
        assert_eq!(self.monitor.health().lost_commits, 0);
        outcome
    }
}

fn quick() -> ConsumerOptions {
    ConsumerOptions { commit_interval: Duration::from_millis(50), ..ConsumerOptions::default() }
}

#[test]
fn only_what_is_done_below_the_first_undone_is_committed() {
    let (topic, group) = (topic(1), unique("group"));
    let committed = Committed::of(&group, &topic, 1);
    fill(&topic, 0..10);
    let held: Arc<Mutex<BTreeMap<u64, Done>>> = Arc::default();
    let sink = Arc::clone(&held);
    let member = Member::start(&group, &topic, quick(), "cooperative-sticky", move |number, done| {
        sink.lock().unwrap().insert(number, done);
    });
    eventually("all are handed over", || held.lock().unwrap().len() == 10);
    let complete = |numbers: &[u64]| {
        for number in numbers {
            let done = held.lock().unwrap().remove(number).unwrap();
            done.complete();
        }
    };
    complete(&[9, 5, 1, 0]);
    eventually("the first two are committed", || committed.offsets() == [2]);
    complete(&[3, 4, 2]);
    eventually("the first six are committed", || committed.offsets() == [6]);
    assert_eq!(member.monitor.health().in_flight, 3);
    // The stop waits for the rest, which other threads complete meanwhile.
    member.stop.cancel();
    complete(&[6, 7, 8]);
    member.stop().unwrap();
    assert_eq!(committed.offsets(), [10]);
}

#[test]
fn a_stop_does_not_wait_for_ever_and_repeats_the_rest() {
    let (topic, group) = (topic(1), unique("group"));
    let committed = Committed::of(&group, &topic, 1);
    fill(&topic, 0..4);
    let held: Arc<Mutex<Vec<Done>>> = Arc::default();
    let sink = Arc::clone(&held);
    let options = ConsumerOptions { drain_timeout: Duration::from_millis(200), ..quick() };
    let member = Member::start(&group, &topic, options, "range", move |number, done| match number {
        2 => sink.lock().unwrap().push(done),
        _ => done.complete(),
    });
    eventually("the third is held", || held.lock().unwrap().len() == 1);
    member.stop().unwrap();
    assert_eq!(committed.offsets(), [2]);
    let again: Arc<Mutex<Vec<u64>>> = Arc::default();
    let sink = Arc::clone(&again);
    let member = Member::start(&group, &topic, quick(), "range", move |number, done| {
        sink.lock().unwrap().push(number);
        done.complete();
    });
    eventually("the rest comes again", || *again.lock().unwrap() == [2, 3]);
    member.stop().unwrap();
}

#[test]
fn a_dropped_token_ends_the_consumer() {
    let (topic, group) = (topic(1), unique("group"));
    let committed = Committed::of(&group, &topic, 1);
    fill(&topic, 0..2);
    let member = Member::start(&group, &topic, quick(), "cooperative-sticky", |number, done| {
        if number == 1 { drop(done) } else { done.complete() }
    });
    assert_eq!(member.thread.join().unwrap(), Err(RunError::Abandoned(1)));
    assert_eq!(committed.offsets(), [1]);
}

#[test]
fn too_much_unfinished_holds_back_and_goes_on_later() {
    let (topic, group) = (topic(4), unique("group"));
    let committed = Committed::of(&group, &topic, 4);
    fill(&topic, 0..1000);
    let held: Arc<Mutex<Vec<Done>>> = Arc::default();
    let seen: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let (sink, numbers) = (Arc::clone(&held), Arc::clone(&seen));
    let options = ConsumerOptions { max_in_flight_records: 10, ..quick() };
    let member = Member::start(&group, &topic, options, "cooperative-sticky", move |number, done| {
        numbers.lock().unwrap().insert(number);
        sink.lock().unwrap().push(done);
    });
    eventually("the window is full", || held.lock().unwrap().len() == 10);
    eventually("all are read in the end", || {
        let batch = std::mem::take(&mut *held.lock().unwrap());
        assert!(batch.len() <= 10, "{} are unfinished", batch.len());
        batch.into_iter().for_each(Done::complete);
        seen.lock().unwrap().len() == 1000 && member.monitor.health().in_flight == 0
    });
    member.stop().unwrap();
    assert_eq!(committed.offsets().iter().sum::<i64>(), 1000);
}

#[test]
fn a_rebalance_under_load_loses_nothing_and_repeats_nothing_done() {
    for strategy in ["cooperative-sticky", "range"] {
        rebalance(strategy);
    }
}

/// Two members, the second comes and goes under load. Completions are late and on other threads.
fn rebalance(strategy: &str) {
    const PARTITIONS: i32 = 6;
    let (topic, group) = (topic(PARTITIONS), unique("group"));
    let committed = Committed::of(&group, &topic, PARTITIONS);
    let seen: Arc<Mutex<BTreeMap<u64, u32>>> = Arc::default();
    let member = || {
        let seen = Arc::clone(&seen);
        let (sender, receiver) = std::sync::mpsc::sync_channel::<(u64, Done)>(1000);
        std::thread::spawn(move || {
            for (number, done) in receiver {
                *seen.lock().unwrap().entry(number).or_default() += 1;
                done.complete();
            }
        });
        Member::start(&group, &topic, quick(), strategy, move |number, done| {
            sender.send((number, done)).unwrap();
        })
    };
    let first = member();
    fill(&topic, 0..5_000);
    eventually("the first has all", || first.monitor.health().partitions == 6);
    let second = member();
    fill(&topic, 5_000..10_000);
    eventually("they share", || {
        [&first, &second].iter().all(|member| member.monitor.health().partitions == 3)
    });
    fill(&topic, 10_000..15_000);
    second.stop().unwrap();
    fill(&topic, 15_000..20_000);
    eventually("all came", || seen.lock().unwrap().len() == 20_000);
    first.stop().unwrap();
    let repeated = seen.lock().unwrap().values().filter(|count| **count > 1).count();
    // A hand-over waits for what is in flight and commits it, so nothing comes twice.
    assert_eq!(repeated, 0, "{strategy}");
    assert_eq!(committed.offsets().iter().sum::<i64>(), 20_000);
}

#[test]
fn the_lag_is_known() {
    let (topic, group) = (topic(1), unique("group"));
    fill(&topic, 0..20);
    let held: Arc<Mutex<Vec<Done>>> = Arc::default();
    let sink = Arc::clone(&held);
    let member = Member::start(&group, &topic, quick(), "cooperative-sticky", move |number, done| {
        if number < 5 {
            done.complete();
        } else {
            sink.lock().unwrap().push(done);
        }
    });
    eventually("five are done, fifteen are not", || {
        member.monitor.lag().first().is_some_and(|lag| lag.topic == topic && lag.lag == 15)
    });
    assert!(member.monitor.health().connected);
    held.lock().unwrap().drain(..).for_each(Done::complete);
    member.stop().unwrap();
}

#[test]
fn a_broker_that_dies_is_waited_for_and_a_silent_one_does_not_hold_a_stop() {
    let mut kafka = ApacheKafka::single().unwrap();
    let settings = ClientSettings::new(kafka.bootstrap());
    let (topic, group) = (topic_at(&kafka.bootstrap(), 2, &[]), unique("group"));
    let seen: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let options = ConsumerOptions { drain_timeout: Duration::from_secs(1), ..quick() };
    let handle = move |number, done: Done| {
        sink.lock().unwrap().insert(number);
        done.complete();
    };
    let member = Member::start_at(settings.clone(), &group, &topic, options, "cooperative-sticky", handle);
    fill_at(&settings, &topic, 0..100);
    eventually("the first hundred came", || seen.lock().unwrap().len() == 100);
    kafka.kill(0).unwrap();
    eventually("it knows that Kafka is gone", || !member.monitor.health().connected);
    kafka.restart(0).unwrap();
    fill_at(&settings, &topic, 100..200);
    eventually("the second hundred came", || seen.lock().unwrap().len() == 200);
    let token = CancellationToken::new();
    let reader = Reader::new(&settings, &topic, ReaderOptions::default(), &token).unwrap();
    let producer = Producer::<()>::new(&settings, |_, ()| {}).unwrap();
    kafka.pause(0).unwrap();
    producer.send(Record { topic: &topic, ..Record::default() }, ()).unwrap();
    let start = Instant::now();
    member.stop.cancel();
    // Commits under way when the broker died may have been lost; that is noticed, and no failure.
    member.thread.join().unwrap().unwrap();
    drop((reader, producer));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    kafka.resume(0).unwrap();
}
