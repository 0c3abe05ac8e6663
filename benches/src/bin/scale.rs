//! Changes one process after the other under load, and looks whether anything that was promised is gone; see
//! `fleetwire_benches::scale`.
//!
//! Starts services of the binary, a fleet, and an Apache Kafka of its own (or uses FLEETWIRE_TEST_KAFKA, except for the
//! restarts of brokers), all on loopback. Exit code 1: a promise was broken, or a run could not be judged.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report is the result")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use fleetwire_benches::scale::{self, Scenario, Settings};
use fleetwire_benches::service;

/// Adds, removes and restarts processes under load, and compares what was acknowledged with what is in Kafka.
#[derive(Debug, Parser)]
struct Cli {
    /// What happens
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
    /// Devices; half of them speak MQTT 5
    #[arg(long, default_value_t = 200)]
    devices: u32,
    /// Publishes a second of all devices
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// Partitions of every topic
    #[arg(long, default_value_t = 12)]
    partitions: u16,
    /// Quiet seconds before and after each step
    #[arg(long, default_value_t = 5.0)]
    pause: f64,
    /// Seconds that recovery from one step may take
    #[arg(long, default_value_t = 120)]
    limit: u64,
    /// Mean seconds after which a device ends its session, in `frontends`
    #[arg(long, default_value_t = 10.0)]
    reconnect_every: f64,
    /// Seconds that a service may take to stop
    #[arg(long, default_value_t = 25)]
    grace: u64,
    /// Seconds after which Kafka misses a member of a group that died; the services' default if not given
    #[arg(long)]
    session_timeout: Option<f64>,
    /// Decoders work exactly once; a position must not be there twice then
    #[arg(long)]
    exactly_once: bool,
    /// Where choices come from; a new one each time if not given
    #[arg(long)]
    seed: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Add, stop and kill decoders
    Decoders,
    /// Add, stop and kill frontends
    Frontends,
    /// Restart every process, one after the other
    Roll,
    /// Restart the brokers of a cluster of three, one after the other
    Brokers,
    /// All of these
    All,
}

impl What {
    fn scenarios(self) -> Vec<Scenario> {
        match self {
            Self::Decoders => vec![Scenario::Decoders],
            Self::Frontends => vec![Scenario::Frontends],
            Self::Roll => vec![Scenario::Roll],
            Self::Brokers => vec![Scenario::Brokers],
            Self::All => Scenario::ALL.to_vec(),
        }
    }
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let seed = u64::from(cli.seed.unwrap_or_else(rand::random));
    let settings = Settings {
        devices: cli.devices,
        rate: cli.rate,
        partitions: cli.partitions,
        pause: Duration::from_secs_f64(cli.pause),
        limit: Duration::from_secs(cli.limit),
        reconnect_every: Duration::from_secs_f64(cli.reconnect_every),
        grace: Duration::from_secs(cli.grace),
        session_timeout: cli.session_timeout.map(Duration::from_secs_f64),
        exactly_once: cli.exactly_once,
        ..Settings::new(service::binary()?, seed)
    };
    println!(
        "{} devices, {} publishes a second, {} partitions, seed {seed}",
        cli.devices, cli.rate, cli.partitions
    );
    let mut verdicts = Vec::new();
    for scenario in cli.what.scenarios() {
        eprintln!("-- {scenario}");
        let verdict = match scale::run(&settings, scenario) {
            Ok(outcome) => {
                println!("\n{outcome}");
                if outcome.holds() { "kept" } else { "BROKEN" }
            }
            Err(error) => {
                println!("\n{scenario}: {error:#}");
                "not judged"
            }
        };
        verdicts.push((scenario, verdict));
    }
    println!("\n{:<12}promises", "scenario");
    for (scenario, verdict) in &verdicts {
        println!("{:<12}{verdict}", scenario.word());
    }
    let all_kept = verdicts.iter().all(|(_, verdict)| *verdict == "kept");
    Ok(if all_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
