//! rumqttc's client for MQTT 5.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAckProperties, LastWill, Packet, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ClientError, Event, EventLoop, MqttOptions};
use serde_json::{Map, Value};

use super::{Answer, Client, KEEP_ALIVE, Opening, route};
use crate::scenario::Scenario;

pub(super) struct Door(AsyncClient, EventLoop);

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

fn qos(level: u8) -> QoS {
    rumqttc::v5::mqttbytes::qos(level).unwrap()
}

fn words(result: Result<(), ClientError>) -> Result<(), String> {
    result.map_err(|err| err.to_string())
}

/// Limits by the names that the specification gives them.
fn limits(properties: Option<&ConnAckProperties>) -> Map<String, Value> {
    let Some(told) = properties else { return Map::new() };
    let limits = [
        ("Receive Maximum", told.receive_max.map(u64::from)),
        ("Maximum Packet Size", told.max_packet_size.map(u64::from)),
        ("Topic Alias Maximum", told.topic_alias_max.map(u64::from)),
    ];
    limits.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

impl Client for Door {
    fn open(scenario: &Scenario, opening: Opening) -> Self {
        let (transport, address) = route(scenario);
        let mut options = MqttOptions::new(&scenario.client_id, address, scenario.port);
        options
            .set_credentials(scenario.user, opening.password)
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(opening.clean)
            .set_session_expiry_interval((!opening.clean).then_some(60))
            .set_transport(transport);
        if let Some(will) = opening.will {
            options.set_last_will(LastWill::new("BCE/E", will, QoS::AtLeastOnce, false, None));
        }
        let (client, events) = AsyncClient::new(options, 16);
        Self(client, events)
    }

    async fn next(&mut self) -> Result<Answer, String> {
        let Event::Incoming(packet) = self.1.poll().await.map_err(|err| err.to_string())? else {
            return Ok(Answer::Other);
        };
        Ok(match packet {
            Packet::ConnAck(connack) => Answer::Accepted {
                session_present: connack.session_present,
                limits: limits(connack.properties.as_ref()),
            },
            Packet::PubAck(_) => Answer::Done(1),
            Packet::PubComp(_) => Answer::Done(2),
            Packet::SubAck(suback) => Answer::Subscribed(match suback.return_codes[0] {
                SubscribeReasonCode::Success(qos) => Ok(qos as u8),
                refused => Err(format!("{refused:?}")),
            }),
            _ => Answer::Other,
        })
    }

    async fn publish(&self, level: u8, payload: String) -> Result<(), String> {
        let properties = PublishProperties {
            content_type: Some("application/x-interop".to_owned()),
            user_properties: vec![("client".to_owned(), "rumqttc".to_owned())],
            ..PublishProperties::default()
        };
        words(self.0.publish_with_properties("BCE/D", qos(level), false, payload, properties).await)
    }

    async fn subscribe(&self, topic: &str) -> Result<(), String> {
        words(self.0.subscribe(topic, QoS::AtLeastOnce).await)
    }

    async fn disconnect(&self) -> Result<(), String> {
        words(self.0.disconnect().await)
    }
}
