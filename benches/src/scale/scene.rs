//! The services of a run: added, stopped, killed and restarted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fleetwire_apache_kafka::TestKafka;
use tempfile::TempDir;

use super::Settings;
use super::balancer::Balancer;
use super::cluster::Cluster;
use crate::service::Service;
use crate::site::Site;

const ADMIN: &str = "admin HTTP is served";
const MQTT: &str = "devices may connect";

/// A kind of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Frontend,
    Decoder,
    Gateway,
    Gaps,
    Api,
}

impl Part {
    /// The command of the binary.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Decoder => "decoder",
            Self::Gateway => "command-gateway",
            Self::Gaps => "gaps",
            Self::Api => "api",
        }
    }
}

/// A running service.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) part: Part,
    service: Service,
    /// Of a frontend: where devices connect.
    address: Option<SocketAddr>,
    /// Of a frontend: what it refers MQTT 5 devices to when it stops.
    reference: Option<SocketAddr>,
}

/// A deployment.
#[derive(Debug)]
pub(super) struct Scene {
    // Before Kafka: services go first.
    members: Vec<Member>,
    started: usize,
    pub(super) balancer: Arc<Balancer>,
    pub(super) site: Site,
    /// A cluster of its own, where its brokers are restarted.
    pub(super) cluster: Option<Cluster>,
    folder: TempDir,
    grace: Duration,
    session_timeout: Option<Duration>,
    exactly_once: bool,
}

impl Scene {
    /// Makes the topics, with three brokers where they are `own`, and otherwise in the Kafka of the tests.
    pub(super) fn new(settings: &Settings, name: &str, own: bool) -> Result<Self> {
        let cluster = own.then(Cluster::start).transpose()?;
        let bootstrap = match &cluster {
            Some(cluster) => cluster.bootstrap(),
            None => TestKafka::shared()?.bootstrap().to_owned(),
        };
        let prefix = format!("scale-{name}-{}-{}", std::process::id(), settings.seed);
        let partitions = Some(settings.partitions);
        let site = Site::with_partitions(settings.binary.clone(), bootstrap, &prefix, partitions)?;
        Ok(Self {
            members: Vec::new(),
            started: 0,
            balancer: Arc::default(),
            site,
            cluster,
            folder: tempfile::tempdir()?,
            grace: settings.grace,
            session_timeout: settings.session_timeout,
            exactly_once: settings.exactly_once,
        })
    }

    /// Starts one more, and waits until it is ready. Returns its name.
    pub(super) fn add(&mut self, part: Part) -> Result<String> {
        let name = format!("{}-{}", part.command(), self.started);
        self.started += 1;
        // The first frontend refers to nobody in particular; the others to the first.
        let reference = self.members.iter().filter(|_| part == Part::Frontend).find_map(|one| one.address);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let member = self.start(part, name.clone(), any, reference)?;
        self.members.push(member);
        Ok(name)
    }

    fn start(
        &self,
        part: Part,
        name: String,
        mqtt: SocketAddr,
        reference: Option<SocketAddr>,
    ) -> Result<Member> {
        let config = self.config(part, &name, reference)?;
        let service = if part == Part::Frontend {
            self.site.frontend(&mqtt.to_string(), Some(&config))
        } else {
            let mut command = self.site.command(&[part.command()]);
            command.arg("--config").arg(config);
            if part == Part::Api {
                command
                    .args(["--listen", "127.0.0.1:0"])
                    .env("FLEETWIRE_API_TOKEN_SCALE", "a-token-of-the-benches");
            }
            Service::start(command, &[ADMIN])
        };
        let service = service.with_context(|| format!("{name} does not start"))?;
        let address = (part == Part::Frontend).then(|| service.address(MQTT)).transpose()?;
        if let Some(address) = address {
            self.balancer.add(address);
        }
        Ok(Member { name, part, service, address, reference })
    }

    fn config(&self, part: Part, name: &str, reference: Option<SocketAddr>) -> Result<PathBuf> {
        let kafka = self.session_timeout.filter(|_| part != Part::Frontend).map(|timeout| {
            let (timeout, beat) = (timeout.as_millis(), timeout.as_millis() / 5);
            format!(
                "[kafka.properties]\n\"session.timeout.ms\" = \"{timeout}\"\n\"heartbeat.interval.ms\" = \"{beat}\"\n"
            )
        });
        let own = match (part, reference) {
            (Part::Frontend, Some(server)) => {
                format!("[frontend.sessions]\nserver_reference = \"{server}\"\n")
            }
            (Part::Decoder, _) => format!("[decoder]\nexactly_once = {}\n", self.exactly_once),
            (Part::Api, _) => "[api.tokens.scale]\nscopes = [\"read\"]\n".to_owned(),
            _ => String::new(),
        };
        let text = format!(
            "[process]\nreplica = \"{name}\"\ngrace = \"{}ms\"\n{}{own}",
            self.grace.as_millis(),
            kafka.unwrap_or_default()
        );
        let path = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// SIGTERM, and waits for the end, which must be a good one. Devices are no longer sent to a frontend from the
    /// signal on.
    pub(super) fn stop(&mut self, name: &str) -> Result<()> {
        let member = self.take_out(name)?;
        terminate(member)
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, name: &str) -> Result<()> {
        self.take_out(name)?.service.kill()
    }

    /// Stops it as [`Self::stop`] does, and starts it again under its name, a frontend on its port.
    pub(super) fn restart(&mut self, name: &str) -> Result<()> {
        let member = self.take_out(name)?;
        let (part, address, reference) = (member.part, member.address, member.reference);
        terminate(member)?;
        let mqtt = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let member = self.start(part, name.to_owned(), mqtt, reference)?;
        self.members.push(member);
        Ok(())
    }

    fn take_out(&mut self, name: &str) -> Result<Member> {
        let at = self.members.iter().position(|member| member.name == name);
        let member = self.members.remove(at.with_context(|| format!("there is no {name}"))?);
        if let Some(address) = member.address {
            self.balancer.remove(address);
        }
        Ok(member)
    }

    /// Names of those of a kind, or of all.
    pub(super) fn names(&self, part: Option<Part>) -> Vec<String> {
        let wanted = |member: &&Member| part.is_none_or(|part| member.part == part);
        self.members.iter().filter(wanted).map(|member| member.name.clone()).collect()
    }

    /// Raw partitions that each decoder works.
    pub(super) fn worked(&self) -> Result<Vec<f64>> {
        let decoders = self.members.iter().filter(|member| member.part == Part::Decoder);
        decoders.map(|decoder| decoder.service.metric("fleetwire_kafka_assigned_partitions")).collect()
    }

    /// Those that ended although nobody ended them.
    pub(super) fn ended(&mut self) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        for member in &mut self.members {
            if member.service.has_ended()? {
                ended.push(member.name.clone());
            }
        }
        Ok(ended)
    }
}

fn terminate(member: Member) -> Result<()> {
    let status = member.service.terminate()?;
    ensure!(status.success(), "{} did not stop well: {status}", member.name);
    Ok(())
}
