//! `fleetwire mapping`: write a mapping for JSON payloads, and see what it makes of samples before any device uses it.

mod report;
mod samples;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use fleetwire_codec::mapping::{self, Mapping};
use fleetwire_service::exit::Exit;
use report::Summary;
use samples::Message;

use crate::json::Json;
use crate::process::Usage;

const EXAMPLES: &str = "\
Example: a tracker publishes {\"id\": \"van-2\", \"t\": 1700000000, \"lat\": 54.7, \"lon\": 25.3, \"v\": 12.5}

  cat > van.toml <<END
  [device]
  at = \"/id\"
  kind = \"id\"
  [time]
  at = \"/t\"
  [fix]
  latitude = \"/lat\"
  longitude = \"/lon\"
  speed_kmh = { at = \"/v\", unit = \"m/s\" }
  END
  fleetwire mapping test --mapping van.toml sample.json

A model names the file as `mapping`. docs/protocols/json.md explains every key.";

/// A mapping says where in a JSON payload each field lies, in which unit, and what its values mean: with one, any
/// tracker that sends JSON is added by configuration alone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MappingArgs {
    #[command(subcommand)]
    command: MappingCommand,
}

#[derive(Debug, Subcommand)]
enum MappingCommand {
    /// Show what a mapping makes of samples: fields, what is left over, what is wrong
    ///
    /// Decodes samples as a decoder would, and says where each field came from. Nothing is sent or stored.
    /// Exit codes: 0 every record can be used, 1 one cannot, 2 the mapping or the command line is wrong.
    Test(TestArgs),
    /// Print a built-in mapping as a file, to start from
    Show {
        /// Which one
        #[arg(default_value = "globalmatix")]
        name: BuiltIn,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BuiltIn {
    /// GlobalMatix xTCU: a guess, because what these devices send is not public
    Globalmatix,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct TestArgs {
    /// The mapping, a TOML file
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// One JSON object per message instead of tables
    #[arg(long)]
    json: bool,
    /// Files with payloads, or - for standard input: one payload, or one on each line
    #[arg(required = true, value_name = "SAMPLE")]
    samples: Vec<PathBuf>,
}

pub(crate) fn mapping(args: &MappingArgs) -> Result<Exit> {
    match &args.command {
        MappingCommand::Test(test) => test.run(),
        MappingCommand::Show { name: BuiltIn::Globalmatix } => {
            show(mapping::GLOBALMATIX);
            Ok(Exit::Done)
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn show(text: &str) {
    print!("{text}");
}

/// The mapping of a file.
pub(crate) fn load(path: &Path) -> Result<Mapping> {
    let file = path.display();
    let text = samples::read(path)?;
    let text = String::from_utf8(text).map_err(|_| Usage(format!("{file} is no text")))?;
    Ok(Mapping::from_toml(&text).map_err(|error| Usage(format!("mapping {file}: {error}")))?)
}

impl TestArgs {
    fn run(&self) -> Result<Exit> {
        let mapping = load(&self.mapping)?;
        let writer = Json::new().context("the contract cannot be read")?;
        let mut summary = Summary::new(&mapping);
        for path in &self.samples {
            for message in samples::messages(path)? {
                self.message(&mapping, &message, &writer, &mut summary)?;
            }
        }
        if !self.json {
            show(&summary.text());
        }
        Ok(if summary.has_failed() { Exit::Failed } else { Exit::Done })
    }

    fn message(
        &self,
        mapping: &Mapping,
        message: &Message,
        writer: &Json,
        summary: &mut Summary,
    ) -> Result<()> {
        let trial = mapping.trial(&message.payload);
        summary.add(&trial);
        if self.json {
            show(&format!("{}\n", report::json(mapping, message, &trial, writer)?));
        } else {
            show(&report::text(message, &trial));
        }
        Ok(())
    }
}
