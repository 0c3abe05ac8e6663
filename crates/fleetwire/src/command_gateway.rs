//! `fleetwire command-gateway`: commands to devices as a service.

use anyhow::Result;
use clap::Args;
use fleetwire_gateway::CommandGatewaySettings;
use fleetwire_held::Isolation;
use fleetwire_registry::{Catalogue, CodecSettings};
use fleetwire_service::admin::Admin;
use fleetwire_service::exit::Exit;
use fleetwire_service::secret;
use secrecy::SecretString;

use crate::config::{self, CommandGatewayConfig, ServiceFlags};
use crate::parts::Parts;
use crate::process::{self, Usage};
use crate::service::start_process;

/// Brings commands to devices, and tells what became of each.
///
/// It reads the topic commands.v1, calls the frontend that holds the device's session, and writes every step of a
/// command to command-status.v1. While the device is away a command waits until it comes or the command expires. Run as
/// many as you like: they share the partitions, and a command is worked by one at a time, whatever dies. Commands as JSON
/// on commands.json.v1 are taken, too.
///
/// Frontends ask for a token where they listen on more than loopback: the same secret on both sides, in
/// FLEETWIRE_DOWNLINK_TOKEN, or in the file that FLEETWIRE_DOWNLINK_TOKEN_FILE names.
#[derive(Debug, Args)]
#[command(after_help = "\
Send a command, and look at it:
  fleetwire command output 867035046242895 1 on --for 2s --wait
  fleetwire command list --device 867035046242895

All of commands.v1, command-status.v1, command-state.v1, sessions.v1 and positions.v1 must have equally many
partitions; the gateway looks at its start. When commands are refused (speed, rate, four eyes) and to which topics
raw bytes may go is in its configuration: deploy/config/command-gateway.toml has every key.")]
pub(crate) struct CommandGatewayArgs {
    #[command(flatten)]
    flags: ServiceFlags,
}

pub(crate) fn command_gateway(args: &CommandGatewayArgs) -> Result<Exit> {
    let file = args.flags.config.as_deref();
    let mut config: CommandGatewayConfig = config::load(file)?;
    args.flags.apply(&mut config.process, &mut config.kafka);
    let (kafka, topics) = (config.kafka.client()?, config.kafka.topics()?);
    let catalogue = config::catalogue(&config.models, &CodecSettings::default(), file)?;
    check(&config.command_gateway, catalogue)?;
    config::check_telemetry(&config.telemetry)?;
    let token = token()?;
    let telemetry = start_process(&config.process)?;
    process::block_on(async {
        let parts = Parts::new(&config.process, kafka, topics);
        let mut parts = parts.exporting(&config.telemetry, "fleetwire-command-gateway")?;
        parts.add_topic_check(&config.kafka);
        let admin = Admin::bind(config.process.admin, parts.health.clone(), telemetry).await?;
        let registry = parts.registry(catalogue);
        parts.add_command_gateway(&config.command_gateway, Isolation::Required, &registry, token)?;
        parts.finish(registry, admin).await
    })
}

/// Whether the settings of a gateway are usable.
pub(crate) fn check(settings: &CommandGatewaySettings, catalogue: Catalogue) -> Result<()> {
    settings.check(catalogue).map_err(|err| Usage(err.to_string()))?;
    settings.downlink.check().map_err(|err| Usage(format!("command_gateway.downlink: {err}")))?;
    Ok(())
}

/// What frontends ask for, if it is set.
pub(crate) fn token() -> Result<Option<SecretString>> {
    let secret = |name: &str| secret::read(name, |variable| std::env::var(variable).ok());
    Ok(fleetwire_downlink::token(secret).map_err(|err| Usage(err.to_string()))?)
}
