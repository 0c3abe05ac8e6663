//! Which pipeline a tool talks to: the one named by flags, or the `fleetwire run` of this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fleetwire_kafka::ClientSettings;
use fleetwire_model::Topics;

use crate::config::{Kafka, set};
use crate::process::Usage;
use crate::runfile::{self, RunFile};

/// Flags that choose the pipeline.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetFlags {
    /// Bootstrap servers of Apache Kafka [default: those of the `fleetwire run` on this machine]
    #[arg(long, global = true, value_name = "HOST:PORT", env = "FLEETWIRE_KAFKA")]
    pub(crate) kafka: Option<String>,
    /// Prefix of all topics [default: fleetwire]
    #[arg(long, global = true, value_name = "PREFIX", env = "FLEETWIRE_TOPIC_PREFIX")]
    pub(crate) topic_prefix: Option<String>,
    /// A librdkafka setting, for example security.protocol=ssl; may be repeated
    #[arg(long = "kafka-property", global = true, value_name = "KEY=VALUE")]
    pub(crate) properties: Vec<String>,
    /// Data directory of the `fleetwire run` to talk to [default: ~/.local/state/fleetwire]
    #[arg(long, global = true, value_name = "DIR", env = "FLEETWIRE_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// The pipeline to talk to.
#[derive(Debug)]
pub(crate) struct Target {
    /// How to reach its Kafka.
    pub(crate) client: ClientSettings,
    /// Its topics.
    pub(crate) topics: Topics,
    /// Its run file, if it is a `fleetwire run` of this machine.
    pub(crate) run: Option<RunFile>,
}

impl TargetFlags {
    /// The `fleetwire run` of this machine, if one is running.
    pub(crate) fn running(&self) -> Result<RunFile> {
        runfile::find(&self.data_dir.clone().unwrap_or_else(runfile::default_data_dir))
    }

    /// The pipeline that the flags name, or else the one of this machine.
    pub(crate) fn resolve(&self) -> Result<Target> {
        self.resolve_over(Kafka::default())
    }

    /// The same, where a configuration file says how Kafka is reached unless a flag does.
    pub(crate) fn resolve_over(&self, mut kafka: Kafka) -> Result<Target> {
        set(&mut kafka.brokers, self.kafka.as_ref());
        set(&mut kafka.topic_prefix, self.topic_prefix.as_ref());
        kafka.properties.extend(self.properties()?);
        let mut run = None;
        if kafka.brokers.is_empty() {
            let found = self.running()?;
            kafka.brokers.clone_from(&found.kafka);
            if kafka.topic_prefix.is_empty() {
                kafka.topic_prefix.clone_from(&found.topic_prefix);
            }
            if found.embedded {
                kafka.properties.entry("fetch.wait.max.ms".into()).or_insert_with(|| "10".into());
            }
            run = Some(found);
        }
        Ok(Target { client: kafka.client()?, topics: kafka.topics()?, run })
    }

    fn properties(&self) -> Result<BTreeMap<String, String>> {
        let mut properties = BTreeMap::new();
        for given in &self.properties {
            let Some((key, value)) = given.split_once('=') else {
                return Err(Usage(format!("--kafka-property wants KEY=VALUE, not `{given}`")).into());
            };
            properties.insert(key.trim().to_owned(), value.trim().to_owned());
        }
        Ok(properties)
    }
}
