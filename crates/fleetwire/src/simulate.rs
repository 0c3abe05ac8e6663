//! `fleetwire simulate`: devices that drive a pipeline.

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_registry::Catalogue;
use fleetwire_registry::account::{WELL_KNOWN_PASSWORD, password_variable};
use fleetwire_registry::write::{Activation, Existing, OwnLogin, Writer};
use fleetwire_service::exit::Exit;
use fleetwire_service::stages::interrupted;
use fleetwire_service::{clock, secret};
use fleetwire_simulator::{CommandLog, Report, Server, Settings, Snapshot, Stats, Verdict, Wiring};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::process::{self, Usage};
use crate::target::TargetFlags;

/// How long writing the devices to the registry may take.
const ACTIVATION: Duration = Duration::from_secs(30);

/// Simulated IOTM devices connect, drive around and publish as the real ones do: several records in a
/// message, numbers in the smallest type that holds them, records without a fix, events. They obey output control:
/// they drop commands whose time is over and repeats, switch, and report the states of their outputs.
///
/// Without --mqtt they connect to the `fleetwire run` of this machine and are activated first. With --mqtt
/// they are activated only if --kafka names where; what a device that is not activated sends is held.
///
/// The account's password is FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD (or the file in ..._FILE), otherwise the
/// well-known one.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How many devices
    #[arg(long, short, default_value_t = 20, value_name = "N")]
    devices: u32,
    /// Mean time between two messages of a device; 0s sends as fast as PUBACKs come back
    #[arg(long, default_value = "5s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// Records in a message, at least and at most
    #[arg(long, default_value = "1-5", value_name = "MIN-MAX", value_parser = range)]
    records: (u32, u32),
    /// Messages that a device may have without PUBACK
    #[arg(long, default_value_t = 4, value_name = "N")]
    in_flight: u16,
    /// End after this many messages of all devices
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// End after this long
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// At most this many messages a second of all devices
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Time over which the devices connect
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    ramp_up: Duration,
    /// Equal seeds give equal journeys
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Where the devices connect; of several with commas, each connection takes one at random
    /// [default: the `fleetwire run` of this machine]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    mqtt: Vec<String>,
    /// Mean time after which a device loses its connection, at random; a quarter of the losses the server hears
    /// nothing of
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    reconnect_every: Option<Duration>,
    /// Write everything that comes down to the devices, and what they made of it, to a file, a JSON object a line
    #[arg(long, value_name = "FILE")]
    command_log: Option<PathBuf>,
    /// Output that the static signal S1 drives, 1 to 4, so that telemetry shows it
    #[arg(long, value_name = "OUTPUT")]
    s1: Option<u8>,
    /// The same for S2
    #[arg(long, value_name = "OUTPUT")]
    s2: Option<u8>,
    #[command(flatten)]
    target: TargetFlags,
}

pub(crate) fn simulate(args: &SimulateArgs) -> Result<Exit> {
    let mut settings = settings(args)?;
    settings.validate().map_err(|err| Usage(err.to_string()))?;
    if args.mqtt.is_empty() || args.target.kafka.is_some() {
        activate_fleet(args, &settings)?;
    } else {
        say(
            "no --kafka: the devices are not activated, so that what they publish is held unless they were before",
        );
    }
    process::block_on(async {
        let (stop, stats) = (CancellationToken::new(), Arc::new(Stats::new()));
        let done = CancellationToken::new();
        let mut log = None;
        if let Some(path) = &args.command_log {
            let (writer, received) = CommandLog::create(path).with_context(|| path.display().to_string())?;
            settings.received = Some(received);
            log = Some((writer, path));
        }
        // The devices' clocks are right from here on; to let them in took a while.
        settings.start = now();
        let running = async {
            let report = fleetwire_simulator::run(settings, stop.clone(), Arc::clone(&stats)).await;
            done.cancel();
            report
        };
        let watching = async {
            tokio::select! {
                () = show(args, &stats) => {}
                () = interrupted() => stop.cancel(),
                () = done.cancelled() => {}
            }
        };
        let (report, ()) = tokio::join!(running, watching);
        // The run has dropped its end by now.
        if let Some((writer, path)) = log {
            writer.finish().await.with_context(|| path.display().to_string())?;
        }
        print_report(&report?);
        Ok(Exit::Done)
    })
}

fn settings(args: &SimulateArgs) -> Result<Settings> {
    let mut servers = args.mqtt.iter().map(|address| parse_address(address)).collect::<Result<Vec<_>>>()?;
    if servers.is_empty() {
        let mqtt = args.target.running()?.mqtt;
        let ip = if mqtt.ip().is_unspecified() { [127, 0, 0, 1].into() } else { mqtt.ip() };
        servers.push(Server { host: ip.to_string(), port: mqtt.port() });
    }
    let variable = password_variable("bce_device");
    let password = secret::read(&variable, |name| std::env::var(name).ok())?;
    Ok(Settings {
        devices: args.devices,
        interval: args.interval,
        records: args.records.0..=args.records.1,
        in_flight: args.in_flight,
        ramp_up: args.ramp_up,
        messages: args.messages,
        duration: args.duration,
        rate: args.rate,
        seed: args.seed,
        servers,
        reconnect_every: args.reconnect_every,
        wiring: Wiring { s1: args.s1, s2: args.s2, ..Wiring::default() },
        ..Settings::new("", 0, password.unwrap_or_else(|| WELL_KNOWN_PASSWORD.into()), now())
    })
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(clock::unix_ms()).unwrap_or(0))
}

fn parse_address(address: &str) -> Result<Server> {
    let wrong = || Usage(format!("--mqtt wants HOST:PORT, not `{address}`"));
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = (host, port).to_socket_addrs();
    found.map_err(|err| Usage(format!("--mqtt {address}: {err}")))?;
    Ok(Server { host: host.to_owned(), port })
}

fn range(text: &str) -> Result<(u32, u32), String> {
    let number = |part: &str| part.trim().parse::<u32>().map_err(|err| err.to_string());
    match text.split_once('-') {
        Some((least, most)) => Ok((number(least)?, number(most)?)),
        None => number(text).map(|both| (both, both)),
    }
}

/// Activates every device of the fleet, so that what it sends is decoded.
fn activate_fleet(args: &SimulateArgs, settings: &Settings) -> Result<()> {
    let target = args.target.resolve()?;
    let model =
        Catalogue::built_in().get(Catalogue::DEFAULT).context("the catalogue lacks its default model")?;
    let activations: Vec<_> = (0..settings.devices)
        .filter_map(|index| fleetwire_simulator::imei(settings.first_imei_14, index))
        .map(|imei| Activation {
            device: imei.into(),
            model,
            name: "simulated".to_owned(),
            login: OwnLogin::default(),
        })
        .collect();
    let (client, topics) = (&target.client, &target.topics);
    let written = Writer { client, topics, by: "fleetwire simulate", limit: ACTIVATION }
        .activate(&activations, Existing::Keep)
        .context("the devices could not be activated")?;
    let first = activations.first().map(|activation| activation.device.to_string()).unwrap_or_default();
    let devices = activations.len();
    say(&format!("{devices} devices from {first} on, {written} of them newly activated"));
    Ok(())
}

/// Shows how the run goes, until the future is dropped.
async fn show(args: &SimulateArgs, stats: &Stats) {
    let bar = match args.messages {
        Some(messages) => ProgressBar::new(messages),
        None => ProgressBar::no_length(),
    };
    let template = if args.messages.is_some() {
        "{elapsed_precise} {wide_bar} {pos}/{len} {msg}"
    } else {
        "{elapsed_precise} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tick.tick().await;
        let now = stats.snapshot();
        bar.set_position(now.acknowledged);
        bar.set_message(progress(&now));
    }
}

fn progress(now: &Snapshot) -> String {
    let refused: u64 = now.refused.values().sum();
    let failed: u64 = now.failed.values().sum();
    let commands: u64 = now.commands.values().sum();
    let executed = now.commands.get(&Verdict::Executed).copied().unwrap_or(0);
    let latency = |value: Option<Duration>| {
        value.map_or("-".to_owned(), |v| format!("{:.1} ms", v.as_secs_f64() * 1e3))
    };
    format!(
        "{} connected, {} acknowledged, {} records, PUBACK p50 {} p99 {}, {refused} refused, {failed} failures, \
         {commands} commands, {executed} executed",
        now.connected,
        now.acknowledged,
        now.records,
        latency(now.latency_p50),
        latency(now.latency_p99),
    )
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn print_report(report: &Report) {
    println!("{:.1} s: {}", report.elapsed.as_secs_f64(), progress(&report.totals));
    println!("{:.0} messages/s, {:.0} records/s", report.messages_per_s, report.records_per_s);
    let unacknowledged = report.totals.published.saturating_sub(report.totals.acknowledged);
    if unacknowledged > 0 {
        println!("{unacknowledged} messages were sent and not acknowledged; a real device sends them again");
    }
    for (verdict, times) in &report.totals.commands {
        println!("{times} commands {verdict}");
    }
    if report.totals.cuts > 0 {
        println!("{} connections were lost on purpose", report.totals.cuts);
    }
    for (refusal, devices) in &report.totals.refused {
        println!("{devices} devices refused: {refusal}");
    }
    for (failure, times) in &report.totals.failed {
        println!("{times} sessions failed: {failure}");
    }
}

#[expect(clippy::print_stderr, reason = "for the person who gave the command, beside its result")]
fn say(text: &str) {
    eprintln!("{text}");
}
