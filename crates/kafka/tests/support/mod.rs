//! What the tests share: the real Kafka, topics of their own, and waiting for conditions.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::TestKafka;
use fleetwire_kafka::ClientSettings;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A name no other test or run uses.
pub(crate) fn unique(word: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{word}-{}-{next}-{since}", std::process::id())
}

pub(crate) fn settings() -> ClientSettings {
    ClientSettings::new(TestKafka::shared().unwrap().bootstrap())
}

/// Creates a topic with one replica.
pub(crate) fn topic(partitions: i32) -> String {
    topic_at(TestKafka::shared().unwrap().bootstrap(), partitions, &[])
}

pub(crate) fn topic_at(bootstrap: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
    let name = unique("topic");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    let new = configs.iter().fold(new, |new, (key, value)| new.set(key, value));
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    let created = block_on(admin.create_topics([&new], &options)).unwrap();
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    eventually("the topic has leaders", || {
        let metadata = admin.inner().fetch_metadata(Some(&name), Duration::from_secs(5)).unwrap();
        metadata.topics().iter().all(|topic| {
            topic.error().is_none() && topic.partitions().iter().all(|partition| partition.leader() >= 0)
        })
    });
    name
}

pub(crate) fn block_on<F: std::future::Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Waits for a condition.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
