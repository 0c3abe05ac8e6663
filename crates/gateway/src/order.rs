//! A command as its device is told it: checked against the device's model.

use std::time::Duration;

use bytes::Bytes;
use fleetwire_codec::iotm::output::{Act, Action, Function, OutputControl, Polarity, Steps, UniqueId};
use fleetwire_model::pb::command::Action as Asked;
use fleetwire_model::pb::{self, OutputAction};
use fleetwire_model::{DeviceId, Imei};
use fleetwire_registry::Model;
use fleetwire_registry::outputs::{Drive, Output};

use crate::machine::Target;

/// The longest command id, bytes.
pub const MAX_ID: usize = 64;
/// The largest payload of a raw downlink, bytes.
pub const MAX_RAW: usize = 4096;

/// What a command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// An output is switched.
    Output(OutputOrder),
    /// Bytes are published as they are.
    Raw {
        /// Topic.
        topic: String,
        /// Payload.
        payload: Bytes,
    },
    /// Another command is taken back.
    Cancel(String),
    /// Another command may go.
    Approve(String),
}

/// An output is switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputOrder {
    /// Number of the output in the model's profile.
    pub number: u8,
    /// Whether it is to be on.
    pub is_on: bool,
    /// How long; absent if until the next command.
    pub lasts: Option<Duration>,
    /// Output in telemetry that tells whether it was done.
    pub confirmed_by: Option<u8>,
    imei: Imei,
    action: Action,
    polarity: Polarity,
}

/// Why a command is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Fixed word.
    pub code: &'static str,
    /// For people.
    pub reason: String,
}

impl Rejection {
    /// A reason with its word.
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Whether a text can be a command's id: 1 to 64 printable ASCII characters without blanks.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What a command comes to for its device. `target` is absent if the registry does not know the device.
pub fn order(command: &pb::Command, device: &DeviceId, target: Option<&Target>) -> Result<Order, Rejection> {
    match &command.action {
        Some(Asked::Cancel(cancel)) => return other(&cancel.command_id).map(Order::Cancel),
        Some(Asked::Approve(approve)) => return other(&approve.command_id).map(Order::Approve),
        _ => {}
    }
    let target = target
        .filter(|target| target.is_active)
        .ok_or_else(|| Rejection::new("not_activated", "the device is not activated"))?;
    match &command.action {
        Some(Asked::OutputControl(control)) => output(control, device, target.model).map(Order::Output),
        Some(Asked::RawDownlink(raw)) => downlink(raw, target),
        _ => Err(Rejection::new("no_action", "the command says nothing that this gateway knows")),
    }
}

/// What `order` says of any device, so that it can be told before a command is sent.
pub fn output(
    control: &pb::OutputControl,
    device: &DeviceId,
    model: &Model,
) -> Result<OutputOrder, Rejection> {
    let profile = &model.outputs;
    if profile.outputs.is_empty() {
        return Err(Rejection::new(
            "unsupported",
            format!("{} has no output that can be controlled", model.name),
        ));
    }
    let number = u8::try_from(control.output).ok();
    let found = number.and_then(|number| profile.get(number)).ok_or_else(|| {
        let known: Vec<String> = profile.outputs.iter().map(|output| output.number.to_string()).collect();
        let known = known.join(", ");
        Rejection::new(
            "no_such_output",
            format!("{} has the outputs {known}, not {}", model.name, control.output),
        )
    })?;
    let imei = device
        .imei()
        .ok_or_else(|| Rejection::new("no_imei", "output control needs a device whose id is its IMEI"))?;
    let (is_on, action) = action(control, found)?;
    let lasts = match action {
        Action::Timed { duration, .. } => Some(duration.duration()),
        Action::Latched { .. } => None,
    };
    Ok(OutputOrder {
        number: found.number,
        is_on,
        lasts,
        confirmed_by: found.confirmed_by,
        imei,
        action,
        polarity: profile.polarity,
    })
}

fn action(control: &pb::OutputControl, output: &Output) -> Result<(bool, Action), Rejection> {
    let is_on = match control.action() {
        OutputAction::On | OutputAction::Pulse => true,
        OutputAction::Off => false,
        OutputAction::Unspecified => {
            return Err(Rejection::new("no_action", "an output can be switched on or off, or be pulsed"));
        }
    };
    let is_pulse = control.action() == OutputAction::Pulse;
    let action = match (output.id.drive(), &control.duration) {
        (Drive::Latched(_), _) if is_pulse => {
            return Err(Rejection::new(
                "not_timed",
                format!("output {} stays as it is told and cannot be pulsed", output.number),
            ));
        }
        (Drive::Latched(_), Some(_)) => {
            return Err(Rejection::new(
                "not_timed",
                format!("output {} stays as it is told and takes no duration", output.number),
            ));
        }
        (Drive::Latched(signal), None) => Action::Latched { signal, on: is_on },
        (Drive::Timed(_), None) if is_pulse => {
            return Err(Rejection::new("bad_duration", "a pulse needs a duration"));
        }
        (Drive::Timed(timed), duration) => {
            let function = Function::new(if is_on { Act::On } else { Act::Off });
            let duration = duration.as_ref().map_or(Ok(Steps::MAX), steps)?;
            Action::Timed { output: timed, function, duration }
        }
    };
    Ok((is_on, action))
}

fn steps(duration: &prost_types::Duration) -> Result<Steps, Rejection> {
    let bad = |reason: String| Rejection::new("bad_duration", reason);
    let duration = Duration::try_from(*duration)
        .map_err(|_| bad("the duration is negative or out of range".to_owned()))?;
    Steps::try_from(duration).map_err(|err| bad(err.to_string()))
}

fn downlink(raw: &pb::RawDownlink, target: &Target) -> Result<Order, Rejection> {
    if !target.raw_topics.contains(&raw.topic) {
        let allowed = if target.raw_topics.is_empty() {
            "none is".to_owned()
        } else {
            format!("allowed are {}", target.raw_topics.join(", "))
        };
        return Err(Rejection::new(
            "topic_not_allowed",
            format!("raw downlink is not allowed on this topic; {allowed}"),
        ));
    }
    if raw.payload.len() > MAX_RAW {
        return Err(Rejection::new(
            "too_large",
            format!("a raw downlink has at most {MAX_RAW} bytes, not {}", raw.payload.len()),
        ));
    }
    Ok(Order::Raw { topic: raw.topic.clone(), payload: raw.payload.clone() })
}

fn other(id: &str) -> Result<String, Rejection> {
    if is_id(id) {
        Ok(id.to_owned())
    } else {
        Err(Rejection::new("bad_id", "the id of the other command is none"))
    }
}

impl OutputOrder {
    /// Topic on which the device takes commands (`<IMEI>/OUTC`; docs/protocols/iotm.md).
    pub fn topic(&self, device: &DeviceId) -> String {
        format!("{}/OUTC", device.as_str())
    }

    /// The payload. The device drops it after `expires`, Unix seconds UTC.
    pub fn payload(&self, unique_id: UniqueId, expires: u32) -> Bytes {
        let control = OutputControl { imei: Some(self.imei), expires, unique_id, action: self.action };
        control.write(self.polarity).into()
    }
}
