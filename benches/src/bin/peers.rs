//! What a publish costs: our frontend with Kafka behind it, beside Debian's mosquitto, which only acknowledges, and
//! beside a bare producer, which is what of it is Kafka's client.
//!
//! All three take the same load in turn, in several rounds; medians are printed. CPU is what the kernel accounts to the
//! server's process, user and system; the load comes from this process and does not count. Loopback only, bounded.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use fleetwire_apache_kafka::TestKafka;
use fleetwire_benches::load::{self, Load, Measured};
use fleetwire_benches::service::{Service, binary, cpu};
use fleetwire_benches::site::{Site, imeis};
use fleetwire_kafka::{Producer, Record};
use fleetwire_model::Topic;
use hdrhistogram::Histogram;

/// Compares the cost of a publish.
#[derive(Debug, Parser)]
struct Cli {
    /// Rounds; medians of them are printed
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that are measured, of each server at each rate in each round
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections
    #[arg(long, default_value_t = 200)]
    connections: u32,
    /// Publishes of one connection that wait for their PUBACK
    #[arg(long, default_value_t = 20)]
    in_flight: u16,
    /// Bytes of a payload
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Publishes a second, several with commas; 0 is as fast as PUBACKs come
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,0")]
    rates: Vec<u32>,
    /// Only servers whose row begins so: mosquitto, fleetwire, other, bare
    #[arg(long)]
    only: Option<String>,
    /// Another build of the binary, measured in the same run
    #[arg(long)]
    other: Option<PathBuf>,
    /// The frontends' configuration file
    #[arg(long)]
    config: Option<PathBuf>,
}

const MOSQUITTO: &str = "mosquitto, acknowledges only";
const OURS: &str = "fleetwire, acks=all in Kafka";
const OTHER: &str = "other build of fleetwire";
const PRODUCER: &str = "bare producer, same records";
/// What a record has beside its payload: the publish's circumstances.
const ENVELOPE: usize = 170;

/// One row's worth of measurements, a round each.
#[derive(Default)]
struct Row {
    rate: Vec<f64>,
    cpu: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let clients = imeis(cli.connections)?;
    let kafka = TestKafka::shared()?.bootstrap().to_owned();
    let site = Site::new(binary()?, kafka, &format!("peers{}", std::process::id()))?;
    site.activate(clients.iter().copied())?;
    let frontend = site.frontend("127.0.0.1:0", cli.config.as_deref())?;
    let start =
        |binary: &PathBuf| site.with_binary(binary.clone()).frontend("127.0.0.1:0", cli.config.as_deref());
    let other = cli.other.as_ref().map(start).transpose()?;
    let mosquitto = Mosquitto::start()?;
    let clients: Vec<String> = clients.iter().map(ToString::to_string).collect();
    println!(
        "{} connections, {} in flight, {} bytes, {} rounds of {} s; medians",
        cli.connections, cli.in_flight, cli.payload, cli.rounds, cli.seconds
    );
    println!(
        "{:>8}  {:<30} {:>9} {:>12} {:>9} {:>9}",
        "rate/s", "server", "done/s", "CPU us each", "p50 ms", "p99 ms"
    );
    for &rate in &cli.rates {
        let load = Load {
            clients: clients.clone(),
            in_flight: cli.in_flight,
            payload: cli.payload,
            rate: (rate > 0).then_some(rate),
            warm_up: Duration::from_secs(1),
            measured: Duration::from_secs(cli.seconds),
        };
        let mut rows = [MOSQUITTO, OURS, OTHER, PRODUCER].map(|name| (name, Row::default()));
        for _ in 0..cli.rounds {
            for (name, row) in &mut rows {
                if cli.only.as_ref().is_some_and(|only| !name.starts_with(only.as_str())) {
                    continue;
                }
                let fleetwire = |frontend: &Service| {
                    load::run(frontend.address("devices may connect")?, &load, || frontend.cpu())
                };
                row.add(&match *name {
                    MOSQUITTO => load::run(mosquitto.address, &load, || cpu(mosquitto.child.id()))?,
                    OURS => fleetwire(&frontend)?,
                    OTHER => match &other {
                        Some(other) => fleetwire(other)?,
                        None => continue,
                    },
                    _ => produce(&site, &load)?,
                });
            }
        }
        for (name, row) in &mut rows {
            row.print(rate, name);
        }
        let [mosquitto, ours, ..] = &mut rows;
        let ratio = median(&mut mosquitto.1.cpu) / median(&mut ours.1.cpu);
        println!("{:>8}  CPU of mosquitto's publish over ours: {ratio:.2}", "");
    }
    finish(frontend)
}

fn finish(frontend: Service) -> Result<()> {
    ensure!(frontend.terminate()?.success(), "the frontend did not drain well");
    Ok(())
}

impl Row {
    fn add(&mut self, measured: &Measured) {
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let (count, of) =
            (measured.acknowledged as f64, |q| measured.latency.value_at_quantile(q) as f64 / 1e3);
        self.rate.push(count / measured.took.as_secs_f64());
        self.cpu.push(measured.probed * 1e6 / count);
        self.p50.push(of(0.5));
        self.p99.push(of(0.99));
    }

    fn print(&mut self, rate: u32, name: &str) {
        if self.cpu.is_empty() {
            return;
        }
        let asked = if rate == 0 { "all".to_owned() } else { rate.to_string() };
        let [done, cpu, p50, p99] =
            [&mut self.rate, &mut self.cpu, &mut self.p50, &mut self.p99].map(|list| median(list));
        println!("{asked:>8}  {name:<30} {done:>9.0} {cpu:>12.2} {p50:>9.2} {p99:>9.2}");
    }
}

fn median(list: &mut [f64]) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Debian's broker with nothing switched on; dropping it ends it.
struct Mosquitto {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    fn start() -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("mosquitto.conf");
        let port = address.port();
        std::fs::write(
            &config,
            format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n"),
        )?;
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let child = Command::new("mosquitto")
            .env("PATH", path)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .context("mosquitto cannot be started; `make bench-peers` installs it")?;
        let started = Self { child, address, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(address).is_err() {
            ensure!(Instant::now() < deadline, "mosquitto does not listen");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(started)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Drives our producer alone, with records like the frontend's and as many in flight.
fn produce(site: &Site, load: &Load) -> Result<Measured> {
    let topic = site.topics().name(Topic::Raw);
    let latency = Arc::new(Mutex::new(Histogram::<u64>::new(3)?));
    let producer = Producer::<Option<Instant>>::new(&site.client(), {
        let latency = Arc::clone(&latency);
        move |delivery, due: Option<Instant>| {
            let micros = due.and_then(|due| u64::try_from(due.elapsed().as_micros()).ok());
            if let (Ok(_), Some(micros), Ok(mut latency)) = (&delivery.outcome, micros, latency.lock()) {
                // Beyond its largest value it would not fit; that is an hour.
                let _ = latency.record(micros);
            }
        }
    })?;
    let mut pool = vec![0; 64 * 1024 + load.payload + ENVELOPE];
    rand::fill(&mut pool[..]);
    let window = load.clients.len() * usize::from(load.in_flight);
    let start = Instant::now();
    let (mut sent, mut value) = (0_u32, Vec::new());
    let mut send_until = |end: Instant, measured: bool| -> Result<()> {
        while Instant::now() < end {
            let due = load
                .rate
                .map(|rate| start + Duration::from_secs(1).mul_f64(f64::from(sent) / f64::from(rate)));
            let now = Instant::now();
            if due.is_some_and(|due| due > now) || producer.in_flight() >= window {
                std::thread::park_timeout(Duration::from_micros(500));
                continue;
            }
            let index = usize::try_from(sent)?;
            let key = load.clients.get(index % load.clients.len()).context("no clients")?;
            let at = index * load.payload % (64 * 1024);
            // The envelope is the same each time, as in a frontend, and so it compresses.
            value.clear();
            value.extend(pool.get(..ENVELOPE).unwrap_or_default());
            value.extend(pool.get(at..at + load.payload).unwrap_or_default());
            let record = Record {
                topic: &topic,
                key: Some(key.as_bytes()),
                payload: Some(&value),
                timestamp_ms: None,
                headers: &[(fleetwire_model::TYPE_HEADER, b"fleetwire.v1.RawPublish")],
            };
            producer
                .send(record, measured.then_some(due.unwrap_or(now)))
                .map_err(|(error, _)| anyhow!(error))?;
            sent = sent.wrapping_add(1);
        }
        Ok(())
    };
    send_until(start + load.warm_up, false)?;
    let (from, before) = (Instant::now(), cpu(std::process::id())?);
    send_until(from + load.measured, true)?;
    producer.flush(Duration::from_mins(1))?;
    let (took, probed) = (from.elapsed(), cpu(std::process::id())? - before);
    let latency = latency.lock().map_err(|_| anyhow!("the handler panicked"))?.clone();
    Ok(Measured { acknowledged: latency.len(), took, probed, latency })
}
