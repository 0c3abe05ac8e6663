//! Runs of small fleets against a server in the same process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on without")]

mod acceptor;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use acceptor::{Clients, Manners, listen};
use fleetwire_codec::iotm::output::{Act, Action, Function, OutputControl, Polarity, TimedOutput, UniqueId};
use fleetwire_codec::{Body, Decoded, iotm};
use fleetwire_model::Imei;
use fleetwire_simulator::{
    Failure, Received, Refusal, Report, Server, Settings, SimulateError, Stats, Verdict, imei, run,
};
use rumqttc::ConnectReturnCode;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// No run of these tests takes longer than this.
const LIMIT: Duration = Duration::from_secs(20);

fn settings(port: u16) -> Settings {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000);
    let mut settings = Settings::new("127.0.0.1", port, "secret".to_owned().into(), start);
    settings.devices = 5;
    settings.interval = Duration::ZERO;
    settings.ramp_up = Duration::ZERO;
    settings.messages = Some(500);
    settings
}

/// Waits until the server has read the farewell of every device.
async fn all_said_farewell(clients: &Clients) {
    let all = async {
        while clients.lock().unwrap().values().any(|client| client.farewells == 0) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, all).await.unwrap();
}

async fn run_against(
    manners: Manners,
    change: impl FnOnce(&mut Settings),
) -> (Result<Report, SimulateError>, Clients) {
    let mut server = JoinSet::new();
    let (address, clients) = listen(manners, &mut server).await;
    let mut settings = settings(address.port());
    change(&mut settings);
    let stats = Arc::new(Stats::new());
    let outcome = timeout(LIMIT, run(settings, CancellationToken::new(), stats)).await.unwrap();
    if outcome.is_ok() {
        all_said_farewell(&clients).await;
    }
    (outcome, clients)
}

#[tokio::test]
async fn a_run_ends_when_every_message_is_acknowledged() {
    let (outcome, clients) = run_against(Manners::default(), |_| {}).await;
    let totals = outcome.unwrap().totals;
    assert_eq!((totals.published, totals.acknowledged, totals.resent), (500, 500, 0));
    assert_eq!((totals.connects, totals.connected, totals.out_of_order), (5, 0, 0));
    assert!(totals.failed.is_empty() && totals.refused.is_empty() && totals.latency_p99.is_some());

    let clients = clients.lock().unwrap();
    assert_eq!(clients.len(), 5);
    let mut records = 0;
    for (id, client) in clients.iter() {
        assert_eq!((client.connects, client.farewells), (1, 1));
        assert_eq!(client.subscriptions, [format!("{id}/OUTC")]);
        assert_eq!(client.login, Some(("bce_device".to_owned(), "secret".to_owned())));
        assert!(client.most_in_flight <= 4);
        for (topic, payload) in &client.publishes {
            let mut decoded = Decoded::default();
            iotm::decode(payload, &iotm::Options::default(), &mut decoded).unwrap();
            assert!(topic == "BCE/D" || topic == "BCE/E");
            assert!(decoded.records.iter().all(|record| record.device_id.as_ref().unwrap().as_str() == id));
            records += decoded.records.len();
        }
    }
    assert_eq!(records, usize::try_from(totals.records).unwrap());
}

#[tokio::test]
async fn what_has_no_puback_is_sent_again_on_the_next_connection() {
    let manners = Manners { cut_at: Some(10), ..Manners::default() };
    let (outcome, clients) = run_against(manners, |settings| settings.devices = 2).await;
    let totals = outcome.unwrap().totals;
    assert_eq!((totals.published, totals.acknowledged, totals.connects), (500, 500, 4));
    assert!(totals.resent >= 2);
    assert_eq!(totals.failed, BTreeMap::from([(Failure::Network, 2)]));
    let clients = clients.lock().unwrap();
    let mut all: Vec<_> = clients.values().flat_map(|client| &client.publishes).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 500);
}

#[tokio::test]
async fn a_refusal_is_told_and_not_tried_again() {
    for (code, refusal) in [
        (ConnectReturnCode::BadUserNamePassword, Refusal::Credentials),
        (ConnectReturnCode::BadClientId, Refusal::Identifier),
        (ConnectReturnCode::NotAuthorized, Refusal::NotAuthorized),
    ] {
        let manners = Manners { refuse: Some(code), ..Manners::default() };
        let (outcome, clients) = run_against(manners, |_| {}).await;
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, SimulateError::Refused { devices: 5, refusal: why } if why == refusal),
            "{error}"
        );
        assert!(clients.lock().unwrap().values().all(|client| client.connects == 1));
    }
}

#[tokio::test]
async fn nobody_listening_is_told_at_once() {
    let outcome = run(settings(1), CancellationToken::new(), Arc::new(Stats::new())).await;
    assert!(matches!(outcome, Err(SimulateError::Unreachable { port: 1, .. })));
}

#[tokio::test]
async fn a_setting_that_cannot_be_is_refused() {
    let mut settings = settings(1);
    settings.devices = 0;
    let outcome = run(settings, CancellationToken::new(), Arc::new(Stats::new())).await;
    assert!(matches!(outcome, Err(SimulateError::Invalid(_))));
}

#[tokio::test]
async fn a_run_is_bounded_in_time_and_rate() {
    let (outcome, _) = run_against(Manners::default(), |settings| {
        settings.messages = None;
        settings.duration = Some(Duration::from_millis(200));
        settings.rate = Some(100.0);
    })
    .await;
    let report = outcome.unwrap();
    assert!(report.elapsed >= Duration::from_millis(200) && report.elapsed < Duration::from_secs(5));
    assert!((5..=40).contains(&report.totals.published), "{report:?}");
    assert_eq!(report.totals.published, report.totals.acknowledged);
}

#[tokio::test]
async fn a_stop_says_farewell_and_leaves_nothing_unacknowledged() {
    let mut server = JoinSet::new();
    let (address, clients) = listen(Manners::default(), &mut server).await;
    let mut settings = settings(address.port());
    settings.messages = None;
    let (stop, stats) = (CancellationToken::new(), Arc::new(Stats::new()));
    let mut running = JoinSet::new();
    running.spawn(run(settings, stop.clone(), Arc::clone(&stats)));
    let busy = async {
        while stats.snapshot().acknowledged < 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, busy).await.unwrap();
    stop.cancel();
    let report = timeout(LIMIT, running.join_next()).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(report.totals.published, report.totals.acknowledged);
    all_said_farewell(&clients).await;
}

#[tokio::test]
async fn a_server_that_acknowledges_nothing_gets_no_more_than_the_window() {
    let manners = Manners { silent: true, ..Manners::default() };
    let mut server = JoinSet::new();
    let (address, clients) = listen(manners, &mut server).await;
    let mut settings = settings(address.port());
    settings.grace = Duration::from_millis(50);
    let (stop, stats) = (CancellationToken::new(), Arc::new(Stats::new()));
    let mut running = JoinSet::new();
    running.spawn(run(settings, stop.clone(), Arc::clone(&stats)));
    let full = async {
        while clients.lock().unwrap().values().map(|client| client.publishes.len()).sum::<usize>() < 20 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, full).await.unwrap();
    assert_eq!(stats.snapshot().published, 20);
    stop.cancel();
    let report = timeout(LIMIT, running.join_next()).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!((report.totals.published, report.totals.acknowledged), (20, 0));
}

/// OUT2 on for a second and a half.
fn command(imei: Imei, unique_id: u8, expires: u32) -> Vec<u8> {
    let action = Action::Timed {
        output: TimedOutput::Out2,
        function: Function::new(Act::On),
        duration: Duration::from_millis(1500).try_into().unwrap(),
    };
    let unique_id = UniqueId::new(unique_id).unwrap();
    OutputControl { imei: Some(imei), expires, unique_id, action }.write(Polarity::OneIsOn)
}

/// States of OUT2 in the telemetry of a device, with the times of their records.
fn second_output(publishes: &[(String, bytes::Bytes)]) -> Vec<(i64, bool)> {
    let mut states = Vec::new();
    for (_, payload) in publishes {
        let mut decoded = Decoded::default();
        iotm::decode(payload, &iotm::Options::default(), &mut decoded).unwrap();
        for record in &decoded.records {
            if let Body::Position(event) = decoded.open(record).unwrap() {
                let output = event.outputs.iter().find(|line| line.number == 2).unwrap();
                states.push((event.device_time.unwrap().seconds, output.on));
            }
        }
    }
    states
}

#[tokio::test]
async fn devices_obey_over_several_connections_and_report_their_outputs() {
    use Verdict::{Executed, Expired, Garbage, OtherDevice, Repeat};
    const START_S: u32 = 1_780_000_000;
    let device = imei(86_703_504_000_000, 0).unwrap();
    let (valid, over) = (START_S + 3600, START_S - 1);
    let commands = vec![
        command(device, 1, valid),
        command(device, 1, valid),
        command(device, 2, over),
        command(imei(86_703_504_000_000, 1).unwrap(), 3, valid),
        b"nonsense".to_vec(),
        command(device, 4, valid),
    ];
    let (sender, mut received) = mpsc::channel(100);
    let mut server = JoinSet::new();
    let manners = Manners { commands, ..Manners::default() };
    let (address, clients) = listen(manners.clone(), &mut server).await;
    let mut settings = settings(address.port());
    settings.servers.push(Server { host: "localhost".to_owned(), port: address.port() });
    settings.devices = 1;
    settings.interval = Duration::from_mins(10);
    settings.messages = None;
    settings.reconnect_every = Some(Duration::from_millis(150));
    settings.received = Some(sender);
    let (stop, stats) = (CancellationToken::new(), Arc::new(Stats::new()));
    let mut running = JoinSet::new();
    running.spawn(run(settings, stop.clone(), Arc::clone(&stats)));
    let mut told: Vec<Received> = Vec::new();
    while told.len() < manners.commands.len() {
        told.push(timeout(LIMIT, received.recv()).await.unwrap().unwrap());
    }
    let switched = async {
        loop {
            let seen = second_output(&clients.lock().unwrap()[&device.to_string()].publishes);
            if seen.iter().filter(|(_, on)| *on).count() >= 2 && !seen.last().unwrap().1 {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    let seen = timeout(LIMIT, switched).await.unwrap();
    assert!(seen.is_sorted_by_key(|(at_s, _)| *at_s), "{seen:?}");
    stop.cancel();
    let report = timeout(LIMIT, running.join_next()).await.unwrap().unwrap().unwrap().unwrap();

    let verdicts: Vec<_> = told.iter().map(|received| received.verdict).collect();
    assert_eq!(verdicts, [Executed, Repeat, Expired, OtherDevice, Garbage, Executed]);
    assert!(told.iter().all(|received| received.imei == device && !received.is_retained));
    assert!(told.iter().all(|received| received.time_ms >= i64::from(START_S) * 1000));
    assert_eq!(report.totals.commands.values().sum::<u64>(), 6);
    assert_eq!(report.totals.commands.get(&Executed), Some(&2));
    assert!(report.totals.cuts >= 5, "{report:?}");
}
