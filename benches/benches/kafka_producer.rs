//! CPU of one record in the producer's client, for each of rdkafka's producers; the figures are in
//! `docs/decisions/0003-kafka-producer.md`. CPU is that of this process, so with `FLEETWIRE_TEST_KAFKA` set it is the
//! client's alone; without it librdkafka's in-process cluster runs here too and its CPU is counted in.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::VecDeque;
use std::fs;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fleetwire_kafka::{ClientSettings, Producer, Record, SendError};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{
    BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::util::AsyncRuntime;

const RECORDS: u64 = 500_000;
const PAYLOAD: [u8; 200] = [7; 200];
const LIMIT: Duration = Duration::from_mins(2);
/// Bound of records in flight where we keep it ourselves.
const WINDOW: usize = 10_000;

struct Target {
    brokers: String,
    topic: String,
}

fn main() -> Result<()> {
    let external = std::env::var("FLEETWIRE_TEST_KAFKA").ok().filter(|address| !address.is_empty());
    let topic = format!("bench-{}", std::process::id());
    let mock = if external.is_none() { Some(MockCluster::new(1)?) } else { None };
    if let Some(mock) = &mock {
        mock.create_topic(&topic, 4, 1)?;
    }
    let brokers = external.clone().or_else(|| mock.as_ref().map(MockCluster::bootstrap_servers));
    let target = Target { brokers: brokers.context("there is no broker")?, topic };
    if external.is_some() {
        create(&target)?;
    }
    println!("{RECORDS} records of {} B, key 15 B, linger 5 ms, acks=all, idempotent, lz4", PAYLOAD.len());
    println!("{:<48} {:>10} {:>14}", "producer", "records/s", "CPU us/record");
    for _ in 0..2 {
        measure("ThreadedProducer, own context", &target, threaded)?;
        measure("BaseProducer, own context, poll every 1024", &target, base)?;
        measure("fleetwire_kafka::Producer", &target, ours)?;
        measure("FutureProducer, futures in a queue", &target, queued)?;
        measure("FutureProducer, one tokio task for each record", &target, tasks)?;
    }
    Ok(())
}

fn measure(name: &str, target: &Target, run: impl FnOnce(&Target) -> Result<u64>) -> Result<()> {
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let delivered = run(target)?;
    if delivered != RECORDS {
        bail!("{name}: {delivered} of {RECORDS} were delivered");
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let records = RECORDS as f64;
    println!("{name:<48} {:>10.0} {:>14.2}", records / wall, cpu * 1e6 / records);
    Ok(())
}

/// User and system CPU of this process, from `/proc/self/stat` in hundredths of a second.
fn cpu_seconds() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(')').context("no such format")?;
    let ticks = |index| fields.split_whitespace().nth(index).and_then(|field| field.parse::<f64>().ok());
    Ok((ticks(11).context("no user time")? + ticks(12).context("no system time")?) / 100.0)
}

fn config(target: &Target) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &target.brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .set("compression.codec", "lz4")
        .set("queue.buffering.max.messages", "200000");
    config
}

fn key(number: u64) -> String {
    (350_000_000_000_000 + number % 10_000).to_string()
}

/// Counts outcomes: the least a service does.
struct Counting(Arc<AtomicU64>);

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, _: usize) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn threaded(target: &Target) -> Result<u64> {
    let delivered = Arc::new(AtomicU64::new(0));
    let context = Counting(Arc::clone(&delivered));
    let producer: ThreadedProducer<Counting> =
        ThreadedProducer::from_config_and_context(&config(target), context)?;
    for number in 0..RECORDS {
        let key = key(number);
        let mut record = BaseRecord::with_opaque_to(&target.topic, 0).key(&key).payload(&PAYLOAD);
        while let Err((_, back)) = producer.send(record) {
            record = back;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    producer.flush(LIMIT)?;
    // The poll thread may still be handing out the last batch.
    drop(producer);
    Ok(delivered.load(Ordering::Relaxed))
}

fn base(target: &Target) -> Result<u64> {
    let delivered = Arc::new(AtomicU64::new(0));
    let context = Counting(Arc::clone(&delivered));
    let producer: BaseProducer<Counting> = BaseProducer::from_config_and_context(&config(target), context)?;
    for number in 0..RECORDS {
        let key = key(number);
        let mut record = BaseRecord::with_opaque_to(&target.topic, 0).key(&key).payload(&PAYLOAD);
        while let Err((_, back)) = producer.send(record) {
            record = back;
            producer.poll(Duration::from_millis(1));
        }
        if number % 1024 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(LIMIT)?;
    drop(producer);
    Ok(delivered.load(Ordering::Relaxed))
}

fn ours(target: &Target) -> Result<u64> {
    let delivered = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&delivered);
    let settings = ClientSettings::new(target.brokers.clone());
    let producer = Producer::<u64>::new(&settings, move |delivery, _| {
        if delivery.outcome.is_ok() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    })?;
    for number in 0..RECORDS {
        let key = key(number);
        let record = Record {
            topic: &target.topic,
            key: Some(key.as_bytes()),
            payload: Some(&PAYLOAD),
            ..Record::default()
        };
        while let Err((error, _)) = producer.send(record, number) {
            if error != SendError::Full {
                return Err(error.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    producer.flush(LIMIT)?;
    Ok(delivered.load(Ordering::Relaxed))
}

/// rdkafka's own runtime for tokio needs a feature that would then be on for the whole workspace.
struct Tokio;

impl AsyncRuntime for Tokio {
    type Delay = tokio::time::Sleep;

    fn spawn<T: Future<Output = ()> + Send + 'static>(task: T) {
        drop(tokio::runtime::Handle::current().spawn(task));
    }

    fn delay_for(duration: Duration) -> Self::Delay {
        tokio::time::sleep(duration)
    }
}

type Futures = FutureProducer<DefaultClientContext, Tokio>;

fn futures(target: &Target) -> Result<Futures> {
    Ok(FutureProducer::from_config_and_context(&config(target), DefaultClientContext)?)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn queued(target: &Target) -> Result<u64> {
    let producer = futures(target)?;
    runtime()?.block_on(async {
        let (mut waiting, mut delivered) = (VecDeque::with_capacity(WINDOW), 0);
        for number in 0..RECORDS {
            let key = key(number);
            let mut record = FutureRecord::to(&target.topic).key(&key).payload(&PAYLOAD);
            let future = loop {
                match producer.send_result(record) {
                    Ok(future) => break future,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => record = back,
                    Err((error, _)) => return Err(error.into()),
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            };
            waiting.push_back(future);
            if waiting.len() == WINDOW
                && let Some(oldest) = waiting.pop_front()
            {
                delivered += u64::from(matches!(oldest.await, Ok(Ok(_))));
            }
        }
        for future in waiting {
            delivered += u64::from(matches!(future.await, Ok(Ok(_))));
        }
        Ok(delivered)
    })
}

fn tasks(target: &Target) -> Result<u64> {
    let producer = futures(target)?;
    runtime()?.block_on(async {
        let room = Arc::new(tokio::sync::Semaphore::new(WINDOW));
        let (mut tasks, mut delivered) = (tokio::task::JoinSet::new(), 0);
        for number in 0..RECORDS {
            let permit = Arc::clone(&room).acquire_owned().await?;
            let (producer, topic, key) = (producer.clone(), target.topic.clone(), key(number));
            tasks.spawn(async move {
                let record = FutureRecord::to(&topic).key(&key).payload(&PAYLOAD);
                let outcome = producer.send(record, LIMIT).await;
                drop(permit);
                outcome.is_ok()
            });
            while let Some(outcome) = tasks.try_join_next() {
                delivered += u64::from(outcome.unwrap_or(false));
            }
        }
        while let Some(outcome) = tasks.join_next().await {
            delivered += u64::from(outcome.unwrap_or(false));
        }
        Ok(delivered)
    })
}

fn create(target: &Target) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &target.brokers).create()?;
    let new = NewTopic::new(&target.topic, 4, TopicReplication::Fixed(1));
    let created = runtime()?.block_on(admin.create_topics([&new], &AdminOptions::new()))?;
    match created.into_iter().next() {
        Some(Err((topic, code))) => bail!("{topic} was not created: {code}"),
        _ => Ok(()),
    }
}
