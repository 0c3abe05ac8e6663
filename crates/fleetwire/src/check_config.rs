//! `fleetwire check-config`: is a configuration file usable?

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use fleetwire_frontend::auth::subscriber;
use fleetwire_frontend::transports;
use fleetwire_registry::{CodecSettings, account};
use fleetwire_service::exit::Exit;
use fleetwire_service::logs;

use crate::config::{
    self, ApiConfig, CommandGatewayConfig, DecoderConfig, FrontendConfig, GapsConfig, Kafka, Process,
    RunConfig,
};
use crate::{command_gateway, gaps};

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
    Gaps,
    Api,
    CommandGateway,
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) fn check(args: &CheckConfigArgs) -> Result<Exit> {
    let file = Some(args.file.as_path());
    match args.service {
        Service::Run => {
            let config: RunConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            config::check_telemetry(&config.telemetry)?;
            config::check_decoder(&config.decoder)?;
            let catalogue = config::catalogue(&config.models, &config.decoder.codecs(), file)?;
            account::check(&config.accounts)?;
            transports::check(&config.frontend)?;
            config.downlink.check_values()?;
            subscriber::check(&config.subscribers, &config.accounts)?;
            gaps::check(&config.gaps)?;
            command_gateway::check(&config.command_gateway, catalogue)?;
            config::check_registry(&config.held, &config.state, &config.public)?;
        }
        Service::Frontend => {
            let config: FrontendConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            config::check_telemetry(&config.telemetry)?;
            config::catalogue(&config.models, &CodecSettings::default(), file)?;
            account::check(&config.accounts)?;
            config.public.check()?;
            transports::check(&config.frontend)?;
            config.downlink.check_values()?;
            subscriber::check(&config.subscribers, &config.accounts)?;
        }
        Service::Decoder => {
            let config: DecoderConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            config::check_telemetry(&config.telemetry)?;
            config::check_decoder(&config.decoder)?;
            config::catalogue(&config.models, &config.decoder.codecs(), file)?;
        }
        Service::Api => {
            let config: ApiConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            config::check_telemetry(&config.telemetry)?;
            config::catalogue(&config.models, &CodecSettings::default(), file)?;
            account::check(&config.accounts)?;
            config::check_registry(&config.held, &config.state, &config.public)?;
        }
        Service::CommandGateway => {
            let config: CommandGatewayConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            config::check_telemetry(&config.telemetry)?;
            let catalogue = config::catalogue(&config.models, &CodecSettings::default(), file)?;
            command_gateway::check(&config.command_gateway, catalogue)?;
        }
        Service::Gaps => {
            let config: GapsConfig = config::load(file)?;
            common(&config.process, &config.kafka)?;
            gaps::check(&config.gaps)?;
        }
    }
    println!("{} is fine", Path::display(&args.file));
    Ok(Exit::Done)
}

fn common(process: &Process, kafka: &Kafka) -> Result<()> {
    logs::check(&process.log)?;
    kafka.check()
}
