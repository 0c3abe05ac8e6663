//! Commands under test; see `fleetwire_benches::commands`.
//!
//! Starts services of the binary and uses an Apache Kafka of its own (or FLEETWIRE_TEST_KAFKA), all on loopback. Exit
//! code 1: a promise was broken.

#![expect(clippy::print_stdout, reason = "the report is the result")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use fleetwire_benches::commands::{self, Settings, latency};
use fleetwire_benches::service;
use hdrhistogram::Histogram;

/// Looks whether commands get to their devices, and how long they take.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Kill frontends and gateways while commands flow, and compare commands, statuses and what devices received
    Loss(Loss),
    /// Measure the time from the producer to the device
    Latency(Latency),
}

#[derive(Debug, Args)]
struct Loss {
    /// Commands
    #[arg(long, default_value_t = 50_000)]
    commands: u32,
    /// Devices, each of which loses its connection now and then
    #[arg(long, default_value_t = 5000)]
    devices: u32,
    /// Commands a second
    #[arg(long, default_value_t = 250.0)]
    rate: f64,
    /// Mean seconds between two kills of a frontend, and of a gateway; 0 kills nothing
    #[arg(long, default_value_t = 8.0)]
    kill_every: f64,
    /// Share of the gateways' kills that are a pause instead
    #[arg(long, default_value_t = 0.25)]
    pauses: f64,
    /// Mean seconds after which a device loses its connection
    #[arg(long, default_value_t = 30.0)]
    reconnect_every: f64,
    /// Seconds that most commands are good for
    #[arg(long, default_value_t = 120)]
    time_to_live: u64,
    /// Where commands and moments come from; a new one each time if not given
    #[arg(long)]
    seed: Option<u32>,
}

#[derive(Debug, Args)]
struct Latency {
    /// Devices that are connected
    #[arg(long, default_value_t = 10_000)]
    devices: u32,
    /// Commands
    #[arg(long, default_value_t = 1000)]
    commands: u32,
    /// Commands a second
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
}

fn main() -> Result<ExitCode> {
    match Cli::parse().what {
        What::Loss(loss) => check(&loss),
        What::Latency(latency) => measure(&latency),
    }
}

fn check(cli: &Loss) -> Result<ExitCode> {
    let seed = u64::from(cli.seed.unwrap_or_else(rand::random));
    let settings = Settings {
        devices: cli.devices,
        commands: cli.commands,
        rate: cli.rate,
        kill_every: Duration::from_secs_f64(cli.kill_every),
        pauses: cli.pauses,
        reconnect_every: Duration::from_secs_f64(cli.reconnect_every),
        time_to_live: Duration::from_secs(cli.time_to_live),
        ..Settings::new(service::binary()?, seed)
    };
    println!(
        "{} commands to {} devices, {} frontends, {} gateways, seed {seed}",
        cli.commands, cli.devices, settings.frontends, settings.gateways
    );
    let outcome = commands::run(&settings)?;
    println!("{}", outcome.report);
    println!(
        "{} frontends killed, {} gateways killed and {} paused, {} connections lost by devices, in {:.0} s",
        outcome.frontends.killed,
        outcome.gateways.killed,
        outcome.gateways.paused,
        outcome.cuts,
        outcome.took.as_secs_f64(),
    );
    Ok(if outcome.report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(cli: &Latency) -> Result<ExitCode> {
    let settings = latency::Settings {
        binary: service::binary()?,
        devices: cli.devices,
        commands: cli.commands,
        rate: cli.rate,
        idle: Duration::from_secs(10),
    };
    println!("{} devices connected, {} commands at {} a second", cli.devices, cli.commands, cli.rate);
    let measured = latency::run(&settings)?;
    println!("{:<34} {:>9} {:>9} {:>9} {:>9}", "ms", "p50", "p90", "p99", "most");
    row("producer to device", &measured.command);
    row("producer to consumer, Kafka alone", &measured.floor);
    let ratio = |q| at(&measured.command, q) / at(&measured.floor, q);
    println!("{:<34} {:>9.1} {:>9.1} {:>9.1}", "ratio", ratio(0.5), ratio(0.9), ratio(0.99));
    println!(
        "CPU of a command: gateway {:.0} us, frontend {:.0} us; idle: gateway {:.1} %, frontend {:.1} % of a core",
        measured.gateway_cpu * 1e6,
        measured.frontend_cpu * 1e6,
        measured.gateway_idle * 100.0,
        measured.frontend_idle * 100.0,
    );
    Ok(ExitCode::SUCCESS)
}

fn row(name: &str, times: &Histogram<u64>) {
    let [p50, p90, p99, most] = [0.5, 0.9, 0.99, 1.0].map(|quantile| at(times, quantile));
    println!("{name:<34} {p50:>9.2} {p90:>9.2} {p99:>9.2} {most:>9.2}");
}

/// Milliseconds.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn at(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e3
}
