//! A local Apache Kafka for tests, benches and `make run KAFKA=apache`: the real broker, fetched as Maven
//! artifacts and run as child processes on loopback. Not for production, and no Kafka client.
//!
//! ```no_run
//! let kafka = fleetwire_apache_kafka::ApacheKafka::single()?;
//! println!("{}", kafka.bootstrap());
//! # anyhow::Ok(())
//! ```

mod cluster;
mod distribution;
mod install;
mod layout;
mod metadata;
mod node;
mod shared;

pub use cluster::{ApacheKafka, Options};
pub use distribution::{Distribution, HOME_ENV, KAFKA_VERSION};
pub use shared::{TEST_KAFKA_ENV, TestKafka};
