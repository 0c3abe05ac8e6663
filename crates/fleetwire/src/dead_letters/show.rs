//! `fleetwire dead-letters show`.

use std::fmt::Write as _;

use anyhow::Result;
use fleetwire_model::pb::{Qos, RawPublish};
use fleetwire_model::time::to_unix_ms;
use fleetwire_service::exit::Exit;
use tokio_util::sync::CancellationToken;

use crate::dead_letters::letters::{self, Found};
use crate::dead_letters::{ShowArgs, advice, hexdump};
use crate::json::Json;
use crate::target::Target;
use crate::watch::printable;
use crate::when;

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(super) fn run(target: &Target, args: &ShowArgs, stop: &CancellationToken) -> Result<Exit> {
    let found = letters::at(target, args.place, stop)?;
    if args.json {
        println!("{}", Json::new()?.line(&found.letter)?);
    } else {
        print!("{}", text(&found));
    }
    Ok(Exit::Done)
}

/// Everything of a dead letter, for people.
fn text(found: &Found) -> String {
    let letter = &found.letter;
    let mut fields = Fields::default();
    fields.add("dead letter", &found.place());
    fields.add("rejected", &when::rfc3339(found.time_ms));
    fields.add("code", &letter.code);
    fields.add("reason", &printable(&letter.reason));
    if let Some(at) = letter.byte_offset {
        fields.add("at byte", &at.to_string());
    }
    fields.add("device", &printable(found.device()));
    fields.add("model", &letter.model);
    fields.add("protocol", &letter.protocol);
    fields.add("decoder", &letter.decoder_version);
    if let Some(raw) = &letter.raw_ref {
        fields.add("raw record", &format!("{} {}:{}", raw.topic, raw.partition, raw.offset));
    }
    if let Some(raw) = &letter.raw {
        publish(raw, &mut fields);
    }
    let mut text = fields.0;
    let (what, bytes) = match &letter.raw {
        Some(raw) => ("payload", &raw.payload),
        None => ("Kafka value", &letter.raw_value),
    };
    let marked = letter.byte_offset.and_then(|at| usize::try_from(at).ok());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{what}, {} bytes", bytes.len());
    text.push_str(&hexdump::dump(bytes, marked));
    let _ = writeln!(text, "\nwhat to do\n  {}", advice::of(&letter.code));
    let _ =
        writeln!(text, "  Then: fleetwire dead-letters replay --code {}{}", letter.code, by_device(found));
    text
}

fn by_device(found: &Found) -> String {
    let device = found.device();
    if device.is_empty() { String::new() } else { format!(" --device {}", printable(device)) }
}

/// What the frontend noted of the publish.
fn publish(raw: &RawPublish, fields: &mut Fields) {
    fields.add(
        "received",
        &raw.received_time.as_ref().map(|t| when::rfc3339(to_unix_ms(t))).unwrap_or_default(),
    );
    fields.add("topic", &printable(&raw.topic));
    fields.add("client id", &printable(&raw.client_id));
    fields.add("account", &printable(&raw.account));
    fields.add("model then", &raw.model);
    let qos = match raw.qos() {
        Qos::Unspecified => "",
        Qos::AtMostOnce => "0",
        Qos::AtLeastOnce => "1",
        Qos::ExactlyOnce => "2",
    };
    let flags = [(raw.retain, ", retain"), (raw.dup, ", dup"), (raw.will, ", a will")];
    let flags: String = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    fields.add("qos", &format!("{qos}{flags}"));
    fields.add("packet id", &raw.packet_id.map(|id| id.to_string()).unwrap_or_default());
    fields.add("session", &format!("{}, publish {}", printable(&raw.session_id), raw.session_sequence));
    fields.add("from", &printable(&raw.remote_address));
    fields.add("frontend", &printable(&raw.frontend_id));
    fields.add("region", &printable(&raw.region));
    fields.add("host", &printable(&raw.host));
    fields.add("mqtt level", &raw.mqtt_version.to_string());
    fields.add("content type", &printable(&raw.content_type));
    for property in &raw.user_properties {
        let (name, value) = (printable(&property.name), printable(&property.value));
        fields.add("property", &format!("{name} = {value}"));
    }
}

/// Lines of a name and a value; what is empty is left out.
#[derive(Debug, Default)]
struct Fields(String);

impl Fields {
    fn add(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            let _ = writeln!(self.0, "{name:<13} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::{DeadLetter, RawRef};

    use super::*;

    #[test]
    fn everything_of_a_letter_is_shown_with_its_bytes_and_what_to_do() {
        let letter = DeadLetter {
            raw: Some(RawPublish {
                payload: b"\x02\x08\x00zz".as_slice().into(),
                topic: "BCE/D".into(),
                client_id: "867035046242895".into(),
                device_id: "867035046242895".into(),
                qos: Qos::AtLeastOnce.into(),
                dup: true,
                ..RawPublish::default()
            }),
            raw_ref: Some(RawRef {
                topic: "fleetwire.raw.v1".into(),
                partition: 3,
                offset: 9,
                ..RawRef::default()
            }),
            code: "checksum".into(),
            reason: "checksum at byte 4 is \u{1b}[2J".into(),
            byte_offset: Some(4),
            ..DeadLetter::default()
        };
        let text = text(&Found { partition: 1, offset: 7, time_ms: 0, key: Vec::new(), letter });
        for part in [
            "dead letter   1:7",
            "raw record    fleetwire.raw.v1 3:9",
            "topic         BCE/D",
            "qos           1, dup",
            "payload, 5 bytes",
            "02 08 00 7a[7a]",
            "accept_bad_checksum",
            "replay --code checksum --device 867035046242895",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(!text.contains('\u{1b}') && !text.contains("property"), "{text}");
    }
}
