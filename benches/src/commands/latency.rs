//! From the sender's call to the device, beside what Kafka alone takes from a producer to a consumer in the same run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use fleetwire_kafka::{Event, Reader, ReaderOptions, Start};
use fleetwire_model::{Imei, Topic, pb};
use fleetwire_service::clock;
use fleetwire_simulator::{Received, Verdict};
use hdrhistogram::Histogram;
use prost::Message as _;

use super::fleet::{Fleet, imeis};
use super::plan::command;
use super::run::ports;
use super::scene::Scene;
use super::sender::Sender;
use super::{Kind, Sent};
use crate::service::Service;

const PATIENCE: Duration = Duration::from_mins(1);
/// A topic that nobody else uses here.
const PROBE: Topic = Topic::Gaps;
/// How long a command is good for, seconds.
const GOOD_FOR_S: u32 = 60;

/// What is measured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `fleetwire` binary.
    pub binary: PathBuf,
    /// Devices that are connected.
    pub devices: u32,
    /// Commands, not counting the first tenth, which warms up.
    pub commands: u32,
    /// Commands a second.
    pub rate: f64,
    /// How long the services are watched while nothing happens.
    pub idle: Duration,
}

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// Microseconds from the call to the producer until the device has it.
    pub command: Histogram<u64>,
    /// Microseconds from the call to the producer until a consumer has it.
    pub floor: Histogram<u64>,
    /// CPU seconds of a command at the gateway, without what it takes idle.
    pub gateway_cpu: f64,
    /// The same at the frontend.
    pub frontend_cpu: f64,
    /// CPU seconds a second of the gateway while nothing happens.
    pub gateway_idle: f64,
    /// The same of the frontend.
    pub frontend_idle: f64,
}

/// Measures.
pub fn run(settings: &Settings) -> Result<Measured> {
    let scene = Scene::new(settings.binary.clone(), "latency", Duration::from_mins(5))?;
    let devices = imeis(settings.devices)?;
    scene.site.activate(devices.iter().copied())?;
    let frontend = scene.frontend(0, "127.0.0.1:0")?;
    let gateway = scene.gateway(0)?;
    let fleet = Fleet::start(settings.devices, &ports(std::slice::from_ref(&frontend))?, |fleet| {
        fleet.interval = Duration::from_hours(6);
        fleet.keep_alive = Duration::from_mins(10);
        fleet.records = 1..=1;
    })?;
    fleet.connected(100)?;
    // What connecting leaves to do is not idleness.
    std::thread::sleep(settings.idle);
    let cpu = |service: &Service| service.cpu();
    let (before, since) = ((cpu(&gateway)?, cpu(&frontend)?), Instant::now());
    std::thread::sleep(settings.idle);
    let idle_s = since.elapsed().as_secs_f64();
    let idle = ((cpu(&gateway)? - before.0) / idle_s, (cpu(&frontend)? - before.1) / idle_s);

    let (before, since) = ((cpu(&gateway)?, cpu(&frontend)?), Instant::now());
    let (sent, floor) = drive(&scene, settings, &devices)?;
    let deadline = Instant::now() + PATIENCE;
    let executed = || fleet.snapshot().commands.get(&Verdict::Executed).copied().unwrap_or(0);
    while executed() < sent.len() as u64 {
        ensure!(Instant::now() < deadline, "{} commands of {} were executed", executed(), sent.len());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let took_s = since.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let each = |after: f64, before: f64, idle: f64| (after - before - idle * took_s) / sent.len() as f64;
    let (gateway_cpu, frontend_cpu) =
        (each(cpu(&gateway)?, before.0, idle.0), each(cpu(&frontend)?, before.1, idle.1));
    let command = times(&sent, &fleet.finish()?, settings)?;
    ensure!(gateway.terminate()?.success(), "the gateway did not drain well");
    ensure!(frontend.terminate()?.success(), "the frontend did not drain well");
    let (gateway_idle, frontend_idle) = idle;
    Ok(Measured { command, floor, gateway_cpu, frontend_cpu, gateway_idle, frontend_idle })
}

/// The first tenth warms up.
const fn warm_up(settings: &Settings) -> u32 {
    settings.commands / 10
}

/// When each command was sent, by its device in turn.
type Calls = Vec<(Imei, Instant)>;

/// Sends commands one by one, and after each a record that only Kafka sees.
fn drive(scene: &Scene, settings: &Settings, devices: &[Imei]) -> Result<(Calls, Histogram<u64>)> {
    let client = scene.site.client();
    let probe = scene.site.topics().name(PROBE);
    let options = ReaderOptions { start: Start::End, ..ReaderOptions::default() };
    let reader = Reader::new(&client, &probe, options, &tokio_util::sync::CancellationToken::new())?;
    let gave_up = AtomicBool::new(false);
    let (gave_up, count) = (&gave_up, settings.commands + warm_up(settings));
    let ((calls, probes), arrivals) = std::thread::scope(|scope| {
        let reading = scope.spawn(move || arrivals(&reader, count, gave_up));
        let sending = send_all(scene, settings, devices);
        gave_up.store(sending.is_err(), Relaxed);
        let arrivals = reading.join().map_err(|_| anyhow!("the reader panicked"))?;
        anyhow::Ok((sending?, arrivals?))
    })?;
    let mut floor = Histogram::new(3)?;
    for (number, at) in arrivals {
        let call = probes.get(number as usize).filter(|_| number >= warm_up(settings));
        if let Some(call) = call {
            floor.record(micros(at.saturating_duration_since(*call)))?;
        }
    }
    Ok((calls, floor))
}

/// Sends everything; when each command and each probe was sent.
fn send_all(scene: &Scene, settings: &Settings, devices: &[Imei]) -> Result<(Calls, Vec<Instant>)> {
    let sender = Sender::new(&scene.site)?;
    let probe = scene.site.topics().name(PROBE);
    let (mut calls, mut probes) = (Vec::new(), Vec::new());
    let start = Instant::now();
    let step = |halves: u32| start + Duration::from_secs_f64(f64::from(halves) / 2.0 / settings.rate);
    for (number, imei) in (0..settings.commands + warm_up(settings)).zip(devices.iter().cycle()) {
        let key = imei.to_string();
        rest_until(step(2 * number));
        let value = one(*imei, number)?;
        calls.push((*imei, Instant::now()));
        sender.send(&key, &value)?;
        rest_until(step(2 * number + 1));
        probes.push(Instant::now());
        sender.send_to(&probe, &key, &number.to_be_bytes())?;
    }
    sender.flush()?;
    Ok((calls, probes))
}

/// Output 1 on for a tenth of a second.
fn one(imei: Imei, number: u32) -> Result<Vec<u8>> {
    let now_ms = clock::unix_ms();
    let expires_s = u32::try_from(now_ms / 1000)? + GOOD_FOR_S;
    let id = format!("latency-{number}");
    let sent = Sent { id, imei, kind: Kind::Switch { output: 1 }, expires_s };
    let duration = Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
    let action = pb::OutputAction::On.into();
    let action = pb::command::Action::OutputControl(pb::OutputControl { output: 1, action, duration });
    Ok(command(&sent, now_ms, action).encode_to_vec())
}

fn rest_until(at: Instant) {
    while Instant::now() < at {
        std::thread::park_timeout(at.saturating_duration_since(Instant::now()));
    }
}

/// Reads so many records of the probe: their numbers, and when they came.
fn arrivals(reader: &Reader, count: u32, gave_up: &AtomicBool) -> Result<Vec<(u32, Instant)>> {
    let mut arrivals = Vec::new();
    let mut deadline = Instant::now() + PATIENCE;
    while arrivals.len() < count as usize && !gave_up.load(Relaxed) {
        if let Event::Record(record) = reader.next(Duration::from_millis(100))? {
            let at = Instant::now();
            let number = record.payload().and_then(|value| value.try_into().ok()).map(u32::from_be_bytes);
            arrivals.push((number.context("a probe without a number")?, at));
            deadline = at + PATIENCE;
        }
        ensure!(Instant::now() < deadline, "Kafka's own records do not arrive");
    }
    Ok(arrivals)
}

/// Times from the call to the device. The commands of one device arrive in order, and each once.
fn times(calls: &Calls, received: &[Received], settings: &Settings) -> Result<Histogram<u64>> {
    let mut by_device: HashMap<Imei, Vec<Instant>> = HashMap::new();
    for publish in received {
        ensure!(publish.verdict == Verdict::Executed, "not executed: {}", publish.line());
        by_device.entry(publish.imei).or_default().push(publish.at.into_std());
    }
    let mut taken: HashMap<Imei, usize> = HashMap::new();
    let mut times = Histogram::new(3)?;
    for (number, (imei, call)) in (0..).zip(calls) {
        let place = taken.entry(*imei).or_default();
        let at =
            by_device.get(imei).and_then(|arrivals| arrivals.get(*place)).context("a command is missing")?;
        *place += 1;
        if number >= warm_up(settings) {
            times.record(micros(at.saturating_duration_since(*call)))?;
        }
    }
    Ok(times)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
