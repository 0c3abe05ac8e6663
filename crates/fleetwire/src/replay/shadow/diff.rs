//! What differs between two messages of the contract, field by field.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage as _, Value};

/// Doubles this many representable numbers apart are equal: the last bits of a conversion, not a meaning.
const SAME_WITHIN: u64 = 4;

/// A field that differs; a side without it is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// For example `fix.speed_kmh`, `inputs[5].on` or `attributes.io_0x4006`.
    pub(super) field: String,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

/// One value at the end of a path.
#[derive(Debug, Clone, PartialEq)]
enum Leaf {
    /// The number, and the word before it.
    Double(f64, &'static str),
    Text(String),
}

/// Every field in which two messages of one type differ, in the order of their names.
pub(super) fn changes(old: &DynamicMessage, new: &DynamicMessage) -> Vec<Change> {
    let (old, new) = (leaves(old), leaves(new));
    let mut changes = Vec::new();
    for (field, leaf) in &old {
        let other = new.get(field);
        if other.is_none_or(|other| !same(leaf, other)) {
            let (old, new) = (Some(leaf.text()), other.map(Leaf::text));
            changes.push(Change { field: field.clone(), old, new });
        }
    }
    for (field, leaf) in new.iter().filter(|(field, _)| !old.contains_key(*field)) {
        changes.push(Change { field: field.clone(), old: None, new: Some(leaf.text()) });
    }
    changes.sort_by(|a, b| a.field.cmp(&b.field));
    changes
}

fn leaves(message: &DynamicMessage) -> BTreeMap<String, Leaf> {
    let mut found = BTreeMap::new();
    fields("", message, &mut found);
    found
}

fn fields(path: &str, message: &DynamicMessage, found: &mut BTreeMap<String, Leaf>) {
    for field in message.descriptor().fields() {
        // Zero is a value where a field cannot be absent.
        let scalar = !field.is_list() && !field.is_map() && !field.supports_presence();
        if !scalar && !message.has_field(&field) {
            continue;
        }
        let value = message.get_field(&field);
        let path = if path.is_empty() { field.name().to_owned() } else { format!("{path}.{}", field.name()) };
        let names = field.kind().as_enum().cloned();
        let name = |number: i32| {
            let known = names.as_ref().and_then(|names| names.get_value(number));
            known.map_or_else(|| number.to_string(), |value| value.name().to_owned())
        };
        take(&path, &value, &name, found);
    }
}

fn take(path: &str, value: &Value, name: &dyn Fn(i32) -> String, found: &mut BTreeMap<String, Leaf>) {
    match value {
        Value::Message(message) => {
            if let Some(leaf) = scalar(message) {
                found.insert(path.to_owned(), leaf);
            } else {
                // That it is there is a fact of its own: an empty message is not an absent one.
                let is_absent =
                    |field: FieldDescriptor| field.supports_presence() && !message.has_field(&field);
                if message.descriptor().fields().all(is_absent) {
                    found.insert(path.to_owned(), Leaf::Text("(empty)".to_owned()));
                }
                fields(path, message, found);
            }
        }
        Value::List(list) => {
            if list.iter().all(|value| value.as_message().is_none()) {
                let texts: Vec<String> = list.iter().map(|value| text(value, name)).collect();
                found.insert(path.to_owned(), Leaf::Text(format!("[{}]", texts.join(", "))));
                return;
            }
            for (index, value) in list.iter().enumerate() {
                // Lines, inputs and sensors go by their number, whatever their order.
                let number = value.as_message().and_then(|message| {
                    message.get_field_by_name("number").and_then(|number| number.as_u32())
                });
                let key = number.map_or_else(|| format!("#{index}"), |number| number.to_string());
                let mut path = format!("{path}[{key}]");
                if number.is_some_and(|_| found.keys().any(|known| known.starts_with(&path))) {
                    let _ = write!(path, "#{index}");
                }
                take(&path, value, name, found);
            }
        }
        Value::Map(map) => {
            for (key, value) in map {
                let key = match key {
                    MapKey::String(key) => key.clone(),
                    other => format!("{other:?}"),
                };
                take(&format!("{path}.{key}"), value, name, found);
            }
        }
        Value::F64(number) => {
            found.insert(path.to_owned(), Leaf::Double(*number, ""));
        }
        other => {
            found.insert(path.to_owned(), Leaf::Text(text(other, name)));
        }
    }
}

/// Messages that stand for one value: times, and attributes with their type.
fn scalar(message: &DynamicMessage) -> Option<Leaf> {
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => {
            let seconds = message.get_field_by_name("seconds")?.as_i64()?;
            let nanos = message.get_field_by_name("nanos")?.as_i32()?;
            jiff::Timestamp::new(seconds, nanos).ok().map(|time| Leaf::Text(time.to_string()))
        }
        "fleetwire.v1.AttributeValue" => {
            let (field, value) = message.fields().next()?;
            if let Value::F64(number) = value {
                return Some(Leaf::Double(*number, "double "));
            }
            let kind = field.name().trim_end_matches("_value");
            Some(Leaf::Text(format!("{kind} {}", text(value, &|number| number.to_string()))))
        }
        _ => None,
    }
}

fn text(value: &Value, name: &dyn Fn(i32) -> String) -> String {
    match value {
        Value::Bool(on) => on.to_string(),
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F32(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::String(text) => crate::watch::printable(text),
        Value::EnumNumber(number) => name(*number),
        Value::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }),
        Value::Message(_) | Value::List(_) | Value::Map(_) => "...".to_owned(),
    }
}

impl Leaf {
    fn text(&self) -> String {
        match self {
            Self::Double(number, word) => format!("{word}{number}"),
            Self::Text(text) => text.clone(),
        }
    }
}

fn same(old: &Leaf, new: &Leaf) -> bool {
    match (old, new) {
        (Leaf::Double(old, _), Leaf::Double(new, _)) => close(*old, *new),
        _ => old == new,
    }
}

/// Whether two doubles are the same but for their last bits.
fn close(a: f64, b: f64) -> bool {
    // The bits of doubles, as integers, are in the order of the numbers once negative ones are turned round.
    let rank = |number: f64| {
        let bits = number.to_bits().cast_signed();
        if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
    };
    (a.is_nan() && b.is_nan()) || (!a.is_nan() && !b.is_nan() && rank(a).abs_diff(rank(b)) <= SAME_WITHIN)
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::attribute_value::Value as Attribute;
    use fleetwire_model::pb::{AttributeValue, DigitalLine, Fix, FixType, PositionEvent, Power, Quality};
    use prost::Message as _;

    use super::*;
    use crate::json::Json;
    use crate::replay::today::Kind;

    fn event() -> PositionEvent {
        PositionEvent {
            device_id: "867035046242895".into(),
            device_time: Some(fleetwire_model::time::from_unix_ms(1_609_307_511_000)),
            fix: Some(Fix {
                r#type: FixType::Fix.into(),
                latitude: 25.162_023,
                speed_kmh: Some(0.1 + 0.2),
                ..Fix::default()
            }),
            inputs: vec![DigitalLine { number: 5, on: true }, DigitalLine { number: 1, on: false }],
            ..PositionEvent::default()
        }
    }

    fn diff(old: &PositionEvent, new: &PositionEvent) -> Vec<String> {
        let json = Json::new().unwrap();
        let read =
            |event: &PositionEvent| json.decode(Kind::Position.message(), &event.encode_to_vec()).unwrap();
        let side = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        changes(&read(old), &read(new))
            .into_iter()
            .map(|change| format!("{}: {} -> {}", change.field, side(change.old), side(change.new)))
            .collect()
    }

    #[test]
    fn equal_events_and_last_bits_are_no_difference() {
        let (old, mut new) = (event(), event());
        assert_eq!(diff(&old, &new), [""; 0]);
        new.fix.as_mut().unwrap().speed_kmh = Some(0.3);
        new.inputs.reverse();
        assert_eq!(diff(&old, &new), [""; 0]);
        new.fix.as_mut().unwrap().speed_kmh = Some(0.300_001);
        assert_eq!(diff(&old, &new), ["fix.speed_kmh: 0.30000000000000004 -> 0.300001"]);
    }

    #[test]
    fn every_kind_of_field_is_named_with_both_values() {
        let (old, mut new) = (event(), event());
        new.device_time = Some(fleetwire_model::time::from_unix_ms(1_609_307_512_000));
        new.fix.as_mut().unwrap().r#type = FixType::Fix3d.into();
        new.inputs = vec![DigitalLine { number: 5, on: false }];
        new.quality = vec![Quality::ClockTooOld.into()];
        new.power = Some(Power::default());
        new.ignition = Some(false);
        let attribute = |value| AttributeValue { value: Some(value) };
        new.attributes.insert("io_0x4006".into(), attribute(Attribute::UintValue(5)));
        new.attributes.insert("io_0x4007".into(), attribute(Attribute::DoubleValue(1.5)));
        assert_eq!(
            diff(&old, &new),
            [
                "attributes.io_0x4006: - -> uint 5",
                "attributes.io_0x4007: - -> double 1.5",
                "device_time: 2020-12-30T05:51:51Z -> 2020-12-30T05:51:52Z",
                "fix.type: FIX_TYPE_FIX -> FIX_TYPE_FIX_3D",
                "ignition: - -> false",
                "inputs[1].number: 1 -> -",
                "inputs[1].on: false -> -",
                "inputs[5].on: true -> false",
                "power: - -> (empty)",
                "quality: - -> [QUALITY_CLOCK_TOO_OLD]",
            ]
        );
    }

    #[test]
    fn doubles_are_close_only_within_their_last_bits() {
        assert!(close(0.0, -0.0) && close(1.0, 1.0 + 2.0 * f64::EPSILON) && close(f64::NAN, f64::NAN));
        assert!(!close(1.0, 1.0 + 1e-9) && !close(1.0, -1.0) && !close(0.0, 1e-300) && !close(0.0, f64::NAN));
        assert!(!close(f64::INFINITY, f64::NEG_INFINITY));
    }
}
