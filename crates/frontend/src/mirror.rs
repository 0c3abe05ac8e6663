//! What sessions that listen get to see: publishes on their way through the router.
//!
//! A publish travels as one record under one topic, whatever its own: the router keeps a little memory for ever for
//! each topic that it meets, and its parser has panicked on some. Who is subscribed to what is the session layer's
//! matter. What is on its way is bounded below what the router keeps, so that the router never drops any of it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleetwire_mqtt::packet::{Properties, Property, QoS};
use fleetwire_mqtt::{Message, Publish, SessionFacts};
use prost::Message as _;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Bytes that may be on their way. Half of what the router keeps of a topic (see [`crate::fabric`]).
const MAX_BYTES: usize = 2 << 20;
/// What a publish costs beside its envelope.
const OVERHEAD: usize = 256;

/// A publish on its way through the router. Never leaves the process.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Envelope {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(bytes = "bytes", tag = "2")]
    payload: Bytes,
    #[prost(uint32, tag = "3")]
    qos: u32,
    #[prost(bool, tag = "4")]
    retain: bool,
    #[prost(string, tag = "5")]
    from: String,
    /// Seconds.
    #[prost(uint32, optional, tag = "6")]
    expiry: Option<u32>,
    #[prost(bool, optional, tag = "7")]
    is_text: Option<bool>,
    #[prost(string, optional, tag = "8")]
    content_type: Option<String>,
    #[prost(string, optional, tag = "9")]
    response_topic: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "10")]
    correlation_data: Option<Bytes>,
    /// Names and values in turn.
    #[prost(string, repeated, tag = "11")]
    user_properties: Vec<String>,
}

impl Envelope {
    /// What a session published. Of a device also its client id, as a user property: the topics of devices do not
    /// name it.
    pub(crate) fn new(session: &SessionFacts, publish: &Publish, device: Option<&str>) -> Self {
        let mut envelope = Self {
            topic: publish.topic.to_string(),
            payload: publish.payload.clone(),
            qos: publish.qos as u32,
            // Nothing is retained for devices.
            retain: publish.retain && device.is_none(),
            from: session.client_id.to_string(),
            ..Self::default()
        };
        for property in &publish.properties {
            envelope.keep(property);
        }
        if let Some(client_id) = device {
            envelope.user_properties.extend(["client_id".to_owned(), client_id.to_owned()]);
        }
        envelope
    }

    /// Keeps a property that goes on to subscribers.
    fn keep(&mut self, property: &Property) {
        match property {
            Property::MessageExpiry(seconds) => self.expiry = Some(*seconds),
            Property::PayloadFormat(format) => self.is_text = Some(*format == 1),
            Property::ContentType(text) => self.content_type = Some(text.to_string()),
            Property::ResponseTopic(topic) => self.response_topic = Some(topic.to_string()),
            Property::CorrelationData(data) => self.correlation_data = Some(data.clone()),
            Property::UserProperty(name, value) => {
                self.user_properties.extend([name.to_string(), value.to_string()]);
            }
            _ => {}
        }
    }

    pub(crate) fn encode(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    pub(crate) fn read(bytes: &[u8], now: Instant) -> Option<Message> {
        let envelope = Self::decode(bytes).ok()?;
        let qos = match envelope.qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        let expires = envelope.expiry.map(|seconds| now + Duration::from_secs(seconds.into()));
        let properties = envelope.properties();
        let Self { topic, payload, retain, from, .. } = envelope;
        Some(Message { topic: topic.into(), payload, qos, retain, properties, expires, from: from.into() })
    }

    fn properties(&self) -> Properties {
        let pairs = self.user_properties.chunks_exact(2).filter_map(|pair| match pair {
            [name, value] => Some(Property::UserProperty(name.clone().into(), value.clone().into())),
            _ => None,
        });
        let single = [
            self.is_text.map(|is_text| Property::PayloadFormat(is_text.into())),
            self.content_type.clone().map(|text| Property::ContentType(text.into())),
            self.response_topic.clone().map(|topic| Property::ResponseTopic(topic.into())),
            self.correlation_data.clone().map(Property::CorrelationData),
        ];
        single.into_iter().flatten().chain(pairs).collect::<Vec<_>>().into()
    }
}

/// How much is on its way.
#[derive(Debug, Default)]
pub(crate) struct OnTheWay {
    bytes: AtomicUsize,
    room: Notify,
}

impl OnTheWay {
    /// Takes room; `false` if there is none.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let bytes = bytes + OVERHEAD;
        let before = self.bytes.fetch_add(bytes, Relaxed);
        let fits = before == 0 || before + bytes <= MAX_BYTES;
        if !fits {
            self.bytes.fetch_sub(bytes, Relaxed);
        }
        fits
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes + OVERHEAD, Relaxed);
        self.room.notify_waiters();
    }

    /// Waits until there is room, at most `limit`.
    pub(crate) async fn room(&self, limit: Duration) {
        let room = self.room.notified();
        if self.bytes.load(Relaxed) > MAX_BYTES / 2 {
            // Whoever waits tries again either way.
            let _in_time = timeout(limit, room).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_one_message_always_fits() {
        let way = OnTheWay::default();
        assert!(way.take(2 * MAX_BYTES), "alone");
        assert!(!way.take(1));
        way.give_back(2 * MAX_BYTES);
        assert!(way.take(MAX_BYTES / 2) && !way.take(MAX_BYTES / 2));
    }

    #[test]
    fn everything_that_goes_on_to_subscribers_survives_the_way() {
        let pair = |name: &str| Property::UserProperty(name.to_owned().into(), "v".into());
        let kept = [
            Property::PayloadFormat(1),
            Property::ContentType("c".into()),
            Property::ResponseTopic("r".into()),
            Property::CorrelationData(Bytes::from_static(b"d")),
            pair("a"),
            pair("b"),
        ];
        let mut envelope = Envelope { topic: "t".into(), qos: 2, retain: true, ..Envelope::default() };
        for property in &kept {
            envelope.keep(property);
        }
        envelope.keep(&Property::MessageExpiry(5));
        let now = Instant::now();
        let message = Envelope::read(&envelope.encode(), now).unwrap();
        assert_eq!((&*message.topic, message.qos, message.retain), ("t", QoS::ExactlyOnce, true));
        assert_eq!(message.expires, Some(now + Duration::from_secs(5)));
        assert_eq!(message.properties, kept.to_vec().into());
    }
}
