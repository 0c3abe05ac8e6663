//! The parts of a process, put together in the order in which they stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fleetwire_api::{ApiSettings, Public, Tokens};
use fleetwire_decoder::DecoderSettings;
use fleetwire_downlink::DownlinkServerSettings;
use fleetwire_frontend::FrontendSettings;
use fleetwire_frontend::ingest::Origin;
use fleetwire_gaps::GapsSettings;
use fleetwire_gateway::CommandGatewaySettings;
use fleetwire_held::{HeldSettings, Isolation, Knocks};
use fleetwire_kafka::ClientSettings;
use fleetwire_model::Topics;
use fleetwire_registry::account::{AccountSettings, with_built_in};
use fleetwire_registry::follow::Registry;
use fleetwire_registry::{Catalogue, Records, Registrar, RegistrarNeeds, RegistrarTask};
use fleetwire_service::admin::Admin;
use fleetwire_service::build;
use fleetwire_service::exit::Exit;
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;
use fleetwire_state::{StateSettings, States};
use fleetwire_trace::{Exporter, Identity, Place, Telemetry, TelemetrySettings, Tracer};
use secrecy::SecretString;

use crate::config::{Kafka, Process};
use crate::process::Usage;
use crate::service::Logins;
use crate::{process, topic_check};

/// What changes the registry, and what it knows.
#[derive(Debug)]
pub(crate) struct Registering {
    pub(crate) registrar: Registrar,
    records: Arc<Records>,
    task: RegistrarTask,
}

/// What the API shows, and to whom.
#[derive(Debug)]
pub(crate) struct ApiParts<'a> {
    pub(crate) catalogue: Catalogue,
    /// Those of the settings.
    pub(crate) accounts: &'a BTreeMap<String, AccountSettings>,
    pub(crate) knocks: Arc<Knocks>,
    pub(crate) states: Arc<States>,
    pub(crate) public: Public,
    pub(crate) tokens: Tokens,
}

/// Puts services together in one process, in the order in which they stop.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) stages: Stages,
    pub(crate) health: Health,
    kafka: ClientSettings,
    topics: Topics,
    origin: Origin,
    tracer: Tracer,
    /// What takes spans to a collector, until it is added as a task.
    exporter: Option<Exporter>,
    grace: Duration,
}

/// How long the last steps of devices that are followed may take at a stop.
const LAST_STEPS: Duration = Duration::from_secs(2);

impl Parts {
    pub(crate) fn new(process: &Process, kafka: ClientSettings, topics: Topics) -> Self {
        let replica = Some(process.replica.clone()).filter(|name| !name.is_empty());
        let host = || hostname::get().ok().and_then(|name| name.into_string().ok());
        let frontend_id = replica.or_else(host).unwrap_or_else(|| "unnamed".to_owned());
        let place = Place { kafka: kafka.clone(), topics: topics.clone(), replica: frontend_id.clone() };
        let (stages, health) = (Stages::default(), Health::new(process.health_limits()));
        health.stops_with(stages.stopping());
        Self {
            stages,
            health,
            tracer: Tracer::new(place, None),
            exporter: None,
            kafka,
            topics,
            origin: Origin { frontend_id, region: process.region.clone(), host: String::new() },
            grace: process.grace,
        }
    }

    /// The same, with spans for an OpenTelemetry collector where the settings name one. Before any part is added; needs a
    /// runtime.
    pub(crate) fn exporting(mut self, settings: &TelemetrySettings, service: &'static str) -> Result<Self> {
        let replica = self.origin.frontend_id.clone();
        let region = self.origin.region.clone();
        let identity = Identity { service, instance: replica.clone(), version: build::version(), region };
        let made = Telemetry::new(settings, &identity).map_err(|err| Usage(err.to_string()))?;
        let (telemetry, exporter) = made.unzip();
        let place = Place { kafka: self.kafka.clone(), topics: self.topics.clone(), replica };
        self.tracer = Tracer::new(place, telemetry);
        self.exporter = exporter;
        Ok(self)
    }

    /// The same, for a deployment that devices reach under this host name.
    pub(crate) fn reached_at(mut self, host: &str) -> Self {
        host.clone_into(&mut self.origin.host);
        self
    }

    /// The registry's view, to be followed once its task is added by [`Self::finish`].
    pub(crate) fn registry(&self, catalogue: Catalogue) -> Registry {
        let condition = self.health.condition("registry");
        Registry::new(self.kafka.clone(), &self.topics, catalogue, condition).with_tracer(self.tracer.clone())
    }

    /// Adds a frontend; returns where devices connect.
    pub(crate) fn add_frontend(
        &mut self,
        settings: &FrontendSettings,
        downlink: &DownlinkServerSettings,
        logins: Logins,
        registry: &Registry,
    ) -> Result<fleetwire_frontend::Frontend> {
        let needs = fleetwire_frontend::Dependencies {
            kafka: self.kafka.clone(),
            topics: self.topics.clone(),
            directory: fleetwire_frontend::directory::Directory::new(
                registry.devices(),
                registry.caught_up(),
            ),
            accounts: logins.accounts,
            subscribers: logins.subscribers,
            downlink: downlink.clone(),
            downlink_tokens: logins.gateways,
            origin: self.origin.clone(),
            tracer: self.tracer.clone(),
            health: self.health.clone(),
            grace: self.grace,
        };
        fleetwire_frontend::start(settings, needs, &mut self.stages)
    }

    /// Adds a decoder worker.
    pub(crate) fn add_decoder(&mut self, settings: &DecoderSettings, registry: &Registry) -> Result<()> {
        let needs = fleetwire_decoder::Dependencies {
            kafka: self.kafka.clone(),
            topics: self.topics.clone(),
            catalogue: registry.devices().catalogue(),
            devices: registry.devices(),
            caught_up: registry.caught_up(),
            tracer: self.tracer.clone(),
            health: self.health.clone(),
            version: build::version(),
            replica: self.origin.frontend_id.clone(),
            grace: self.grace,
        };
        fleetwire_decoder::start(settings, needs, &mut self.stages)
    }

    /// Adds a gap ledger; its settings are checked.
    pub(crate) fn add_gaps(&mut self, settings: &GapsSettings) -> Result<()> {
        let needs = fleetwire_gaps::Dependencies {
            kafka: self.kafka.clone(),
            topics: self.topics.clone(),
            health: self.health.clone(),
            grace: self.grace,
        };
        fleetwire_gaps::start(settings, needs, &mut self.stages)
    }

    /// Adds a command gateway; its settings are checked. `token` is what frontends ask for.
    pub(crate) fn add_command_gateway(
        &mut self,
        settings: &CommandGatewaySettings,
        isolation: Isolation,
        registry: &Registry,
        token: Option<SecretString>,
    ) -> Result<()> {
        let needs = fleetwire_gateway::Dependencies {
            kafka: self.kafka.clone(),
            topics: self.topics.clone(),
            devices: registry.devices(),
            caught_up: registry.caught_up(),
            tracer: self.tracer.clone(),
            token,
            health: self.health.clone(),
            version: build::version(),
            replica: self.origin.frontend_id.clone(),
            isolation: match isolation {
                Isolation::Required => fleetwire_gateway::Isolation::Required,
                Isolation::NotNeeded => fleetwire_gateway::Isolation::NotNeeded,
            },
            grace: self.grace,
        };
        fleetwire_gateway::start(settings, &needs, &mut self.stages)
    }

    /// What changes the registry for the accounts of `settings` and the built-in ones, to be run once it is given to
    /// [`Self::add_registrar`].
    pub(crate) fn registering(&self, settings: &BTreeMap<String, AccountSettings>) -> Registering {
        let (registrar, records, task) = Registrar::new(RegistrarNeeds {
            client: self.kafka.clone(),
            topics: self.topics.clone(),
            accounts: Some(with_built_in(settings).into_keys().collect()),
            condition: self.health.condition("registrar"),
        });
        Registering { registrar, records, task }
    }

    /// Adds the keeper of what devices sent that nobody activated; its settings are checked.
    pub(crate) fn add_held(
        &mut self,
        settings: &HeldSettings,
        isolation: Isolation,
        registry: &Registry,
        registrar: Registrar,
    ) -> Result<Arc<Knocks>> {
        let needs = fleetwire_held::Dependencies {
            kafka: self.kafka.clone(),
            topics: self.topics.clone(),
            devices: registry.devices(),
            caught_up: registry.caught_up(),
            tracer: self.tracer.clone(),
            registrar,
            health: self.health.clone(),
            replica: self.origin.frontend_id.clone(),
            isolation,
            grace: self.grace,
        };
        fleetwire_held::start(settings, needs, &mut self.stages)
    }

    /// Adds what keeps where devices are and what they last reported; its settings are checked.
    pub(crate) fn add_state(&mut self, settings: &StateSettings) -> Result<Arc<States>> {
        fleetwire_state::start(settings, self.state_needs(), &mut self.stages)
    }

    /// Adds a look at who knocks and where devices are, for a process that does nothing about it.
    pub(crate) fn add_views(&mut self) -> (Arc<Knocks>, Arc<States>) {
        let kafka = (&self.kafka, &self.topics);
        let knocks = fleetwire_held::follow(&HeldSettings::default(), kafka, &self.health, &mut self.stages);
        let states =
            fleetwire_state::follow(&StateSettings::default(), &self.state_needs(), &mut self.stages);
        (knocks, states)
    }

    fn state_needs(&self) -> fleetwire_state::Dependencies {
        fleetwire_state::Dependencies {
            kafka: self.kafka.clone(),
            topics: self.topics.clone(),
            health: self.health.clone(),
            grace: self.grace,
        }
    }

    /// Adds the HTTP API; returns where it is served.
    pub(crate) fn add_api(
        &mut self,
        settings: &ApiSettings,
        parts: ApiParts<'_>,
        registering: &Registering,
    ) -> Result<SocketAddr> {
        let needs = fleetwire_api::Dependencies {
            registrar: registering.registrar.clone(),
            records: Arc::clone(&registering.records),
            catalogue: parts.catalogue,
            accounts: with_built_in(parts.accounts),
            knocks: parts.knocks,
            states: parts.states,
            tracer: self.tracer.clone(),
            public: parts.public,
            tokens: parts.tokens,
            health: self.health.clone(),
            kafka: self.kafka.clone(),
            topics: self.topics.clone(),
        };
        Ok(fleetwire_api::start(settings, needs, &mut self.stages)?.address)
    }

    /// Adds what changes the registry, after everything that asks it to.
    pub(crate) fn add_registrar(&mut self, registering: Registering) {
        let stop = self.stages.open("registrar");
        let task = registering.task;
        self.stages.spawn("registrar", async move { Ok(task.run(stop).await?) });
    }

    /// Adds what stops last.
    pub(crate) fn add_last(&mut self, registry: Registry, admin: Admin) {
        let (stop, tracer) = (self.stages.open("registry"), self.tracer.clone());
        self.stages.spawn_blocking("registry follower", move || {
            let outcome = registry.follow(&stop);
            // Everything that tells steps has stopped. They are told as far as there is room, so none is missed.
            let _told = tracer.flush(LAST_STEPS);
            Ok(outcome?)
        });
        self.add_admin(admin);
    }

    /// Adds the admin HTTP, after everything else.
    pub(crate) fn add_admin(&mut self, admin: Admin) {
        if let Some(exporter) = self.exporter.take() {
            let stop = self.stages.open("telemetry");
            self.stages.spawn("export of spans", async move {
                exporter.run(stop).await;
                Ok(())
            });
        }
        let stop = self.stages.open("admin");
        self.stages.spawn("admin HTTP", admin.run(stop));
    }

    /// Adds the check of the topics, where it is wanted.
    pub(crate) fn add_topic_check(&mut self, settings: &Kafka) {
        if settings.check_topics {
            let stop = self.stages.open("topic check");
            let condition = self.health.condition("topics");
            let check = topic_check::run(
                self.kafka.clone(),
                self.topics.clone(),
                settings.topics.clone(),
                condition,
                stop,
            );
            self.stages.spawn("topic check", check);
        }
    }

    /// Adds what stops last, and serves until told to stop.
    pub(crate) async fn finish(mut self, registry: Registry, admin: Admin) -> Result<Exit> {
        self.add_last(registry, admin);
        process::serve(self.stages, self.grace).await
    }
}
