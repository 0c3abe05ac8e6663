//! rumqttc's client for MQTT 3.1.1.

use rumqttc::{
    AsyncClient, ClientError, Event, EventLoop, LastWill, MqttOptions, Packet, QoS, SubscribeReasonCode,
};
use serde_json::Map;

use super::{Answer, Client, KEEP_ALIVE, Opening, route};
use crate::scenario::Scenario;

pub(super) struct Door(AsyncClient, EventLoop);

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

fn qos(level: u8) -> QoS {
    rumqttc::qos(level).unwrap()
}

fn words(result: Result<(), ClientError>) -> Result<(), String> {
    result.map_err(|err| err.to_string())
}

impl Client for Door {
    fn open(scenario: &Scenario, opening: Opening) -> Self {
        let (transport, address) = route(scenario);
        let mut options = MqttOptions::new(&scenario.client_id, address, scenario.port);
        options
            .set_credentials(scenario.user, opening.password)
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(opening.clean)
            .set_transport(transport);
        if let Some(will) = opening.will {
            options.set_last_will(LastWill::new("BCE/E", will, QoS::AtLeastOnce, false));
        }
        let (client, events) = AsyncClient::new(options, 16);
        Self(client, events)
    }

    async fn next(&mut self) -> Result<Answer, String> {
        let Event::Incoming(packet) = self.1.poll().await.map_err(|err| err.to_string())? else {
            return Ok(Answer::Other);
        };
        Ok(match packet {
            Packet::ConnAck(connack) => {
                Answer::Accepted { session_present: connack.session_present, limits: Map::new() }
            }
            Packet::PubAck(_) => Answer::Done(1),
            Packet::PubComp(_) => Answer::Done(2),
            Packet::SubAck(suback) => Answer::Subscribed(match suback.return_codes[0] {
                SubscribeReasonCode::Success(qos) => Ok(qos as u8),
                SubscribeReasonCode::Failure => Err(format!("{:?}", suback.return_codes[0])),
            }),
            _ => Answer::Other,
        })
    }

    async fn publish(&self, level: u8, payload: String) -> Result<(), String> {
        words(self.0.publish("BCE/D", qos(level), false, payload).await)
    }

    async fn subscribe(&self, topic: &str) -> Result<(), String> {
        words(self.0.subscribe(topic, QoS::AtLeastOnce).await)
    }

    async fn disconnect(&self) -> Result<(), String> {
        words(self.0.disconnect().await)
    }
}
