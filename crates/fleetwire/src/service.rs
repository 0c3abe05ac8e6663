//! `fleetwire frontend` and `fleetwire decoder`: one service in one process, on Apache Kafka.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;
use fleetwire_downlink::Tokens;
use fleetwire_frontend::auth::subscriber::{SubscriberSettings, Subscribers};
use fleetwire_frontend::transports;
use fleetwire_registry::account::{AccountSettings, WellKnown};
use fleetwire_registry::{Accounts, CodecSettings};
use fleetwire_service::admin::{Admin, Telemetry};
use fleetwire_service::exit::Exit;
use fleetwire_service::{logs, metrics, open_files, secret};

use crate::config::{self, DecoderConfig, FrontendConfig, Process, PublicFlags, ServiceFlags, set};
use crate::parts::Parts;
use crate::process::{self, Usage};

/// Devices connect here; their publishes go to Kafka untouched and are acknowledged when Kafka has them.
///
/// The accounts' passwords come from the environment: FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD, or the file
/// that FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD_FILE names. So does the token of command gateways: FLEETWIRE_DOWNLINK_TOKEN,
/// or FLEETWIRE_DOWNLINK_TOKEN_FILE.
#[derive(Debug, Args)]
pub(crate) struct FrontendArgs {
    #[command(flatten)]
    flags: ServiceFlags,
    #[command(flatten)]
    public: PublicFlags,
    /// Where devices connect [default: 0.0.0.0:1883]; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "FLEETWIRE_MQTT")]
    mqtt: Option<SocketAddr>,
    /// Where command gateways connect [default: 0.0.0.0:9465]; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "FLEETWIRE_DOWNLINK")]
    downlink: Option<SocketAddr>,
    /// Where they reach this frontend [default: this machine's address and the port]
    #[arg(long, value_name = "HOST[:PORT]", env = "FLEETWIRE_DOWNLINK_ADVERTISE")]
    downlink_advertise: Option<String>,
}

/// Takes raw publishes from Kafka and writes positions, device events and dead letters back.
///
/// Run as many as there is work for: they share the partitions of the raw topic.
#[derive(Debug, Args)]
pub(crate) struct DecoderArgs {
    #[command(flatten)]
    flags: ServiceFlags,
}

pub(crate) fn frontend(args: &FrontendArgs) -> Result<Exit> {
    let mut config: FrontendConfig = config::load(args.flags.config.as_deref())?;
    args.flags.apply(&mut config.process, &mut config.kafka);
    set(&mut config.frontend.listen, args.mqtt.as_ref());
    set(&mut config.downlink.listen, args.downlink.as_ref());
    set(&mut config.downlink.advertise, args.downlink_advertise.as_ref());
    args.public.apply(&mut config.public);
    config.public.check()?;
    transports::check(&config.frontend)?;
    config::check_telemetry(&config.telemetry)?;
    let (kafka, topics) = (config.kafka.client()?, config.kafka.topics()?);
    let well_known =
        if config.frontend.allow_well_known_passwords { WellKnown::Allowed } else { WellKnown::Refused };
    let logins = logins(&config.accounts, &config.subscribers, well_known)?;
    config.downlink.check(&logins.gateways).map_err(|err| Usage(err.to_string()))?;
    let catalogue =
        config::catalogue(&config.models, &CodecSettings::default(), args.flags.config.as_deref())?;
    let telemetry = start_process(&config.process)?;
    process::block_on(async {
        let parts = Parts::new(&config.process, kafka, topics).reached_at(&config.public.host);
        let mut parts = parts.exporting(&config.telemetry, "fleetwire-frontend")?;
        parts.add_topic_check(&config.kafka);
        let admin = Admin::bind(config.process.admin, parts.health.clone(), telemetry).await?;
        let registry = parts.registry(catalogue);
        parts.add_frontend(&config.frontend, &config.downlink, logins, &registry)?;
        parts.finish(registry, admin).await
    })
}

pub(crate) fn decoder(args: &DecoderArgs) -> Result<Exit> {
    let mut config: DecoderConfig = config::load(args.flags.config.as_deref())?;
    args.flags.apply(&mut config.process, &mut config.kafka);
    config::check_decoder(&config.decoder)?;
    config::check_telemetry(&config.telemetry)?;
    let (kafka, topics) = (config.kafka.client()?, config.kafka.topics()?);
    let catalogue =
        config::catalogue(&config.models, &config.decoder.codecs(), args.flags.config.as_deref())?;
    let telemetry = start_process(&config.process)?;
    process::block_on(async {
        let parts = Parts::new(&config.process, kafka, topics);
        let mut parts = parts.exporting(&config.telemetry, "fleetwire-decoder")?;
        parts.add_topic_check(&config.kafka);
        let admin = Admin::bind(config.process.admin, parts.health.clone(), telemetry).await?;
        let registry = parts.registry(catalogue);
        parts.add_decoder(&config.decoder, &registry)?;
        parts.finish(registry, admin).await
    })
}

/// Set by `make bench-metrics` alone.
const NO_METRICS: &str = "FLEETWIRE_BENCH_NO_METRICS";

/// Open files, metrics and logs of a service; in this order, because logs are counted.
pub(crate) fn start_process(process: &Process) -> Result<Telemetry> {
    open_files::raise();
    // What metrics cost is measured by leaving them out; nobody else has a reason to.
    let is_left_out = std::env::var_os(NO_METRICS).is_some();
    let metrics = if is_left_out { metrics::install_nothing() } else { metrics::install()? };
    let logs = logs::start(&process.logs(), Vec::new())?;
    Ok(Telemetry { metrics, logs })
}

/// Who may come in.
#[derive(Debug)]
pub(crate) struct Logins {
    pub(crate) accounts: Accounts,
    pub(crate) subscribers: Subscribers,
    /// What command gateways show.
    pub(crate) gateways: Tokens,
}

/// Accounts of both kinds with their passwords, and the tokens of gateways, from the environment.
pub(crate) fn logins(
    accounts: &BTreeMap<String, AccountSettings>,
    subscribers: &BTreeMap<String, SubscriberSettings>,
    well_known: WellKnown,
) -> Result<Logins> {
    let secret = |name: &str| secret::read(name, |variable| std::env::var(variable).ok());
    Ok(Logins {
        subscribers: Subscribers::load(subscribers, accounts, secret)?,
        gateways: Tokens::load(secret).map_err(|err| Usage(err.to_string()))?,
        accounts: Accounts::load(accounts, well_known, secret)?,
    })
}
