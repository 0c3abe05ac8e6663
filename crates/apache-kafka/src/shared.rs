//! The Kafka that tests share: a running one named by the environment, or one node for the whole test process.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};

use crate::cluster::ApacheKafka;

/// Environment variable with `host:port` of a running Kafka that tests use in place of their own.
pub const TEST_KAFKA_ENV: &str = "FLEETWIRE_TEST_KAFKA";

/// A Kafka for tests that name their topics and groups uniquely.
#[derive(Debug)]
pub struct TestKafka {
    bootstrap: String,
    /// Statics are not dropped; the broker ends when the process does, because its pipe closes then.
    _own: Option<ApacheKafka>,
}

impl TestKafka {
    /// The process's Kafka, started by the first caller.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<TestKafka, String>> = OnceLock::new();
        let outcome = SHARED.get_or_init(|| Self::find().map_err(|error| format!("{error:#}")));
        outcome.as_ref().map_err(|error| anyhow!("no Kafka for tests: {error}"))
    }

    /// `host:port` of its brokers, comma-separated.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    fn find() -> Result<Self> {
        if let Some(bootstrap) = std::env::var(TEST_KAFKA_ENV).ok().filter(|text| !text.is_empty()) {
            return Ok(Self { bootstrap, _own: None });
        }
        let own = ApacheKafka::single()?;
        Ok(Self { bootstrap: own.bootstrap(), _own: Some(own) })
    }
}
