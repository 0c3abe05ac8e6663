//! Topics against the real Kafka: created once, compared, never changed behind anybody's back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use fleetwire_kafka::{
    ClientSettings, Outcome, Severity, TopicAdmin, TopicReport, TopicSettings, TopicsError,
};
use fleetwire_model::{Topic, Topics};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use support::{LIMIT, block_on, settings, unique};

fn small() -> TopicSettings {
    let partitions = Topic::ALL.iter().map(|topic| (topic.suffix().to_owned(), 2)).collect();
    TopicSettings { partitions, ..TopicSettings::default() }
}

fn admin(prefix: &str) -> TopicAdmin {
    TopicAdmin::new(&settings(), Topics::new(prefix).unwrap(), small()).unwrap()
}

fn outcomes(reports: &[TopicReport]) -> Vec<Outcome> {
    reports.iter().map(|report| report.outcome).collect()
}

#[test]
fn topics_are_created_once_and_as_they_must_be() {
    let admin = admin(&unique("t"));
    let before = admin.check(LIMIT).unwrap();
    assert_eq!(outcomes(&before), [Outcome::Missing; Topic::ALL.len()]);
    assert!(before.iter().all(TopicReport::breaks_an_invariant));
    let created = admin.apply(LIMIT).unwrap();
    assert_eq!(outcomes(&created), [Outcome::Created; Topic::ALL.len()]);
    let again = admin.apply(LIMIT).unwrap();
    assert_eq!(outcomes(&again), [Outcome::Found; Topic::ALL.len()]);
    for report in created.iter().chain(&again) {
        assert_eq!(report.mismatches, [], "{}", report.name);
    }
}

#[test]
fn a_topic_made_otherwise_is_reported_with_what_mends_it() {
    let prefix = unique("t");
    let admin = admin(&prefix);
    let raw: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &settings().brokers).create().unwrap();
    let name = format!("{prefix}.devices.v1");
    let wrong = NewTopic::new(&name, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "delete");
    block_on(raw.create_topics([&wrong], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
    let reports = admin.apply(LIMIT).unwrap();
    let devices = reports.iter().find(|report| report.topic == Topic::Devices).unwrap();
    assert_eq!(devices.outcome, Outcome::Found);
    assert!(devices.breaks_an_invariant());
    let worst = &devices.mismatches[0];
    assert_eq!(
        (worst.what, worst.found.as_str(), worst.severity),
        ("cleanup.policy", "delete", Severity::BreaksInvariant)
    );
    assert!(worst.mend.ends_with(&format!("--entity-name {name} --add-config cleanup.policy=compact")));
    let partitions = devices.mismatches.iter().find(|mismatch| mismatch.what == "partitions").unwrap();
    assert_eq!((partitions.severity, partitions.expected.as_str()), (Severity::Differs, "2"));
}

#[test]
fn more_replicas_than_brokers_are_refused_with_the_reason() {
    let settings_without_room = TopicSettings { replication_factor: Some(9), ..small() };
    let topics = Topics::new(&unique("t")).unwrap();
    let admin = TopicAdmin::new(&settings(), topics, settings_without_room).unwrap();
    assert!(matches!(admin.apply(LIMIT), Err(TopicsError::Refused { .. })));
}

#[test]
fn mistakes_in_settings_and_a_kafka_that_is_down_are_said() {
    let mut wrong = TopicSettings::default();
    wrong.partitions.insert("raw.v2".into(), 3);
    let down = ClientSettings::new("127.0.0.1:1");
    let error = TopicAdmin::new(&down, Topics::default(), wrong).unwrap_err();
    assert_eq!(error, TopicsError::NoSuchTopic("raw.v2".into()));
    let admin = TopicAdmin::new(&down, Topics::default(), TopicSettings::default()).unwrap();
    assert!(matches!(admin.check(Duration::from_millis(50)), Err(TopicsError::Unreachable(_))));
}
