//! A run in progress: the load, the steps, and what is waited for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fleetwire_kafka::{ClientSettings, Watermarks};
use fleetwire_model::{Imei, Topic};

use super::check::compare;
use super::fleet::Fleet;
use super::offsets::uncommitted;
use super::outcome::{Drained, Outcome, Step};
use super::positions::Follower;
use super::scene::{Part, Scene};
use super::stored::Stored;
use super::times::{STEADY, Steps, WARM_UP};
use super::{Scenario, Settings};
use crate::site::imeis;

const LOOK: Duration = Duration::from_millis(50);
/// How long Kafka may be away.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two lines of progress.
const LINE: Duration = Duration::from_secs(5);

/// A run in progress.
pub(super) struct Run<'a> {
    settings: &'a Settings,
    scenario: Scenario,
    // Before the services: devices go first.
    fleet: Fleet,
    follower: Follower,
    pub(super) scene: Scene,
    client: ClientSettings,
    raw: String,
    devices: Vec<Imei>,
    steps: Arc<Steps>,
    done: Vec<Step>,
    /// What did not come in time, or ended in a bad way.
    broken: Vec<String>,
    start: Instant,
    line: Instant,
}

impl<'a> Run<'a> {
    /// Starts these services and the load, and waits until everything works.
    pub(super) fn start(settings: &'a Settings, scenario: Scenario, parts: &[Part]) -> Result<Self> {
        let mut scene = Scene::new(settings, scenario.word(), scenario == Scenario::Brokers)?;
        let devices = imeis(settings.devices)?;
        scene.site.activate(devices.iter().copied())?;
        for part in parts {
            scene.add(*part)?;
        }
        let (client, topics) = (scene.site.client(), scene.site.topics().clone());
        let steps = Arc::<Steps>::default();
        steps.begin(WARM_UP);
        let follower = Follower::start(&client, &topics.name(Topic::Positions), Arc::clone(&steps))?;
        let reconnects = scenario == Scenario::Frontends;
        let fleet =
            Fleet::start(settings, &devices, Arc::clone(&scene.balancer), Arc::clone(&steps), reconnects)?;
        let mut run = Self {
            settings,
            scenario,
            fleet,
            follower,
            client,
            raw: topics.name(Topic::Raw),
            scene,
            devices,
            steps,
            done: Vec::new(),
            broken: Vec::new(),
            start: Instant::now(),
            line: Instant::now(),
        };
        run.connected()?;
        run.worked()?;
        run.steps.begin(STEADY);
        run.pause()?;
        Ok(run)
    }

    /// A step: changes something, waits until the pipeline works as before, and is followed by quiet time. It may say
    /// more about itself.
    pub(super) fn step(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Self) -> Result<String>,
    ) -> Result<()> {
        let number = self.done.len() + 1;
        self.steps.begin(number);
        let begin = Instant::now();
        let note = change(self)?;
        let took = begin.elapsed();
        self.steps.begin(STEADY);
        self.say(&format!("{name}: {:.1} s {note}", took.as_secs_f64()));
        self.done.push(Step { name: name.to_owned(), took, note, ..Step::default() });
        self.pause()
    }

    fn pause(&mut self) -> Result<()> {
        let end = Instant::now() + self.settings.pause;
        while Instant::now() < end {
            self.look()?;
        }
        Ok(())
    }

    /// Waits a moment, tells how it goes, and fails if a process ended that nobody ended.
    fn look(&mut self) -> Result<()> {
        std::thread::park_timeout(LOOK);
        if self.line.elapsed() >= LINE {
            self.line = Instant::now();
            let ((published, acknowledged), decoded) = (self.fleet.progress(), self.follower.decoded());
            let spread = self.scene.balancer.spread();
            self.say(&format!(
                "{published:>8} published  {acknowledged:>8} acknowledged  {decoded:>8} decoded  sessions {spread:?}"
            ));
            let ended = self.scene.ended()?;
            ensure!(ended.is_empty(), "ended by themselves: {ended:?}");
            ensure!(self.follower.is_well(), "the reader of positions has ended");
        }
        Ok(())
    }

    #[expect(clippy::print_stderr, reason = "progress, for the person who waits")]
    fn say(&self, text: &str) {
        if self.settings.verbose {
            eprintln!("{:>7.1} s  {text}", self.start.elapsed().as_secs_f64());
        }
    }

    /// Waits until something is so, and returns how long that took; notes it where it does not become so in time.
    fn until(&mut self, what: &str, mut so: impl FnMut(&mut Self) -> Result<bool>) -> Result<Duration> {
        let begin = Instant::now();
        while !so(self)? {
            if begin.elapsed() >= self.settings.limit {
                self.broken.push(format!("not within {:?}: {what}", self.settings.limit));
                break;
            }
            self.look()?;
        }
        Ok(begin.elapsed())
    }

    /// Waits until every device has a session at a frontend that takes connections.
    pub(super) fn connected(&mut self) -> Result<Duration> {
        let all = self.settings.devices;
        self.until("all devices are connected", |run| {
            Ok(run.scene.balancer.spread().iter().sum::<u32>() == all)
        })
    }

    /// Waits until every frontend has half of its fair share of the sessions or more.
    pub(super) fn spread(&mut self) -> Result<Duration> {
        let all = self.settings.devices;
        self.until("sessions are spread", |run| Ok(run.scene.balancer.is_even(all)))
    }

    /// Waits until every raw partition has a decoder, every decoder has partitions, and all that was in the raw topic
    /// then has its position. Returns the time until the partitions were given out, and until the rest was there too.
    pub(super) fn worked(&mut self) -> Result<(Duration, Duration)> {
        let partitions = f64::from(self.settings.partitions);
        let given = self.until("every partition has a decoder", |run| {
            // One that is slow to answer is asked again.
            let worked = run.scene.worked().unwrap_or_default();
            let all = (worked.iter().sum::<f64>() - partitions).abs() < 0.5;
            Ok(all && worked.iter().all(|some| *some > 0.5))
        })?;
        let ends = read_ends(&self.client, &self.raw, self.settings.partitions)?;
        let caught_up = self.until("the backlog is decoded", |run| Ok(run.follower.has_reached(&ends)))?;
        Ok((given, given + caught_up))
    }

    /// Ends the load, waits for all that is out, stops everything, and compares.
    pub(super) fn finish(mut self) -> Result<Outcome> {
        self.say("the load ends");
        let (limit, fleet) = (self.settings.limit, self.fleet);
        let ledger = fleet.finish(limit)?;
        let begin = Instant::now();
        // After this nothing comes into the raw topic any more.
        stop_all(&mut self.scene, Some(Part::Frontend), &mut self.broken);
        let ends = read_ends(&self.client, &self.raw, self.settings.partitions)?;
        let records = u64::try_from(ends.values().sum::<i64>())?;
        while self.follower.decoded() < records && begin.elapsed() < limit {
            std::thread::park_timeout(LOOK);
        }
        let drained = Drained { records, took: begin.elapsed() };
        if self.follower.decoded() < records {
            self.broken.push(format!("not within {limit:?}: the lag is gone"));
        }
        stop_all(&mut self.scene, None, &mut self.broken);
        let site = &self.scene.site;
        let group = format!("{}-decoder", site.topics().prefix());
        let lag = uncommitted(&self.client.brokers, &group, &self.raw, &ends)?;
        if lag != 0 {
            self.broken.push(format!("{lag} raw records are not committed by the decoders that stopped"));
        }
        let stored = Stored::read(&self.scene.site.client(), &self.raw, &self.devices)?;
        let positions = self.follower.finish()?;
        let report = compare(&ledger, &stored, &positions, self.settings.exactly_once);
        for (number, step) in (1..).zip(&mut self.done) {
            (step.puback, step.age) = (self.steps.puback.of(number), self.steps.age.of(number));
        }
        Ok(Outcome {
            scenario: self.scenario,
            steady: (self.steps.puback.of(STEADY), self.steps.age.of(STEADY)),
            all_steps: (self.steps.puback.of_all_steps()?, self.steps.age.of_all_steps()?),
            steps: self.done,
            report,
            drained,
            broken: self.broken,
            took: self.start.elapsed(),
            ledger,
            stored,
            positions,
        })
    }
}

/// Stops all of a kind, or all, and notes those that do not end well.
fn stop_all(scene: &mut Scene, part: Option<Part>, broken: &mut Vec<String>) {
    for name in scene.names(part) {
        if let Err(error) = scene.stop(&name) {
            broken.push(format!("{error:#}"));
        }
    }
}

/// Where each raw partition ends. Kafka may be away for a moment; every attempt has a client of its own, as one that
/// was away for long may hold on to what it knew.
fn read_ends(kafka: &ClientSettings, topic: &str, partitions: u16) -> Result<BTreeMap<i32, i64>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let client = Watermarks::new(kafka)?;
        let all = (0..i32::from(partitions)).map(|number| Ok((number, client.of(topic, number)?.1)));
        match all.collect::<Result<_>>() {
            Ok(ends) => return Ok(ends),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => std::thread::park_timeout(LOOK),
        }
    }
}
