//! Every process of a deployment under simulated devices, and the traffic of people, strangers and faults.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fleetwire_apache_kafka::ApacheKafka;
use fleetwire_kafka::{ClientSettings, Producer, Record};
use tempfile::TempDir;

use crate::support::{
    DEVICE, Frontend, LIMIT, PASSWORD, Process, Publish, TOKEN, activate, fleetwire, is_ready, topics, until,
    vector,
};

/// The first device of `fleetwire simulate`.
const SIMULATED: &str = "867035040000000";
/// A device that nobody activates.
const STRANGER: &str = "865209039554705";

/// A process that keeps its configuration and its admin address over a restart.
#[derive(Debug)]
pub(crate) struct Part {
    arguments: Vec<String>,
    process: Option<Process>,
    pub(crate) admin: SocketAddr,
}

impl Part {
    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        self.process.take().expect("it runs").stop();
    }

    /// Starts it once more, and waits until it is ready.
    pub(crate) fn start_again(&mut self) {
        let admin = self.admin.to_string();
        self.start(&admin);
    }

    fn start(&mut self, admin: &str) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut command = fleetwire(&arguments);
        command.args(["--admin", admin, "--log-format", "json", "--log", "info"]);
        command.env("FLEETWIRE_API_TOKEN_TESTS", TOKEN);
        let mut process = Process::start(command);
        self.admin = process.logged("admin HTTP is served", "address").parse().unwrap();
        until(&format!("a ready {}", self.arguments[0]), || {
            process.assert_running();
            is_ready(self.admin).then_some(())
        });
        self.process = Some(process);
    }
}

/// A deployment with a Kafka of its own.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) kafka: ApacheKafka,
    prefix: String,
    _dir: TempDir,
    pub(crate) frontend: Frontend,
    pub(crate) decoder: Part,
    pub(crate) gateway: Part,
    pub(crate) api: Part,
    pub(crate) gaps: Part,
    api_url: String,
    simulator: Option<Process>,
}

/// The commands that start a part.
#[derive(Debug, Clone, Copy)]
struct Start<'a> {
    kafka: &'a str,
    prefix: &'a str,
    dir: &'a TempDir,
}

impl Start<'_> {
    fn part(self, name: &str, config: &str, more: &[&str]) -> Part {
        let file = self.dir.path().join(format!("{name}.toml"));
        std::fs::write(&file, config).unwrap();
        let file = file.to_str().unwrap();
        let common = [name, "--kafka", self.kafka, "--topic-prefix", self.prefix, "--config", file];
        let arguments = common.iter().chain(more).map(|&argument| argument.to_owned()).collect();
        let mut part = Part { arguments, process: None, admin: SocketAddr::from(([127, 0, 0, 1], 0)) };
        part.start("127.0.0.1:0");
        part
    }
}

/// A frontend that gives a publish up after two seconds, is not ready after one without Kafka, looks after itself every
/// second, has TLS too, and holds nobody back who fails to log in.
fn frontend(start: Start<'_>) -> Frontend {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (start.dir.path().join("tls.crt"), start.dir.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let config = start.dir.path().join("frontend.toml");
    let text = format!(
        "[process]\nkafka_away_limit = \"1s\"\n[frontend.canary]\nevery = \"1s\"\n\
         [kafka.producer]\ndelivery_timeout = \"2s\"\n[frontend.logins]\nexempt = [\"127.0.0.0/8\"]\n\
         [frontend.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
        certificate.display(),
        key.display()
    );
    std::fs::write(&config, text).unwrap();
    let frontend = Frontend::start(start.kafka, start.prefix, Some(&config));
    until("a ready frontend", || is_ready(frontend.admin).then_some(()));
    frontend
}

impl Pipeline {
    pub(crate) fn start() -> Self {
        let kafka = ApacheKafka::single().unwrap();
        let bootstrap = kafka.bootstrap();
        let prefix = topics(&bootstrap);
        activate(&bootstrap, &prefix, DEVICE);
        let dir = tempfile::tempdir().unwrap();
        let start = Start { kafka: &bootstrap, prefix: &prefix, dir: &dir };
        let api_config = "[api.tokens.tests]\nscopes = [\"read\", \"devices\", \"commands\"]\n\
                          [state]\ninterval = \"200ms\"\n";
        let mut api = start.part("api", api_config, &["--listen", "127.0.0.1:0"]);
        let api_url = api.process.as_mut().unwrap().logged("the API is served", "address");
        let gateway_config = "[command_gateway]\nconfirm_within = \"5s\"\npuback_timeout = \"3s\"\n";
        let mut pipeline = Self {
            frontend: frontend(start),
            decoder: start.part("decoder", "[decoder]\nexactly_once = true\n", &[]),
            gateway: start.part("command-gateway", gateway_config, &[]),
            gaps: start.part("gaps", "[gaps]\nflush_interval = \"200ms\"\n", &[]),
            api,
            api_url: format!("http://{api_url}"),
            kafka,
            prefix: prefix.clone(),
            _dir: dir,
            simulator: None,
        };
        pipeline.simulator = Some(pipeline.simulate());
        pipeline
    }

    /// Twelve devices, twenty publishes a second, a connection lost now and then.
    fn simulate(&self) -> Process {
        let mqtt = self.frontend.mqtt.to_string();
        let mut command = fleetwire(&["simulate", "--devices", "12", "--interval", "600ms", "--s1", "4"]);
        command.args(["--ramp-up", "4s", "--reconnect-every", "40s", "--mqtt", &mqtt]);
        command.args(["--kafka", &self.kafka.bootstrap(), "--topic-prefix", &self.prefix]);
        command.env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
        Process::start(command)
    }

    /// What Prometheus scrapes: jobs as the chart names them.
    pub(crate) fn targets(&self) -> Vec<(&'static str, SocketAddr)> {
        vec![
            ("fleetwire-frontend", self.frontend.admin),
            ("fleetwire-decoder", self.decoder.admin),
            ("fleetwire-command-gateway", self.gateway.admin),
            ("fleetwire-api", self.api.admin),
            ("fleetwire-gaps", self.gaps.admin),
        ]
    }

    /// Publishes as devices do that are no good: a wrong password, and a payload that is no telemetry.
    pub(crate) fn bad_devices(&self) -> Loop {
        let mqtt = self.frontend.mqtt;
        Loop::start(Duration::from_millis(50), move || {
            let payload = b"no telemetry";
            Publish { password: "a wrong password", ..Publish::sample(payload) }.to(mqtt);
            Publish::sample(payload).to(mqtt);
        })
    }

    /// Writes something that is no command to the topic of commands.
    pub(crate) fn bad_command(&self) {
        let producer = Producer::<()>::new(&ClientSettings::new(self.kafka.bootstrap()), |delivery, ()| {
            delivery.outcome.unwrap();
        });
        let (producer, topic) = (producer.unwrap(), format!("{}.commands.v1", self.prefix));
        let (key, payload) = (Some(DEVICE.as_bytes()), Some(&b"no command"[..]));
        producer.send(Record { topic: &topic, key, payload, ..Record::default() }, ()).unwrap();
        producer.flush(LIMIT).unwrap();
    }

    /// What people and strangers do beside the devices: changes of a device, commands of several fates, held publishes,
    /// publishes to a wrong topic.
    pub(crate) fn people(&self) -> Loop {
        let (mqtt, url) = (self.frontend.mqtt, self.api_url.clone());
        let command = move |arguments: &[&str]| {
            let mut command = fleetwire(&["command"]);
            command.args(arguments).args(["--api", &url]).env("FLEETWIRE_API_TOKEN", TOKEN);
            command.output().unwrap();
        };
        let (kafka, prefix) = (self.kafka.bootstrap(), self.prefix.clone());
        let mut round = 0_u32;
        Loop::start(Duration::from_millis(500), move || {
            round += 1;
            let name = format!("name {round}");
            let mut change = fleetwire(&["device", "add", DEVICE, "--name", &name, "--kafka", &kafka]);
            change.args(["--topic-prefix", &prefix]).output().unwrap();
            command(&["output", SIMULATED, "1", "on", "--for", "1s"]);
            command(&["output", DEVICE, "2", "off", "--expires", "2s"]);
            command(&["raw", SIMULATED, "867035040000000/OUTC", "--hex", "02"]);
            Publish { client_id: STRANGER, ..Publish::sample(&vector()) }.to(mqtt);
            Publish { topic: "not/allowed", ..Publish::sample(&vector()) }.to(mqtt);
        })
    }

    /// Ends everything.
    pub(crate) fn stop(self) {
        drop(self.simulator);
        for mut part in [self.gateway, self.decoder, self.gaps, self.api] {
            part.stop();
        }
        self.frontend.process.stop();
    }
}

/// Something that is done again and again until it is stopped.
#[derive(Debug)]
pub(crate) struct Loop {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Loop {
    fn start(pause: Duration, mut what: impl FnMut() + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                what();
                std::thread::park_timeout(pause);
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
