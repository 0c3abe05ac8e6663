//! The registry in memory with millions of devices: bytes per device, records applied per second, nanoseconds per
//! lookup; and the time to read it from Kafka at a start.
//!
//! The second part needs a Kafka (`make bench-registry` starts one). Bounded in devices; stops by itself.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use anyhow::Result;
use clap::Parser;
use fleetwire_apache_kafka::TestKafka;
use fleetwire_benches::registry::{self, Plan};
use mimalloc::MiMalloc;

/// The allocator of the services, because memory is what is measured.
#[global_allocator]
static GLOBAL: MiMalloc = MiMalloc;

/// Measures the registry in memory.
#[derive(Debug, Parser)]
struct Args {
    /// Devices that are applied without Kafka.
    #[arg(long, default_value_t = 10_000_000)]
    devices: u64,
    /// Devices that are read from Kafka; 0 for none.
    #[arg(long, default_value_t = 1_000_000)]
    through_kafka: u64,
    /// Devices with a password of their own, of a hundred.
    #[arg(long, default_value_t = 0)]
    own_percent: u64,
}

fn main() -> Result<()> {
    let Args { devices, through_kafka, own_percent } = Args::parse();
    if through_kafka > 0 {
        let kafka = TestKafka::shared()?.bootstrap();
        let table = registry::through_kafka(kafka, Plan { devices: through_kafka, own_percent })?;
        println!("read from Kafka\n{table}");
    }
    if devices > 0 {
        println!("applied alone\n{}", registry::alone(Plan { devices, own_percent })?);
    }
    Ok(())
}
