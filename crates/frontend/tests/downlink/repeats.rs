//! A command that is handed over again is not published again.

use fleetwire_model::pb::{DeliverOutcome, DeliverRequest};
use fleetwire_model::time::from_unix_ms;
use fleetwire_mqtt::packet::Level;

use crate::device::{Device, lasting};
use crate::house::{LIMIT, SHORT, command, now_ms, with_house};

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_command_is_acknowledged_again_without_a_publish() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            let obeys = async {
                let publish = device.command().await;
                device.acknowledge(publish.packet_id).await;
            };
            let call = house.deliver(command("a", epoch), LIMIT);
            assert_eq!(tokio::join!(call, obeys).0, DeliverOutcome::Acknowledged);
            assert_eq!(house.deliver(command("a", epoch), LIMIT).await, DeliverOutcome::Acknowledged);
            let late =
                DeliverRequest { expire_time: Some(from_unix_ms(now_ms() - 1)), ..command("a", epoch) };
            assert_eq!(house.deliver(late, LIMIT).await, DeliverOutcome::Acknowledged, "it was in time");
            device.hears_nothing().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_for_a_command_on_its_way_waits_for_the_same_puback() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            let device = &mut device;
            let first = house.deliver(command("a", epoch), SHORT);
            let (outcome, publish) = tokio::join!(first, device.command());
            assert_eq!(outcome, DeliverOutcome::Unacknowledged);
            // A second gateway, and the first one again.
            let (second, third) =
                (house.deliver(command("a", epoch), LIMIT), house.deliver(command("a", epoch), LIMIT));
            let obeys = async {
                device.hears_nothing().await;
                device.acknowledge(publish.packet_id).await;
            };
            let (second, third, ()) = tokio::join!(second, third, obeys);
            assert_eq!([second, third], [DeliverOutcome::Acknowledged; 2]);
            device.hears_nothing().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_session_has_never_heard_of_the_command() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            let obeys = async |device: &mut Device| {
                let publish = device.command().await;
                device.acknowledge(publish.packet_id).await;
            };
            let call = house.deliver(command("a", epoch), LIMIT);
            assert_eq!(tokio::join!(call, obeys(&mut device)).0, DeliverOutcome::Acknowledged);
            drop(device);
            let mut device = Device::connect(house, lasting(Level::V311)).await;
            let newer = house.session(crate::house::DEVICE, epoch).await.epoch;
            assert_eq!(house.deliver(command("a", epoch), LIMIT).await, DeliverOutcome::StaleEpoch);
            let call = house.deliver(command("a", newer), LIMIT);
            assert_eq!(tokio::join!(call, obeys(&mut device)).0, DeliverOutcome::Acknowledged);
        },
    )
    .await;
}
