//! Payloads made for a rule that no capture shows.

use fleetwire_codec::iotm::write::Payload;
use fleetwire_codec::iotm::{Gps, Options, Value};
use fleetwire_codec::{Body, Codec, DecodeError, Input};
use fleetwire_model::pb::PositionEvent;
use fleetwire_model::pb::attribute_value::Value as Typed;

use crate::opened::{self, Decoded};

pub(crate) const GPS: Gps = Gps {
    latitude: 54.5,
    longitude: 24.25,
    speed_kmh: 60,
    hdop_tenths: 8,
    satellites: 9,
    course_deg: 90,
    altitude_m: 120,
};

pub(crate) fn decoded(payload: &[u8], options: &Options) -> Result<Decoded, DecodeError> {
    let codec = Codec::Iotm(options.clone());
    opened::decode(&codec, Input { payload, ..Input::default() })
}

/// The event of one telemetry record.
pub(crate) fn event_with(options: &str, items: &[(u16, Value<'_>)]) -> PositionEvent {
    let payload = Payload::new().telemetry(1_700_000_000, items).unwrap().finish();
    let decoded = decoded(&payload, &toml::from_str(options).unwrap()).unwrap();
    match &decoded.records[0].body {
        Body::Position(event) => (**event).clone(),
        Body::Event(_) => panic!("an event"),
    }
}

pub(crate) fn event(items: &[(u16, Value<'_>)]) -> PositionEvent {
    event_with("", items)
}

pub(crate) fn attribute<'a>(event: &'a PositionEvent, name: &str) -> Option<&'a Typed> {
    event.attributes.get(name)?.value.as_ref()
}
