//! A run: Kafka, a frontend, a fleet, and what dies in between.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fleetwire_apache_kafka::{ApacheKafka, TestKafka};
use fleetwire_model::Topic;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::fleet::Fleet;
use super::{Ledger, Report, Settings, Stored, Victim, compare};
use crate::service::Service;
use crate::site::{Site, imeis};

const PATIENCE: Duration = Duration::from_mins(2);

/// What a run ended with.
#[derive(Debug)]
pub struct Outcome {
    /// The comparison.
    pub report: Report,
    /// What was promised.
    pub ledger: Ledger,
    /// What is stored.
    pub stored: Stored,
    /// Publishes that waited for their answer at each kill.
    pub in_flight: Vec<u64>,
    /// From the first publish to the comparison.
    pub took: Duration,
}

/// Runs the checker. An error is a run that could not be judged; broken promises are in the report.
pub fn run(settings: &Settings) -> Result<Outcome> {
    let mut scene = Scene::new(settings)?;
    let imeis = imeis(settings.devices)?;
    // The publishes of the others go to the held topic.
    scene.site.activate(imeis.iter().copied().step_by(2))?;
    let mut frontend = scene.site.frontend("127.0.0.1:0", None)?;
    let address = frontend.address("devices may connect")?;
    let start = Instant::now();
    let fleet = Fleet::start(settings, &imeis, address);
    let mut moments = StdRng::seed_from_u64(settings.seed);
    let mut in_flight = Vec::new();
    for kill in 1..=settings.kills {
        if settings.victim == Victim::Kafka {
            // A broker takes long to come back, and killing it before anything flows would show nothing.
            flowing(&fleet, settings.devices)?;
        }
        std::thread::sleep(settings.pause.mul_f64(moments.random::<f64>()));
        let (published, acknowledged) = fleet.progress();
        in_flight.push(published - acknowledged);
        frontend = scene.kill(frontend)?;
        if settings.verbose {
            progress(kill, settings.kills, start, (published, acknowledged));
        }
    }
    let ledger = fleet.finish(PATIENCE)?;
    ensure!(frontend.terminate()?.success(), "the frontend did not drain well at the end");
    let names: Vec<String> = imeis.iter().map(ToString::to_string).collect();
    let topics = [Topic::Raw, Topic::Held].map(|topic| scene.site.topics().name(topic));
    let stored = Stored::read(&scene.site.client(), &topics, &names)?;
    let report = compare(&ledger, &stored);
    Ok(Outcome { report, ledger, stored, in_flight, took: start.elapsed() })
}

/// Waits until as many more publishes are acknowledged as there are devices.
fn flowing(fleet: &Fleet, devices: u32) -> Result<()> {
    let (deadline, (_, before)) = (Instant::now() + PATIENCE, fleet.progress());
    while fleet.progress().1 < before + u64::from(devices) {
        ensure!(Instant::now() < deadline, "nothing is acknowledged");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "progress, for the person who waits")]
fn progress(kill: u32, kills: u32, start: Instant, (published, acknowledged): (u64, u64)) {
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "{seconds:>7.1} s  kill {kill:>3}/{kills}  {published:>9} published  {acknowledged:>9} acknowledged"
    );
}

/// Where a run takes place.
struct Scene {
    victim: Victim,
    /// Of our own where it is to die.
    own: Option<ApacheKafka>,
    site: Site,
}

impl Scene {
    fn new(settings: &Settings) -> Result<Self> {
        let own = if settings.victim == Victim::Kafka { Some(ApacheKafka::single()?) } else { None };
        let bootstrap = match &own {
            Some(kafka) => kafka.bootstrap(),
            None => TestKafka::shared()?.bootstrap().to_owned(),
        };
        let prefix = format!("loss{}-{}", std::process::id(), settings.seed);
        Ok(Self {
            victim: settings.victim,
            own,
            site: Site::new(settings.binary.clone(), bootstrap, &prefix)?,
        })
    }

    /// Kills what this run is about, and starts it again.
    fn kill(&mut self, frontend: Service) -> Result<Service> {
        let address = frontend.address("devices may connect")?.to_string();
        match (self.victim, &mut self.own) {
            (Victim::Kafka, Some(kafka)) => {
                kafka.kill(0)?;
                kafka.restart(0)?;
                return Ok(frontend);
            }
            (Victim::Drained, _) => {
                ensure!(frontend.terminate()?.success(), "the frontend did not drain well");
            }
            _ => frontend.kill()?,
        }
        self.site.frontend(&address, None)
    }
}
