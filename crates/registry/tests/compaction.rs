//! What the registry says is the same before and after Kafka compacted its topic and was started again.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod topic;

use std::collections::BTreeMap;

use fleetwire_apache_kafka::{ApacheKafka, Options};
use fleetwire_kafka::{Event, MissingTopic, Reader, ReaderOptions, Start};
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_model::{DeviceId, Topic};
use fleetwire_registry::{Devices, PasswordHash};
use fleetwire_service::clock::unix_ms;
use tokio_util::sync::CancellationToken;
use topic::{LIMIT, RegistryTopic, Service, device, eventually};

const FIRST: u64 = 350_000_000_000_000;
const DEVICES: u64 = 300;
/// Versions of each device that are written before the compaction.
const ROUNDS: u64 = 8;
const PASSWORD: &[u8] = b"a password of one device";
/// Keeps the cleaner busy: a segment is closed by the first record that comes after this time.
const CONFIGS: [(&str, &str); 4] = [
    ("segment.ms", "50"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("max.compaction.lag.ms", "100"),
    ("delete.retention.ms", "0"),
];

/// What each device is in the end; `None` for one that was removed.
type Expected = BTreeMap<String, Option<Device>>;

fn id(number: u64) -> String {
    match number % 10 {
        9 => format!("truck-{number}"),
        _ => (FIRST + number).to_string(),
    }
}

/// Every kind of device: active, disabled, with something of its own, removed, removed and activated again.
fn version(number: u64, round: u64, password: &[u8]) -> Option<Device> {
    let removed = match number % 7 {
        3 => round == ROUNDS - 1,
        4 => round.is_multiple_of(2) && round != ROUNDS - 1,
        _ => false,
    };
    let model = if (number + round).is_multiple_of(2) { "xirgo-lx41" } else { "xirgo-lx42" };
    let status = if number % 5 == round % 5 { DeviceStatus::Disabled } else { DeviceStatus::Active };
    let mut device = Device { status: status.into(), revision: round + 1, ..device(model) };
    if number.is_multiple_of(6) {
        device.account = format!("account-{round}");
        device.password_hash = password.to_vec().into();
    }
    device.release_pending = number.is_multiple_of(11);
    (!removed).then_some(device)
}

/// Records that the topic holds, and how many of them are tombstones.
fn stored(topic: &RegistryTopic) -> (usize, usize) {
    let options =
        ReaderOptions { start: Start::Beginning, missing: MissingTopic::Fail, ready_timeout: LIMIT };
    let name = topic.topics.name(Topic::Devices);
    let reader = Reader::new(&topic.client, &name, options, &CancellationToken::new()).unwrap();
    let (mut records, mut tombstones) = (0, 0);
    loop {
        match reader.next(LIMIT).unwrap() {
            Event::Record(record) => {
                records += 1;
                tombstones += usize::from(record.payload().is_none());
            }
            Event::CaughtUp => return (records, tombstones),
            Event::Idle => panic!("never caught up"),
        }
    }
}

fn check(devices: &Devices, expected: &Expected) {
    for (text, wanted) in expected {
        let id: DeviceId = text.parse().unwrap();
        let login = devices.login(&id);
        let Some(wanted) = wanted else {
            assert!(login.is_none(), "{text} was removed");
            continue;
        };
        let login = login.unwrap_or_else(|| panic!("{text} is missing"));
        let found = (login.device.model.id, login.device.status, login.device.release_pending);
        assert_eq!(found, (wanted.model.as_str(), wanted.status(), wanted.release_pending), "{text}");
        let account = if wanted.account.is_empty() { "bce_device" } else { &wanted.account };
        assert_eq!(login.account(), account, "{text}");
        let own = login.password.map(|password| password.accepts(PASSWORD));
        assert_eq!(own, (!wanted.password_hash.is_empty()).then_some(true), "{text}");
    }
    assert_eq!(devices.len(), expected.values().flatten().count());
}

/// Writes every version of every device, each round as if it came a second after the one before, which closes a
/// segment.
fn write_all(topic: &RegistryTopic) -> (Expected, usize) {
    let password = PasswordHash::new(PASSWORD).unwrap().to_bytes();
    let (mut expected, mut written) = (Expected::new(), 0);
    let start = unix_ms() - 1000 * i64::try_from(ROUNDS).unwrap();
    for (round, time) in (0..ROUNDS).zip((start..).step_by(1000)) {
        for number in 0..DEVICES {
            let device = version(number, round, &password);
            topic.put_at(&id(number), device.as_ref(), Some(time));
            expected.insert(id(number), device);
            written += 1;
        }
        topic.flush();
    }
    (expected, written)
}

#[test]
fn the_registry_is_the_same_after_compaction_and_after_a_restart_of_the_broker() {
    let properties = [("log.cleaner.backoff.ms", "100"), ("log.cleaner.dedupe.buffer.size", "4194304")];
    let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let mut kafka = ApacheKafka::start(&Options { properties, ..Options::default() }).unwrap();
    let topic = RegistryTopic::create(&kafka.bootstrap(), 2, &CONFIGS);
    let (mut expected, written) = write_all(&topic);
    let from_before = Service::ready(&topic);
    check(&from_before.devices, &expected);

    let mut rounds = 0;
    eventually("compaction left the newest record of each device, and no tombstone", || {
        // The last segment is never compacted, and only a record can close it: one of each partition.
        rounds += 1;
        for number in 0..20 {
            let ticking = Device { revision: rounds, ..device("xirgo-lx41") };
            topic.put(&format!("ticking-{number}"), Some(&ticking));
            expected.insert(format!("ticking-{number}"), Some(ticking));
        }
        topic.flush();
        let (records, tombstones) = stored(&topic);
        let present = expected.values().flatten().count();
        assert!(records >= present, "{records} records of {present} devices");
        records < written / 2 && records <= present + 40 && tombstones == 0
    });
    let compacted = Service::ready(&topic);
    check(&compacted.devices, &expected);
    drop(compacted);

    kafka.kill(0).unwrap();
    kafka.restart(0).unwrap();
    let restarted = Service::ready(&topic);
    check(&restarted.devices, &expected);

    // Whoever follows since before the compaction goes on where it was.
    let removed = id(0);
    topic.write(&removed, None);
    expected.insert(removed.clone(), None);
    let gone: DeviceId = removed.parse().unwrap();
    for service in [&from_before, &restarted] {
        eventually("the change after the restart is seen", || service.devices.get(&gone).is_none());
        check(&service.devices, &expected);
    }
}
