//! The decoder beside a worker that copies: the records, the two workers, and the table.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fleetwire_codec::iotm::write::Payload;
use fleetwire_codec::iotm::{Gps, Value};
use fleetwire_kafka::{ClientSettings, Consumer, ConsumerOptions, Done, Producer, Record, SendError};
use fleetwire_model::pb::RawPublish;
use fleetwire_model::{Imei, TYPE_HEADER, Topic, Topics, time};
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::service::{Service, binary, cpu};
use crate::site::{Site, imeis};

/// How long one worker may take for all records.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Devices that the records are of.
const DEVICES: u32 = 1000;
/// Measured from here, as a share of the records, so that joining the group does not count.
const FROM: f64 = 0.1;

/// What is to be compared.
#[derive(Debug)]
pub struct Plan {
    /// Bootstrap servers.
    pub kafka: String,
    /// Raw records.
    pub records: u64,
    /// Times that each worker reads them.
    pub rounds: u32,
}

/// How fast a worker was.
#[derive(Debug, Clone, Copy)]
struct Speed {
    /// Records a second.
    rate: f64,
    /// CPU of the process for a record, microseconds.
    cpu_us: f64,
}

/// Runs both workers and returns the table.
pub fn compare(plan: &Plan) -> Result<String> {
    let site = Site::new(binary()?, plan.kafka.clone(), &format!("decode{}", std::process::id()))?;
    site.activate(imeis(DEVICES)?.into_iter())?;
    fill(&site, plan.records)?;
    let (mut copies, mut decodes) = (Vec::new(), Vec::new());
    let mut table = format!(
        "{} raw records of one position each, {DEVICES} devices, one worker process\n{:<8}{:>14}{:>12}\n",
        plan.records, "", "records/s", "CPU us"
    );
    for round in 0..plan.rounds {
        let copy = run_copy(&site, &plan.kafka, round, plan.records)?;
        let decode = run_decoder(&site, round, plan.records)?;
        for (name, speed, all) in [("copy", copy, &mut copies), ("decode", decode, &mut decodes)] {
            writeln!(table, "{name:<8}{:>14.0}{:>12.2}", speed.rate, speed.cpu_us)?;
            all.push(speed);
        }
    }
    let median = |speeds: &[Speed], of: fn(&Speed) -> f64| {
        let mut values: Vec<f64> = speeds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let rate = median(&decodes, |speed| speed.rate) / median(&copies, |speed| speed.rate);
    let cpu = median(&decodes, |speed| speed.cpu_us) / median(&copies, |speed| speed.cpu_us);
    write!(table, "medians: decode has {:.0} % of copy's throughput, {cpu:.2} times its CPU", rate * 100.0)?;
    Ok(table)
}

/// Fills the raw topic.
fn fill(site: &Site, records: u64) -> Result<()> {
    let devices = imeis(DEVICES)?;
    let producer = Producer::new(&site.client(), |_, ()| {})?;
    let topic = site.topics().name(Topic::Raw);
    let start = 1_790_000_000_u32;
    for (number, device) in (0..records).zip(devices.iter().cycle()) {
        let second = start + u32::try_from(number / u64::from(DEVICES))?;
        let value = raw(*device, second)?.encode_to_vec();
        let key = device.to_string();
        let record =
            Record { topic: &topic, key: Some(key.as_bytes()), payload: Some(&value), ..Record::default() };
        while let Err((err, ())) = producer.send(record, ()) {
            ensure!(err == SendError::Full, "the raw topic could not be filled: {err}");
            // Whether all of it went out does not matter, only that there is room.
            let _room = producer.flush(Duration::from_secs(1));
        }
    }
    producer.flush(PATIENCE).context("the raw topic could not be filled")
}

/// A publish with one position of fourteen items, as a driving vehicle sends it.
fn raw(device: Imei, second: u32) -> Result<RawPublish> {
    let gps = Gps {
        latitude: 43.25,
        longitude: 27.98,
        speed_kmh: 62,
        hdop_tenths: 9,
        satellites: 12,
        course_deg: 120,
        altitude_m: 210,
    };
    let items = [
        (0xB002, Value::Float64(117_243.95)),
        (0x5000, Value::Unsigned(29_466_902)),
        (0x3000, Value::Unsigned(13_900)),
        (0x3008, Value::Unsigned(284)),
        (0xD000, Value::Gps(gps)),
        (0x006D, Value::Bool(true)),
        (0x0013, Value::Bool(true)),
        (0x2003, Value::Unsigned(3)),
        (0x2005, Value::Unsigned(59)),
        (0x0002, Value::Bool(true)),
        (0x000B, Value::Bool(true)),
        (0x0094, Value::Bool(false)),
        (0x0012, Value::Bool(false)),
        (0x001E, Value::Bool(true)),
    ];
    let payload = Payload::new().imei(device).telemetry(second, &items)?.finish();
    let received_ms = i64::from(second) * 1000 + 300;
    Ok(RawPublish {
        payload: payload.into(),
        topic: "BCE/D".into(),
        client_id: device.to_string(),
        account: "bce_device".into(),
        device_id: device.to_string(),
        qos: 2,
        packet_id: Some(7),
        received_time: Some(time::from_unix_ms(received_ms)),
        frontend_id: "frontend-7c9f8b5d4-x2x9k".into(),
        session_id: "01K9ZZZZZZZZZZZZZZZZZZZZZZ".into(),
        session_sequence: 77,
        remote_address: "192.0.2.10:40000".into(),
        mqtt_version: 4,
        region: "eu".into(),
        model: "xirgo-fms500-light-iotm".into(),
        ..RawPublish::default()
    })
}

/// Watches a count, which `progress` tells with the CPU seconds so far, until it is complete.
fn measure(records: u64, mut progress: impl FnMut() -> Result<(u64, f64)>) -> Result<Speed> {
    let deadline = Instant::now() + PATIENCE;
    let mut start = None;
    loop {
        let (done, cpu) = progress()?;
        let now = Instant::now();
        #[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
        if done as f64 >= records as f64 * FROM {
            let (from, since, cpu_before) = *start.get_or_insert((done, now, cpu));
            if done >= records {
                let count = (records - from) as f64;
                let rate = count / now.duration_since(since).as_secs_f64();
                return Ok(Speed { rate, cpu_us: (cpu - cpu_before) * 1e6 / count });
            }
        }
        ensure!(now < deadline, "{done} of {records} records in {PATIENCE:?}");
        std::thread::park_timeout(LOOK);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter")]
fn run_decoder(site: &Site, round: u32, records: u64) -> Result<Speed> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("decoder.toml");
    std::fs::write(&config, format!("[decoder]\ngroup = \"{}-decode{round}\"\n", site.topics().prefix()))?;
    let mut command = site.command(&["decoder"]);
    command.arg("--config").arg(&config);
    let decoder = Service::start(command, &["admin HTTP is served"])?;
    let done = || decoder.metric("fleetwire_decoder_completed_total");
    let speed = measure(records, || Ok((done()? as u64, decoder.cpu()?))).with_context(|| {
        let count = |name: &str| decoder.metric(name).unwrap_or(f64::NAN);
        let taken = count("fleetwire_decoder_payloads_total");
        let stored = count("fleetwire_kafka_deliveries_total");
        format!("the decoder took {taken} raw records, and Kafka answered for {stored} events")
    })?;
    let letters = decoder.metric("fleetwire_decoder_dead_letters_total")?;
    ensure!(letters < 1.0, "{letters} dead letters");
    Ok(speed)
}

fn run_copy(site: &Site, kafka: &str, round: u32, records: u64) -> Result<Speed> {
    let group = format!("{}-copy{round}", site.topics().prefix());
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--copy", &group, "--prefix", site.topics().prefix(), "--records", &records.to_string()]);
    let output = command.env("FLEETWIRE_TEST_KAFKA", kafka).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the worker that copies failed");
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut number = || numbers.next().context("the worker that copies said nothing")?.context("no number");
    Ok(Speed { rate: number()?, cpu_us: number()? })
}

/// The worker that copies: the consumer, the producer and the commits of the decoder, and nothing between them.
/// Returns its rate and its CPU for a record.
pub fn copy(kafka: &str, prefix: &str, group: &str, records: u64) -> Result<String> {
    let (client, topics) = (ClientSettings::new(kafka), Topics::new(prefix)?);
    let copied = Arc::new(AtomicU64::new(0));
    let producer = Producer::new(&client, {
        let copied = Arc::clone(&copied);
        move |delivery, done: Done| {
            if delivery.outcome.is_ok() {
                copied.fetch_add(1, Ordering::Relaxed);
                done.complete();
            }
        }
    })?;
    let raw = topics.name(Topic::Raw);
    let consumer = Consumer::new(&client, group, &[&raw], ConsumerOptions::default())?;
    let stop = CancellationToken::new();
    let speed = std::thread::scope(|scope| {
        let worker = scope.spawn(|| run_worker(consumer, &producer, &topics, &stop));
        let speed = measure(records, || Ok((copied.load(Ordering::Relaxed), cpu(std::process::id())?)));
        stop.cancel();
        let ended = worker.join().map_err(|_| anyhow::anyhow!("the worker panicked"))?;
        speed.and_then(|speed| ended.map(|()| speed))
    })?;
    Ok(format!("{} {}", speed.rate, speed.cpu_us))
}

fn run_worker(
    consumer: Consumer,
    producer: &Producer<Done>,
    topics: &Topics,
    stop: &CancellationToken,
) -> Result<()> {
    // A topic that is there and that nobody else writes to here.
    let to = topics.name(Topic::Held);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    consumer.run(stop, |message, done| {
        let mut done = done;
        let record = Record {
            topic: &to,
            key: message.key(),
            payload: message.payload(),
            timestamp_ms: None,
            headers: &[(TYPE_HEADER, b"fleetwire.v1.RawPublish")],
        };
        while let Err((err, back)) = producer.send(record, done) {
            if err != SendError::Full || stop.is_cancelled() {
                return;
            }
            done = back;
            runtime.block_on(producer.room(Duration::from_millis(100)));
        }
    })?;
    Ok(())
}
