//! Starts the binary, waits for what it says, and publishes with mosquitto's client.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_model::Topic;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test fails. Generous: the machine is shared.
pub(crate) const LIMIT: Duration = Duration::from_mins(3);

/// The device of the published sample.
pub(crate) const DEVICE: &str = "867035046242895";
/// Its payload: vector I00 of docs/protocols/iotm.md.
pub(crate) const VECTOR: &str = include_str!("../../../codec/tests/fixtures/iotm/i00_field_position.hex");
/// The account's password in these tests.
pub(crate) const PASSWORD: &str = "a password of the tests";

/// The sample payload.
pub(crate) fn vector() -> Vec<u8> {
    hex::decode(VECTOR.trim()).unwrap()
}

/// Tries until it is there, or the limit is over.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The binary with a command; it talks to no pipeline but the one that the arguments name.
pub(crate) fn fleetwire(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetwire"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLEETWIRE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn output(arguments: &[&str]) -> Output {
    fleetwire(arguments).output().unwrap()
}

/// Standard output as text, with standard error in the message if it failed.
pub(crate) fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A process of the binary that is killed when the test ends.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a command; its standard output and error are kept line by line.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            keep(child.stdout.take().unwrap(), Arc::clone(&log)),
            keep(child.stderr.take().unwrap(), Arc::clone(&log)),
        ];
        Self { child, log, readers }
    }

    /// Everything that it printed so far.
    pub(crate) fn printed(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// The value of a field of a JSON log line with this message.
    pub(crate) fn logged(&mut self, message: &str, field: &str) -> String {
        until(&format!("log line `{message}`"), || {
            self.assert_running();
            let lines = self.log.lock().unwrap();
            let found = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            found
                .filter(|value| value["message"] == message)
                .find_map(|value| value[field].as_str().map(str::to_owned))
        })
    }

    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("it ended with {status}:\n{}", self.printed());
        }
    }

    /// Sends a signal by its name, for example "TERM".
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = until("the end of a process", || self.child.try_wait().unwrap());
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status, self.printed())
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(self) {
        self.signal("TERM");
        let (status, printed) = self.wait();
        assert!(status.success(), "{status}:\n{printed}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(stream: impl std::io::Read + Send + 'static, log: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            log.lock().unwrap().push(line);
        }
    })
}

/// A frontend on ports of its own.
#[derive(Debug)]
pub(crate) struct Frontend {
    pub(crate) process: Process,
    pub(crate) mqtt: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// Arguments of a service on free ports, with logs that a test can read.
pub(crate) fn service(name: &str, kafka: &str, prefix: &str) -> Command {
    let mut command = fleetwire(&[name, "--kafka", kafka, "--topic-prefix", prefix]);
    command.args(["--admin", "127.0.0.1:0", "--log-format", "json", "--log", "info"]);
    command
}

impl Frontend {
    pub(crate) fn start(kafka: &str, prefix: &str, config: Option<&Path>) -> Self {
        let mut command = service("frontend", kafka, prefix);
        command.args(["--mqtt", "127.0.0.1:0", "--downlink", "127.0.0.1:0"]);
        command.env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        let mut process = Process::start(command);
        let admin = process.logged("admin HTTP is served", "address").parse().unwrap();
        let mqtt = process.logged("devices may connect", "address").parse().unwrap();
        Self { process, mqtt, admin }
    }

    pub(crate) fn ready(kafka: &str, prefix: &str) -> Self {
        let frontend = Self::start(kafka, prefix, None);
        until("a ready frontend", || is_ready(frontend.admin).then_some(()));
        frontend
    }
}

/// The token of these tests, which may do everything.
pub(crate) const TOKEN: &str = "a-token-of-the-tests";

/// An API on ports of its own.
#[derive(Debug)]
pub(crate) struct ApiService {
    pub(crate) process: Process,
    pub(crate) url: String,
}

impl ApiService {
    /// A token that may look, and change nothing.
    pub(crate) const READER: &str = "a-token-that-only-reads";

    pub(crate) fn ready(kafka: &str, prefix: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("api.toml");
        let text = "[api.tokens.tests]\nscopes = [\"read\", \"devices\"]\n[api.tokens.reader]\nscopes = [\"read\"]\n\
                    [state]\ninterval = \"200ms\"\n";
        std::fs::write(&config, text).unwrap();
        let mut command = service("api", kafka, prefix);
        command.args(["--listen", "127.0.0.1:0", "--config"]).arg(&config);
        command.env("FLEETWIRE_API_TOKEN_TESTS", TOKEN).env("FLEETWIRE_API_TOKEN_READER", Self::READER);
        let mut process = Process::start(command);
        let admin = process.logged("admin HTTP is served", "address").parse().unwrap();
        let url = format!("http://{}", process.logged("the API is served", "address"));
        until("a ready API", || is_ready(admin).then_some(()));
        Self { process, url }
    }
}

/// A decoder on a port of its own.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) process: Process,
    pub(crate) admin: SocketAddr,
}

impl Decoder {
    pub(crate) fn ready(kafka: &str, prefix: &str) -> Self {
        // Its own group: several tests use one Kafka.
        Self::configured(kafka, prefix, &format!("[decoder]\ngroup = \"{prefix}-decoder\"\n"))
    }

    /// A ready decoder with this configuration.
    pub(crate) fn configured(kafka: &str, prefix: &str, toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("decoder.toml");
        std::fs::write(&config, toml).unwrap();
        let mut command = service("decoder", kafka, prefix);
        command.arg("--config").arg(&config);
        let mut process = Process::start(command);
        let admin = process.logged("admin HTTP is served", "address").parse().unwrap();
        until("a ready decoder", || is_ready(admin).then_some(()));
        Self { process, admin }
    }
}

/// A prefix that no other test has, with its topics.
pub(crate) fn topics(kafka: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let partitions = Topic::ALL.map(|topic| format!("--partitions={}=4", topic.suffix()));
    let mut command = fleetwire(&["topics", "apply", "--kafka", kafka, "--topic-prefix", &prefix]);
    let printed = stdout(&command.args(partitions).output().unwrap());
    assert_eq!(printed.matches("created").count(), Topic::ALL.len(), "{printed}");
    prefix
}

/// Activates a device.
pub(crate) fn activate(kafka: &str, prefix: &str, device: &str) {
    stdout(&output(&["device", "add", device, "--kafka", kafka, "--topic-prefix", prefix]));
}

/// One metric's value, summed over its labels that contain `labels`.
pub(crate) fn metric(admin: SocketAddr, name: &str, labels: &str) -> f64 {
    let (_, body) = get(admin, "/metrics");
    let lines = body.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

pub(crate) fn is_ready(admin: SocketAddr) -> bool {
    get(admin, "/readyz").0 == 200
}

/// A plain GET; status 0 if nobody answers.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    use std::io::Write as _;
    let ask = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().unwrap_or_default();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// Publishes with mosquitto's own client, QoS 1, and waits for its end.
#[derive(Debug, Clone)]
pub(crate) struct Publish<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) version: &'a str,
}

impl<'a> Publish<'a> {
    /// What the sample device does.
    pub(crate) fn sample(payload: &'a [u8]) -> Self {
        let (client_id, user) = (DEVICE, "bce_device");
        Self { client_id, user, password: PASSWORD, topic: "BCE/D", payload, version: "311" }
    }

    pub(crate) fn to(&self, mqtt: SocketAddr) -> Output {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("payload");
        std::fs::write(&file, self.payload).unwrap();
        let port = mqtt.port().to_string();
        let ip = mqtt.ip().to_string();
        Command::new("mosquitto_pub")
            .args(["-h", &ip, "-p", &port, "-i", self.client_id, "-u", self.user, "-P", self.password])
            .args(["-q", "1", "-V", self.version, "-t", self.topic, "-f"])
            .arg(&file)
            .output()
            .expect("mosquitto_pub runs; `make setup` installs it")
    }
}

/// The next `count` records of a topic as JSON, from its beginning.
pub(crate) fn records(what: &str, count: usize, flags: &[&str]) -> Vec<Value> {
    let count_text = count.to_string();
    let mut command = fleetwire(&["watch", what, "--json", "--from-beginning", "-n", &count_text]);
    let printed = stdout(&command.args(["--idle-timeout", "60s"]).args(flags).output().unwrap());
    let values: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), count);
    values
}

/// A `fleetwire run` with its data directory.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) process: Process,
    pub(crate) data_dir: PathBuf,
    pub(crate) mqtt: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Run {
    pub(crate) fn start(dir: &TempDir) -> Self {
        Self::start_with(dir, |_| ())
    }

    pub(crate) fn start_with(dir: &TempDir, change: impl FnOnce(&mut Command)) -> Self {
        let data_dir = dir.path().join("data");
        let mut command = fleetwire(&[
            "run",
            "--mqtt",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--api",
            "127.0.0.1:0",
            "--data-dir",
        ]);
        command.arg(&data_dir).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
        change(&mut command);
        let mut process = Process::start(command);
        let file = data_dir.join("run.json");
        let run: Value = until("the run file", || {
            process.assert_running();
            serde_json::from_slice(&std::fs::read(&file).ok()?).ok()
        });
        let address = |field: &str| run[field].as_str().unwrap().parse().unwrap();
        let started = Self { process, data_dir, mqtt: address("mqtt"), admin: address("admin") };
        until("a ready pipeline", || is_ready(started.admin).then_some(()));
        started
    }

    /// The flag by which tools find it.
    pub(crate) fn flags(&self) -> [&str; 2] {
        ["--data-dir", self.data_dir.to_str().unwrap()]
    }
}
