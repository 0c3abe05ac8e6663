//! Commands as a device reads them, for simulated devices and for explanations.

use std::num::NonZeroU16;

use fleetwire_model::Imei;

use super::{Action, FIXED, Function, OutputControl, Polarity, Signal, Steps, TimedOutput, UniqueId};
use crate::DecodeError;
use crate::iotm::container::Container;
use crate::iotm::{IMEI, OUTPUT_CONTROL};

/// Why bytes are no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes are no payload.
    #[error("no payload of IOTM")]
    Payload(#[from] DecodeError),
    /// There is none, or more than one.
    #[error("a payload to a device has one command, this has {0}")]
    Commands(usize),
    /// The record ends too early, or too late.
    #[error("a command of {0} bytes does not have the length that it names")]
    Length(usize),
    /// Data of a length that the output does not take.
    #[error("output id {output_id:#04x} does not take {length} bytes of data")]
    DataLength {
        /// Output that the command names.
        output_id: u8,
        /// Bytes of its data.
        length: usize,
    },
    /// An output that is not known.
    #[error("output id {0:#04x} is not known")]
    OutputId(u8),
    /// A number that no command has.
    #[error("unique id is 0")]
    UniqueId,
    /// A function that is not known.
    #[error("function {0:#04x} is not known")]
    Function(u8),
    /// A static signal that is neither on nor off.
    #[error("a static signal is 0 or 1, not {0}")]
    State(u8),
    /// No duration.
    #[error("duration is 0")]
    Duration,
}

/// Reads a whole payload.
pub(super) fn read(payload: &[u8], polarity: Polarity) -> Result<OutputControl, ReadError> {
    let container = Container::parse(payload)?;
    container.verify()?;
    let mut imei = None;
    let mut found = None;
    let mut commands = 0;
    for record in container.records() {
        match record.record_type {
            IMEI => {
                let number = record.body.first_chunk().copied().map(u64::from_le_bytes);
                imei = number.and_then(|number| Imei::from_number(number).ok());
            }
            OUTPUT_CONTROL => {
                commands += 1;
                found = Some((imei, record.body));
            }
            _ => {}
        }
    }
    match found {
        Some((imei, body)) if commands == 1 => read_record(body, imei, polarity),
        _ => Err(ReadError::Commands(commands)),
    }
}

/// Reads the body of a record of type 4.
pub(crate) fn read_record(
    body: &[u8],
    imei: Option<Imei>,
    polarity: Polarity,
) -> Result<OutputControl, ReadError> {
    let Some((&[e0, e1, e2, e3, output_id, unique_id, length], data)) = body.split_first_chunk::<FIXED>()
    else {
        return Err(ReadError::Length(body.len()));
    };
    if data.len() != usize::from(length) {
        return Err(ReadError::Length(body.len()));
    }
    Ok(OutputControl {
        imei,
        expires: u32::from_le_bytes([e0, e1, e2, e3]),
        unique_id: UniqueId::new(unique_id).map_err(|_| ReadError::UniqueId)?,
        action: action(output_id, data, polarity)?,
    })
}

fn action(output_id: u8, data: &[u8], polarity: Polarity) -> Result<Action, ReadError> {
    let wrong_length = Err(ReadError::DataLength { output_id, length: data.len() });
    let signal = match output_id {
        0..=2 => {
            let &[code, low, high] = data else { return wrong_length };
            let output = TimedOutput::from_number(u32::from(output_id) + 1)
                .map_err(|_| ReadError::OutputId(output_id))?;
            let function = Function::from_code(code, polarity).ok_or(ReadError::Function(code))?;
            let steps = NonZeroU16::new(u16::from_le_bytes([low, high])).ok_or(ReadError::Duration)?;
            return Ok(Action::Timed { output, function, duration: Steps(steps) });
        }
        8 => Signal::S1,
        9 => Signal::S2,
        other => return Err(ReadError::OutputId(other)),
    };
    match *data {
        [state @ (0 | 1)] => Ok(Action::Latched { signal, on: state == 1 }),
        [state] => Err(ReadError::State(state)),
        _ => wrong_length,
    }
}
