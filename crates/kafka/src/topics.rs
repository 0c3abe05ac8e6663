//! The topics: created where they are missing, compared with what the invariants need where they exist, and never
//! changed: each mismatch comes with the command that mends it.

mod admin;
mod expected;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use fleetwire_model::{Topic, Topics};
use rdkafka::admin::AdminClient;
use rdkafka::config::FromClientConfigAndContext as _;
use serde::Deserialize;

use crate::client::QuietContext;
use crate::error::ClientError;
use crate::settings::ClientSettings;

pub use expected::{Mismatch, Severity};

/// The `[topics]` section: where a deployment differs from the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicSettings {
    /// Replicas of each partition; 3, or as many as there are brokers, if not given.
    pub replication_factor: Option<u16>,
    /// Partitions of topics by their suffix, for example `"raw.v1" = 96`.
    pub partitions: BTreeMap<String, u16>,
}

/// What was found of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicReport {
    /// Which.
    pub topic: Topic,
    /// Its full name.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
    /// What is not as it should be.
    pub mismatches: Vec<Mismatch>,
}

/// What was done with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was missing and is there now.
    Created,
    /// It was there.
    Found,
    /// It is not there.
    Missing,
}

impl TopicReport {
    /// Whether a service must not start on it.
    pub fn breaks_an_invariant(&self) -> bool {
        self.mismatches.iter().any(|mismatch| mismatch.severity == Severity::BreaksInvariant)
    }
}

/// Why topics could not be looked at or created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A setting names a topic that does not exist.
    #[error("kafka.topics.partitions names {0}, which is no topic")]
    NoSuchTopic(String),
    /// Kafka did not answer before the deadline.
    #[error("Kafka did not answer in time: {0}")]
    Unreachable(String),
    /// Kafka would not create a topic.
    #[error("Kafka does not create {topic}: {reason}")]
    Refused {
        /// The topic's full name.
        topic: String,
        /// Kafka's words.
        reason: String,
    },
}

/// Creates and checks the topics of one deployment.
pub struct TopicAdmin {
    client: AdminClient<QuietContext>,
    brokers: String,
    topics: Topics,
    settings: TopicSettings,
}

impl TopicAdmin {
    /// An administrator; it connects by itself.
    pub fn new(
        client: &ClientSettings,
        topics: Topics,
        settings: TopicSettings,
    ) -> Result<Self, TopicsError> {
        let known = |suffix: &String| Topic::ALL.iter().any(|topic| topic.suffix() == suffix);
        if let Some(unknown) = settings.partitions.keys().find(|suffix| !known(suffix)) {
            return Err(TopicsError::NoSuchTopic(unknown.clone()));
        }
        let config = client.client_config().map_err(ClientError::from)?;
        let admin = AdminClient::from_config_and_context(&config, QuietContext).map_err(ClientError::from)?;
        Ok(Self { client: admin, brokers: client.brokers.clone(), topics, settings })
    }

    /// Creates every topic that is missing and checks the others. Waits for Kafka at most `limit`.
    pub fn apply(&self, limit: Duration) -> Result<Vec<TopicReport>, TopicsError> {
        let deadline = Instant::now() + limit;
        let cluster = self.look(deadline)?;
        let missing: Vec<Topic> = Topic::ALL
            .into_iter()
            .filter(|topic| !cluster.topics.contains_key(&self.topics.name(*topic)))
            .collect();
        self.create(&missing, &cluster, deadline)?;
        let mut reports = self.check_until(deadline)?;
        for report in reports.iter_mut().filter(|report| missing.contains(&report.topic)) {
            report.outcome = Outcome::Created;
        }
        Ok(reports)
    }

    /// Compares every topic with what it must be; changes nothing. Waits for Kafka at most `limit`.
    pub fn check(&self, limit: Duration) -> Result<Vec<TopicReport>, TopicsError> {
        self.check_until(Instant::now() + limit)
    }

    fn check_until(&self, deadline: Instant) -> Result<Vec<TopicReport>, TopicsError> {
        let cluster = self.look(deadline)?;
        let names: Vec<String> = Topic::ALL
            .into_iter()
            .map(|topic| self.topics.name(topic))
            .filter(|name| cluster.topics.contains_key(name))
            .collect();
        let configs = self.configs(&names, deadline)?;
        let report = |topic: Topic| {
            let name = self.topics.name(topic);
            let expected = self.expected(topic, &cluster);
            let Some(found) = cluster.topics.get(&name) else {
                let mismatches = vec![expected::missing()];
                return TopicReport { topic, name, outcome: Outcome::Missing, mismatches };
            };
            let none = BTreeMap::new();
            let configs = configs.get(&name).unwrap_or(&none);
            let mismatches = expected::compare(&expected, found, configs, &self.brokers, &name);
            TopicReport { topic, name, outcome: Outcome::Found, mismatches }
        };
        Ok(Topic::ALL.into_iter().map(report).collect())
    }

    fn expected(&self, topic: Topic, cluster: &admin::Cluster) -> expected::Expected {
        let default = u16::try_from(cluster.brokers.clamp(1, 3)).unwrap_or(3);
        let replicas = self.settings.replication_factor.unwrap_or(default);
        let partitions = self.settings.partitions.get(topic.suffix()).copied();
        expected::Expected::of(topic, partitions, replicas)
    }
}

impl fmt::Debug for TopicAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicAdmin").field("topics", &self.topics).finish_non_exhaustive()
    }
}
