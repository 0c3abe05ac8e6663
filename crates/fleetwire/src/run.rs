//! `fleetwire run`: the whole pipeline in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_api::{Scope, Tokens};
use fleetwire_frontend::{Frontend, transports};
use fleetwire_held::Isolation;
use fleetwire_kafka::{ClientSettings, EmbeddedLog, EmbeddedOptions, TopicAdmin, TopicReport, TopicSettings};
use fleetwire_model::{Imei, Topics};
use fleetwire_registry::Catalogue;
use fleetwire_registry::account::WellKnown;
use fleetwire_registry::write::{Activation, Existing, OwnLogin, Writer};
use fleetwire_service::admin::Admin;
use fleetwire_service::exit::Exit;
use fleetwire_service::secret;

use crate::banner::{self, Running};
use crate::config::{self, PublicFlags, RunConfig, ServiceFlags, set};
use crate::parts::{ApiParts, Parts};
use crate::process::{self, Usage};
use crate::runfile::{self, DataDir, RunApi, RunFile, RunToken};
use crate::service::{Logins, logins, start_process};
use crate::{command_gateway, gaps};

/// How long Kafka may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Partitions of each topic of the embedded log: enough to see several.
const EMBEDDED_PARTITIONS: u16 = 4;

/// The devices of the published samples, so that those can be sent at once (docs/protocols/iotm.md).
const SAMPLE_DEVICES: [&str; 4] =
    ["867035046242895", "865209039554705", "869595061374194", "869595060875258"];

/// Frontend, decoder, command gateway, HTTP API, admin HTTP and an embedded log in one process, for a laptop, a demonstration, a test.
///
/// The embedded log keeps nothing after it stops but the device registry, which is put back at the next
/// start. With --kafka the same pipeline runs on an Apache Kafka.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    flags: ServiceFlags,
    /// Where devices connect [default: 127.0.0.1:1883]; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "FLEETWIRE_MQTT")]
    mqtt: Option<SocketAddr>,
    /// Where the HTTP API is served [default: 127.0.0.1:8080]; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "FLEETWIRE_API_LISTEN")]
    api: Option<SocketAddr>,
    #[command(flatten)]
    public: PublicFlags,
    /// Where the registry and the run file are kept [default: ~/.local/state/fleetwire]
    #[arg(long, value_name = "DIR", env = "FLEETWIRE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Activate the devices of the published samples; always done on the embedded log
    #[arg(long)]
    samples: bool,
}

pub(crate) fn run(args: &RunArgs) -> Result<Exit> {
    let config = config(args)?;
    let catalogue =
        config::catalogue(&config.models, &config.decoder.codecs(), args.flags.config.as_deref())?;
    check(&config, catalogue)?;
    let logins = logins(&config.accounts, &config.subscribers, WellKnown::Default)?;
    config.downlink.check(&logins.gateways).map_err(|err| Usage(err.to_string()))?;
    let accounts = logins.accounts.clone();
    let topics = config.kafka.topics()?;
    let (tokens, token) = tokens(&config)?;
    let telemetry = start_process(&config.process)?;
    let data_dir = DataDir::take(&args.data_dir.clone().unwrap_or_else(runfile::default_data_dir))?;
    process::block_on(async {
        let log = Log::open(&config, &topics, &data_dir)?;
        let client = log.client(&config)?;
        let samples = args.samples || config.kafka.brokers.is_empty();
        if samples {
            activate_samples(&client, &topics)?;
        }

        let mut parts = parts(&config, client.clone(), topics.clone())?;
        let admin = Admin::bind(config.process.admin, parts.health.clone(), telemetry).await?;
        let admin_address = admin.address()?;
        let needs = Needs { catalogue, logins, tokens, isolation: log.isolation(), admin };
        let Listening { frontend, api } = add_pipeline(&mut parts, &config, needs)?;
        log.add_to(&mut parts);

        let health = parts.health.clone();
        let announce = async {
            health.until_ready().await;
            data_dir.publish(&RunFile {
                pid: std::process::id(),
                mqtt: frontend.address,
                admin: admin_address,
                kafka: client.brokers.clone(),
                embedded: config.kafka.brokers.is_empty(),
                topic_prefix: topics.prefix().to_owned(),
                config: args.flags.config.as_deref().and_then(|path| std::path::absolute(path).ok()),
                api: Some(RunApi { address: api, token }),
            })?;
            print(&banner::text(&Running {
                mqtt: &frontend.listeners,
                admin: admin_address,
                api,
                kafka: &client.brokers,
                embedded: config.kafka.brokers.is_empty(),
                accounts: &accounts,
                demo_device: SAMPLE_DEVICES.first().copied().filter(|_| samples),
                command: &std::env::args().next().unwrap_or_else(|| "fleetwire".to_owned()),
                find: &args
                    .data_dir
                    .as_ref()
                    .map(|dir| format!(" --data-dir {}", dir.display()))
                    .unwrap_or_default(),
            }));
            std::future::pending::<Result<Exit>>().await
        };
        tokio::select! {
            exit = process::serve(parts.stages, config.process.grace) => exit,
            failed = announce => failed,
        }
    })
}

/// What the pipeline is made of, beside its settings.
struct Needs {
    catalogue: Catalogue,
    logins: Logins,
    tokens: Tokens,
    isolation: Isolation,
    admin: Admin,
}

/// The process without its parts.
fn parts(config: &RunConfig, client: ClientSettings, topics: Topics) -> Result<Parts> {
    let parts = Parts::new(&config.process, client, topics).reached_at(&config.public.host);
    parts.exporting(&config.telemetry, "fleetwire")
}

/// Where the pipeline listens.
struct Listening {
    frontend: Frontend,
    api: SocketAddr,
}

/// Adds every part, in the order in which they stop.
fn add_pipeline(parts: &mut Parts, config: &RunConfig, needs: Needs) -> Result<Listening> {
    let Needs { catalogue, logins, tokens, isolation, admin } = needs;
    let registry = parts.registry(catalogue);
    // It stops before the frontend that it calls.
    parts.add_command_gateway(&config.command_gateway, isolation, &registry, command_gateway::token()?)?;
    let frontend = parts.add_frontend(&config.frontend, &config.downlink, logins, &registry)?;
    parts.add_decoder(&config.decoder, &registry)?;
    let registering = parts.registering(&config.accounts);
    let knocks = parts.add_held(&config.held, isolation, &registry, registering.registrar.clone())?;
    let states = parts.add_state(&config.state)?;
    if config.gaps.enabled {
        parts.add_gaps(&config.gaps)?;
    }
    let public = config.public.of(&config.process, Some(frontend.address.port()));
    let shown = ApiParts { catalogue, accounts: &config.accounts, knocks, states, public, tokens };
    let api = parts.add_api(&config.api, shown, &registering)?;
    parts.add_registrar(registering);
    parts.add_last(registry, admin);
    Ok(Listening { frontend, api })
}

/// The file, the flags over it, and what differs on a laptop where the file says nothing: loopback only, and no
/// chatter below the banner.
fn config(args: &RunArgs) -> Result<RunConfig> {
    let file = args.flags.config.as_deref();
    let mut config: RunConfig = config::load(file)?;
    let given: toml::Table = config::load(file)?;
    let is_given = |section: &str, key: &str| given.get(section).is_some_and(|keys| keys.get(key).is_some());
    if !is_given("process", "admin") {
        config.process.admin.set_ip([127, 0, 0, 1].into());
    }
    if !is_given("frontend", "listen") {
        config.frontend.listen.set_ip([127, 0, 0, 1].into());
    }
    // Only the gateway in this process calls, and finds the port in the sessions topic.
    if !is_given("downlink", "listen") {
        config.downlink.listen = ([127, 0, 0, 1], 0).into();
    }
    if !is_given("api", "listen") {
        config.api.listen.set_ip([127, 0, 0, 1].into());
    }
    if !is_given("process", "log") {
        "warn".clone_into(&mut config.process.log);
    }
    args.flags.apply(&mut config.process, &mut config.kafka);
    args.public.apply(&mut config.public);
    set(&mut config.frontend.listen, args.mqtt.as_ref());
    set(&mut config.api.listen, args.api.as_ref());
    Ok(config)
}

/// Whether everything that can be known before the start is usable.
fn check(config: &RunConfig, catalogue: Catalogue) -> Result<()> {
    transports::check(&config.frontend)?;
    config::check_decoder(&config.decoder)?;
    config::check_telemetry(&config.telemetry)?;
    if config.kafka.brokers.is_empty() && config.decoder.exactly_once {
        let why = "the embedded log does not isolate transactions";
        let hint = "name an Apache Kafka with --kafka, or leave exactly_once off";
        return Err(Usage(format!("decoder.exactly_once is not possible: {why}; {hint}")).into());
    }
    config::check_registry(&config.held, &config.state, &config.public)?;
    command_gateway::check(&config.command_gateway, catalogue)?;
    gaps::check(&config.gaps)
}

/// The tokens of the configuration, and one of its own for the commands on this machine.
fn tokens(config: &RunConfig) -> Result<(Tokens, RunToken)> {
    let secret = |name: &str| secret::read(name, |variable| std::env::var(variable).ok());
    let usage = |err: fleetwire_api::TokenError| Usage(err.to_string());
    let mut tokens = Tokens::load(&config.api.tokens, secret).map_err(usage)?;
    let own = Tokens::generate();
    tokens.add("run", Scope::ALL, &own).map_err(usage)?;
    Ok((tokens, RunToken::new(&own)))
}

/// The log below the pipeline.
#[derive(Debug)]
enum Log {
    /// In this process.
    Embedded(EmbeddedLog),
    /// Somewhere else.
    Kafka,
}

impl Log {
    fn open(config: &RunConfig, topics: &Topics, data_dir: &DataDir) -> Result<Self> {
        if config.kafka.brokers.is_empty() {
            let options = EmbeddedOptions {
                data: data_dir.path().to_owned(),
                topics: topics.clone(),
                partitions: EMBEDDED_PARTITIONS,
            };
            let log = EmbeddedLog::start(&options).context("the embedded log could not start")?;
            return Ok(Self::Embedded(log));
        }
        let admin = TopicAdmin::new(&config.kafka.client()?, topics.clone(), TopicSettings::default())?;
        let reports = admin.apply(PATIENCE)?;
        if let Some(broken) = reports.iter().find(|report| TopicReport::breaks_an_invariant(report)) {
            anyhow::bail!("topic {} would break an invariant; see `fleetwire topics check`", broken.name);
        }
        Ok(Self::Kafka)
    }

    fn client(&self, config: &RunConfig) -> Result<ClientSettings> {
        let Self::Embedded(log) = self else {
            return config.kafka.client();
        };
        let embedded = log.settings();
        let mut kafka = config.kafka.clone();
        kafka.brokers = embedded.brokers;
        for (key, value) in embedded.properties {
            kafka.properties.entry(key).or_insert(value);
        }
        kafka.client()
    }

    /// The embedded log isolates no transaction, and needs none: this process is its only one.
    const fn isolation(&self) -> Isolation {
        match self {
            Self::Embedded(_) => Isolation::NotNeeded,
            Self::Kafka => Isolation::Required,
        }
    }

    /// The embedded log stops last, so that everything before it can finish.
    fn add_to(self, parts: &mut Parts) {
        if let Self::Embedded(log) = self {
            let stop = parts.stages.open("embedded log");
            parts.stages.spawn("embedded log", async move {
                stop.cancelled().await;
                tokio::task::spawn_blocking(|| log.stop()).await.context("the embedded log panicked")??;
                Ok(())
            });
        }
    }
}

/// Activates the devices of the published samples.
fn activate_samples(client: &ClientSettings, topics: &Topics) -> Result<()> {
    let model =
        Catalogue::built_in().get(Catalogue::DEFAULT).context("the catalogue lacks its default model")?;
    let samples = SAMPLE_DEVICES.iter().filter_map(|text| text.parse::<Imei>().ok());
    let activations: Vec<_> = samples
        .map(|imei| Activation {
            device: imei.into(),
            model,
            name: "published sample".to_owned(),
            login: OwnLogin::default(),
        })
        .collect();
    Writer { client, topics, by: "fleetwire run", limit: PATIENCE }
        .activate(&activations, Existing::Keep)
        .map(drop)
        .context("the sample devices could not be activated")
}

#[expect(clippy::print_stdout, reason = "the banner is what the command shows")]
fn print(banner: &str) {
    println!("{banner}");
}
