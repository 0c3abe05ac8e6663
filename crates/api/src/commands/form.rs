//! What clients ask for, and the command that it becomes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{self, OutputAction, command::Action};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{check, path};
use crate::app::App;
use crate::devices::present;
use crate::problem::{Code, Refusal};

/// How long a command is good for unless the request says otherwise.
const DEFAULT_TTL: Duration = Duration::from_mins(1);
/// The shortest, and the longest, that it may say.
const TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));
/// Bytes of a raw payload at most.
const MAX_PAYLOAD: usize = 32 << 10;
/// Bytes of a topic at most.
const MAX_TOPIC: usize = 512;
/// Characters of the name of a person at most.
const MAX_PERSON: usize = 100;

/// What an output is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// On: a latched output until the next command, a timed one for `duration`, or as long as the device can.
    On,
    /// Off, in the same way.
    Off,
    /// On for `duration`; timed outputs only.
    Pulse,
}

/// An output to switch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwitchOutput {
    /// What it is to do.
    pub(crate) action: Switch,
    /// How long, for timed outputs: 0.01 to 655.35 seconds, for example "2s" or "500ms".
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "2s", max_length = 40)]
    pub(crate) duration: Option<String>,
    /// How long the command is good for: 1 second to 24 hours, "1m" unless it is said.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "1m", max_length = 40)]
    pub(crate) expires_in: Option<String>,
    /// For whom the client asks; for the trail.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        example = "anna",
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"
    )]
    pub(crate) on_behalf_of: Option<String>,
}

/// A command: one of `output`, `raw`, `cancel` and `approve`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCommand {
    /// Device that it is for.
    #[schema(example = "867035046242895", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._:-]+$")]
    pub(crate) device_id: String,
    /// How long the command is good for: 1 second to 24 hours, "1m" unless it is said.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "1m", max_length = 40)]
    pub(crate) expires_in: Option<String>,
    /// For whom the client asks; for the trail.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        example = "anna",
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"
    )]
    pub(crate) on_behalf_of: Option<String>,
    /// Switch an output.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub(crate) output: Option<NumberedOutput>,
    /// Publish bytes to the device.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub(crate) raw: Option<Raw>,
    /// Take back a command that has not been published yet.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub(crate) cancel: Option<CommandRef>,
    /// Let a command go that waits for a second person.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub(crate) approve: Option<CommandRef>,
}

/// An output to switch, with its number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumberedOutput {
    /// Number of the output, as the model has it.
    #[schema(minimum = 1, maximum = 255, example = 1)]
    pub(crate) output: u8,
    /// What it is to do.
    pub(crate) action: Switch,
    /// How long, for timed outputs: 0.01 to 655.35 seconds, for example "2s" or "500ms".
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "2s", max_length = 40)]
    pub(crate) duration: Option<String>,
}

/// Bytes for a topic on the allow-list of the device's model, which gateways have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    /// The topic, whole.
    #[schema(example = "867035046242895/OUTC", min_length = 1, max_length = 512, pattern = "^[^+#]+$")]
    pub(crate) topic: String,
    /// The bytes, base64; 32 KiB at most.
    #[schema(example = "Ag==", max_length = 43692)]
    pub(crate) payload: String,
}

/// Another command of the device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandRef {
    /// Its id.
    #[schema(example = "01JDH3ZK6W4T4Q6ZV0Q8X9Y7AB", min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    pub(crate) command_id: String,
}

/// What may come with a cancellation or an approval.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Say {
    /// For whom the client asks; for the trail.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        example = "anna",
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"
    )]
    pub(crate) on_behalf_of: Option<String>,
}

/// A command that is checked, without its id, its times and who asks.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) device: DeviceId,
    pub(crate) action: Action,
    pub(crate) ttl: Duration,
    pub(crate) on_behalf_of: Option<String>,
}

impl SwitchOutput {
    /// Checked against the device's model.
    pub(crate) fn read(self, app: &App, device: DeviceId, number: u8) -> Result<Draft, Refusal> {
        let (ttl, on_behalf_of) = (ttl(self.expires_in.as_deref())?, person(self.on_behalf_of)?);
        let output = NumberedOutput { output: number, action: self.action, duration: self.duration };
        let action = output.read(app, &device)?;
        Ok(Draft { device, action, ttl, on_behalf_of })
    }
}

impl NewCommand {
    /// Checked against the device's model.
    pub(crate) fn read(self, app: &App) -> Result<Draft, Refusal> {
        let device: DeviceId =
            self.device_id.parse().map_err(|err| invalid(format!("`device_id`: {err}")))?;
        let (ttl, on_behalf_of) = (ttl(self.expires_in.as_deref())?, person(self.on_behalf_of)?);
        let action = match (self.output, self.raw, self.cancel, self.approve) {
            (Some(output), None, None, None) => output.read(app, &device)?,
            (None, Some(raw), None, None) => {
                check::model(app, &device)?;
                raw.read()?
            }
            (None, None, Some(other), None) => cancel(other.read()?),
            (None, None, None, Some(other)) => approve(other.read()?),
            _ => return Err(invalid("a command has exactly one of `output`, `raw`, `cancel` and `approve`")),
        };
        Ok(Draft { device, action, ttl, on_behalf_of })
    }
}

impl NumberedOutput {
    fn read(self, app: &App, device: &DeviceId) -> Result<Action, Refusal> {
        let length = self.duration.as_deref().map(|text| duration("duration", text)).transpose()?;
        let model = check::model(app, device)?;
        check::output(model, self.output, self.action, length)?;
        let action = match self.action {
            Switch::On => OutputAction::On,
            Switch::Off => OutputAction::Off,
            Switch::Pulse => OutputAction::Pulse,
        };
        // What an output can do for is far below the limit of either type.
        let length = length.and_then(|length| prost_types::Duration::try_from(length).ok());
        let output = self.output.into();
        Ok(Action::OutputControl(pb::OutputControl { output, action: action.into(), duration: length }))
    }
}

impl Raw {
    fn read(self) -> Result<Action, Refusal> {
        let is_topic = (1..=MAX_TOPIC).contains(&self.topic.len())
            && !self.topic.chars().any(|c| c.is_control() || matches!(c, '+' | '#'));
        if !is_topic {
            return Err(invalid(format!(
                "`topic` has 1 to {MAX_TOPIC} bytes, and no wildcards or control characters"
            )));
        }
        let payload = STANDARD.decode(&self.payload);
        let payload = payload.map_err(|err| invalid(format!("`payload` is no base64: {err}")))?;
        if payload.len() > MAX_PAYLOAD {
            return Err(invalid(format!("`payload` has at most {MAX_PAYLOAD} bytes")));
        }
        Ok(Action::RawDownlink(pb::RawDownlink { topic: self.topic, payload: payload.into() }))
    }
}

impl CommandRef {
    fn read(self) -> Result<String, Refusal> {
        path::id(&self.command_id).map_err(|err| invalid(format!("`command_id`: {err}")))
    }
}

impl Say {
    /// A cancellation or an approval of a command of a device.
    pub(crate) fn read(self, device: DeviceId, action: Action) -> Result<Draft, Refusal> {
        Ok(Draft { device, action, ttl: DEFAULT_TTL, on_behalf_of: person(self.on_behalf_of)? })
    }
}

/// Takes a command back.
pub(crate) const fn cancel(command_id: String) -> Action {
    Action::Cancel(pb::CancelCommand { command_id })
}

/// Lets a command go.
pub(crate) const fn approve(command_id: String) -> Action {
    Action::Approve(pb::ApproveCommand { command_id })
}

fn ttl(text: Option<&str>) -> Result<Duration, Refusal> {
    let Some(text) = text else { return Ok(DEFAULT_TTL) };
    let ttl = duration("expires_in", text)?;
    if ttl < TTL.0 || ttl > TTL.1 {
        return Err(invalid("`expires_in` is 1 second to 24 hours, for example \"90s\" or \"1h\""));
    }
    Ok(ttl)
}

fn duration(member: &str, text: &str) -> Result<Duration, Refusal> {
    humantime::parse_duration(text).map_err(|err| {
        invalid(format!("`{member}` is a duration such as \"2s\", \"500ms\" or \"1m 30s\": {err}"))
    })
}

fn person(name: Option<String>) -> Result<Option<String>, Refusal> {
    let is_name = |name: &String| {
        (1..=MAX_PERSON).contains(&name.chars().count()) && !name.chars().any(char::is_control)
    };
    match name {
        Some(name) if !is_name(&name) => Err(invalid(format!(
            "`on_behalf_of` has 1 to {MAX_PERSON} characters, and no control characters"
        ))),
        name => Ok(name),
    }
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::Invalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_good_for_a_second_to_a_day() {
        assert_eq!(ttl(None).unwrap(), Duration::from_mins(1));
        assert_eq!(ttl(Some("1m 30s")).unwrap(), Duration::from_secs(90));
        for bad in ["999ms", "24h 1s", "", "5", "soon", "-1s"] {
            assert!(ttl(Some(bad)).unwrap_err().detail().contains("`expires_in`"), "{bad}");
        }
    }

    #[test]
    fn a_raw_command_has_a_plain_topic_and_base64() {
        let read = |topic: &str, payload: &str| {
            Raw { topic: topic.to_owned(), payload: payload.to_owned() }
                .read()
                .map_err(|err| err.detail().to_owned())
        };
        let Ok(Action::RawDownlink(raw)) = read("1/OUTC", "AgE=") else { panic!("it was refused") };
        assert_eq!((raw.topic.as_str(), raw.payload.as_ref()), ("1/OUTC", [2, 1].as_slice()));
        for (topic, payload, part) in
            [("", "", "`topic`"), ("+/OUTC", "", "wildcards"), ("#", "", "wildcards"), ("a", "A", "base64")]
        {
            assert!(read(topic, payload).unwrap_err().contains(part), "{topic}");
        }
        assert!(read("a", &STANDARD.encode(vec![0; 32_769])).unwrap_err().contains("32768"));
    }

    #[test]
    fn for_whom_a_client_asks_is_a_short_name() {
        assert_eq!(person(Some("anna".into())).unwrap().as_deref(), Some("anna"));
        for bad in [String::new(), "x".repeat(101), "a\nb".to_owned()] {
            assert!(person(Some(bad)).is_err());
        }
    }
}
