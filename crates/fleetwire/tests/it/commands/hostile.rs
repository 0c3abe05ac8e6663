//! Devices with valid credentials and bad manners.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fleetwire_benches::commands::imeis;
use fleetwire_benches::site::{ACCOUNT, PASSWORD};
use fleetwire_kafka::{ClientSettings, Event as Read, Reader, ReaderOptions};
use fleetwire_model::Imei;
use fleetwire_model::pb::{CommandState as State, OutputAction};
use fleetwire_simulator::Verdict;
use rumqttc::{Client, Event, Incoming, MqttOptions, Publish, QoS};
use tokio_util::sync::CancellationToken;

use super::{Pipeline, switch};
use crate::support::{LIMIT, until};

/// How a device answers commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    /// Not at all.
    Silent,
    /// With the id of a packet that it never got.
    WrongIds,
    /// It is gone before it could, and back at once.
    Restless,
}

/// What happened to a hostile device.
#[derive(Debug, Default)]
struct Seen {
    stop: AtomicBool,
    connects: AtomicU32,
    commands: AtomicU32,
}

/// Stops hostile devices, also where the test fails.
struct Stop<'a>(&'a [Seen]);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        for seen in self.0 {
            seen.stop.store(true, Relaxed);
        }
    }
}

/// Lives with these manners until the stop.
fn live(mqtt: SocketAddr, imei: Imei, manners: Manners, seen: &Seen) {
    let mut options = MqttOptions::new(imei.to_string(), mqtt.ip().to_string(), mqtt.port());
    options.set_credentials(ACCOUNT, PASSWORD).set_manual_acks(true);
    while !seen.stop.load(Relaxed) {
        let (client, mut connection) = Client::new(options.clone(), 10);
        let began = Instant::now();
        while !seen.stop.load(Relaxed) {
            match connection.recv_timeout(Duration::from_millis(50)) {
                Ok(Ok(Event::Incoming(Incoming::ConnAck(_)))) => {
                    seen.connects.fetch_add(1, Relaxed);
                    client.try_subscribe(format!("{imei}/OUTC"), QoS::AtLeastOnce).unwrap();
                }
                Ok(Ok(Event::Incoming(Incoming::Publish(publish)))) => {
                    seen.commands.fetch_add(1, Relaxed);
                    if manners == Manners::WrongIds {
                        let pkid = publish.pkid.wrapping_add(1000);
                        client.try_ack(&Publish { pkid, ..publish }).unwrap();
                    }
                }
                // Whatever the server thinks of it, it comes again.
                Ok(Err(_)) => break,
                Ok(Ok(_)) | Err(_) => {}
            }
            if manners == Manners::Restless && began.elapsed() > Duration::from_millis(100) {
                break;
            }
        }
    }
}

#[test]
fn a_device_with_bad_manners_harms_itself_alone() {
    let devices = imeis(4).unwrap();
    let [good, silent, wrong, restless] = devices[..] else { panic!("four devices") };
    let pipeline = Pipeline::start("cmd-hostile", &devices);
    let fleet = pipeline.fleet(1);
    let mqtt = pipeline.frontends[1].address("devices may connect").unwrap();
    let hostile = [(silent, Manners::Silent), (wrong, Manners::WrongIds), (restless, Manners::Restless)];
    let seen = hostile.map(|_| Seen::default());
    std::thread::scope(|scope| {
        let _stop = Stop(&seen);
        for ((imei, manners), seen) in hostile.iter().zip(&seen) {
            scope.spawn(|| live(mqtt, *imei, *manners, seen));
        }
        until("they are connected", || seen.iter().all(|seen| seen.connects.load(Relaxed) > 0).then_some(()));
        // Everything runs.
        pipeline.switch("first", good, 1, OutputAction::On);
        pipeline.ends("first", State::Confirmed);
        for (imei, manners) in hostile {
            pipeline.send(
                &format!("{manners:?}"),
                imei,
                Duration::from_secs(12),
                switch(1, OutputAction::On),
            );
        }
        // Nobody waits for them.
        pipeline.switch("good", good, 1, OutputAction::On);
        pipeline.ends("good", State::Confirmed);
        for manners in [Manners::Silent, Manners::WrongIds] {
            let life = pipeline.ends(&format!("{manners:?}"), State::Failed);
            assert!(life.attempts > 1, "{manners:?}: {life:?}");
        }
        let life = until("the end of Restless", || {
            pipeline.follower.life("Restless").filter(|life| life.terminal().is_some())
        });
        // Depending on whether it was ever there long enough.
        assert!(matches!(life.terminal(), Some(State::Failed | State::Expired)), "{life:?}");
    });
    let [silent_seen, wrong_seen, restless_seen] = &seen;
    assert!(silent_seen.commands.load(Relaxed) > 0 && wrong_seen.commands.load(Relaxed) > 0);
    assert!(restless_seen.connects.load(Relaxed) > 10);

    steer(mqtt, silent, good);
    // It still obeys, and got nothing but what it was sent.
    pipeline.switch("again", good, 1, OutputAction::On);
    pipeline.ends("again", State::Confirmed);
    let received = fleet.finish().unwrap();
    assert_eq!(received.len(), 3, "{received:?}");
    assert!(received.iter().all(|publish| publish.verdict == Verdict::Executed));
    pipeline.stop();
}

/// Publishes to another's command topic; it is neither delivered nor acknowledged, or the connection ends.
fn steer(mqtt: SocketAddr, imei: Imei, victim: Imei) {
    let mut options = MqttOptions::new(imei.to_string(), mqtt.ip().to_string(), mqtt.port());
    options.set_credentials(ACCOUNT, PASSWORD);
    let (client, mut connection) = Client::new(options, 10);
    client.try_publish(format!("{victim}/OUTC"), QoS::AtLeastOnce, false, "on").unwrap();
    client.try_subscribe(format!("{victim}/OUTC"), QoS::AtLeastOnce).unwrap();
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < deadline, "no answer to a forbidden publish");
        match connection.recv_timeout(Duration::from_millis(50)) {
            Ok(Ok(Event::Incoming(Incoming::SubAck(ack)))) => {
                assert_eq!(ack.return_codes, [rumqttc::SubscribeReasonCode::Failure]);
                return;
            }
            Ok(Err(_)) => return,
            _ => {}
        }
    }
}

/// Waits until so many dead letters are there.
pub(super) fn has_letters(client: &ClientSettings, topic: &str, count: usize) {
    let reader = Reader::new(client, topic, ReaderOptions::default(), &CancellationToken::new()).unwrap();
    let mut found = 0;
    until("dead letters", || {
        if let Read::Record(_) = reader.next(Duration::from_millis(20)).unwrap() {
            found += 1;
        }
        (found >= count).then_some(())
    });
}
