//! The whole pipeline under load: messages a second, and CPU per message of each process.
//!
//! Starts an Apache Kafka (or uses FLEETWIRE_TEST_KAFKA), a frontend and a decoder, drives them with
//! `fleetwire simulate` at a few rates and at saturation, and prints a row for each. Loopback only, bounded in
//! time. CPU is what the kernel accounts to the processes; on a shared machine it is steadier than rates.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fleetwire_apache_kafka::TestKafka;
use serde_json::Value;

const PASSWORD: &str = "a password of the bench";
const PATIENCE: Duration = Duration::from_mins(1);
/// Messages a second; `None` is as fast as PUBACKs come back.
const RATES: [Option<u32>; 3] = [Some(1_000), Some(10_000), None];
/// Each rate is driven for this long.
const RUN: &str = "15s";
/// The kernel's unit of process times on Linux, a second.
const TICKS: f64 = 100.0;

struct Service {
    child: Child,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Starts a service and waits until its log names the addresses that are asked for.
    fn start(mut command: Command, messages: &[&str]) -> Result<Self> {
        command.args(["--admin", "127.0.0.1:0", "--log", "info", "--log-format", "json"]);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("no log")?).lines();
        let mut addresses = BTreeMap::new();
        while !messages.iter().all(|message| addresses.contains_key(*message)) {
            let line = lines.next().context("the service ended")??;
            let Ok(value) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            let fields = (value.get("message"), value.get("address"));
            if let (Some(Value::String(message)), Some(Value::String(address))) = fields {
                addresses.insert(message.clone(), address.parse()?);
            }
        }
        // Nobody reads on; a full pipe must not stop the service.
        std::thread::spawn(move || lines.for_each(drop));
        let service = Self { child, addresses };
        let deadline = Instant::now() + PATIENCE;
        while get(service.admin()?, "/readyz").is_err() {
            ensure!(Instant::now() < deadline, "not ready in time");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(service)
    }

    fn admin(&self) -> Result<SocketAddr> {
        self.addresses.get("admin HTTP is served").copied().context("no admin address")
    }

    fn metric(&self, name: &str) -> Result<f64> {
        let body = get(self.admin()?, "/metrics")?;
        let lines = body
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// CPU seconds so far, user and system.
    fn cpu(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit(')').next().context("no stat")?;
        let times: Vec<f64> = after_name.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
        Ok(times.iter().sum::<f64>() / TICKS)
    }
}

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
    command.args(["--mqtt", "127.0.0.1:0"]);
    let frontend = Service::start(command, &["admin HTTP is served", "devices may connect"])?;
    let decoder = Service::start(service("decoder"), &["admin HTTP is served"])?;
    let mqtt = frontend.addresses.get("devices may connect").context("no MQTT address")?.to_string();

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
    let finished = || decoder.metric("fleetwire_decoder_end_to_end_seconds_count");
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

/// The binary that was built beside this one.
fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let binary = here.parent().map(|folder| folder.join("fleetwire")).context("no folder")?;
    ensure!(Path::is_file(&binary), "{} is missing; `make build` makes it", binary.display());
    Ok(binary)
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

/// The body of a GET; an error unless the status is 200.
fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => bail!("{path} answers no 200"),
    }
}
