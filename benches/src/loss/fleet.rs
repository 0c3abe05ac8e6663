//! All devices, on a thread of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use fleetwire_model::Imei;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::device::{Device, Identity};
use super::ledger::Ledger;
use crate::wire::Version;

/// What all devices share.
pub(super) struct Shared {
    pub(super) in_flight: usize,
    pub(super) payload: usize,
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
}

impl Fleet {
    pub(super) fn start(settings: &Settings, imeis: &[Imei], address: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            in_flight: settings.in_flight,
            payload: settings.payload,
            finish: CancellationToken::new(),
            abandon: CancellationToken::new(),
            published: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
        });
        let identities = identities(settings, imeis);
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || drive(identities, &shared, address)
        });
        Self { shared, thread }
    }

    /// Published and acknowledged so far.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.shared.published.load(Relaxed), self.shared.acknowledged.load(Relaxed))
    }

    /// No new publishes; waits until everything is acknowledged, at most `limit`.
    pub(super) fn finish(self, limit: Duration) -> Result<Ledger> {
        self.shared.finish.cancel();
        let deadline = Instant::now() + limit;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.shared.abandon.cancel();
        self.thread.join().map_err(|_| anyhow!("the fleet panicked"))?
    }
}

fn identities(settings: &Settings, imeis: &[Imei]) -> Vec<Identity> {
    let interval = (settings.rate > 0)
        .then(|| Duration::from_secs(1).mul_f64(f64::from(settings.devices) / f64::from(settings.rate)));
    let identity = |(index, imei): (u32, &Imei)| Identity {
        index,
        imei: imei.to_string(),
        version: if index % 4 < 2 { Version::V311 } else { Version::V5 },
        interval,
    };
    (0..).zip(imeis).map(identity).collect()
}

fn drive(identities: Vec<Identity>, shared: &Arc<Shared>, address: SocketAddr) -> Result<Ledger> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let mut ledger = Ledger::default();
        ledger.devices.resize_with(identities.len(), Default::default);
        for identity in identities {
            let index = identity.index;
            let device = Device::new(identity, Arc::clone(shared));
            tasks.spawn(async move { (index, device.run(address).await) });
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
