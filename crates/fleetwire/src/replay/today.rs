//! The decoder as it would decode now: this build, the registry of this moment, the configuration that is given.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_decoder::interpret::{Interpreter, Output, RawRecord};
use fleetwire_registry::{Devices, read};
use fleetwire_service::{build, clock};
use prost::Message as _;

use crate::config::{self, RunConfig};
use crate::target::{Target, TargetFlags};

/// How long reading the registry may take.
const REGISTRY: Duration = Duration::from_secs(60);

/// The pipeline that flags and a file name, and its decoder's settings. The file may be one of `fleetwire decoder` or
/// of `fleetwire run`, which has all of its sections.
pub(crate) fn resolve(file: Option<&Path>, flags: &TargetFlags) -> Result<(Target, RunConfig)> {
    let config: RunConfig = config::load(file)?;
    let target = flags.resolve_over(config.kafka.clone())?;
    Ok((target, config))
}

/// What an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Position,
    Event,
    DeadLetter,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Position, Self::Event, Self::DeadLetter];

    /// Its message in the contract; also the value of the type header.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Position => "fleetwire.v1.PositionEvent",
            Self::Event => "fleetwire.v1.DeviceEvent",
            Self::DeadLetter => "fleetwire.v1.DeadLetter",
        }
    }

    /// Its name in JSON output.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::Event => "device_event",
            Self::DeadLetter => "dead_letter",
        }
    }
}

/// One thing that a raw record became.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made<'a> {
    pub(crate) kind: Kind,
    /// Its Kafka key.
    pub(crate) key: &'a [u8],
    /// The message, encoded.
    pub(crate) value: &'a [u8],
    /// Why it is a dead letter.
    pub(crate) code: Option<&'a str>,
}

/// Where a raw record lies, and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// This build's decoder.
#[derive(Debug)]
pub(crate) struct Today {
    interpreter: Interpreter,
    devices: Arc<Devices>,
    /// Records of the registry that could not be used.
    pub(crate) unusable: usize,
}

impl Today {
    /// Reads the registry; blocks.
    pub(crate) fn new(target: &Target, config: &RunConfig) -> Result<Self> {
        let devices = Arc::new(Devices::default());
        let mut unusable = 0;
        let registered = read::all(&target.client, &target.topics, REGISTRY)
            .context("the device registry cannot be read")?;
        for (key, device) in registered {
            if devices.apply(key.as_bytes(), Some(&device.encode_to_vec())).is_err() {
                unusable += 1;
            }
        }
        let settings = &config.decoder;
        let version = build::version();
        let interpreter =
            Interpreter::new(Arc::clone(&devices), settings.iotm.clone(), settings.clock, version);
        Ok(Self { interpreter, devices, unusable })
    }

    /// The registry of this moment.
    pub(crate) fn devices(&self) -> Arc<Devices> {
        Arc::clone(&self.devices)
    }

    /// Decodes one raw record and hands over what it became, in order.
    pub(crate) fn decode(
        &mut self,
        raw: Raw<'_>,
        mut each: impl FnMut(Made<'_>) -> Result<()>,
    ) -> Result<()> {
        let record =
            RawRecord { topic: raw.topic, partition: raw.partition, offset: raw.offset, value: raw.value };
        let result = self.interpreter.interpret(record, clock::unix_ms());
        // A raw record that nobody could read keeps the key that it came with.
        let key = if result.key.is_empty() { raw.key } else { result.key.as_bytes() };
        for output in &result.outputs {
            let (kind, value, code) = match output {
                Output::Position(position) => (Kind::Position, position.encode_to_vec(), None),
                Output::Event(event) => (Kind::Event, event.encode_to_vec(), None),
                Output::DeadLetter(letter) => {
                    (Kind::DeadLetter, letter.encode_to_vec(), Some(letter.code.as_str()))
                }
            };
            each(Made { kind, key, value: &value, code })?;
        }
        Ok(())
    }
}
