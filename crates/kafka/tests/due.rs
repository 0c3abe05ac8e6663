//! What a transform sends without a record, and what it holds back until a transaction ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_kafka::{
    ClientSettings, ConsumerOptions, EmbeddedLog, EmbeddedOptions, Message, Monitor, Outputs, Producer,
    Range, RangeEvent, RangeReader, Record, SendError, Settled, TopicPartition, Transform, TransformError,
    Transformer, TransformerOptions,
};
use fleetwire_model::Topics;
use support::{LIMIT, eventually, settings, topic, unique};
use tokio_util::sync::CancellationToken;

/// Counts records, and writes the count when a transaction ends; says "due" once for each order.
struct Tally {
    made: String,
    orders: mpsc::Receiver<TopicPartition>,
    order: Option<TopicPartition>,
    counted: u32,
    undone: u32,
    /// Whether what is due is followed by an error, once.
    stumble: bool,
}

impl Tally {
    fn say(&self, text: &str, outputs: &Outputs<'_>) -> Result<(), SendError> {
        let text = Some(text.as_bytes());
        outputs.send(Record { topic: &self.made, key: text, payload: text, ..Record::default() })
    }
}

impl Transform for Tally {
    fn record(&mut self, _message: &Message<'_>, _outputs: &Outputs<'_>) -> Result<(), SendError> {
        self.counted += 1;
        Ok(())
    }

    fn settled(&mut self, how: Settled) {
        self.counted = 0;
        match how {
            Settled::Undone => self.undone += 1,
            Settled::Committed => self.order = None,
        }
    }

    fn due(&mut self) -> Option<TopicPartition> {
        if self.order.is_none() {
            self.order = self.orders.try_recv().ok();
        }
        self.order.clone()
    }

    fn send_due(
        &mut self,
        _partition: &TopicPartition,
        _position: i64,
        outputs: &Outputs<'_>,
    ) -> Result<(), SendError> {
        self.say("due", outputs)?;
        if std::mem::take(&mut self.stumble) { Err(SendError::Full) } else { Ok(()) }
    }

    fn is_incomplete(&self) -> bool {
        self.counted > 0
    }

    fn complete(&mut self, outputs: &Outputs<'_>) -> Result<(), SendError> {
        let counted = std::mem::take(&mut self.counted);
        self.say(&format!("counted {counted}"), outputs)
    }
}

struct Member {
    stop: CancellationToken,
    monitor: Monitor,
    orders: mpsc::Sender<TopicPartition>,
    thread: JoinHandle<(Result<(), TransformError>, Tally)>,
}

impl Member {
    fn start(settings: &ClientSettings, (group, raw, made): (&str, &str, &str), stumble: bool) -> Self {
        let options = ConsumerOptions {
            // One transaction for each due, and one for what came together.
            commit_interval: Duration::from_millis(300),
            ..ConsumerOptions::default()
        };
        let transactions =
            TransformerOptions { transactional_id: unique("id"), timeout: Duration::from_secs(15) };
        let transformer =
            Transformer::new(settings, group, &[raw], options, transactions).unwrap().without_isolation();
        let (monitor, stop) = (transformer.monitor(), CancellationToken::new());
        let (orders, receiver) = mpsc::channel();
        let mut tally =
            Tally { made: made.to_owned(), orders: receiver, order: None, counted: 0, undone: 0, stumble };
        let token = stop.clone();
        let thread = std::thread::spawn(move || (transformer.run(&token, &mut tally), tally));
        Self { stop, monitor, orders, thread }
    }

    fn order(&self, topic: &str, number: i32) {
        self.orders.send(TopicPartition { topic: topic.into(), number }).unwrap();
    }

    fn stop(self) -> Tally {
        self.stop.cancel();
        let (outcome, tally) = self.thread.join().unwrap();
        outcome.unwrap();
        tally
    }
}

fn put(settings: &ClientSettings, topic: &str, count: u32) {
    let producer = Producer::<()>::new(settings, |delivery, ()| {
        delivery.outcome.unwrap();
    })
    .unwrap();
    for number in 0..count {
        let key = number.to_string();
        let record = Record { topic, key: Some(key.as_bytes()), payload: Some(b"x"), ..Record::default() };
        producer.send(record, ()).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

/// The committed texts of a topic, counted.
fn said(settings: &ClientSettings, topic: &str) -> BTreeMap<String, u32> {
    let stop = CancellationToken::new();
    let reader = RangeReader::decided(settings, topic, Range::default(), &stop).unwrap();
    let mut said = BTreeMap::new();
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        match reader.next(Duration::from_millis(200)).unwrap() {
            RangeEvent::Record(message) => {
                let text = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                *said.entry(text).or_default() += 1;
            }
            RangeEvent::Idle => {}
            RangeEvent::End => break,
        }
    }
    said
}

fn counted(said: &BTreeMap<String, u32>) -> u32 {
    let numbers = said.iter().filter_map(|(text, times)| Some((text.strip_prefix("counted ")?, times)));
    numbers.map(|(number, times)| number.parse::<u32>().unwrap() * times).sum()
}

#[test]
fn what_is_due_becomes_visible_without_a_record_and_what_was_undone_does_not() {
    let (settings, raw, made) = (settings(), topic(1), topic(1));
    let group = unique("group");
    let member = Member::start(&settings, (&group, &raw, &made), true);
    eventually("it has the partition", || member.monitor.health().partitions == 1);
    member.order(&raw, 0);
    eventually("it is said", || said(&settings, &made).contains_key("due"));
    let tally = member.stop();
    assert_eq!(tally.undone, 1);
}

#[test]
fn nothing_is_said_in_the_name_of_a_partition_of_another_member() {
    let (settings, raw, made) = (settings(), topic(2), topic(1));
    let group = unique("group");
    let [first, second] = [(), ()].map(|()| Member::start(&settings, (&group, &raw, &made), false));
    eventually("they share", || {
        [&first, &second].iter().all(|member| member.monitor.health().partitions == 1)
    });
    let mine = first.monitor.assigned(&raw).first().unwrap().partition;
    second.order(&raw, mine);
    // Its records go on, so it had its turns.
    put(&settings, &raw, 100);
    eventually("everything is counted", || counted(&said(&settings, &made)) == 100);
    assert!(!said(&settings, &made).contains_key("due"));
    first.stop();
    second.stop();
}

#[test]
fn what_is_held_back_is_said_before_the_end_and_counts_everything_once() {
    let (settings, raw, made) = (settings(), topic(4), topic(1));
    let group = unique("group");
    let first = Member::start(&settings, (&group, &raw, &made), false);
    put(&settings, &raw, 1000);
    // A transaction that is open when partitions move to the second one is undone, not cut short.
    let second = Member::start(&settings, (&group, &raw, &made), false);
    for _ in 0..20 {
        put(&settings, &raw, 50);
    }
    eventually("they share", || {
        [&first, &second].iter().all(|member| member.monitor.health().partitions == 2)
    });
    put(&settings, &raw, 1000);
    first.stop();
    eventually("everything is counted", || counted(&said(&settings, &made)) >= 3000);
    second.stop();
    assert_eq!(counted(&said(&settings, &made)), 3000);
}

#[test]
fn the_embedded_log_does_where_no_isolation_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let topics = Topics::new("fleetwire").unwrap();
    let options = EmbeddedOptions { data: dir.path().to_owned(), topics, partitions: 1 };
    let log = EmbeddedLog::start(&options).unwrap();
    let (raw, made) = ("fleetwire.held.v1", "fleetwire.raw.v1");
    let member = Member::start(&log.settings(), ("group", raw, made), false);
    eventually("it has the partition", || member.monitor.health().partitions == 1);
    member.order(raw, 0);
    eventually("it is said", || said(&log.settings(), made).contains_key("due"));
    put(&log.settings(), raw, 10);
    eventually("they are counted", || counted(&said(&log.settings(), made)) == 10);
    member.stop();
    log.stop().unwrap();
}
