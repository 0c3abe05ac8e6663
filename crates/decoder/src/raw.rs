//! A raw record as the decoder reads it: the few fields that it needs, in place.

use fleetwire_model::wire::{Field, Fields, WireError, read_timestamp};

/// The fields of a `RawPublish` that decoding needs, without copying them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RawView<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) topic: &'a str,
    pub(crate) account: &'a str,
    pub(crate) device_id: &'a str,
    /// Unix milliseconds; `None` if the frontend did not say.
    pub(crate) received_ms: Option<i64>,
    pub(crate) region: &'a str,
    pub(crate) host: &'a str,
}

/// Why a Kafka value is no `RawPublish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RawError {
    /// It is no protobuf message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A text that is none.
    #[error("field {0} is no UTF-8")]
    Text(u32),
    /// A field of another type than the contract's.
    #[error("field {0} has another type than in RawPublish")]
    Type(u32),
}

impl<'a> RawView<'a> {
    /// Reads a Kafka value. As protobuf says, of several values of a field the last one counts.
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, RawError> {
        let mut view = Self::default();
        for field in Fields::new(value) {
            let (number, value) = field?;
            match (number, value) {
                (1, Field::Bytes(payload)) => view.payload = payload,
                (2, Field::Bytes(raw)) => view.topic = text(number, raw)?,
                (4, Field::Bytes(raw)) => view.account = text(number, raw)?,
                (5, Field::Bytes(raw)) => view.device_id = text(number, raw)?,
                (10, Field::Bytes(time)) => view.received_ms = Some(read_timestamp(time)?),
                (19, Field::Bytes(raw)) => view.region = text(number, raw)?,
                (21, Field::Bytes(raw)) => view.host = text(number, raw)?,
                (1 | 2 | 4 | 5 | 10 | 19 | 21, _) => return Err(RawError::Type(number)),
                _ => {}
            }
        }
        Ok(view)
    }
}

fn text(field: u32, raw: &[u8]) -> Result<&str, RawError> {
    std::str::from_utf8(raw).map_err(|_| RawError::Text(field))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fleetwire_model::pb::{RawPublish, UserProperty};
    use fleetwire_model::time::from_unix_ms;
    use prost::Message as _;

    use super::*;

    #[test]
    fn a_view_is_what_the_message_says() {
        let raw = RawPublish {
            payload: Bytes::from_static(b"\x02\xff"),
            topic: "BCE/D".into(),
            client_id: "c".into(),
            account: "bce_device".into(),
            device_id: "867035046242895".into(),
            received_time: Some(from_unix_ms(1_609_307_512_500)),
            region: "eu".into(),
            host: "mqtt.eu.example.com".into(),
            packet_id: Some(7),
            user_properties: vec![UserProperty { name: "a".into(), value: "b".into() }],
            model: "m".into(),
            ..RawPublish::default()
        };
        let value = raw.encode_to_vec();
        let expected = RawView {
            payload: &raw.payload,
            topic: &raw.topic,
            account: &raw.account,
            device_id: &raw.device_id,
            received_ms: Some(1_609_307_512_500),
            region: &raw.region,
            host: &raw.host,
        };
        assert_eq!(RawView::read(&value), Ok(expected));
        assert_eq!(RawView::read(&[]), Ok(RawView::default()));
    }

    #[test]
    fn what_is_no_raw_publish_is_told() {
        assert_eq!(RawView::read(&[0x0A, 9]), Err(RawError::Wire(WireError::Truncated)));
        assert_eq!(RawView::read(&[0x12, 1, 0xFF]), Err(RawError::Text(2)));
        assert_eq!(RawView::read(&[0x08, 1]), Err(RawError::Type(1)));
    }
}
