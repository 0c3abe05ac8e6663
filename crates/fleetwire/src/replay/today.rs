//! The decoder as it would decode now: this build, the registry of this moment, the configuration that is given.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_decoder::config::ClockSettings;
use fleetwire_decoder::interpret::{Interpreter, OutputKind, RawRecord};
use fleetwire_registry::{Catalogue, Devices, read};
use fleetwire_service::{build, clock as wall};
use prost::Message as _;

use crate::config::{self, RunConfig};
use crate::target::{Target, TargetFlags};

/// How long reading the registry may take.
const REGISTRY: Duration = Duration::from_mins(1);

/// How raw records are decoded: the models and the settings of a configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoding {
    /// The models that are built in, and those of the configuration.
    pub(crate) catalogue: Catalogue,
    clock: ClockSettings,
}

/// The pipeline that flags and a file name, and how its decoder decodes. The file may be one of `fleetwire decoder` or
/// of `fleetwire run`, which has all of its sections; without one, it is the file that the `fleetwire run` of this
/// machine has.
pub(crate) fn resolve(file: Option<&Path>, flags: &TargetFlags) -> Result<(Target, Decoding)> {
    let mut config: RunConfig = config::load(file)?;
    let target = flags.resolve_over(config.kafka.clone())?;
    let own = target.run.as_ref().and_then(|run| run.config.as_deref()).filter(|_| file.is_none());
    if own.is_some() {
        config = config::load(own)?;
    }
    let catalogue = config::catalogue(&config.models, &config.decoder.codecs(), file.or(own))?;
    let decoding = Decoding { catalogue, clock: config.decoder.clock };
    Ok((target, decoding))
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
    pub(crate) code: Option<&'static str>,
}

/// This build's decoder.
#[derive(Debug)]
pub(crate) struct Today {
    interpreter: Interpreter,
    devices: Arc<Devices>,
}

impl Today {
    /// Reads the registry; blocks.
    #[expect(clippy::print_stderr, reason = "for the person who gave the command, beside its result")]
    pub(crate) fn new(target: &Target, decoding: &Decoding) -> Result<Self> {
        let Decoding { catalogue, clock } = *decoding;
        let devices = Arc::new(Devices::new(catalogue));
        let registered = read::all(&target.client, &target.topics, REGISTRY)
            .context("the device registry cannot be read")?;
        for (key, device) in registered {
            if let Err(err) = devices.apply(key.as_bytes(), Some(&device.encode_to_vec())) {
                eprintln!("the registry's record of {key} is not usable: {err}");
            }
        }
        let interpreter = Interpreter::new(Arc::clone(&devices), catalogue, clock, build::version());
        Ok(Self { interpreter, devices })
    }

    /// The registry of this moment.
    pub(crate) fn devices(&self) -> Arc<Devices> {
        Arc::clone(&self.devices)
    }

    /// Decodes one raw record and hands over what it became, in order.
    pub(crate) fn decode(
        &mut self,
        raw: RawRecord<'_>,
        mut each: impl FnMut(Made<'_>) -> Result<()>,
    ) -> Result<()> {
        let result = self.interpreter.interpret(raw, wall::unix_ms());
        result.outputs().try_for_each(|output| {
            let kind = match output.kind {
                OutputKind::Position => Kind::Position,
                OutputKind::Event => Kind::Event,
                OutputKind::DeadLetter => Kind::DeadLetter,
            };
            each(Made { kind, key: output.key, value: output.value, code: output.code })
        })
    }
}
