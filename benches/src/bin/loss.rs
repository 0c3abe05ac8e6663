//! Loses things on purpose and looks whether anything that was acknowledged is gone; see `fleetwire_benches::loss`.
//!
//! Starts an Apache Kafka (or uses FLEETWIRE_TEST_KAFKA), a frontend and a fleet, all on loopback. Exit code 1: a
//! promise was broken.

#![expect(clippy::print_stdout, reason = "the report is the result")]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use fleetwire_benches::loss::{self, Settings, Victim};
use fleetwire_benches::service;

/// Compares what was acknowledged with what is in Kafka, while processes are killed.
#[derive(Debug, Parser)]
struct Cli {
    /// How often something is killed
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// What is killed
    #[arg(long, value_enum, default_value_t = Mode::Frontend)]
    mode: Mode,
    /// Where the moments come from; a new one each time if not given
    #[arg(long)]
    seed: Option<u32>,
    /// Devices
    #[arg(long, default_value_t = 100)]
    devices: u32,
    /// Publishes a second of all devices; 0 is as fast as they are answered
    #[arg(long, default_value_t = 4000)]
    rate: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// The frontend, by kill -9
    Frontend,
    /// The frontend, by SIGTERM: an orderly drain
    Drain,
    /// The Kafka broker, by kill -9
    Kafka,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let victim = match cli.mode {
        Mode::Frontend => Victim::Frontend,
        Mode::Drain => Victim::Drained,
        Mode::Kafka => Victim::Kafka,
    };
    let seed = u64::from(cli.seed.unwrap_or_else(rand::random));
    let settings = Settings {
        devices: cli.devices,
        rate: cli.rate,
        ..Settings::new(service::binary()?, victim, cli.kills, seed)
    };
    println!("{} kills ({:?}), seed {seed}, {} devices", cli.kills, cli.mode, cli.devices);
    let outcome = loss::run(&settings)?;
    let mut in_flight = outcome.in_flight;
    in_flight.sort_unstable();
    let median = in_flight.get(in_flight.len() / 2).copied().unwrap_or(0);
    println!("{}", outcome.report);
    println!(
        "{} kills in {:.0} s; unanswered publishes at a kill: {} to {}, median {median}",
        in_flight.len(),
        outcome.took.as_secs_f64(),
        in_flight.first().unwrap_or(&0),
        in_flight.last().unwrap_or(&0),
    );
    Ok(if outcome.report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
