//! Services of a run, and what happens to them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fleetwire_apache_kafka::TestKafka;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;

use super::Settings;
use crate::service::Service;
use crate::site::{PASSWORD, Site};

/// The longest that a killed service stays away.
const LONGEST_AWAY: Duration = Duration::from_secs(3);
/// How long a paused gateway stands still: shorter and longer than its group waits for it.
const PAUSE: std::ops::Range<f64> = 2.0..20.0;
/// How long gateways wait for a PUBACK.
const PUBACK_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two looks at the stop.
const LOOK: Duration = Duration::from_millis(50);

/// A deployment, and what its services are told.
#[derive(Debug)]
pub struct Scene {
    /// Topics and Kafka.
    pub site: Site,
    folder: TempDir,
    confirm_within: Duration,
}

/// How often something happened to services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kills {
    /// SIGKILL.
    pub killed: u32,
    /// SIGSTOP, and SIGCONT later.
    pub paused: u32,
}

impl Scene {
    /// Makes the topics; `name` is part of their prefix. Telemetry has so long to confirm a command.
    pub fn new(binary: PathBuf, name: &str, confirm_within: Duration) -> Result<Self> {
        let bootstrap = TestKafka::shared()?.bootstrap().to_owned();
        let prefix = format!("{name}{}", std::process::id());
        let site = Site::new(binary, bootstrap, &prefix)?;
        Ok(Self { site, folder: tempfile::tempdir()?, confirm_within })
    }

    fn config(&self, name: &str, sections: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, format!("[process]\nreplica = \"{name}\"\n{sections}"))?;
        Ok(path)
    }

    /// A frontend of this number; `mqtt` is `HOST:PORT`.
    pub fn frontend(&self, number: usize, mqtt: &str) -> Result<Service> {
        let sections = "[downlink]\nlisten = \"127.0.0.1:0\"\n";
        let config = self.config(&format!("frontend-{number}"), sections)?;
        self.site.frontend(mqtt, Some(&config)).with_context(|| format!("frontend {number}"))
    }

    /// A gateway of this number.
    pub fn gateway(&self, number: usize) -> Result<Service> {
        let sections = format!(
            "[command_gateway]\nconfirm_within = \"{}s\"\npuback_timeout = \"{}s\"\ncontradict_after = \"2s\"\n",
            self.confirm_within.as_secs(),
            PUBACK_TIMEOUT.as_secs()
        );
        let config = self.config(&format!("gateway-{number}"), &sections)?;
        let mut command = self.site.command(&["command-gateway"]);
        command.arg("--config").arg(config);
        Service::start(command, &["admin HTTP is served"]).with_context(|| format!("gateway {number}"))
    }

    /// A decoder.
    pub fn decoder(&self) -> Result<Service> {
        let prefix = self.site.topics().prefix();
        let config = self.config("decoder", &format!("[decoder]\ngroup = \"{prefix}-decoder\"\n"))?;
        let mut command = self.site.command(&["decoder"]);
        command.arg("--config").arg(config).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
        Service::start(command, &["admin HTTP is served"]).context("decoder")
    }

    /// Kills frontends at random until the stop.
    pub(super) fn vex_frontends(
        &self,
        services: &mut [Service],
        settings: &Settings,
        stop: &AtomicBool,
    ) -> Result<Kills> {
        let mut moments = StdRng::seed_from_u64(settings.seed ^ 1);
        let mut kills = Kills::default();
        while let Some(number) = victim(services.len(), settings, &mut moments, stop) {
            let Some(service) = services.get_mut(number) else { continue };
            let address = service.address("devices may connect")?.to_string();
            service.kill_in_place()?;
            kills.killed += 1;
            wait(LONGEST_AWAY.mul_f64(moments.random()), None);
            *service = self.frontend(number, &address)?;
        }
        Ok(kills)
    }

    /// Kills gateways at random, or lets them stand still for a while, until the stop.
    pub(super) fn vex_gateways(
        &self,
        services: &mut [Service],
        settings: &Settings,
        stop: &AtomicBool,
    ) -> Result<Kills> {
        let mut moments = StdRng::seed_from_u64(settings.seed ^ 2);
        let mut kills = Kills::default();
        while let Some(number) = victim(services.len(), settings, &mut moments, stop) {
            let Some(service) = services.get_mut(number) else { continue };
            if moments.random_bool(settings.pauses) {
                service.pause()?;
                kills.paused += 1;
                wait(Duration::from_secs_f64(moments.random_range(PAUSE)), Some(stop));
                service.resume()?;
                // One that finds that it was left behind may end itself; whoever runs it starts it again.
                wait(Duration::from_secs(1), Some(stop));
                if service.has_ended()? {
                    *service = self.gateway(number)?;
                }
            } else {
                service.kill_in_place()?;
                kills.killed += 1;
                wait(LONGEST_AWAY.mul_f64(moments.random()), None);
                *service = self.gateway(number)?;
            }
        }
        Ok(kills)
    }

    /// Starts gateways again that have ended by themselves.
    pub(super) fn mend_gateways(&self, services: &mut [Service]) -> Result<u32> {
        let mut ended = 0;
        for (number, service) in services.iter_mut().enumerate() {
            if service.has_ended()? {
                ended += 1;
                *service = self.gateway(number)?;
            }
        }
        Ok(ended)
    }
}

/// The next one that something happens to, after a while; none after the stop.
fn victim(count: usize, settings: &Settings, moments: &mut StdRng, stop: &AtomicBool) -> Option<usize> {
    if settings.kill_every.is_zero() || count == 0 {
        return None;
    }
    let pause = settings.kill_every.mul_f64(-f64::ln(1.0 - moments.random_range(0.0..1.0)));
    wait(pause, Some(stop));
    (!stop.load(Relaxed)).then(|| moments.random_range(0..count))
}

/// Waits so long, or until the stop.
fn wait(time: Duration, stop: Option<&AtomicBool>) {
    let end = Instant::now() + time;
    while stop.is_none_or(|stop| !stop.load(Relaxed)) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(LOOK));
    }
}
