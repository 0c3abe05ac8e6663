//! Sessions end on every frontend within a second of the registry's change, with real clients and a real Kafka; and
//! what a device publishes goes where its registry entry says.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod site;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetwire_model::Topic;
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_registry::{Devices, PasswordHash};
use prost::Message as _;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use site::{Client, Ended, Site, active, soon};

/// How long a change may take until it is felt.
const SECOND: Duration = Duration::from_secs(1);
const OWN: &str = "a password of one device";

/// IMEIs whose last digit is right.
const IDS: [&str; 6] = [
    "867035046242895",
    "865209039554705",
    "869595061374194",
    "869595060875258",
    "490154203237518",
    "350000000000006",
];

fn with_own_password() -> Device {
    let hash = PasswordHash::new(OWN.as_bytes()).unwrap().to_bytes();
    Device { password_hash: hash.into(), ..active() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_that_shuts_a_device_out_ends_its_session_within_a_second_on_any_frontend() {
    let site = Site::start(2).await;
    let changes: [Option<Device>; 5] = [
        Some(Device { status: DeviceStatus::Disabled.into(), ..active() }),
        None,
        Some(Device { model: "toaster".into(), ..active() }),
        Some(Device { account: "other".into(), ..active() }),
        Some(with_own_password()),
    ];
    for (id, change) in IDS.iter().zip(&changes) {
        site.registered(id, Some(&active())).await;
        for frontend in 0..2 {
            let mut client = Client::v5(&site, frontend, id).connected().await;
            let started = Instant::now();
            site.write(id, change.as_ref()).await;
            let ended = soon(client.ended()).await;
            assert!(started.elapsed() < SECOND, "{:?} for {change:?}", started.elapsed());
            assert_eq!(ended, Ended::Told(DisconnectReasonCode::AdministrativeAction), "{change:?}");

            site.registered(id, Some(&active())).await;
            let mut client = Client::v311(&site, frontend, id).connected().await;
            let started = Instant::now();
            site.write(id, change.as_ref()).await;
            assert_eq!(soon(client.ended()).await, Ended::Closed);
            assert!(started.elapsed() < SECOND, "{:?} for {change:?}", started.elapsed());
            site.registered(id, Some(&active())).await;
        }
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_shuts_nobody_out_ends_no_session() {
    let site = Site::start(1).await;
    let [id, other, ..] = IDS;
    site.registered(id, Some(&active())).await;
    let mut client = Client::v5(&site, 0, id).connected().await;
    let harmless = [
        Device { name: "a truck".into(), revision: 2, ..active() },
        Device { model: "xirgo-lx42".into(), ..active() },
        Device { release_pending: true, ..active() },
    ];
    for change in harmless {
        site.registered(id, Some(&change)).await;
        // What changes another device, and is felt by it, has also been judged for this one.
        site.registered(other, Some(&active())).await;
        let mut probe = Client::v5(&site, 0, other).connected().await;
        site.write(other, None).await;
        soon(probe.ended()).await;
        soon(client.publish()).await.unwrap();
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_device_is_refused_and_comes_in_again_when_it_is_enabled() {
    let site = Site::start(2).await;
    let [id, ..] = IDS;
    site.registered(id, Some(&active())).await;
    let mut client = Client::v5(&site, 1, id).connected().await;
    site.registered(id, Some(&Device { status: DeviceStatus::Disabled.into(), ..active() })).await;
    soon(client.ended()).await;
    for frontend in 0..2 {
        let refused = soon(Client::v5(&site, frontend, id).refused()).await;
        assert_eq!(refused, ConnectReturnCode::NotAuthorized);
    }
    site.registered(id, Some(&active())).await;
    soon(Client::v5(&site, 0, id).connected().await.publish()).await.unwrap();
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kept_session_of_a_device_that_was_disabled_meanwhile_is_gone() {
    let site = Site::start(1).await;
    let [id, ..] = IDS;
    site.registered(id, Some(&active())).await;
    let leave = async |mut client: Client| client.leave().await;
    leave(Client::v5(&site, 0, id).lasting().connected().await).await;
    let client = Client::v5(&site, 0, id).lasting().connected().await;
    assert!(client.session_present, "it is kept while nothing changes");
    leave(client).await;
    site.registered(id, Some(&Device { status: DeviceStatus::Disabled.into(), ..active() })).await;
    site.registered(id, Some(&active())).await;
    // Word comes in order: once another device's session is closed for a later change, this one's has been.
    let [_, other, ..] = IDS;
    site.registered(other, Some(&active())).await;
    let mut probe = Client::v5(&site, 0, other).connected().await;
    site.write(other, None).await;
    soon(probe.ended()).await;
    let client = Client::v5(&site, 0, id).lasting().connected().await;
    assert!(!client.session_present);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_nobody_activated_keeps_its_session_when_it_is_and_its_publishes_follow_the_registry() {
    let site = Site::start(1).await;
    let [id, ..] = IDS;
    let mut client = Client::v311(&site, 0, id).connected().await;
    let stored = |raw: usize, held: usize| {
        let site = &site;
        async move { assert_eq!((site.count(Topic::Raw).await, site.count(Topic::Held).await), (raw, held)) }
    };
    soon(client.publish()).await.unwrap();
    stored(0, 1).await;
    site.registered(id, Some(&Device { release_pending: true, ..active() })).await;
    soon(client.publish()).await.unwrap();
    stored(0, 2).await;
    site.registered(id, Some(&active())).await;
    soon(client.publish()).await.unwrap();
    stored(1, 2).await;
    let started = Instant::now();
    site.write(id, None).await;
    assert_eq!(soon(client.ended()).await, Ended::Closed);
    assert!(started.elapsed() < SECOND);
    site.stop().await;
}

/// The registry changes while devices come in: whatever the order, no session of a disabled device stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_let_in_just_before_the_change_ends_too() {
    let site = Site::start(1).await;
    let devices: Arc<Devices> = site.devices(0);
    let [id, ..] = IDS;
    let record = |status: DeviceStatus| {
        Device { device_id: id.into(), status: status.into(), ..active() }.encode_to_vec()
    };
    let mut came_in = 0;
    for round in 0..60_u64 {
        devices.apply(id.as_bytes(), Some(&record(DeviceStatus::Active))).unwrap();
        let client = Client::v5(&site, 0, id);
        let disable = async {
            tokio::time::sleep(Duration::from_micros(round * 25)).await;
            devices.apply(id.as_bytes(), Some(&record(DeviceStatus::Disabled))).unwrap();
        };
        let ((), client) = tokio::join!(disable, client.tried());
        if let Some(mut client) = client {
            came_in += 1;
            let ended = tokio::time::timeout(SECOND, client.ended()).await;
            assert!(ended.is_ok(), "round {round}: a disabled device is still connected");
        }
    }
    // Otherwise nothing was tested.
    assert!(came_in > 0, "every device was refused");
    site.stop().await;
}
