//! The questions to Kafka behind the topics, each tried again until the deadline.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fleetwire_model::Topic;
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::expected::Found;
use super::{TopicAdmin, TopicsError};
use crate::wait::block_on;

/// What one answer may take; the deadline bounds them all.
const ASK: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(200);

/// What Kafka has.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) brokers: usize,
    pub(super) topics: BTreeMap<String, Found>,
}

impl TopicAdmin {
    pub(super) fn look(&self, deadline: Instant) -> Result<Cluster, TopicsError> {
        retry(deadline, || {
            let metadata = self.client.inner().fetch_metadata(None, ask(deadline))?;
            let found = |topic: &rdkafka::metadata::MetadataTopic| {
                let partitions = topic.partitions();
                let replicas =
                    partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
                (topic.name().to_owned(), Found { partitions: partitions.len(), replicas })
            };
            Ok(Cluster {
                brokers: metadata.brokers().len(),
                topics: metadata.topics().iter().filter(|topic| topic.error().is_none()).map(found).collect(),
            })
        })
    }

    pub(super) fn create(
        &self,
        missing: &[Topic],
        cluster: &Cluster,
        deadline: Instant,
    ) -> Result<(), TopicsError> {
        if missing.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> =
            missing.iter().map(|topic| (self.topics.name(*topic), self.expected(*topic, cluster))).collect();
        let new: Vec<NewTopic<'_>> = wanted
            .iter()
            .map(|(name, expected)| {
                let partitions = i32::try_from(expected.partitions).unwrap_or(i32::MAX);
                let replicas = i32::try_from(expected.replicas).unwrap_or(i32::MAX);
                let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
                expected.configs.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let results = retry(deadline, || {
            let options = AdminOptions::new().request_timeout(Some(ask(deadline)));
            block_on(self.client.create_topics(&new, &options), deadline)
                .unwrap_or(Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)))
        })?;
        for result in results {
            match result {
                // Another process created it in between.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(TopicsError::Refused { topic, reason: code.to_string() });
                }
            }
        }
        self.wait_for_leaders(wanted.iter().map(|(name, _)| name.as_str()), deadline)
    }

    /// The configuration of each topic, as it is in force.
    pub(super) fn configs(
        &self,
        names: &[String],
        deadline: Instant,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, TopicsError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wanted: Vec<ResourceSpecifier<'_>> =
            names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let resources = retry(deadline, || {
            let options = AdminOptions::new().request_timeout(Some(ask(deadline)));
            let described = block_on(self.client.describe_configs(&wanted, &options), deadline)
                .unwrap_or(Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)))?;
            described
                .into_iter()
                .map(|resource| resource.map_err(KafkaError::AdminOp))
                .collect::<Result<Vec<_>, _>>()
        })?;
        // The answers come in the order of the questions.
        let values = resources.into_iter().map(|resource| {
            let entries = resource.entries.into_iter();
            entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
        });
        Ok(names.iter().cloned().zip(values).collect())
    }

    /// A topic is there for clients only when each partition has a leader.
    fn wait_for_leaders<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        deadline: Instant,
    ) -> Result<(), TopicsError> {
        for name in names {
            retry(deadline, || {
                let metadata = self.client.inner().fetch_metadata(Some(name), ask(deadline))?;
                let ready = metadata.topics().first().is_some_and(|topic| {
                    topic.error().is_none()
                        && !topic.partitions().is_empty()
                        && topic.partitions().iter().all(|partition| partition.leader() >= 0)
                });
                if ready {
                    Ok(())
                } else {
                    Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable))
                }
            })?;
        }
        Ok(())
    }
}

fn ask(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), ASK)
}

fn retry<T>(deadline: Instant, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, TopicsError> {
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= deadline => {
                return Err(TopicsError::Unreachable(error.to_string()));
            }
            Err(error) => {
                tracing::debug!(%error, "asking Kafka about topics again");
                std::thread::sleep(AGAIN);
            }
        }
    }
}
