//! A bounded load of QoS 1 publishes, on one thread, with as little work for each as can be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::BytesMut;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use crate::site::{ACCOUNT, PASSWORD, TOPIC};
use crate::wire::{self, Publish, Qos, Version, kind};

/// How long a connection may take to be there, and a stopped load to get its last answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a load is.
#[derive(Debug, Clone)]
pub struct Load {
    /// Client ids, one connection each.
    pub clients: Vec<String>,
    /// Publishes of one connection that wait for their PUBACK, at most.
    pub in_flight: u16,
    /// Bytes of a payload.
    pub payload: usize,
    /// Publishes a second of all connections; `None` is as fast as PUBACKs come.
    pub rate: Option<u32>,
    /// Before anything is measured.
    pub warm_up: Duration,
    /// What is measured.
    pub measured: Duration,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// PUBACKs within the measured time.
    pub acknowledged: u64,
    /// The measured time.
    pub took: Duration,
    /// What the probe counted up meanwhile.
    pub probed: f64,
    /// From PUBLISH to PUBACK, microseconds.
    pub latency: Histogram<u64>,
}

/// Loads a server. `probe` is read at both ends of the measured time, for example the server's CPU seconds.
pub fn run(address: SocketAddr, load: &Load, probe: impl Fn() -> Result<f64>) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        let connect = load.clients.iter().map(|client| Client::connect(address, client));
        let connected = timeout(PATIENCE, futures_of(connect)).await.context("not connected in time")??;
        let (start, count) = (Instant::now(), u32::try_from(connected.len())?);
        for (index, mut client) in (0..).zip(connected) {
            let ticks = load.rate.map(|rate| {
                let every = Duration::from_secs(1).mul_f64(f64::from(count) / f64::from(rate));
                let mut ticks =
                    interval_at(start + every.mul_f64(f64::from(index) / f64::from(count)), every);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                ticks
            });
            let (load, stop, total) = (load.clone(), stop.clone(), Arc::clone(&acknowledged));
            let measure_from = start + load.warm_up;
            clients.spawn(async move { client.run(&load, ticks, &stop, (&total, measure_from)).await });
        }
        tokio::time::sleep(load.warm_up).await;
        let (from, probed, before) = (Instant::now(), probe()?, acknowledged.load(Relaxed));
        tokio::time::sleep(load.measured).await;
        let (took, probed) = (from.elapsed(), probe()? - probed);
        let acknowledged = acknowledged.load(Relaxed) - before;
        stop.cancel();
        let mut latency = Histogram::new(3)?;
        let ended = async {
            while let Some(client) = clients.join_next().await {
                latency.add(client??)?;
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, ended).await.context("the last PUBACKs did not come")??;
        Ok(Measured { acknowledged, took, probed, latency })
    })
}

/// One after the other, so that a listener's limits are not what is measured.
async fn futures_of<T>(all: impl Iterator<Item = impl Future<Output = Result<T>>>) -> Result<Vec<T>> {
    let mut done = Vec::new();
    for one in all {
        done.push(one.await?);
    }
    Ok(done)
}

struct Client {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
    /// When each publish in flight was written, by packet id.
    sent: Vec<Instant>,
    in_flight: u16,
    next: u16,
}

impl Client {
    async fn connect(address: SocketAddr, id: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        wire::connect(&mut output, Version::V311, id, ACCOUNT, PASSWORD);
        stream.write_all(&output).await?;
        output.clear();
        loop {
            if let Some(packet) = wire::next(&mut input)? {
                ensure!(packet.connack()? == 0, "CONNACK {}", packet.connack()?);
                let now = Instant::now();
                return Ok(Self { stream, input, output, sent: vec![now; 1024], in_flight: 0, next: 0 });
            }
            ensure!(stream.read_buf(&mut input).await? > 0, "closed before CONNACK");
        }
    }

    async fn run(
        &mut self,
        load: &Load,
        mut ticks: Option<Interval>,
        stop: &CancellationToken,
        (total, measure_from): (&AtomicU64, Instant),
    ) -> Result<Histogram<u64>> {
        let mut latency = Histogram::new(3)?;
        let mut payloads = Payloads::new(load.payload);
        loop {
            let stopping = stop.is_cancelled();
            if stopping && self.in_flight == 0 {
                return Ok(latency);
            }
            if ticks.is_none() && !stopping {
                let now = Instant::now();
                while self.in_flight < load.in_flight {
                    self.publish(payloads.next(), now);
                }
            }
            if !self.output.is_empty() {
                self.stream.write_all(&self.output).await?;
                self.output.clear();
            }
            let room = !stopping && self.in_flight < load.in_flight;
            tokio::select! {
                biased;
                count = self.stream.read_buf(&mut self.input) => {
                    ensure!(count? > 0, "closed by the server");
                    let now = Instant::now();
                    let answers = self.take(now, (now >= measure_from).then_some(&mut latency))?;
                    total.fetch_add(answers, Relaxed);
                }
                due = tick(&mut ticks), if room => self.publish(payloads.next(), due),
                () = stop.cancelled(), if !stopping => {}
            }
        }
    }

    /// Latency counts from `due`, so that a load that comes late does not look quick.
    fn publish(&mut self, payload: &[u8], due: Instant) {
        self.next = self.next % 1024 + 1;
        self.in_flight += 1;
        if let Some(sent) = self.sent.get_mut(usize::from(self.next) - 1) {
            *sent = due;
        }
        let (packet_id, qos) = (self.next, Qos::AtLeastOnce);
        let publish = Publish { topic: TOPIC, payload, qos, packet_id, dup: false };
        wire::publish(&mut self.output, Version::V311, publish);
    }

    fn take(&mut self, now: Instant, mut latency: Option<&mut Histogram<u64>>) -> Result<u64> {
        let mut answers = 0;
        while let Some(packet) = wire::next(&mut self.input)? {
            ensure!(packet.kind == kind::PUBACK, "packet type {}", packet.kind);
            let sent = self.sent.get(usize::from(packet.packet_id()?) - 1).context("no such packet id")?;
            if let Some(latency) = &mut latency {
                latency.record(u64::try_from((now - *sent).as_micros())?)?;
            }
            self.in_flight -= 1;
            answers += 1;
        }
        Ok(answers)
    }
}

async fn tick(ticks: &mut Option<Interval>) -> Instant {
    match ticks {
        Some(ticks) => ticks.tick().await,
        None => std::future::pending().await,
    }
}

/// Payloads that do not compress, as telemetry hardly does.
struct Payloads {
    pool: Vec<u8>,
    size: usize,
    at: usize,
}

impl Payloads {
    const POOL: usize = 64 * 1024;

    fn new(size: usize) -> Self {
        let mut pool = vec![0; Self::POOL + size];
        rand::fill(&mut pool[..]);
        Self { pool, size, at: 0 }
    }

    fn next(&mut self) -> &[u8] {
        self.at = (self.at + self.size) % Self::POOL;
        self.pool.get(self.at..self.at + self.size).unwrap_or_default()
    }
}
