//! `fleetwire api`: the HTTP API with what belongs to it, the keeper of held devices and the device state.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;
use fleetwire_api::{ApiSettings, Tokens, token_variable};
use fleetwire_held::Isolation;
use fleetwire_registry::{CodecSettings, account};
use fleetwire_service::admin::Admin;
use fleetwire_service::exit::Exit;
use fleetwire_service::secret;

use crate::config::{self, ApiConfig, PublicFlags, ServiceFlags, set};
use crate::parts::{ApiParts, Parts};
use crate::process::{self, Usage};
use crate::service::start_process;

/// Serves HTTP and JSON for people and programs: models, devices, who knocks, where devices are.
///
/// Beside that it releases what is held for a device that was activated, and keeps what each device last reported. Run
/// as many as you like; each serves everything, and they share the other work. Whoever asks needs a token: each of
/// [api.tokens] is a secret in FLEETWIRE_API_TOKEN_NAME, or in the file that FLEETWIRE_API_TOKEN_NAME_FILE names.
#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    flags: ServiceFlags,
    #[command(flatten)]
    public: PublicFlags,
    /// Where the API is served [default: 0.0.0.0:8080]; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "FLEETWIRE_API_LISTEN")]
    listen: Option<SocketAddr>,
    /// Print the OpenAPI document, and start nothing
    #[arg(long)]
    openapi: bool,
}

#[expect(clippy::print_stdout, reason = "the document is the answer of the command")]
pub(crate) fn api(args: &ApiArgs) -> Result<Exit> {
    if args.openapi {
        println!("{}", fleetwire_api::openapi().trim_end());
        return Ok(Exit::Done);
    }
    let file = args.flags.config.as_deref();
    let mut config: ApiConfig = config::load(file)?;
    args.flags.apply(&mut config.process, &mut config.kafka);
    args.public.apply(&mut config.public);
    set(&mut config.api.listen, args.listen.as_ref());
    account::check(&config.accounts)?;
    config::check_registry(&config.held, &config.state, &config.public)?;
    config::check_telemetry(&config.telemetry)?;
    let (kafka, topics) = (config.kafka.client()?, config.kafka.topics()?);
    let tokens = tokens(&config.api)?;
    let catalogue = config::catalogue(&config.models, &CodecSettings::default(), file)?;
    let telemetry = start_process(&config.process)?;
    process::block_on(async {
        let parts = Parts::new(&config.process, kafka, topics);
        let mut parts = parts.exporting(&config.telemetry, "fleetwire-api")?;
        parts.add_topic_check(&config.kafka);
        let admin = Admin::bind(config.process.admin, parts.health.clone(), telemetry).await?;
        let registry = parts.registry(catalogue);
        let registering = parts.registering(&config.accounts);
        let knocks =
            parts.add_held(&config.held, Isolation::Required, &registry, registering.registrar.clone())?;
        let states = parts.add_state(&config.state)?;
        let public = config.public.of(&config.process, None);
        let needs = ApiParts { catalogue, accounts: &config.accounts, knocks, states, public, tokens };
        parts.add_api(&config.api, needs, &registering)?;
        parts.add_registrar(registering);
        parts.finish(registry, admin).await
    })
}

/// The tokens of a service. Without any nobody could ask, so that is a mistake.
pub(crate) fn tokens(settings: &ApiSettings) -> Result<Tokens> {
    let tokens =
        Tokens::load(&settings.tokens, |name| secret::read(name, |variable| std::env::var(variable).ok()))
            .map_err(|err| Usage(err.to_string()))?;
    if tokens.is_empty() {
        let variable = token_variable("ops");
        let how = format!("add [api.tokens.ops] with scopes = [\"read\", \"devices\"], and set {variable}");
        return Err(Usage(format!(
            "the API has no token, so nobody could use it: {how}, or {variable}_FILE"
        ))
        .into());
    }
    Ok(tokens)
}
