//! `fleetwire check-config`: is a configuration file usable?

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use fleetwire_frontend::auth::subscriber;
use fleetwire_frontend::transports;
use fleetwire_registry::{CodecSettings, account};
use fleetwire_service::exit::Exit;
use fleetwire_service::logs;

use crate::config::{self, DecoderConfig, FrontendConfig, Kafka, Process, RunConfig};

/// Checks form, keys, values, account rules, listeners and Kafka properties; contacts nobody.
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
        Service::Run => {
            let config: RunConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            config::catalogue(&config.models, &config.decoder.codecs(), file)?;
            account::check(&config.accounts)?;
            transports::check(&config.frontend)?;
            subscriber::check(&config.subscribers, &config.accounts)?;
        }
        Service::Frontend => {
            let config: FrontendConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            config::catalogue(&config.models, &CodecSettings::default(), file)?;
            account::check(&config.accounts)?;
            transports::check(&config.frontend)?;
            subscriber::check(&config.subscribers, &config.accounts)?;
        }
        Service::Decoder => {
            let config: DecoderConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            config::catalogue(&config.models, &config.decoder.codecs(), file)?;
        }
    }
    println!("{} is fine", Path::display(&args.file));
    Ok(Exit::Done)
}

fn common(process: &Process, kafka: &Kafka) -> Result<()> {
    logs::check(&process.log)?;
    kafka.check()
}
