//! Downlink from the publish/subscribe router to a device's session, with a real MQTT client.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleetwire_frontend::auth::subscriber::Subscribers;
use fleetwire_frontend::directory::Directory;
use fleetwire_frontend::ingest::Origin;
use fleetwire_frontend::{Dependencies, Frontend, FrontendSettings};
use fleetwire_kafka::{EmbeddedLog, EmbeddedOptions};
use fleetwire_model::Topics;
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_registry::account::WellKnown;
use fleetwire_registry::{Accounts, Devices};
use fleetwire_service::exit::Exit;
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;
use prost::Message as _;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, SubscribeReasonCode};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_mins(1);
/// No more than may wait for one session: the next would be refused as busy.
const BURST: u8 = 16;
const DEVICES: [&str; 2] = ["867035046242895", "865209039554705"];

fn devices() -> Arc<Devices> {
    let devices = Devices::default();
    for id in DEVICES {
        let device = Device {
            device_id: id.into(),
            model: "xirgo-lx41".into(),
            status: DeviceStatus::Active.into(),
            ..Device::default()
        };
        devices.apply(id.as_bytes(), Some(&device.encode_to_vec())).unwrap();
    }
    Arc::new(devices)
}

fn start(log: &EmbeddedLog, stages: &mut Stages) -> Frontend {
    let secret = |_: &str| -> Result<_, std::io::Error> { Ok(None) };
    let needs = Dependencies {
        kafka: log.settings(),
        topics: Topics::default(),
        directory: Directory::new(devices(), watch::channel(true).1),
        accounts: Accounts::load(&std::collections::BTreeMap::new(), WellKnown::Default, secret).unwrap(),
        subscribers: Subscribers::default(),
        origin: Origin { frontend_id: "test".into(), region: String::new(), host: String::new() },
        health: Health::default(),
        grace: Duration::from_secs(10),
    };
    let settings = FrontendSettings { listen: ([127, 0, 0, 1], 0).into(), ..FrontendSettings::default() };
    fleetwire_frontend::start(&settings, needs, stages).unwrap()
}

/// A device that has subscribed to its command topic.
async fn device(frontend: &Frontend, id: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, "127.0.0.1", frontend.address.port());
    options.set_credentials("bce_device", "secretword");
    let (client, mut events) = AsyncClient::new(options, 16);
    client.subscribe(format!("{id}/OUTC"), QoS::AtLeastOnce).await.unwrap();
    loop {
        if let Event::Incoming(Packet::SubAck(ack)) = events.poll().await.unwrap() {
            assert_eq!(ack.return_codes, [SubscribeReasonCode::Success(QoS::AtLeastOnce)]);
            return (client, events);
        }
    }
}

async fn next_publish(events: &mut EventLoop) -> rumqttc::Publish {
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
            return publish;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downlink_reaches_the_session_that_it_is_for_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { data: dir.path().to_owned(), topics: Topics::default(), partitions: 1 };
    let log = EmbeddedLog::start(&options).unwrap();
    let mut stages = Stages::default();
    let frontend = start(&log, &mut stages);
    let stop = CancellationToken::new();
    let test = async {
        let [one, two] = DEVICES;
        let (_first, mut to_one) = device(&frontend, one).await;
        let (_second, mut to_two) = device(&frontend, two).await;
        // Order matters: had the first one's downlink gone to the second, it would come before its own.
        for number in 0..BURST {
            let payload = Bytes::copy_from_slice(&[number]);
            frontend.fabric.publish(one, "867035046242895/OUTC", payload).unwrap();
        }
        frontend.fabric.publish(two, "865209039554705/OUTC", Bytes::from_static(b"own")).unwrap();
        for number in 0..BURST {
            let publish = next_publish(&mut to_one).await;
            assert_eq!(
                (publish.topic.as_str(), &publish.payload[..]),
                ("867035046242895/OUTC", &[number][..])
            );
            assert_eq!((publish.qos, publish.retain), (QoS::AtLeastOnce, false));
        }
        assert_eq!(&next_publish(&mut to_two).await.payload[..], b"own");
        stop.cancel();
    };
    let mut told = false;
    let signal =
        async || if std::mem::replace(&mut told, true) { pending().await } else { stop.cancelled().await };
    let running = stages.run(signal, Duration::from_secs(10));
    let (exit, ()) = Box::pin(timeout(LIMIT, async { tokio::join!(running, test) })).await.unwrap();
    assert_eq!(exit.unwrap(), Exit::Done);
    log.stop().unwrap();
}
