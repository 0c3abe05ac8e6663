//! The whole pipeline under load: messages a second, and CPU per message of each process.
//!
//! Starts an Apache Kafka (or uses FLEETWIRE_TEST_KAFKA), a frontend and a decoder, drives them with
//! `fleetwire simulate` at a few rates and at saturation, and prints a row for each. Loopback only, bounded in
//! time. CPU is what the kernel accounts to the processes; on a shared machine it is steadier than rates.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fleetwire_apache_kafka::TestKafka;
use fleetwire_benches::service::{Service, binary};

const PASSWORD: &str = "a password of the bench";
const PATIENCE: Duration = Duration::from_mins(1);
/// Messages a second; `None` is as fast as PUBACKs come back.
const RATES: [Option<u32>; 3] = [Some(1_000), Some(10_000), None];
/// Each rate is driven for this long.
const RUN: &str = "15s";

fn main() -> Result<()> {
    let binary = binary()?;
    let kafka = TestKafka::shared()?.bootstrap().to_owned();
    let prefix = format!("bench{}", std::process::id());
    let flags = ["--kafka", kafka.as_str(), "--topic-prefix", prefix.as_str()];
    let created = Command::new(&binary).args(["topics", "apply"]).args(flags).output()?;
    ensure!(created.status.success(), "topics: {}", String::from_utf8_lossy(&created.stderr));
    let service = |name: &str| {
        let mut command = Command::new(&binary);
        command.arg(name).args(flags).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
        command
    };
    let mut command = service("frontend");
    command.args(["--mqtt", "127.0.0.1:0", "--downlink", "127.0.0.1:0"]);
    let frontend = Service::start(command, &["admin HTTP is served", "devices may connect"])?;
    let decoder = Service::start(service("decoder"), &["admin HTTP is served"])?;
    let mqtt = frontend.address("devices may connect")?.to_string();

    println!("200 devices, 20 in flight, 1 to 5 records a message, {RUN} each");
    println!(
        "{:>10} {:>12} {:>14} {:>14} {:>22}",
        "asked", "messages/s", "frontend us", "decoder us", "PUBACK"
    );
    for rate in RATES {
        let mut simulate = service("simulate");
        simulate.args(["--mqtt", &mqtt, "--devices", "200", "--interval", "0s", "--in-flight", "20"]);
        simulate.args(["--duration", RUN]);
        if let Some(rate) = rate {
            simulate.args(["--rate", &rate.to_string()]);
        }
        println!(
            "{:>10} {}",
            rate.map_or_else(|| "all".to_owned(), |rate| rate.to_string()),
            drive(simulate, &frontend, &decoder)?
        );
    }
    Ok(())
}

/// Runs a fleet and waits until everything acknowledged is decoded; a row of the table.
fn drive(mut simulate: Command, frontend: &Service, decoder: &Service) -> Result<String> {
    let finished = || decoder.metric("fleetwire_decoder_completed_total");
    let (frontend_before, decoder_before, start) = (frontend.cpu()?, decoder.cpu()?, finished()?);
    let report = simulate.output()?;
    ensure!(report.status.success(), "simulate: {}", String::from_utf8_lossy(&report.stderr));
    let report = String::from_utf8(report.stdout)?;
    let acknowledged = number_before(&report, " acknowledged")?;
    let deadline = Instant::now() + PATIENCE;
    while finished()? < start + acknowledged {
        ensure!(Instant::now() < deadline, "the decoder did not catch up in time");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let micros = |after: f64, before: f64| (after - before) * 1e6 / acknowledged;
    Ok(format!(
        "{:>12.0} {:>14.1} {:>14.1} {:>22}",
        number_before(&report, " messages/s")?,
        micros(frontend.cpu()?, frontend_before),
        micros(decoder.cpu()?, decoder_before),
        latency(&report),
    ))
}

fn number_before(text: &str, word: &str) -> Result<f64> {
    let before = text.split(word).next().context("empty report")?;
    let number = before.rsplit([' ', '\n']).next().context("no number")?;
    number.parse().with_context(|| format!("no number before `{word}` in:\n{text}"))
}

fn latency(report: &str) -> &str {
    let part = report.split("PUBACK ").nth(1).unwrap_or_default();
    part.split(',').next().unwrap_or_default()
}
