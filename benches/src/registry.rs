//! The registry's view with very many devices: memory, how fast records are applied, and how fast devices are found.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fleetwire_kafka::{ClientSettings, Producer, Record, SendError, TopicAdmin, TopicSettings};
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_model::{DeviceId, Imei, TYPE_HEADER, Topic, Topics, time};
use fleetwire_registry::follow::Registry;
use fleetwire_registry::{Catalogue, Devices};
use fleetwire_service::health::Health;
use prost::Message as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;

use crate::service::cpu;

/// Records that are made ahead, so that making them is not measured.
const CHUNK: usize = 50_000;
/// Devices that are looked up in a measurement.
const LOOKUPS: usize = 1_000_000;
/// Lookups between two looks at the clock.
const BATCH: usize = 1000;
const PATIENCE: Duration = Duration::from_mins(10);
/// The smallest IMEI that is used; these are nobody's.
const FIRST: u64 = 350_000_000_000_000;

/// What is to be measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Devices.
    pub devices: u64,
    /// Devices that have a password of their own, of a hundred.
    pub own_percent: u64,
}

/// Applies records without Kafka, and looks devices up.
pub fn alone(plan: Plan) -> Result<String> {
    let mut keys = Vec::with_capacity(CHUNK);
    // Filled, so that these are not taken for the registry's memory.
    let mut values = vec![vec![0; 512]; CHUNK];
    let before = Memory::now()?;
    let devices = Devices::default();
    let mut on_cpu = Duration::ZERO;
    let mut wall = Duration::ZERO;
    for start in (0..plan.devices).step_by(CHUNK) {
        keys.clear();
        let numbers = start..plan.devices.min(start + CHUNK as u64);
        for (number, value) in numbers.zip(&mut values) {
            let id = imei(number)?.to_string();
            value.clear();
            record(&id, number, plan).encode(value)?;
            keys.push(id);
        }
        let (began, began_cpu) = (Instant::now(), thread_cpu()?);
        for (key, value) in keys.iter().zip(&values) {
            devices.apply(key.as_bytes(), Some(value))?;
        }
        wall += began.elapsed();
        on_cpu += thread_cpu()?.saturating_sub(began_cpu);
    }
    let after = Memory::now()?;
    ensure!(devices.len() as u64 == plan.devices, "{} devices", devices.len());
    let mut table = loaded(plan, &devices, before, after)?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = |took: Duration| plan.devices as f64 / took.as_secs_f64();
    writeln!(table, "records applied per CPU second   {:>12.0}", rate(on_cpu))?;
    writeln!(table, "records applied per second       {:>12.0}", rate(wall))?;
    lookups(plan, &devices, &mut table)?;
    Ok(table)
}

/// Fills a registry topic and follows it into memory, as a service does at its start.
pub fn through_kafka(kafka: &str, plan: Plan) -> Result<String> {
    let topics = Topics::new(&format!("registry{}", std::process::id()))?;
    let client = ClientSettings::new(kafka);
    TopicAdmin::new(&client, topics.clone(), TopicSettings::default())?.apply(PATIENCE)?;
    fill(&client, &topics.name(Topic::Devices), plan)?;
    let (health, before) = (Health::default(), Memory::now()?);
    let registry = Registry::new(client, &topics, Catalogue::built_in(), health.condition("registry"));
    let (devices, stop) = (registry.devices(), CancellationToken::new());
    let (began, began_cpu) = (Instant::now(), cpu(std::process::id())?);
    let took = std::thread::scope(|scope| {
        let follower = scope.spawn(|| registry.follow(&stop));
        while !health.is_ready() && !follower.is_finished() && began.elapsed() < PATIENCE {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let took = began.elapsed();
        stop.cancel();
        follower.join().map_err(|_| anyhow::anyhow!("the follower panicked"))??;
        anyhow::Ok(took)
    })?;
    let on_cpu = cpu(std::process::id())? - began_cpu;
    let after = Memory::now()?;
    ensure!(devices.len() as u64 == plan.devices, "{} devices", devices.len());
    let mut table = loaded(plan, &devices, before, after)?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let count = plan.devices as f64;
    writeln!(table, "time from the start to ready     {:>12.2} s", took.as_secs_f64())?;
    writeln!(table, "records per second               {:>12.0}", count / took.as_secs_f64())?;
    writeln!(table, "records per CPU second, all threads {:>9.0}", count / on_cpu)?;
    Ok(table)
}

fn fill(client: &ClientSettings, topic: &str, plan: Plan) -> Result<()> {
    let producer = Producer::new(client, |_, ()| {})?;
    let mut value = Vec::new();
    for number in 0..plan.devices {
        let id = imei(number)?.to_string();
        value.clear();
        record(&id, number, plan).encode(&mut value)?;
        let headers: &[(&str, &[u8])] = &[(TYPE_HEADER, b"fleetwire.v1.Device")];
        let record =
            Record { topic, key: Some(id.as_bytes()), payload: Some(&value), timestamp_ms: None, headers };
        while let Err((err, ())) = producer.send(record, ()) {
            ensure!(err == SendError::Full, "the registry could not be filled: {err}");
            // Whether all of it went out does not matter, only that there is room.
            let _room = producer.flush(Duration::from_secs(1));
        }
    }
    producer.flush(PATIENCE).context("the registry could not be filled")
}

/// Different devices, in no order; neighbours are far apart.
fn imei(number: u64) -> Result<Imei> {
    // The factor shares no divisor with the modulus, so no two numbers meet.
    let spread = u128::from(number) * 6_180_339_887_498_949 % 100_000_000_000_000;
    Imei::from_number(FIRST + u64::try_from(spread)?).context("an IMEI")
}

/// A record as the registry's writer makes it, with all that people say of a device.
fn record(id: &str, number: u64, plan: Plan) -> Device {
    let now = Some(time::from_unix_ms(1_790_000_000_000));
    let own = number % 100 < plan.own_percent;
    let mut hash = vec![1; 49];
    if let Some(salt) = hash.get_mut(1..9) {
        salt.copy_from_slice(&number.to_le_bytes());
    }
    Device {
        device_id: id.to_owned(),
        model: if number.is_multiple_of(3) { "xirgo-lx41" } else { Catalogue::DEFAULT }.to_owned(),
        status: if number.is_multiple_of(50) { DeviceStatus::Disabled } else { DeviceStatus::Active }.into(),
        name: format!("Truck {number}"),
        group: "depot-north".to_owned(),
        labels: [("vehicle".to_owned(), "truck".to_owned())].into(),
        password_hash: if own { hash.into() } else { Vec::new().into() },
        revision: 1,
        created_time: now,
        updated_time: now,
        updated_by: "api:import".to_owned(),
        change_id: "01K0000000000000000000000".to_owned(),
        ..Device::default()
    }
}

fn loaded(plan: Plan, devices: &Devices, before: Memory, after: Memory) -> Result<String> {
    #[expect(clippy::cast_precision_loss, reason = "bytes a device")]
    let each = |bytes: u64| bytes as f64 / plan.devices as f64;
    let mut table = String::new();
    writeln!(table, "devices                          {:>12}", plan.devices)?;
    writeln!(table, "with a password of their own     {:>12} %", plan.own_percent)?;
    let grown = after.now.saturating_sub(before.now);
    writeln!(table, "bytes per device, process        {:>12.1}", each(grown))?;
    writeln!(
        table,
        "bytes per device, its peak       {:>12.1}",
        each(after.peak.saturating_sub(before.now))
    )?;
    writeln!(table, "bytes per device, tables         {:>12.1}", each(devices.table_bytes() as u64))?;
    Ok(table)
}

fn lookups(plan: Plan, devices: &Devices, table: &mut String) -> Result<()> {
    let mut random = StdRng::seed_from_u64(1);
    let known: Vec<DeviceId> = (0..LOOKUPS)
        .map(|_| Ok(imei(random.random_range(0..plan.devices))?.into()))
        .collect::<Result<_>>()?;
    let mut others: Vec<DeviceId> =
        (plan.devices..).take(LOOKUPS).map(|number| Ok(imei(number)?.into())).collect::<Result<_>>()?;
    others.shuffle(&mut random);
    // The same device again and again: what is left without waiting for memory.
    let same = vec![known.first().context("no devices")?.clone(); LOOKUPS];
    let get = |id: &DeviceId| devices.get(id).is_some_and(|device| device.is_direct());
    let login = |id: &DeviceId| devices.login(id).is_some_and(|login| login.device.is_direct());
    writeln!(table, "lookup of a random device        {:>12.0} ns (median)", median(&known, get))?;
    writeln!(table, "lookup of its login              {:>12.0} ns (median)", median(&known, login))?;
    writeln!(table, "lookup of an unknown device      {:>12.0} ns (median)", median(&others, get))?;
    writeln!(table, "lookup of one device, in cache   {:>12.0} ns (median)", median(&same, get))?;
    writeln!(table, "lookup that waits for the last   {:>12.0} ns (median)", chained(&known, devices))?;
    Ok(())
}

/// The median over batches of what one lookup takes, nanoseconds.
fn median(ids: &[DeviceId], look: impl Fn(&DeviceId) -> bool) -> f64 {
    middle(ids.chunks_exact(BATCH).map(|batch| {
        let began = Instant::now();
        std::hint::black_box(batch.iter().filter(|id| look(std::hint::black_box(id))).count());
        began.elapsed()
    }))
}

/// As [`median`], where no lookup can begin before the one before has its answer: which device is next depends on what
/// was found.
fn chained(ids: &[DeviceId], devices: &Devices) -> f64 {
    middle(ids.chunks_exact(BATCH).map(|batch| {
        let began = Instant::now();
        let mut at = 0;
        for _ in 0..BATCH {
            let found = batch.get(at).and_then(|id| devices.get(id));
            // Models lie at even addresses, so it is the next one; neither compiler nor processor knows that.
            let model = found.map_or(0, |found| std::ptr::from_ref(found.model).addr());
            at = (at + 1 + std::hint::black_box(model) % 2) % BATCH;
        }
        std::hint::black_box(at);
        began.elapsed()
    }))
}

fn middle(batches: impl Iterator<Item = Duration>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a batch are far below 2^52")]
    let mut each: Vec<f64> = batches.map(|took| took.as_nanos() as f64 / BATCH as f64).collect();
    each.sort_by(f64::total_cmp);
    each.get(each.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Resident memory of this process, bytes.
#[derive(Debug, Clone, Copy)]
struct Memory {
    now: u64,
    peak: u64,
}

impl Memory {
    fn now() -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let kib = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
            let number = line.split_whitespace().next().context("no number")?;
            Ok(number.parse::<u64>()? * 1024)
        };
        Ok(Self { now: kib("VmRSS:")?, peak: kib("VmHWM:")? })
    }
}

/// Time that this thread was on a CPU.
fn thread_cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = stat.split_whitespace().next().context("no time")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
