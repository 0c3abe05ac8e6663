//! Sessions that end or are replaced while a command is on its way.

use std::time::Instant;

use fleetwire_model::pb::DeliverOutcome;
use fleetwire_mqtt::packet::Level;

use crate::device::{Device, lasting};
use crate::house::{DEVICE, LIMIT, command, with_house};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_tells_at_once_and_the_next_one_gets_nothing_by_itself() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            let began = Instant::now();
            let call = house.deliver(command("a", epoch), LIMIT);
            let leaves = async {
                device.command().await;
                drop(device);
            };
            assert_eq!(tokio::join!(call, leaves).0, DeliverOutcome::Unacknowledged);
            assert!(began.elapsed() < LIMIT / 2, "nobody waited for the deadline");
            assert_eq!(house.deliver(command("a", epoch), LIMIT).await, DeliverOutcome::NotConnected);

            let mut device = Device::connect(house, lasting(Level::V311)).await;
            device.hears_nothing().await;
            let newer = house.session(DEVICE, epoch).await.epoch;
            let obeys = async {
                let publish = device.command().await;
                device.acknowledge(publish.packet_id).await;
            };
            let call = house.deliver(command("a", newer), LIMIT);
            assert_eq!(tokio::join!(call, obeys).0, DeliverOutcome::Acknowledged);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_for_a_session_never_reaches_the_one_that_takes_its_place() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, mut epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            for round in 0..20 {
                let call = house.deliver(command(&round.to_string(), epoch), LIMIT);
                let newer = Device::connect(house, lasting(Level::V311));
                // The older connection is there until the newer one ends it.
                let (outcome, mut newer) = tokio::join!(call, newer);
                newer.hears_nothing().await;
                let may_be = [
                    DeliverOutcome::Unacknowledged,
                    DeliverOutcome::StaleEpoch,
                    DeliverOutcome::NotConnected,
                ];
                assert!(may_be.contains(&outcome), "{outcome:?}");
                epoch = house.session(DEVICE, epoch).await.epoch;
                device = newer;
            }
            device.hears_nothing().await;
        },
    )
    .await;
}
