//! The decoder beside a worker that copies raw records to another topic without decoding: throughput of one process
//! each, and CPU per record, side by side in one run on the same records.
//!
//! Needs FLEETWIRE_TEST_KAFKA (`make bench-decoder` starts one). Bounded in records; stops by itself.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use anyhow::Result;
use clap::Parser;
use fleetwire_apache_kafka::TestKafka;
use fleetwire_benches::decode::{self, Plan};

/// Compares the decoder with a worker that copies.
#[derive(Debug, Parser)]
struct Args {
    /// Raw records, each with one position.
    #[arg(long, default_value_t = 400_000)]
    records: u64,
    /// Times that each of the two reads all of them.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Serves as the worker that copies, for this consumer group; the bench starts itself so.
    #[arg(long, hide = true, value_name = "GROUP")]
    copy: Option<String>,
    #[arg(long, hide = true, default_value = "")]
    prefix: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let kafka = TestKafka::shared()?.bootstrap().to_owned();
    if let Some(group) = &args.copy {
        println!("{}", decode::copy(&kafka, &args.prefix, group, args.records)?);
        return Ok(());
    }
    let plan = Plan { kafka, records: args.records, rounds: args.rounds };
    println!("{}", decode::compare(&plan)?);
    Ok(())
}
