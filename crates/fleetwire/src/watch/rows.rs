//! Records as lines of a table with fixed columns, so that a line can be printed as soon as it comes.

use fleetwire_model::pb::attribute_value::Value;
use fleetwire_model::pb::{
    AttributeValue, DeadLetter, DeviceEvent, Fix, FixType, PositionEvent, Qos, RawPublish,
};
use fleetwire_model::time::to_unix_ms;
use jiff::Timestamp;

/// Longest list of attributes in a line; `--json` shows them all.
const ATTRIBUTES: usize = 6;
/// Bytes of a payload in a line.
const PAYLOAD: usize = 24;

/// A record as a line of its table.
pub(crate) trait Row {
    /// The line above all others.
    const HEADER: &'static str;
    /// The device that it is of.
    fn device(&self) -> &str;
    /// The line.
    fn line(&self) -> String;
}

impl Row for PositionEvent {
    const HEADER: &'static str =
        "DEVICE           TIME (UTC)           FIX        LATITUDE   LONGITUDE   KM/H  HEAD  IGN  ATTRIBUTES";

    fn device(&self) -> &str {
        &self.device_id
    }

    fn line(&self) -> String {
        let absent = Fix::default();
        let fix = self.fix.as_ref().unwrap_or(&absent);
        let usable = !matches!(fix.r#type(), FixType::Unspecified | FixType::NoFix);
        let degrees = |value: f64| {
            if usable { format!("{value:.6}") } else { "-".to_owned() }
        };
        format!(
            "{:<16} {:<20} {:<7} {:>11} {:>11} {:>6} {:>5}  {:<3}  {}",
            self.device_id,
            seconds(self.device_time.as_ref()),
            fix_name(fix.r#type()),
            degrees(fix.latitude),
            degrees(fix.longitude),
            number(fix.speed_kmh),
            number(fix.heading_deg),
            self.ignition.map_or("-", |on| if on { "on" } else { "off" }),
            details(self),
        )
        .trim_end()
        .to_owned()
    }
}

impl Row for DeviceEvent {
    const HEADER: &'static str = "DEVICE           TIME (UTC)           FUNCTION  CODE  TEXT";

    fn device(&self) -> &str {
        &self.device_id
    }

    fn line(&self) -> String {
        let code = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |code| code.to_string());
        format!(
            "{:<16} {:<20} {:>8} {:>5}  {}",
            self.device_id,
            seconds(self.device_time.as_ref()),
            code(self.function),
            code(self.code),
            printable(&self.text)
        )
    }
}

impl Row for RawPublish {
    const HEADER: &'static str = "DEVICE           RECEIVED (UTC)       TOPIC       QOS  BYTES  PAYLOAD";

    fn device(&self) -> &str {
        if self.device_id.is_empty() { &self.client_id } else { &self.device_id }
    }

    fn line(&self) -> String {
        let qos = match self.qos() {
            Qos::Unspecified => "-",
            Qos::AtMostOnce => "0",
            Qos::AtLeastOnce => "1",
            Qos::ExactlyOnce => "2",
        };
        format!(
            "{:<16} {:<20} {:<11} {:>3} {:>6}  {}",
            printable(self.device()),
            seconds(self.received_time.as_ref()),
            printable(&self.topic),
            qos,
            self.payload.len(),
            hex(&self.payload)
        )
    }
}

impl Row for DeadLetter {
    const HEADER: &'static str = "DEVICE           REJECTED (UTC)       CODE               BYTES  REASON";

    fn device(&self) -> &str {
        self.raw.as_ref().map_or("", Row::device)
    }

    fn line(&self) -> String {
        let bytes = self.raw.as_ref().map_or(self.raw_value.len(), |raw| raw.payload.len());
        format!(
            "{:<16} {:<20} {:<17} {:>6}  {}",
            printable(self.device()),
            seconds(self.rejected_time.as_ref()),
            self.code,
            bytes,
            printable(&self.reason)
        )
    }
}

/// What the columns leave out: the commonest fields, then attributes, then what is wrong.
fn details(event: &PositionEvent) -> String {
    let mut parts = Vec::new();
    let mut field = |name: &str, value: Option<f64>, unit: &str| {
        parts.extend(value.map(|value| format!("{name}={}{unit}", short(value))));
    };
    let fix = event.fix.as_ref();
    field("alt", fix.and_then(|fix| fix.altitude_m), "m");
    field("sat", fix.and_then(|fix| fix.satellites).map(f64::from), "");
    field("supply", event.power.as_ref().and_then(|power| power.supply_v), "V");
    field("odo", event.odometer_m.map(|metres| metres / 1000.0), "km");
    parts.extend(event.driver_id.as_ref().map(|driver| format!("driver={}", printable(driver))));
    let shown = event.attributes.iter().take(ATTRIBUTES);
    parts.extend(shown.map(|(name, value)| format!("{name}={}", attribute(value))));
    if event.attributes.len() > ATTRIBUTES {
        parts.push(format!("+{} more", event.attributes.len() - ATTRIBUTES));
    }
    parts.extend(event.quality().map(|quality| format!("!{}", quality.as_str_name())));
    parts.join(" ")
}

fn attribute(value: &AttributeValue) -> String {
    match &value.value {
        None => "null".to_owned(),
        Some(Value::BoolValue(on)) => on.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::UintValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => short(*number),
        Some(Value::StringValue(text)) => printable(text),
        Some(Value::BytesValue(bytes)) => hex(bytes),
    }
}

const fn fix_name(fix: FixType) -> &'static str {
    match fix {
        FixType::Unspecified => "-",
        FixType::NoFix => "no fix",
        FixType::LastKnown => "last",
        FixType::Fix => "fix",
        FixType::Fix2d => "2D",
        FixType::Fix3d => "3D",
        FixType::Network => "network",
    }
}

fn seconds(time: Option<&prost_types::Timestamp>) -> String {
    time.and_then(|time| Timestamp::from_millisecond(to_unix_ms(time)).ok())
        .map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), short)
}

/// At most three digits after the point, and none that say nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text of a device, fit for a terminal: no control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * PAYLOAD + 3);
    for byte in bytes.iter().take(PAYLOAD) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > PAYLOAD {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> PositionEvent {
        PositionEvent {
            device_id: "867035046242895".into(),
            device_time: Some(fleetwire_model::time::from_unix_ms(1_609_307_511_000)),
            fix: Some(Fix {
                r#type: FixType::Fix.into(),
                latitude: 25.162_023,
                longitude: 55.402_519,
                speed_kmh: Some(18.0),
                heading_deg: Some(238.0),
                altitude_m: Some(-2.0),
                ..Fix::default()
            }),
            ignition: Some(true),
            ..PositionEvent::default()
        }
    }

    #[test]
    fn a_position_is_one_line_under_its_header() {
        let line = event().line();
        assert_eq!(
            line,
            "867035046242895  2020-12-30 05:51:51  fix       25.162023   55.402519     18   238  on   alt=-2m"
        );
        let column = |text: &str, name: &str| text.find(name).unwrap();
        assert_eq!(column(PositionEvent::HEADER, "ATTRIBUTES"), column(&line, "alt"));
        assert_eq!(column(PositionEvent::HEADER, "FIX"), column(&line, "fix"));
    }

    #[test]
    fn coordinates_without_a_fix_are_not_shown() {
        let mut event = event();
        event.fix = Some(Fix { r#type: FixType::NoFix.into(), ..Fix::default() });
        assert!(!event.line().contains("0.000000"));
    }

    #[test]
    fn text_of_a_device_cannot_steer_the_terminal() {
        let event = DeviceEvent { text: "\u{1b}[2Jx".into(), ..DeviceEvent::default() };
        assert!(!event.line().contains('\u{1b}'));
    }
}
