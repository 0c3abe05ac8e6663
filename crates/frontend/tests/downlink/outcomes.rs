//! What a gateway is told, and that it is true.

use std::time::Duration;

use fleetwire_downlink::{CallError, Client, DownlinkClientSettings};
use fleetwire_model::pb::{DeliverOutcome, DeliverRequest};
use fleetwire_model::time::from_unix_ms;
use fleetwire_mqtt::packet::{Connect, Level, Property, QoS, Reason};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet};

use crate::device::{Device, lasting};
use crate::house::{DEVICE, DEVICES, LIMIT, SHORT, command, now_ms, soon, with_house};

/// A device that acknowledges what it gets.
async fn obedient(port: u16, id: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_credentials("bce_device", "secretword");
    let (client, mut events) = AsyncClient::new(options, 16);
    client.subscribe(format!("{id}/OUTC"), rumqttc::QoS::AtLeastOnce).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    (client, events)
}

/// Everything that a device gets until something has happened.
async fn gets_while<T>(events: &mut EventLoop, what: impl Future<Output = T>) -> (Vec<Vec<u8>>, T) {
    let (mut got, mut what) = (Vec::new(), std::pin::pin!(what));
    loop {
        tokio::select! {
            done = &mut what => return (got, done),
            event = events.poll() => if let Event::Incoming(Packet::Publish(publish)) = event.unwrap() {
                got.push(publish.payload.to_vec());
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reaches_the_session_that_it_is_for_and_its_puback_is_the_answer() {
    with_house(
        |_| {},
        async |house| {
            let port = house.frontend.address.port();
            let [one, other] = DEVICES;
            let (_one, mut to_one) = obedient(port, one).await;
            let (_other, mut to_other) = obedient(port, other).await;
            let (first, second) = tokio::join!(house.session(one, 0), house.session(other, 0));
            let calls = async {
                for number in 0..20 {
                    let request = command(&number.to_string(), first.epoch);
                    assert_eq!(house.deliver(request, LIMIT).await, DeliverOutcome::Acknowledged);
                    let request = DeliverRequest {
                        device_id: other.into(),
                        topic: format!("{other}/OUTC"),
                        ..command(&format!("other {number}").replace(' ', "-"), second.epoch)
                    };
                    assert_eq!(house.deliver(request, LIMIT).await, DeliverOutcome::Acknowledged);
                }
            };
            let both = gets_while(&mut to_other, calls);
            let (one_got, (other_got, ())) = Box::pin(soon(gets_while(&mut to_one, both))).await;
            let expected = |prefix: &str| -> Vec<Vec<u8>> {
                (0..20).map(|number| format!("{prefix}{number}").into_bytes()).collect()
            };
            assert_eq!((one_got, other_got), (expected(""), expected("other-")));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_told_and_not_sent() {
    with_house(
        |_| {},
        async |house| {
            assert_eq!(house.deliver(command("a", 1), LIMIT).await, DeliverOutcome::NotConnected);
            let mut device = Device::connect(house, lasting(Level::V311)).await;
            // Only the second of these makes the session one that takes commands.
            device.subscribe(QoS::AtMostOnce).await;
            device.subscribe(QoS::AtLeastOnce).await;
            let epoch = house.session(DEVICE, 0).await.epoch;
            device.subscribe(QoS::AtMostOnce).await;
            let told = async |request| house.deliver(request, LIMIT).await;
            assert_eq!(told(command("a", epoch)).await, DeliverOutcome::NotSubscribed, "with QoS 0");
            device.subscribe(QoS::AtLeastOnce).await;
            let elsewhere = DeliverRequest { topic: "867035046242895/IN".into(), ..command("a", epoch) };
            assert_eq!(told(elsewhere).await, DeliverOutcome::NotSubscribed);
            assert_eq!(told(command("a", epoch - 1)).await, DeliverOutcome::StaleEpoch);
            assert_eq!(told(command("a", epoch + 1)).await, DeliverOutcome::StaleEpoch);
            let late =
                DeliverRequest { expire_time: Some(from_unix_ms(now_ms() - 1)), ..command("a", epoch) };
            assert_eq!(told(late.clone()).await, DeliverOutcome::Expired);
            let gone = DeliverRequest { device_id: DEVICES[1].into(), ..late };
            assert_eq!(told(gone).await, DeliverOutcome::Expired);
            device.hears_nothing().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_partition_is_another_ones_now_is_refused() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            let of = |term, id: &str| DeliverRequest { term, partition: 7, ..command(id, epoch) };
            let newer = house.deliver(of(3, "a"), LIMIT);
            let obeys = async {
                let publish = device.command().await;
                device.acknowledge(publish.packet_id).await;
            };
            assert_eq!(tokio::join!(newer, obeys).0, DeliverOutcome::Acknowledged);
            assert_eq!(house.deliver(of(2, "b"), LIMIT).await, DeliverOutcome::StaleGateway);
            // Not even what it may have handed over itself.
            assert_eq!(house.deliver(of(2, "a"), LIMIT).await, DeliverOutcome::StaleGateway);
            assert_eq!(house.deliver(of(3, "a"), LIMIT).await, DeliverOutcome::Acknowledged);
            device.hears_nothing().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_never_acknowledges_is_told_of_and_only_its_own_packet_id_counts() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            let call = house.deliver(command("a", epoch), SHORT);
            let confused = async {
                let publish = device.command().await;
                for wrong in [publish.packet_id.wrapping_add(1), u16::MAX] {
                    device.acknowledge(wrong).await;
                }
                publish.packet_id
            };
            let (outcome, packet_id) = tokio::join!(call, confused);
            assert_eq!(outcome, DeliverOutcome::Unacknowledged);
            device.acknowledge(packet_id).await;
            device.hears_nothing().await;
            assert_eq!(house.deliver(command("a", epoch), LIMIT).await, DeliverOutcome::Acknowledged, "late");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mqtt_5_device_is_told_the_expiry_and_may_refuse() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V5)).await;
            let refuses = async {
                let publish = device.command().await;
                let left = publish.properties.find(|property| match property {
                    Property::MessageExpiry(seconds) => Some(*seconds),
                    _ => None,
                });
                assert!(left.is_some_and(|left| (50..=60).contains(&left)), "{left:?}");
                device.answer(publish.packet_id, Reason::ImplementationSpecificError).await;
            };
            let call = house.deliver(command("a", epoch), LIMIT);
            assert_eq!(tokio::join!(call, refuses).0, DeliverOutcome::Refused);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_gets_no_packet_that_is_larger_than_it_takes() {
    with_house(
        |_| {},
        async |house| {
            let small =
                Connect { properties: vec![Property::MaximumPacketSize(64)].into(), ..lasting(Level::V5) };
            let (mut device, epoch) = Device::subscribed(house, small).await;
            let large = DeliverRequest { payload: vec![0; 100].into(), ..command("a", epoch) };
            assert_eq!(house.deliver(large, LIMIT).await, DeliverOutcome::Refused);
            device.hears_nothing().await;
        },
    )
    .await;
}

/// A device that has one command on the wire, and takes no second one before it has acknowledged that.
async fn one_at_a_time(house: &crate::house::House) -> (Device, u64, u16) {
    let one = vec![Property::ReceiveMaximum(1)].into();
    let (mut device, epoch) =
        Device::subscribed(house, Connect { properties: one, ..lasting(Level::V5) }).await;
    let (outcome, first) = tokio::join!(house.deliver(command("a", epoch), SHORT), device.command());
    assert_eq!(outcome, DeliverOutcome::Unacknowledged);
    (device, epoch, first.packet_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_no_room_before_the_deadline_is_never_sent() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch, first) = one_at_a_time(house).await;
            assert_eq!(house.deliver(command("b", epoch), SHORT).await, DeliverOutcome::Busy);
            device.acknowledge(first).await;
            device.hears_nothing().await;
            let obeys = async {
                let publish = device.command().await;
                device.acknowledge(publish.packet_id).await;
            };
            let call = house.deliver(command("b", epoch), LIMIT);
            assert_eq!(tokio::join!(call, obeys).0, DeliverOutcome::Acknowledged, "it may be tried again");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_gateway_waits_for_no_longer_is_never_sent() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch, first) = one_at_a_time(house).await;
            let (address, abandoned) = (house.address(), command("b", epoch));
            let waits = house.client.deliver(&address, abandoned, LIMIT);
            assert!(tokio::time::timeout(SHORT, waits).await.is_err(), "the gateway hangs up");
            // The frontend has heard of it once a command of the same gateway behind it has an outcome.
            assert_eq!(house.deliver(command("c", epoch), SHORT).await, DeliverOutcome::Busy);
            device.acknowledge(first).await;
            device.hears_nothing().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frontend_with_as_many_calls_as_may_wait_is_busy() {
    with_house(
        |settings| settings.max_in_flight = 1,
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            let first = house.deliver(command("a", epoch), LIMIT);
            let second = async {
                let publish = device.command().await;
                assert_eq!(house.deliver(command("b", epoch), LIMIT).await, DeliverOutcome::Busy);
                device.acknowledge(publish.packet_id).await;
            };
            assert_eq!(tokio::join!(first, second).0, DeliverOutcome::Acknowledged);
            device.hears_nothing().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_sixteen_commands_on_the_wire_gets_no_other() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            for number in 0..16 {
                let request = command(&number.to_string(), epoch);
                let (outcome, _) =
                    tokio::join!(house.deliver(request, Duration::from_millis(50)), device.command());
                assert_eq!(outcome, DeliverOutcome::Unacknowledged);
            }
            assert_eq!(house.deliver(command("one-more", epoch), LIMIT).await, DeliverOutcome::Busy);
            device.hears_nothing().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_token_calls_nothing() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            for token in [None, Some("another-token-of-20b".into())] {
                let client = Client::new(DownlinkClientSettings::default(), token).unwrap();
                let refused = soon(client.deliver(&house.address(), command("a", epoch), LIMIT)).await;
                assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
                // Whether it runs is no secret.
                assert_eq!(soon(client.is_serving(&house.address())).await, Ok(true));
            }
            let nonsense = DeliverRequest { command_id: String::new(), ..command("a", epoch) };
            let refused = house.call(nonsense, LIMIT).await;
            assert!(
                matches!(&refused, Err(CallError::Refused(why)) if why.contains("command_id")),
                "{refused:?}"
            );
            device.hears_nothing().await;
        },
    )
    .await;
}
