//! Three brokers that are restarted one after the other.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fleetwire_apache_kafka::ApacheKafka;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::MetadataTopic;

/// How many.
pub(super) const BROKERS: usize = 3;
/// How long one question may take.
const ASK: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(250);
/// How long replicas may take to be in sync again.
const PATIENCE: Duration = Duration::from_mins(3);

/// A running cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    kafka: ApacheKafka,
}

impl Cluster {
    /// Starts the brokers.
    pub(super) fn start() -> Result<Self> {
        Ok(Self { kafka: ApacheKafka::cluster(BROKERS)? })
    }

    /// How it is reached.
    pub(super) fn bootstrap(&self) -> String {
        self.kafka.bootstrap()
    }

    /// SIGTERM to a broker, and starts it again; returns when the brokers know each other.
    pub(super) fn restart(&mut self, broker: usize) -> Result<()> {
        self.kafka.restart(broker)
    }

    /// The same with SIGKILL.
    pub(super) fn kill_and_restart(&mut self, broker: usize) -> Result<()> {
        self.kafka.kill(broker)?;
        self.kafka.restart(broker)
    }

    /// Waits until there are at least so many partitions, and all replicas of all are in sync: whoever stops the next
    /// broker earlier leaves partitions with one replica, which take nothing.
    pub(super) fn in_sync(&self, partitions: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut config = ClientConfig::new();
        let client: BaseConsumer = config.set("bootstrap.servers", self.bootstrap()).create()?;
        loop {
            // A broker that is just gone is no reason to give up; the others answer next.
            let metadata = client.fetch_metadata(None, ASK);
            let counts = metadata.as_ref().map(|metadata| {
                let all = metadata.topics().iter().flat_map(MetadataTopic::partitions);
                all.fold((0, 0), |(known, behind), partition| {
                    let missing = partition.isr().len() < partition.replicas().len();
                    (known + 1, behind + usize::from(missing))
                })
            });
            // A broker that is just back may know no topics yet.
            if counts.is_ok_and(|(known, behind)| known >= partitions && behind == 0) {
                return Ok(());
            }
            let said = counts.map_or_else(ToString::to_string, |(known, behind)| {
                format!("{behind} of {known} partitions")
            });
            ensure!(Instant::now() < deadline, "replicas are not in sync again in time: {said}");
            std::thread::park_timeout(LOOK);
        }
    }
}
