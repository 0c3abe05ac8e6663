//! `fleetwire check-config`: is a configuration file usable?

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use fleetwire_service::exit::Exit;

use crate::config::{self, DecoderConfig, FrontendConfig, Kafka, RunConfig};

/// Checks form, keys, values and Kafka properties; reads no secrets and contacts nobody.
#[derive(Debug, Args)]
pub(crate) struct CheckConfigArgs {
    /// Whose configuration it is
    service: Service,
    /// The file
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Service {
    Run,
    Frontend,
    Decoder,
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) fn check(args: &CheckConfigArgs) -> Result<Exit> {
    let file = Some(args.file.as_path());
    match args.service {
        Service::Run => kafka(&config::load::<RunConfig>(file)?.kafka)?,
        Service::Frontend => kafka(&config::load::<FrontendConfig>(file)?.kafka)?,
        Service::Decoder => kafka(&config::load::<DecoderConfig>(file)?.kafka)?,
    }
    println!("{} is fine", Path::display(&args.file));
    Ok(Exit::Done)
}

/// The broker list may come from a flag, so a file without one is fine here.
fn kafka(settings: &Kafka) -> Result<()> {
    let mut settings = settings.clone();
    if settings.brokers.is_empty() {
        "localhost:9092".clone_into(&mut settings.brokers);
    }
    settings.topics()?;
    settings.client().map(|_| ())
}
