//! What metrics cost: how large the exposition of a frontend with many sessions is, and how much CPU metrics take of a
//! publish at saturation.
//!
//! Starts an Apache Kafka (or uses FLEETWIRE_TEST_KAFKA) and frontends. The CPU is that of two frontends of the same
//! binary, one of which keeps no metrics, under the same load in turn; who begins changes from round to round. CPU is
//! what the kernel accounts to the processes. Loopback only, bounded in time.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::BytesMut;
use clap::{Parser, ValueEnum};
use fleetwire_apache_kafka::TestKafka;
use fleetwire_benches::load::{self, Load};
use fleetwire_benches::service::{Service, binary};
use fleetwire_benches::site::{ACCOUNT, PASSWORD, Site, TOPIC, imeis};
use fleetwire_benches::wire::{self, Publish, Qos, Version};
use fleetwire_model::Imei;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Measures what metrics cost.
#[derive(Debug, Parser)]
struct Cli {
    /// Measure this alone
    #[arg(long)]
    only: Option<Part>,
    /// Sessions of the frontend whose exposition is measured; no more than files may be open
    #[arg(long, default_value_t = 100_000)]
    sessions: u32,
    /// Rounds of the load; medians of them are printed
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds that are measured, of each frontend in each round
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections of the load
    #[arg(long, default_value_t = 200)]
    connections: u32,
    /// Publishes of one connection that wait for their PUBACK
    #[arg(long, default_value_t = 20)]
    in_flight: u16,
    /// Bytes of a payload
    #[arg(long, default_value_t = 100)]
    payload: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The size of the exposition.
    Size,
    /// The CPU.
    Cpu,
}

/// What the exposition of a frontend may have, bytes.
const LIMIT: usize = 300_000;
/// Connections from one address; the kernel has ports for a few more.
const PER_ADDRESS: u32 = 20_000;
/// Files that a process needs beside its connections.
const OTHER_FILES: u64 = 600;
/// How long one connection may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let cli = Cli::parse();
    let kafka = TestKafka::shared()?.bootstrap().to_owned();
    let site = Site::new(binary()?, kafka, &format!("metrics{}", std::process::id()))?;
    if cli.only != Some(Part::Cpu) {
        size(&cli, &site)?;
    }
    if cli.only != Some(Part::Size) {
        cpu(&cli, &site)?;
    }
    Ok(())
}

/// As many sessions as may be: the limit of open files holds for both ends.
fn sessions(cli: &Cli) -> Result<u32> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let most = maximum.map_or(u64::from(u32::MAX), |maximum| maximum.saturating_sub(OTHER_FILES));
    let sessions = cli.sessions.min(u32::try_from(most).unwrap_or(u32::MAX));
    if sessions < cli.sessions {
        println!("{sessions} sessions instead of {}: no more files may be open here", cli.sessions);
    }
    Ok(sessions)
}

fn size(cli: &Cli, site: &Site) -> Result<()> {
    let devices = imeis(sessions(cli)?)?;
    site.activate(devices.iter().copied())?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("frontend.toml");
    std::fs::write(&config, format!("[frontend]\nmax_connections = {}\n", devices.len() + 1))?;
    let frontend = site.frontend("127.0.0.1:0", Some(&config))?;
    let address = frontend.address("devices may connect")?;
    println!("{:>10} {:>10} {:>12} {:>12}", "sessions", "series", "bytes", "scrape ms");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut open = Vec::new();
    let mut last = 0;
    for until in [1, 100, 1_000, 10_000, devices.len()] {
        let next = devices.get(open.len()..until.min(devices.len())).unwrap_or_default();
        let first = u32::try_from(open.len())?;
        let connected = runtime.block_on(async {
            let mut connected = Vec::new();
            for (index, device) in (first..).zip(next) {
                connected.push(connect(address, index, *device).await?);
            }
            anyhow::Ok(connected)
        })?;
        if connected.is_empty() {
            continue;
        }
        open.extend(connected);
        let since = Instant::now();
        let text = frontend.exposition()?;
        let took = since.elapsed();
        let series = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        println!("{:>10} {series:>10} {:>12} {:>12.1}", open.len(), text.len(), took.as_secs_f64() * 1e3);
        last = text.len();
    }
    ensure!(last < LIMIT, "the exposition has {last} bytes, at most {LIMIT} are allowed");
    Ok(())
}

/// A session that published once.
async fn connect(to: SocketAddr, index: u32, device: Imei) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + index / PER_ADDRESS);
    socket.bind(SocketAddr::from((from, 0)))?;
    let open = async {
        let mut stream = socket.connect(to).await?;
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        wire::connect(&mut output, Version::V311, &device.to_string(), ACCOUNT, PASSWORD);
        let publish =
            Publish { topic: TOPIC, payload: b"a payload", qos: Qos::AtLeastOnce, packet_id: 1, dup: false };
        wire::publish(&mut output, Version::V311, publish);
        stream.write_all(&output).await?;
        let mut answers = 0;
        while answers < 2 {
            match wire::next(&mut input)? {
                Some(packet) if answers == 0 => {
                    ensure!(packet.connack()? == 0, "CONNACK {}", packet.connack()?);
                    answers += 1;
                }
                Some(_) => answers += 1,
                None => ensure!(stream.read_buf(&mut input).await? > 0, "closed by the server"),
            }
        }
        Ok(stream)
    };
    tokio::time::timeout(PATIENCE, open).await.context("not answered in time")?
}

/// CPU for a publish, microseconds, round by round.
#[derive(Default)]
struct Costs {
    with: Vec<f64>,
    without: Vec<f64>,
}

fn cpu(cli: &Cli, site: &Site) -> Result<()> {
    let devices = imeis(cli.connections)?;
    site.activate(devices.iter().copied())?;
    let with = site.frontend("127.0.0.1:0", None)?;
    let without = site.frontend_without_metrics("127.0.0.1:0")?;
    let load = Load {
        clients: devices.iter().map(ToString::to_string).collect(),
        in_flight: cli.in_flight,
        payload: cli.payload,
        rate: None,
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(cli.seconds),
    };
    println!(
        "{} connections, {} in flight, {} bytes, as fast as PUBACKs come; {} rounds of {} s",
        cli.connections, cli.in_flight, cli.payload, cli.rounds, cli.seconds
    );
    println!("{:>6} {:>16} {:>16} {:>9}", "round", "with us", "without us", "share");
    let mut costs = Costs::default();
    // The first one warms both up and is not counted.
    for round in 0..=cli.rounds {
        let (one, other) = if round % 2 == 0 {
            let one = cost(&with, &load)?;
            (one, cost(&without, &load)?)
        } else {
            let other = cost(&without, &load)?;
            (cost(&with, &load)?, other)
        };
        if round > 0 {
            println!("{round:>6} {one:>16.2} {other:>16.2} {:>8.2}%", (one / other - 1.0) * 100.0);
            costs.with.push(one);
            costs.without.push(other);
        }
    }
    let mut shares: Vec<f64> =
        costs.with.iter().zip(&costs.without).map(|(one, other)| (one / other - 1.0) * 100.0).collect();
    let (one, other) = (median(&mut costs.with), median(&mut costs.without));
    println!("{:>6} {one:>16.2} {other:>16.2} {:>8.2}%", "median", (one / other - 1.0) * 100.0);
    println!("median of the rounds' shares: {:.2} %", median(&mut shares));
    for frontend in [with, without] {
        ensure!(frontend.terminate()?.success(), "a frontend did not drain well");
    }
    Ok(())
}

/// CPU of the frontend for a publish, microseconds. It is scraped at the end, as Prometheus would.
fn cost(frontend: &Service, load: &Load) -> Result<f64> {
    let address = frontend.address("devices may connect")?;
    let measured = load::run(address, load, || {
        frontend.exposition()?;
        frontend.cpu()
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let count = measured.acknowledged as f64;
    Ok(measured.probed * 1e6 / count)
}

fn median(list: &mut [f64]) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(f64::NAN)
}
