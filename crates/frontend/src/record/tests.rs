//! A record decodes to the message that the contract's own type would have made.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use fleetwire_model::pb::{RawPublish, UserProperty};
use fleetwire_model::time;
use fleetwire_mqtt::Transport;
use fleetwire_mqtt::packet::{Level, Property};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn reference(origin: &Origin, session: &SessionFacts, source: &Source<'_>, publish: &Publish) -> RawPublish {
    let user_property =
        |(name, value): (&str, &str)| UserProperty { name: name.to_owned(), value: value.to_owned() };
    RawPublish {
        payload: publish.payload.clone(),
        topic: publish.topic.to_string(),
        client_id: source.client_id.to_owned(),
        account: session.account.to_string(),
        device_id: source.device.to_owned(),
        qos: match publish.qos {
            QoS::AtMostOnce => Qos::AtMostOnce,
            QoS::AtLeastOnce => Qos::AtLeastOnce,
            QoS::ExactlyOnce => Qos::ExactlyOnce,
        }
        .into(),
        retain: publish.retain,
        dup: publish.dup,
        packet_id: (publish.packet_id != 0).then(|| publish.packet_id.into()),
        received_time: Some(time::from_unix_ms(i64::try_from(publish.received_at_ms).unwrap_or(i64::MAX))),
        frontend_id: origin.frontend_id.clone(),
        session_id: session.session_id.to_string(),
        session_sequence: publish.sequence,
        remote_address: session.peer.to_string(),
        mqtt_version: u32::from(session.level as u8),
        content_type: publish.content_type().unwrap_or_default().to_owned(),
        user_properties: publish.user_properties().map(user_property).collect(),
        will: publish.will,
        region: origin.region.clone(),
        host: origin.host.clone(),
        model: source.model.unwrap_or_default().to_owned(),
    }
}

fn publish() -> impl Strategy<Value = Publish> {
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    let property = prop_oneof![
        ".{0,9}".prop_map(|text| Property::ContentType(text.into())),
        (".{0,200}", ".{0,9}").prop_map(|(name, value)| Property::UserProperty(name.into(), value.into())),
    ];
    let payload = prop::collection::vec(any::<u8>(), 0..300);
    let numbers = (any::<u64>(), any::<u64>(), any::<u16>());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (payload, ".{0,40}", numbers, qos, flags, prop::collection::vec(property, 0..4)).prop_map(
        |(payload, topic, (sequence, received_at_ms, packet_id), qos, (retain, dup, will), properties)| {
            Publish {
                topic: topic.into(),
                payload: Bytes::from(payload),
                sequence,
                received_at_ms,
                packet_id,
                qos,
                retain,
                dup,
                will,
                properties: properties.into(),
            }
        },
    )
}

fn session() -> impl Strategy<Value = SessionFacts> {
    let level = prop_oneof![Just(Level::V31), Just(Level::V311), Just(Level::V5)];
    (".{0,30}", ".{0,200}", ".{0,20}", any::<(IpAddr, u16)>(), level).prop_map(
        |(session_id, client_id, account, (ip, port), level)| SessionFacts {
            session_id: session_id.into(),
            client_id: client_id.into(),
            account: account.into(),
            peer: SocketAddr::new(ip, port),
            transport: Transport::Tcp,
            level,
            connected_at_ms: 0,
            identity: Arc::new(()),
        },
    )
}

proptest! {
    #[test]
    fn a_record_decodes_to_what_the_message_type_would_have_written(
        session in session(),
        publishes in prop::collection::vec(publish(), 1..4),
        (frontend_id, region, device) in (".{0,20}", ".{0,5}", ".{0,15}"),
        model in prop::option::of("[a-z]{0,12}"),
    ) {
        let origin = Origin { frontend_id, region, host: "mqtt.example.com".to_owned() };
        let head = Head::default();
        let source = Source {
            key: &device,
            client_id: &session.client_id,
            device: &device,
            model: model.as_deref(),
            direct: true,
            head: &head,
        };
        for publish in &publishes {
            let expected = reference(&origin, &session, &source, publish);
            let decoded = with(&origin, &session, &source, publish, |value| RawPublish::decode(value));
            prop_assert_eq!(decoded.unwrap(), expected);
        }
    }
}
