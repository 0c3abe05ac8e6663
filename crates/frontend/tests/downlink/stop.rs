//! A frontend that stops.

use fleetwire_downlink::CallError;
use fleetwire_model::pb::DeliverOutcome;
use fleetwire_mqtt::packet::Level;

use crate::device::{Device, lasting};
use crate::house::{LIMIT, command, with_house};

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_get_their_outcome_and_no_command_goes_out_any_more() {
    with_house(
        |_| {},
        async |house| {
            let (mut device, epoch) = Device::subscribed(house, lasting(Level::V311)).await;
            let (obeyed, ignored) =
                (house.deliver(command("a", epoch), LIMIT), house.deliver(command("b", epoch), LIMIT));
            let stops = async {
                let mut commands = [device.command().await, device.command().await];
                commands.sort_by(|one, other| one.payload.cmp(&other.payload));
                house.stop.cancel();
                while house.client.is_serving(&house.address()).await == Ok(true) {
                    tokio::task::yield_now().await;
                }
                let refused = house.call(command("c", epoch), LIMIT).await;
                match &refused {
                    Ok(response) => assert_eq!(response.outcome(), DeliverOutcome::NotConnected),
                    // The connection may be closing already.
                    Err(err) => assert!(!matches!(err, CallError::Refused(_)), "{err}"),
                }
                device.acknowledge(commands[0].packet_id).await;
            };
            let (obeyed, ignored, ()) = tokio::join!(obeyed, ignored, stops);
            assert_eq!(obeyed, DeliverOutcome::Acknowledged);
            assert_eq!(ignored, DeliverOutcome::Unacknowledged);
        },
    )
    .await;
}
