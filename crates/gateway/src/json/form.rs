//! A command as JSON, for those without protobuf. docs/consumers.md describes it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{
    ApproveCommand, CancelCommand, Command, OutputAction, OutputControl, RawDownlink, command::Action,
};
use fleetwire_model::time::from_unix_ms;
use prost_types::Timestamp;
use serde::Deserialize;

use crate::intake::{self, short};
use crate::letter::Fault;

/// The object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    command_id: String,
    device_id: Option<String>,
    issued_time: Option<String>,
    expire_time: Option<String>,
    expires_in: Option<String>,
    #[serde(default)]
    requested_by: String,
    output: Option<OutputForm>,
    raw: Option<RawForm>,
    cancel: Option<OtherForm>,
    approve: Option<OtherForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputForm {
    output: u32,
    action: ActionForm,
    duration: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionForm {
    On,
    Off,
    Pulse,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawForm {
    topic: String,
    payload: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherForm {
    command_id: String,
}

/// The command of a JSON record, and its device. `written_ms` is when the record was written: what is left out counts
/// from then. A record without a key has its device in `device_id`; one that has both says the same twice.
pub(super) fn parse(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    written_ms: i64,
) -> Result<(DeviceId, Command), Fault> {
    let value = value.ok_or_else(|| Fault::new("no_value", "the record has no value"))?;
    if value.len() > 2 * intake::MAX_COMMAND {
        let reason = format!("{} bytes are no command", value.len());
        return Err(Fault::new("too_large", reason));
    }
    let form: Form = serde_json::from_slice(value).map_err(|err| {
        let code = if err.is_data() { "bad_form" } else { "not_json" };
        Fault::new(code, short(&format!("the value is no command: {err}")))
    })?;
    let device = device(key, form.device_id.as_deref())?;
    let issued = form.issued_time.as_deref().map(|text| time("issued_time", text)).transpose()?;
    let expire = match (&form.expire_time, &form.expires_in) {
        (Some(text), None) => time("expire_time", text)?,
        (None, Some(text)) => {
            let from_ms = issued.as_ref().map_or(written_ms, fleetwire_model::time::to_unix_ms);
            let within = i64::try_from(length("expires_in", text)?.as_millis()).unwrap_or(i64::MAX);
            from_unix_ms(from_ms.saturating_add(within))
        }
        (None, None) => {
            let reason = "a command needs expire_time (RFC 3339) or expires_in (such as \"60s\")";
            return Err(Fault::new("no_expiry", reason));
        }
        (Some(_), Some(_)) => {
            return Err(Fault::new("bad_form", "expire_time and expires_in say the same; give one of them"));
        }
    };
    let command = Command {
        command_id: form.command_id,
        device_id: device.as_str().to_owned(),
        issued_time: Some(issued.unwrap_or_else(|| from_unix_ms(written_ms))),
        expire_time: Some(expire),
        requested_by: form.requested_by,
        action: Some(action((form.output, form.raw, form.cancel, form.approve))?),
    };
    intake::check(&command, &device)?;
    Ok((device, command))
}

fn device(key: Option<&[u8]>, named: Option<&str>) -> Result<DeviceId, Fault> {
    let key = key
        .map(|key| std::str::from_utf8(key).map_err(|_| Fault::new("bad_key", "the record's key is no text")))
        .transpose()?;
    let text = match (key, named) {
        (Some(key), Some(named)) if key != named => {
            let reason = format!("the record's key is {:?}, its device_id {:?}", short(key), short(named));
            return Err(Fault::new("key_mismatch", reason));
        }
        (key, named) => named.or(key).ok_or_else(|| {
            Fault::new("no_device", "neither the record's key nor device_id names a device")
        })?,
    };
    text.parse()
        .map_err(|err| Fault::new("bad_device_id", format!("{:?} is no device id: {err}", short(text))))
}

type Actions = (Option<OutputForm>, Option<RawForm>, Option<OtherForm>, Option<OtherForm>);

fn action(forms: Actions) -> Result<Action, Fault> {
    match forms {
        (Some(form), None, None, None) => {
            let action = match form.action {
                ActionForm::On => OutputAction::On,
                ActionForm::Off => OutputAction::Off,
                ActionForm::Pulse => OutputAction::Pulse,
            };
            let duration =
                form.duration.as_deref().map(|text| length("output.duration", text)).transpose()?;
            let duration = duration
                .map(prost_types::Duration::try_from)
                .transpose()
                .map_err(|err| Fault::new("bad_duration", format!("output.duration is too long: {err}")))?;
            Ok(Action::OutputControl(OutputControl { output: form.output, action: action.into(), duration }))
        }
        (None, Some(form), None, None) => {
            let payload = STANDARD
                .decode(&form.payload)
                .map_err(|err| Fault::new("bad_payload", format!("raw.payload has to be base64: {err}")))?;
            Ok(Action::RawDownlink(RawDownlink { topic: form.topic, payload: payload.into() }))
        }
        (None, None, Some(form), None) => Ok(Action::Cancel(CancelCommand { command_id: form.command_id })),
        (None, None, None, Some(form)) => Ok(Action::Approve(ApproveCommand { command_id: form.command_id })),
        (None, None, None, None) => {
            Err(Fault::new("no_action", "a command needs one of output, raw, cancel and approve"))
        }
        _ => Err(Fault::new("bad_form", "a command has only one of output, raw, cancel and approve")),
    }
}

/// An RFC 3339 time.
fn time(key: &str, text: &str) -> Result<Timestamp, Fault> {
    let time: jiff::Timestamp = text.parse().map_err(|err| {
        Fault::new("bad_time", format!("{key} is {:?}, no RFC 3339 time: {err}", short(text)))
    })?;
    Ok(from_unix_ms(time.as_millisecond()))
}

/// A length of time with its unit.
fn length(key: &str, text: &str) -> Result<Duration, Fault> {
    humantime::parse_duration(text).map_err(|err| {
        Fault::new(
            "bad_duration",
            format!("{key} is {:?}, no length of time such as \"2s\": {err}", short(text)),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "867035046242895";
    const NOW: i64 = 1_800_000_000_000;

    fn with(rest: &str) -> Result<Command, Fault> {
        let text = format!(r#"{{"command_id":"c1","device_id":"{DEVICE}",{rest}}}"#);
        parse(None, Some(text.as_bytes()), NOW).map(|(_, command)| command)
    }

    fn code(rest: &str) -> &'static str {
        with(rest).unwrap_err().code
    }

    #[test]
    fn an_output_command_is_what_it_says() {
        let command = with(
            r#""issued_time":"2027-01-15T09:00:00+01:00","expires_in":"60s","requested_by":"anna",
               "output":{"output":1,"action":"pulse","duration":"2s500ms"}"#,
        )
        .unwrap();
        let issued_ms = 1_800_000_000_000;
        assert_eq!(command.issued_time, Some(from_unix_ms(issued_ms)));
        assert_eq!(command.expire_time, Some(from_unix_ms(issued_ms + 60_000)));
        let duration = Some(prost_types::Duration { seconds: 2, nanos: 500_000_000 });
        let control = OutputControl { output: 1, action: OutputAction::Pulse.into(), duration };
        assert_eq!(command.action, Some(Action::OutputControl(control)));
        assert_eq!((command.requested_by.as_str(), command.device_id.as_str()), ("anna", DEVICE));
    }

    #[test]
    fn the_other_actions_are_read_too() {
        let raw = with(r#""expires_in":"1m","raw":{"topic":"x/y","payload":"AQID"}"#).unwrap();
        let expected = RawDownlink { topic: "x/y".into(), payload: vec![1, 2, 3].into() };
        assert_eq!(raw.action, Some(Action::RawDownlink(expected)));
        let cancel = with(r#""expires_in":"1m","cancel":{"command_id":"c0"}"#).unwrap();
        assert_eq!(cancel.action, Some(Action::Cancel(CancelCommand { command_id: "c0".into() })));
        let approve = with(r#""expire_time":"2027-01-15T08:01:00Z","approve":{"command_id":"c0"}"#).unwrap();
        assert_eq!(approve.action, Some(Action::Approve(ApproveCommand { command_id: "c0".into() })));
        assert_eq!(approve.expire_time, Some(from_unix_ms(NOW + 60_000)));
    }

    #[test]
    fn what_is_wrong_is_told_with_a_fixed_word() {
        let on = r#""output":{"output":1,"action":"on"}"#;
        assert_eq!(code(on), "no_expiry");
        assert_eq!(code(&format!(r#"{on},"expires_in":"soon""#)), "bad_duration");
        assert_eq!(code(&format!(r#"{on},"expire_time":"tomorrow""#)), "bad_time");
        assert_eq!(
            code(&format!(r#"{on},"expires_in":"1s","expire_time":"2027-01-15T08:01:00Z""#)),
            "bad_form"
        );
        assert_eq!(code(r#""expires_in":"1s""#), "no_action");
        assert_eq!(code(&format!(r#"{on},"expires_in":"1s","cancel":{{"command_id":"x"}}"#)), "bad_form");
        assert_eq!(code(r#""expires_in":"1s","output":{"output":1,"action":"blink"}"#), "bad_form");
        assert_eq!(code(r#""expires_in":"1s","raw":{"topic":"x","payload":"?"}"#), "bad_payload");
        assert_eq!(code(r#""expires_in":"1s","colour":"red""#), "bad_form");
        assert_eq!(parse(None, Some(b"{"), NOW).unwrap_err().code, "not_json");
        assert_eq!(parse(None, None, NOW).unwrap_err().code, "no_value");
        let nobody = br#"{"command_id":"c","expires_in":"1s","cancel":{"command_id":"x"}}"#;
        assert_eq!(parse(None, Some(nobody), NOW).unwrap_err().code, "no_device");
        assert!(parse(Some(b"truck-1"), Some(nobody), NOW).is_ok());
        let other = format!(r#"{{"command_id":"c","device_id":"{DEVICE}","expires_in":"1s",{on}}}"#);
        assert_eq!(parse(Some(b"truck-1"), Some(other.as_bytes()), NOW).unwrap_err().code, "key_mismatch");
    }
}
