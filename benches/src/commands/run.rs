//! The loss checker: commands flow, services die, devices come and go, and in the end everything is compared.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use fleetwire_model::Topic;
use fleetwire_service::clock;

use super::fleet::{Fleet, imeis};
use super::life::Follower;
use super::plan::Plan;
use super::scene::{Kills, Scene};
use super::sender::Sender;
use super::{Lives, Report, Sent, Settings, check};
use crate::service::Service;

const PATIENCE: Duration = Duration::from_mins(2);
/// Between two lines of progress.
const LINE: Duration = Duration::from_secs(5);
/// How long statuses may still come after the last terminal one: there must be none.
const SILENCE: Duration = Duration::from_secs(3);

/// What a run ended with.
#[derive(Debug)]
pub struct Outcome {
    /// The comparison.
    pub report: Report,
    /// What was sent.
    pub sent: Vec<Sent>,
    /// What the statuses say.
    pub lives: Lives,
    /// What devices received.
    pub received: Vec<fleetwire_simulator::Received>,
    /// What happened to frontends.
    pub frontends: Kills,
    /// What happened to gateways.
    pub gateways: Kills,
    /// Connections that devices lost.
    pub cuts: u64,
    /// From the first command to the last terminal status.
    pub took: Duration,
}

/// Runs the checker. An error is a run that could not be judged; broken promises are in the report.
pub fn run(settings: &Settings) -> Result<Outcome> {
    let scene =
        Scene::new(settings.binary.clone(), &format!("cmd{}-", settings.seed), settings.confirm_within)?;
    let devices = imeis(settings.devices)?;
    scene.site.activate(devices.iter().copied())?;
    let mut frontends = (0..settings.frontends)
        .map(|number| scene.frontend(number, "127.0.0.1:0"))
        .collect::<Result<Vec<_>>>()?;
    let mut gateways =
        (0..settings.gateways).map(|number| scene.gateway(number)).collect::<Result<Vec<_>>>()?;
    let decoder = scene.decoder()?;
    let follower = Follower::start(&scene.site.client(), &scene.site.topics().name(Topic::CommandStatus))?;
    let fleet = Fleet::start(settings.devices, &ports(&frontends)?, |fleet| {
        fleet.interval = Duration::from_mins(1);
        fleet.records = 1..=1;
        fleet.reconnect_every = Some(settings.reconnect_every);
        fleet.seed = settings.seed;
    })?;
    fleet.connected(90)?;
    let start = Instant::now();
    let plan = Plan::new(settings.seed, devices, settings.time_to_live);
    let stop = AtomicBool::new(false);
    let watch = Watch { settings, fleet: &fleet, follower: &follower, start };
    let (sent, frontend_kills, gateway_kills) = std::thread::scope(|scope| {
        let of_frontends = scope.spawn(|| scene.vex_frontends(&mut frontends, settings, &stop));
        let of_gateways = scope.spawn(|| scene.vex_gateways(&mut gateways, settings, &stop));
        let sent = send(&scene, plan, &watch);
        stop.store(true, Relaxed);
        let panicked = |_| anyhow!("what kills services panicked");
        let kills = (of_frontends.join().map_err(panicked)??, of_gateways.join().map_err(panicked)??);
        anyhow::Ok((sent?, kills.0, kills.1))
    })?;
    watch.all_ended(&scene, sent.len(), &mut gateways)?;
    let took = start.elapsed();
    std::thread::sleep(SILENCE);
    let cuts = fleet.snapshot().cuts;
    let received = fleet.finish()?;
    let lives = follower.finish()?;
    let report = check(&sent, &lives, &received);
    ensure!(decoder.terminate()?.success(), "the decoder did not drain well at the end");
    for service in frontends.into_iter().chain(gateways) {
        ensure!(service.terminate()?.success(), "a service did not drain well at the end");
    }
    Ok(Outcome {
        report,
        sent,
        lives,
        received,
        frontends: frontend_kills,
        gateways: gateway_kills,
        cuts,
        took,
    })
}

/// Ports of the frontends' listeners.
pub fn ports(frontends: &[Service]) -> Result<Vec<u16>> {
    frontends.iter().map(|frontend| Ok(frontend.address("devices may connect")?.port())).collect()
}

/// Sends all commands at the rate, as any program may: with a plain producer.
fn send(scene: &Scene, mut plan: Plan, watch: &Watch<'_>) -> Result<Vec<Sent>> {
    let sender = Sender::new(&scene.site)?;
    let mut sent = Vec::new();
    let mut line = Instant::now();
    for number in 0..watch.settings.commands {
        let due = watch.start + Duration::from_secs_f64(f64::from(number) / watch.settings.rate);
        while Instant::now() < due {
            if line.elapsed() >= LINE {
                line = Instant::now();
                watch.progress(sent.len());
            }
            std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        }
        let Some(order) = plan.next(clock::unix_ms()) else { break };
        let key = order.sent.imei.to_string();
        for _ in 0..=u32::from(order.twice) {
            sender.send(&key, &order.value)?;
        }
        sent.push(order.sent);
    }
    sender.flush()?;
    Ok(sent)
}

/// Looks at a run.
struct Watch<'a> {
    settings: &'a Settings,
    fleet: &'a Fleet,
    follower: &'a Follower,
    start: Instant,
}

impl Watch<'_> {
    #[expect(clippy::print_stderr, reason = "progress, for the person who waits")]
    fn progress(&self, sent: usize) {
        if self.settings.verbose {
            let (fleet, ended) = (self.fleet.snapshot(), self.follower.terminal());
            let received: u64 = fleet.commands.values().sum();
            let seconds = self.start.elapsed().as_secs_f64();
            eprintln!(
                "{seconds:>7.1} s  {:>6} connected  {:>7} lost connections  {sent:>7} sent  {received:>7} received  \
                 {ended:>7} ended",
                fleet.connected, fleet.cuts
            );
        }
    }

    /// Waits until every command has ended, or could have.
    fn all_ended(&self, scene: &Scene, sent: usize, gateways: &mut [Service]) -> Result<()> {
        let limit = self.settings.time_to_live + self.settings.confirm_within + PATIENCE;
        let deadline = Instant::now() + limit;
        let mut line = Instant::now();
        while self.follower.terminal() < sent && Instant::now() < deadline {
            if line.elapsed() >= LINE {
                line = Instant::now();
                self.progress(sent);
            }
            scene.mend_gateways(gateways)?;
            std::thread::park_timeout(Duration::from_millis(100));
        }
        self.progress(sent);
        Ok(())
    }
}
