//! Output profiles: which outputs a model has, by which the device knows them, and what confirms a command.
//!
//! The ids are those of IOTM output control (docs/protocols/iotm.md): OUT1 to OUT3 are 0 to 2 and timed, the static
//! signals S1 and S2 are 8 and 9 and latched. Which wire a static signal drives is set in the device, so nothing
//! confirms it unless settings say which output's state tells.

use fleetwire_codec::Protocol;
use fleetwire_codec::iotm::output::{Polarity, Signal, TimedOutput};
use serde::{Deserialize, Serialize};

/// The outputs of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputProfile {
    /// In the order of their numbers; empty if the model has none that can be controlled.
    pub outputs: Vec<Output>,
    /// What the device takes the function byte of a timed output for.
    pub polarity: Polarity,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Number by which people and programs ask for it, 1 to 255.
    pub number: u8,
    /// Name for people; may be empty.
    #[serde(default)]
    pub name: String,
    /// What the device knows it as.
    pub id: OutputId,
    /// Number of the output in telemetry (`PositionEvent.outputs`) whose state confirms a command. Without one, the
    /// device's PUBACK is the last word.
    #[serde(default)]
    pub confirmed_by: Option<u8>,
}

/// What a device knows an output as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputId {
    /// Timed output 1, IOTM output id 0.
    Out1,
    /// Timed output 2, IOTM output id 1.
    Out2,
    /// Timed output 3, IOTM output id 2.
    Out3,
    /// Latched static signal S1, IOTM output id 8.
    S1,
    /// Latched static signal S2, IOTM output id 9.
    S2,
}

/// How an output works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// For a time, 0.01 to 655.35 seconds; afterwards it is as before.
    Timed(TimedOutput),
    /// On or off until the next command.
    Latched(Signal),
}

/// What a model can do, besides telling where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Its own events are told apart from positions.
    DeviceEvents,
    /// It has outputs that work for a time.
    TimedOutputs,
    /// It has outputs that stay as they are told.
    LatchedOutputs,
    /// Telemetry confirms commands to at least one of its outputs.
    ConfirmedOutputs,
    /// It has no connection of its own: it comes through the cloud of its vendor, with others.
    SharedConnection,
}

/// Why a profile is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// Outputs of a protocol that has no output control here.
    #[error("speaks {0}, for which there is no output control")]
    Protocol(Protocol),
    /// A number that no output can have.
    #[error("has an output with the number 0; numbers are 1 to 255")]
    Zero,
    /// Two outputs with one number.
    #[error("has two outputs with the number {0}")]
    Twice(u8),
}

impl OutputId {
    /// How it works.
    pub const fn drive(self) -> Drive {
        match self {
            Self::Out1 => Drive::Timed(TimedOutput::Out1),
            Self::Out2 => Drive::Timed(TimedOutput::Out2),
            Self::Out3 => Drive::Timed(TimedOutput::Out3),
            Self::S1 => Drive::Latched(Signal::S1),
            Self::S2 => Drive::Latched(Signal::S2),
        }
    }

    /// The id as settings and the API write it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Out1 => "out1",
            Self::Out2 => "out2",
            Self::Out3 => "out3",
            Self::S1 => "s1",
            Self::S2 => "s2",
        }
    }

    /// "timed" or "latched".
    pub const fn kind(self) -> &'static str {
        match self.drive() {
            Drive::Timed(_) => "timed",
            Drive::Latched(_) => "latched",
        }
    }
}

impl Capability {
    /// The word of the API.
    pub const fn code(self) -> &'static str {
        match self {
            Self::DeviceEvents => "device_events",
            Self::TimedOutputs => "timed_outputs",
            Self::LatchedOutputs => "latched_outputs",
            Self::ConfirmedOutputs => "confirmed_outputs",
            Self::SharedConnection => "shared_connection",
        }
    }
}

impl OutputProfile {
    /// What is built in for a protocol: five outputs for IOTM, of which telemetry confirms the timed ones.
    pub fn of(protocol: Protocol) -> Self {
        if protocol != Protocol::Iotm {
            return Self::default();
        }
        let output = |number, id: OutputId, confirmed_by| Output {
            number,
            name: id.code().to_uppercase(),
            id,
            confirmed_by,
        };
        let outputs = vec![
            output(1, OutputId::Out1, Some(1)),
            output(2, OutputId::Out2, Some(2)),
            output(3, OutputId::Out3, Some(3)),
            output(4, OutputId::S1, None),
            output(5, OutputId::S2, None),
        ];
        Self { outputs, polarity: Polarity::default() }
    }

    /// The profile of settings, if it is usable.
    pub(crate) fn new(
        protocol: Protocol,
        mut outputs: Vec<Output>,
        polarity: Polarity,
    ) -> Result<Self, OutputError> {
        if protocol != Protocol::Iotm && !outputs.is_empty() {
            return Err(OutputError::Protocol(protocol));
        }
        outputs.sort_by_key(|output| output.number);
        if outputs.first().is_some_and(|output| output.number == 0) {
            return Err(OutputError::Zero);
        }
        let twice = outputs.iter().zip(outputs.iter().skip(1)).find(|(one, next)| one.number == next.number);
        match twice {
            Some((output, _)) => Err(OutputError::Twice(output.number)),
            None => Ok(Self { outputs, polarity }),
        }
    }

    /// The output with this number.
    pub fn get(&self, number: u8) -> Option<&Output> {
        self.outputs.iter().find(|output| output.number == number)
    }

    /// What these outputs make a model capable of.
    pub(crate) fn capabilities(&self) -> impl Iterator<Item = Capability> {
        let has = |wanted: fn(&Output) -> bool| self.outputs.iter().any(wanted);
        [
            (Capability::TimedOutputs, has(|output| matches!(output.id.drive(), Drive::Timed(_)))),
            (Capability::LatchedOutputs, has(|output| matches!(output.id.drive(), Drive::Latched(_)))),
            (Capability::ConfirmedOutputs, has(|output| output.confirmed_by.is_some())),
        ]
        .into_iter()
        .filter_map(|(capability, has)| has.then_some(capability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_finds_outputs_by_their_numbers() {
        let profile = OutputProfile::of(Protocol::Iotm);
        assert_eq!(profile.get(1).unwrap().id.drive(), Drive::Timed(TimedOutput::Out1));
        assert_eq!(profile.get(4).unwrap().id.drive(), Drive::Latched(Signal::S1));
        assert_eq!(profile.get(4).unwrap().confirmed_by, None);
        assert!(profile.get(0).is_none() && profile.get(6).is_none());
        assert!(OutputProfile::of(Protocol::GlobalMatix).outputs.is_empty());
    }

    #[test]
    fn what_outputs_make_a_model_capable_of_follows_from_them() {
        let latched: Vec<_> = OutputProfile::of(Protocol::Iotm).outputs.split_off(3);
        let profile = OutputProfile::new(Protocol::Iotm, latched, Polarity::default()).unwrap();
        assert_eq!(profile.capabilities().collect::<Vec<_>>(), [Capability::LatchedOutputs]);
    }

    #[test]
    fn a_profile_that_cannot_be_meant_is_refused() {
        let output = |number| Output { number, name: String::new(), id: OutputId::Out1, confirmed_by: None };
        let new = |protocol, outputs| OutputProfile::new(protocol, outputs, Polarity::default());
        assert_eq!(new(Protocol::Ngp, vec![output(1)]), Err(OutputError::Protocol(Protocol::Ngp)));
        assert_eq!(new(Protocol::Iotm, vec![output(0)]), Err(OutputError::Zero));
        assert_eq!(new(Protocol::Iotm, vec![output(2), output(1), output(2)]), Err(OutputError::Twice(2)));
    }
}
