//! `fleetwire decode`: one payload taken apart, and what the decoder makes of it. Contacts nobody.

mod payload;
mod report;
mod table;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_codec::mapping::Mapping;
use fleetwire_codec::{Codec, Decoded, Input, Protocol};
use fleetwire_decoder::DecoderSettings;
use fleetwire_registry::{Catalogue, ModelSettings};
use fleetwire_service::clock;
use fleetwire_service::exit::Exit;
use jiff::Timestamp;
use serde::Deserialize;

use crate::process::Usage;
use crate::{config, mapping};
use payload::Form;
use report::Report;

/// Shown below the help.
const EXAMPLES: &str = "\
Examples:
  echo '02 08 00 4f ..' | fleetwire decode --protocol iotm -
  fleetwire decode --model xirgo-lx41 --config decoder.toml capture.bin
  mosquitto_sub -t 'BCE/#' -C 1 -F %x | fleetwire decode --protocol iotm -
  fleetwire decode --protocol ngp --topic ngp/tracker-07 message.json

Digits may have spaces, colons, commas, dots or dashes between them, and 0x before them.

Exit codes: 0 decoded, 1 the payload or a record of it was not, 2 wrong command line or file.";

/// Takes one payload apart: every record and item with its place and meaning, and the events that come of it.
///
/// What a payload is read by is said by --model or --protocol, never guessed. Nothing is contacted or stored.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DecodeArgs {
    /// The payload: a file, or "-" for standard input; hexadecimal digits, binary, or JSON text
    file: PathBuf,
    /// Model of the device; `fleetwire model list` lists those that are built in
    #[arg(long, value_name = "MODEL", required_unless_present = "protocol", conflicts_with = "protocol")]
    model: Option<String>,
    /// Protocol: iotm, ngp, dt7, globalmatix or json; read as `[decoder]` of --config says, or by its defaults
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<Protocol>,
    /// Mapping of --protocol json or globalmatix, a TOML file; globalmatix has one built in, which is a guess
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    mapping: Option<PathBuf>,
    /// MQTT topic that it came on, where that says which device it is of
    #[arg(long, value_name = "TOPIC", default_value = "", hide_default_value = true)]
    topic: String,
    /// When it was received, for example 2026-08-21T09:36:35Z [default: now]
    #[arg(long, value_name = "TIME")]
    received: Option<Timestamp>,
    /// Configuration of the decoder or of `fleetwire run`, for models and how payloads are read
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file holds hexadecimal digits
    #[arg(long, conflicts_with = "binary")]
    hex: bool,
    /// The file holds the payload as it is
    #[arg(long)]
    binary: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What a configuration file says of reading payloads; what else is in it is for others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reading {
    decoder: DecoderSettings,
    models: BTreeMap<String, ModelSettings>,
}

pub(crate) fn decode(args: &DecodeArgs) -> Result<Exit> {
    let codec = args.codec()?;
    let form = match (args.hex, args.binary) {
        (true, _) => Some(Form::Hex),
        (_, true) => Some(Form::Binary),
        _ => None,
    };
    let (bytes, form) = payload::read(&args.file, form)?;
    let received = args.received.map(Timestamp::as_millisecond);
    let input =
        Input { payload: &bytes, topic: &args.topic, received_ms: received.unwrap_or_else(clock::unix_ms) };
    let mut decoded = Decoded::default();
    let error = codec.decode(input, &mut decoded).err();
    let is_decoded = error.is_none() && decoded.rejected.is_empty();
    let report = Report {
        payload: &bytes,
        form,
        protocol: codec.protocol(),
        is_guess: codec.is_guess(),
        model: args.model.as_deref().unwrap_or_default(),
        received_ms: received,
        explanation: codec.explain(input),
        decoded,
        error,
    };
    let text = if args.json { report.json()? } else { report.text()? };
    std::io::stdout().lock().write_all(text.as_bytes()).context("the answer cannot be written")?;
    Ok(if is_decoded { Exit::Done } else { Exit::Failed })
}

impl DecodeArgs {
    /// How the payload is read.
    fn codec(&self) -> Result<Codec> {
        let Reading { decoder, models } = config::load(self.config.as_deref())?;
        let defaults = decoder.codecs();
        if let Some(id) = &self.model {
            let catalogue: Catalogue = config::catalogue(&models, &defaults, self.config.as_deref())?;
            let model = catalogue.get(id).ok_or_else(|| {
                let known: Vec<_> = catalogue.all().iter().map(|model| model.id).collect();
                Usage(format!("no model is called `{id}`; known are {}", known.join(", ")))
            })?;
            return Ok(model.codec.clone());
        }
        let mapping = self.mapping.as_deref().map(mapping::load).transpose()?;
        Ok(match (self.protocol, mapping) {
            (Some(Protocol::Json), Some(mapping)) => Codec::Json(Arc::new(mapping)),
            (Some(Protocol::GlobalMatix), Some(mapping)) => Codec::GlobalMatix(Arc::new(mapping)),
            (_, Some(_)) => return usage("--mapping goes with --protocol json or globalmatix"),
            (Some(Protocol::GlobalMatix), None) => {
                Codec::GlobalMatix(Arc::new(Mapping::globalmatix().context("the built-in mapping")?))
            }
            (Some(Protocol::Json), None) => {
                return usage(
                    "--protocol json needs --mapping FILE; `fleetwire mapping show` prints one to start from",
                );
            }
            (Some(Protocol::Iotm), None) => Codec::Iotm(defaults.iotm),
            (Some(Protocol::Ngp), None) => Codec::Ngp(defaults.ngp),
            (Some(Protocol::Dt7), None) => Codec::Dt7(defaults.dt7),
            (None, None) => return usage("--model or --protocol says how to read it"),
        })
    }
}

fn usage<T>(text: &str) -> Result<T> {
    Err(Usage(text.to_owned()).into())
}
