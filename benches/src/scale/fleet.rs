//! All devices, on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use fleetwire_model::Imei;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Settings;
use super::balancer::Balancer;
use super::device::{Device, Identity};
use super::ledger::Ledger;
use super::times::Steps;
use crate::wire::Version;

/// Publishes of one device that wait for their PUBACK, at most.
const WINDOW: usize = 20;

/// What all devices share.
pub(super) struct Shared {
    pub(super) balancer: Arc<Balancer>,
    pub(super) steps: Arc<Steps>,
    /// Between two publishes of one device.
    pub(super) interval: Duration,
    pub(super) window: usize,
    /// Mean time after which a device ends its session by itself.
    pub(super) reconnect_every: Option<Duration>,
    /// No new publishes; what is out is waited for.
    pub(super) finish: CancellationToken,
    /// Nothing is waited for any more.
    pub(super) abandon: CancellationToken,
    pub(super) published: AtomicU64,
    pub(super) acknowledged: AtomicU64,
}

/// A fleet at work.
pub(super) struct Fleet {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Ledger>>,
    /// Ends the devices of a run that failed.
    _end: DropGuard,
}

impl Fleet {
    /// Starts it. `reconnects`: devices end their sessions now and then, and open others.
    pub(super) fn start(
        settings: &Settings,
        imeis: &[Imei],
        balancer: Arc<Balancer>,
        steps: Arc<Steps>,
        reconnects: bool,
    ) -> Result<Self> {
        ensure!(settings.rate > 0 && settings.devices > 0, "no load");
        let shared = Arc::new(Shared {
            balancer,
            steps,
            interval: Duration::from_secs(1).mul_f64(f64::from(settings.devices) / f64::from(settings.rate)),
            window: WINDOW,
            reconnect_every: reconnects.then_some(settings.reconnect_every),
            finish: CancellationToken::new(),
            abandon: CancellationToken::new(),
            published: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
        });
        let thread = std::thread::spawn({
            let (shared, imeis, seed) = (Arc::clone(&shared), imeis.to_vec(), settings.seed);
            move || drive(&shared, &imeis, seed)
        });
        let end = shared.abandon.clone().drop_guard();
        Ok(Self { shared, thread, _end: end })
    }

    /// Published and acknowledged so far.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.shared.published.load(Relaxed), self.shared.acknowledged.load(Relaxed))
    }

    /// No new publishes; waits until everything is acknowledged, at most `limit`.
    pub(super) fn finish(self, limit: Duration) -> Result<Ledger> {
        self.shared.finish.cancel();
        let deadline = std::time::Instant::now() + limit;
        while !self.thread.is_finished() && std::time::Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.shared.abandon.cancel();
        self.thread.join().map_err(|_| anyhow!("the fleet panicked"))?
    }
}

fn drive(shared: &Arc<Shared>, imeis: &[Imei], seed: u64) -> Result<Ledger> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let mut ledger = Ledger::default();
        ledger.devices.resize_with(imeis.len(), Default::default);
        let (start, count) = (Instant::now(), u32::try_from(imeis.len())?);
        for (index, imei) in (0_u32..).zip(imeis) {
            let identity = Identity {
                imei: *imei,
                version: if index % 2 == 0 { Version::V5 } else { Version::V311 },
                // One after the other, so that they do not publish all at once.
                first_due: start + shared.interval.mul_f64(f64::from(index) / f64::from(count)),
            };
            let random = StdRng::seed_from_u64(seed ^ u64::from(index) << 32);
            let device = Device::new(identity, Arc::clone(shared), random);
            tasks.spawn(async move { (index, device.run().await) });
        }
        while let Some(ended) = tasks.join_next().await {
            let (index, device) = ended.context("a device panicked")?;
            if let Some(place) = ledger.devices.get_mut(index as usize) {
                *place = device;
            }
        }
        Ok(ledger)
    })
}
