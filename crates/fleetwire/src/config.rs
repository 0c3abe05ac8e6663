//! Configuration files, and the flags that go before them.
//!
//! A flag beats the file, the file beats the default. Secrets are in neither.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_api::ApiSettings;
use fleetwire_decoder::DecoderSettings;
use fleetwire_downlink::DownlinkServerSettings;
use fleetwire_frontend::FrontendSettings;
use fleetwire_frontend::auth::subscriber::SubscriberSettings;
use fleetwire_gaps::GapsSettings;
use fleetwire_gateway::CommandGatewaySettings;
use fleetwire_held::HeldSettings;
use fleetwire_kafka::{ClientSettings, ProducerSettings, TopicSettings};
use fleetwire_model::Topics;
use fleetwire_registry::account::AccountSettings;
use fleetwire_registry::{Catalogue, CodecSettings, ModelSettings};
use fleetwire_service::health::HealthLimits;
use fleetwire_service::{logs, secret, settings};
use fleetwire_state::StateSettings;
use fleetwire_trace::TelemetrySettings;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::process::Usage;
pub(crate) use crate::public::{PublicFlags, PublicSettings};

/// What every process has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Process {
    /// Name of the deployment, for example "eu"; part of every event.
    pub(crate) region: String,
    /// Name of this replica; empty takes the host name, which is the pod's on Kubernetes.
    pub(crate) replica: String,
    /// Where health and metrics are served.
    pub(crate) admin: SocketAddr,
    /// How long a stop may take before what is left is given up.
    #[serde(with = "humantime_serde")]
    pub(crate) grace: Duration,
    /// Log filter, for example "info" or "warn,fleetwire_mqtt=debug".
    pub(crate) log: String,
    /// How log lines look: "auto", "text" or "json".
    pub(crate) log_format: logs::Format,
    /// What log lines do not show: "none", "addresses", "devices" or "all".
    pub(crate) mask_logs: logs::Mask,
    /// When lines that repeat are left out.
    pub(crate) log_repeats: logs::RepeatSettings,
    /// How long Kafka may be away before the process is not ready.
    #[serde(with = "humantime_serde")]
    pub(crate) kafka_away_limit: Duration,
    /// How long a part may not come round before the process is not live.
    #[serde(with = "humantime_serde")]
    pub(crate) hang_limit: Duration,
}

impl Process {
    /// What is logged, and how.
    pub(crate) fn logs(&self) -> logs::LogSettings {
        logs::LogSettings {
            filter: self.log.clone(),
            format: self.log_format,
            mask: self.mask_logs,
            repeats: self.log_repeats,
        }
    }

    /// What counts as healthy.
    pub(crate) const fn health_limits(&self) -> HealthLimits {
        HealthLimits { kafka_away: self.kafka_away_limit, silence: self.hang_limit }
    }
}

impl Default for Process {
    fn default() -> Self {
        let health = HealthLimits::default();
        Self {
            region: String::new(),
            replica: String::new(),
            admin: SocketAddr::from(([0, 0, 0, 0], 9464)),
            grace: Duration::from_secs(25),
            log: "info".to_owned(),
            log_format: logs::Format::Auto,
            mask_logs: logs::Mask::None,
            log_repeats: logs::RepeatSettings::default(),
            kafka_away_limit: health.kafka_away,
            hang_limit: health.silence,
        }
    }
}

/// Properties of librdkafka that are secrets, and the variables that hold them (or name a file, with `_FILE`).
const SECRETS: [(&str, &str); 3] = [
    ("sasl.password", "FLEETWIRE_KAFKA_SASL_PASSWORD"),
    ("ssl.key.password", "FLEETWIRE_KAFKA_SSL_KEY_PASSWORD"),
    ("sasl.oauthbearer.client.secret", "FLEETWIRE_KAFKA_OAUTH_CLIENT_SECRET"),
];

/// How Kafka is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Kafka {
    /// Bootstrap servers, HOST:PORT with commas.
    pub(crate) brokers: String,
    /// Prefix of the topics; empty takes "fleetwire".
    pub(crate) topic_prefix: String,
    /// Look at the topics at the start, and refuse those that break an invariant.
    pub(crate) check_topics: bool,
    /// Settings that go to librdkafka as they are: TLS, SASL, tuning.
    pub(crate) properties: BTreeMap<String, String>,
    /// How records are handed to Kafka.
    pub(crate) producer: ProducerSettings,
    /// Where the topics differ from the defaults.
    pub(crate) topics: TopicSettings,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            topic_prefix: String::new(),
            check_topics: true,
            properties: BTreeMap::new(),
            producer: ProducerSettings::default(),
            topics: TopicSettings::default(),
        }
    }
}

impl Kafka {
    /// The settings of the Kafka clients.
    pub(crate) fn client(&self) -> Result<ClientSettings> {
        self.check()?;
        if self.brokers.is_empty() {
            let hint = "use --kafka HOST:PORT, FLEETWIRE_KAFKA, or `brokers` in [kafka]";
            return Err(Usage(format!("no Kafka is named; {hint}")).into());
        }
        let mut client = self.without_secrets(&self.brokers);
        for (property, variable) in SECRETS {
            if let Some(value) = secret::read(variable, |name| std::env::var(name).ok())? {
                client.properties.insert(property.to_owned(), value.expose_secret().to_owned());
            }
        }
        client.check().map_err(|err| Usage(format!("[kafka] is not usable: {err}")))?;
        Ok(client)
    }

    /// Whether everything but the secrets and the brokers, which a flag may name, is usable.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some((property, variable)) = SECRETS.iter().find(|(key, _)| self.properties.contains_key(*key))
        {
            let hint = format!("set {variable}, or {variable}_FILE to the file that holds it");
            return Err(Usage(format!("{property} is a secret and not taken from here: {hint}")).into());
        }
        self.topics()?;
        let client = self.without_secrets("localhost:9092");
        client.check().map_err(|err| Usage(format!("[kafka] is not usable: {err}")).into())
    }

    fn without_secrets(&self, brokers: &str) -> ClientSettings {
        ClientSettings {
            brokers: brokers.to_owned(),
            properties: self.properties.clone(),
            producer: self.producer.clone(),
        }
    }

    /// The topics with their prefix.
    pub(crate) fn topics(&self) -> Result<Topics> {
        if self.topic_prefix.is_empty() {
            Ok(Topics::default())
        } else {
            Ok(Topics::new(&self.topic_prefix).map_err(|err| Usage(err.to_string()))?)
        }
    }
}

/// Configuration of `fleetwire frontend`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FrontendConfig {
    pub(crate) process: Process,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) kafka: Kafka,
    pub(crate) frontend: FrontendSettings,
    /// Where gateways are served.
    pub(crate) downlink: DownlinkServerSettings,
    pub(crate) public: PublicSettings,
    /// Accounts beside, or instead of, the built-in ones.
    pub(crate) accounts: BTreeMap<String, AccountSettings>,
    /// Accounts that watch live traffic.
    pub(crate) subscribers: BTreeMap<String, SubscriberSettings>,
    /// Models beside, or over, the built-in ones.
    pub(crate) models: BTreeMap<String, ModelSettings>,
}

/// Configuration of `fleetwire decoder`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DecoderConfig {
    pub(crate) process: Process,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) kafka: Kafka,
    pub(crate) decoder: DecoderSettings,
    /// Models beside, or over, the built-in ones.
    pub(crate) models: BTreeMap<String, ModelSettings>,
}

/// Configuration of `fleetwire gaps`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GapsConfig {
    pub(crate) process: Process,
    pub(crate) kafka: Kafka,
    pub(crate) gaps: GapsSettings,
}

/// Configuration of `fleetwire command-gateway`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CommandGatewayConfig {
    pub(crate) process: Process,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) kafka: Kafka,
    pub(crate) command_gateway: CommandGatewaySettings,
    /// The models of frontends and decoders.
    pub(crate) models: BTreeMap<String, ModelSettings>,
}

/// Configuration of `fleetwire api`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ApiConfig {
    pub(crate) process: Process,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) kafka: Kafka,
    pub(crate) api: ApiSettings,
    pub(crate) public: PublicSettings,
    pub(crate) held: HeldSettings,
    pub(crate) state: StateSettings,
    /// The accounts of the frontends.
    pub(crate) accounts: BTreeMap<String, AccountSettings>,
    /// The models of frontends and decoders.
    pub(crate) models: BTreeMap<String, ModelSettings>,
}

/// Configuration of `fleetwire run`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RunConfig {
    pub(crate) process: Process,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) kafka: Kafka,
    pub(crate) frontend: FrontendSettings,
    /// Where gateways are served.
    pub(crate) downlink: DownlinkServerSettings,
    pub(crate) accounts: BTreeMap<String, AccountSettings>,
    pub(crate) subscribers: BTreeMap<String, SubscriberSettings>,
    pub(crate) decoder: DecoderSettings,
    pub(crate) gaps: GapsSettings,
    pub(crate) command_gateway: CommandGatewaySettings,
    pub(crate) api: ApiSettings,
    pub(crate) public: PublicSettings,
    pub(crate) held: HeldSettings,
    pub(crate) state: StateSettings,
    pub(crate) models: BTreeMap<String, ModelSettings>,
}

/// What the commands of devices take of the configuration of any service; what else is in it is for others.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OwnConfig {
    pub(crate) process: Process,
    pub(crate) public: PublicSettings,
    pub(crate) accounts: BTreeMap<String, AccountSettings>,
    pub(crate) models: BTreeMap<String, ModelSettings>,
}

/// Whether the values of what the API has beside it are usable.
pub(crate) fn check_registry(
    held: &HeldSettings,
    state: &StateSettings,
    public: &PublicSettings,
) -> Result<()> {
    held.check().map_err(|err| Usage(err.to_string()))?;
    state.check().map_err(|err| Usage(err.to_string()))?;
    public.check()
}

/// The built-in models with those of a configuration, which was read from `file`.
pub(crate) fn catalogue(
    models: &BTreeMap<String, ModelSettings>,
    defaults: &CodecSettings,
    file: Option<&Path>,
) -> Result<Catalogue> {
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    Catalogue::load(models, defaults, folder)
        .map_err(|err| Usage(format!("[models] is not usable: {err}")).into())
}

/// Whether the values of the export of spans are usable.
pub(crate) fn check_telemetry(settings: &TelemetrySettings) -> Result<()> {
    settings.check().map_err(|err| Usage(err.to_string()).into())
}

/// Whether the values of the decoder are usable.
pub(crate) fn check_decoder(settings: &DecoderSettings) -> Result<()> {
    settings.check().map_err(|err| Usage(err.to_string()).into())
}

/// Flags that every service has.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServiceFlags {
    /// Configuration file (TOML); samples with every key are in deploy/config/
    #[arg(long, short, value_name = "FILE", env = "FLEETWIRE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Bootstrap servers of Apache Kafka, several with commas
    #[arg(long, value_name = "HOST:PORT", env = "FLEETWIRE_KAFKA")]
    pub(crate) kafka: Option<String>,
    /// Prefix of all topics [default: fleetwire]
    #[arg(long, value_name = "PREFIX", env = "FLEETWIRE_TOPIC_PREFIX")]
    pub(crate) topic_prefix: Option<String>,
    /// Where health and metrics are served; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "FLEETWIRE_ADMIN")]
    pub(crate) admin: Option<SocketAddr>,
    /// Name of this deployment in every event, for example "eu"
    #[arg(long, value_name = "NAME", env = "FLEETWIRE_REGION")]
    pub(crate) region: Option<String>,
    /// What to log: error, warn, info, debug, trace, or a filter such as "info,fleetwire_mqtt=debug"
    #[arg(long, value_name = "FILTER", env = "FLEETWIRE_LOG")]
    pub(crate) log: Option<String>,
    /// How log lines look [default: auto, which is text on a terminal and JSON otherwise]
    #[arg(long, value_name = "FORMAT", env = "FLEETWIRE_LOG_FORMAT")]
    pub(crate) log_format: Option<logs::Format>,
}

impl ServiceFlags {
    /// Puts the flags that were given over the file's values.
    pub(crate) fn apply(&self, process: &mut Process, kafka: &mut Kafka) {
        set(&mut kafka.brokers, self.kafka.as_ref());
        set(&mut kafka.topic_prefix, self.topic_prefix.as_ref());
        set(&mut process.admin, self.admin.as_ref());
        set(&mut process.region, self.region.as_ref());
        set(&mut process.log, self.log.as_ref());
        set(&mut process.log_format, self.log_format.as_ref());
    }
}

/// Puts a flag over a value, if the flag was given.
pub(crate) fn set<T: Clone>(value: &mut T, flag: Option<&T>) {
    if let Some(flag) = flag {
        value.clone_from(flag);
    }
}

/// Reads a configuration file; without a path, everything has its default.
pub(crate) fn load<T>(path: Option<&Path>) -> Result<T>
where
    T: serde::de::DeserializeOwned + Default,
{
    settings::load(path).context("the configuration is not usable")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> String {
        let path = format!("{}/../../deploy/config/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    /// A sample lists every key as a comment, `#key = default`; with the marks taken off it must still parse.
    fn uncommented(text: &str) -> String {
        text.lines().map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line)).fold(
            String::new(),
            |mut all, line| {
                all.push_str(line);
                all.push('\n');
                all
            },
        )
    }

    #[test]
    fn the_samples_are_accepted_as_they_are_and_with_every_key_set() {
        for text in [sample("frontend"), uncommented(&sample("frontend"))] {
            settings::parse::<FrontendConfig>(&text).unwrap();
        }
        for text in [sample("decoder"), uncommented(&sample("decoder"))] {
            settings::parse::<DecoderConfig>(&text).unwrap();
        }
        for text in [sample("gaps"), uncommented(&sample("gaps"))] {
            settings::parse::<GapsConfig>(&text).unwrap();
        }
        for text in [sample("command-gateway"), uncommented(&sample("command-gateway"))] {
            settings::parse::<CommandGatewayConfig>(&text).unwrap();
        }
        for text in [sample("api"), uncommented(&sample("api"))] {
            settings::parse::<ApiConfig>(&text).unwrap();
        }
        for text in [sample("run"), uncommented(&sample("run"))] {
            settings::parse::<RunConfig>(&text).unwrap();
        }
    }

    #[test]
    fn an_unknown_key_is_told_with_its_line_and_the_allowed_keys() {
        let message = settings::parse::<FrontendConfig>("[frontend]\nlisten_on = \"x\"\n").unwrap_err();
        assert!(message.contains("line 2") && message.contains("listen_on"), "{message}");
        assert!(message.contains("`listen`"), "{message}");
    }
}
