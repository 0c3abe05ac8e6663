//! The devices: the simulator in this process, on a thread of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use fleetwire_model::Imei;
use fleetwire_service::clock;
use fleetwire_simulator::{Received, Settings, Snapshot, Stats, imei, run};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::site::{ACCOUNT, PASSWORD};

/// First 14 digits of the first device.
const FIRST: u64 = 35_100_000_000_000;
/// Publishes that may wait for the collector; more of them hold the devices up.
const ROOM: usize = 10_000;
const PATIENCE: Duration = Duration::from_mins(5);

/// The IMEIs of a fleet.
pub fn imeis(devices: u32) -> Result<Vec<Imei>> {
    (0..devices).map(|index| imei(FIRST, index).context("too many devices")).collect()
}

/// A fleet at work.
#[derive(Debug)]
pub struct Fleet {
    stop: CancellationToken,
    stats: Arc<Stats>,
    received: Arc<Mutex<Vec<Received>>>,
    thread: JoinHandle<Result<()>>,
    devices: u32,
}

impl Fleet {
    /// Devices that connect to these ports of this machine at random, and report now and then.
    pub fn start(devices: u32, ports: &[u16], change: impl FnOnce(&mut Settings)) -> Result<Self> {
        let first = ports.first().copied().context("no frontend")?;
        let start = UNIX_EPOCH + Duration::from_millis(u64::try_from(clock::unix_ms())?);
        let mut settings = Settings::new("127.0.0.1", first, PASSWORD.to_owned().into(), start);
        let server = |port: &u16| fleetwire_simulator::Server { host: "127.0.0.1".to_owned(), port: *port };
        settings.servers = ports.iter().map(server).collect();
        ACCOUNT.clone_into(&mut settings.account);
        settings.devices = devices;
        settings.first_imei_14 = FIRST;
        settings.ramp_up = Duration::from_millis(u64::from(devices));
        change(&mut settings);
        let (sender, mut incoming) = mpsc::channel(ROOM);
        settings.received = Some(sender);
        let (stop, stats) = (CancellationToken::new(), Arc::new(Stats::new()));
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let running = run(settings, stop.clone(), Arc::clone(&stats));
        let thread = std::thread::spawn({
            let received = Arc::clone(&received);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let collecting = async {
                    while let Some(publish) = incoming.recv().await {
                        received.lock().unwrap_or_else(PoisonError::into_inner).push(publish);
                    }
                };
                let (report, ()) = runtime.block_on(async { tokio::join!(running, collecting) });
                report?;
                Ok(())
            }
        });
        Ok(Self { stop, stats, received, thread, devices })
    }

    /// Waits until so many of a hundred devices are connected.
    pub fn connected(&self, percent: u32) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let wanted = u64::from(self.devices) * u64::from(percent) / 100;
        while self.stats.snapshot().connected < wanted {
            ensure!(!self.thread.is_finished(), "the fleet has ended");
            ensure!(Instant::now() < deadline, "the devices do not connect: {:?}", self.stats.snapshot());
            std::thread::park_timeout(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Its numbers so far.
    pub fn snapshot(&self) -> Snapshot {
        self.stats.snapshot()
    }

    /// Ends it; everything that came down to its devices, in the order of each device.
    pub fn finish(self) -> Result<Vec<Received>> {
        self.stop.cancel();
        self.thread.join().map_err(|_| anyhow!("the fleet panicked"))??;
        Ok(std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
