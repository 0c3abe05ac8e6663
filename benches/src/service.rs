//! A service of the binary as a process under test: started, looked at, and ended in three ways.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a start or an orderly end may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// The kernel's unit of process times on Linux, a second.
const TICKS: f64 = 100.0;

/// A running service; dropping it kills it.
#[derive(Debug)]
pub struct Service {
    child: Child,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Starts a service and waits until its log names the addresses that are asked for, and it is ready.
    pub fn start(mut command: Command, messages: &[&str]) -> Result<Self> {
        command.args(["--admin", "127.0.0.1:0", "--log", "info", "--log-format", "json"]);
        let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        // From here on it ends with this value.
        let mut service = Self { child, addresses: BTreeMap::new() };
        let mut lines = BufReader::new(service.child.stderr.take().context("no log")?).lines();
        let mut last = String::new();
        while !messages.iter().all(|message| service.addresses.contains_key(*message)) {
            let Some(line) = lines.next().transpose()? else {
                bail!("the service ended; its last words: {last}");
            };
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && let (Some(Value::String(message)), Some(Value::String(address))) =
                    (value.get("message"), value.get("address"))
            {
                service.addresses.insert(message.clone(), address.parse()?);
            }
            last = line;
        }
        // Nobody reads on; a full pipe must not stop the service.
        let mut kept = service.log_file()?;
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(file) = &mut kept {
                    // A log that cannot be kept is no reason to stop.
                    let _ = writeln!(file, "{line}");
                }
            }
        });
        let deadline = Instant::now() + PATIENCE;
        while get(service.admin()?, "/readyz").is_err() {
            ensure!(Instant::now() < deadline, "not ready in time");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(service)
    }

    /// Where the log goes from here on, if FLEETWIRE_BENCH_LOGS names a folder.
    fn log_file(&self) -> Result<Option<File>> {
        let Some(folder) = std::env::var_os("FLEETWIRE_BENCH_LOGS") else { return Ok(None) };
        let path = PathBuf::from(folder).join(format!("{}.log", self.child.id()));
        Ok(Some(File::create(&path).with_context(|| path.display().to_string())?))
    }

    /// The address that the log named with a message.
    pub fn address(&self, message: &str) -> Result<SocketAddr> {
        self.addresses.get(message).copied().with_context(|| format!("no address with `{message}`"))
    }

    fn admin(&self) -> Result<SocketAddr> {
        self.address("admin HTTP is served")
    }

    /// All metrics, as Prometheus reads them.
    pub fn exposition(&self) -> Result<String> {
        get(self.admin()?, "/metrics")
    }

    /// A metric, summed over its labels.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let body = self.exposition()?;
        let lines = body
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// CPU seconds so far, user and system.
    pub fn cpu(&self) -> Result<f64> {
        cpu(self.child.id())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: what a lost machine looks like to the others.
    pub fn kill(mut self) -> Result<()> {
        self.kill_in_place()
    }

    /// The same, of a service whose place another one takes.
    pub fn kill_in_place(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// SIGSTOP: it stands still, as on a machine that is out of breath.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT: it goes on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, signal)?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "it did not end within {PATIENCE:?} of SIGTERM");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// CPU seconds of a process so far, user and system, all threads.
pub fn cpu(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit(')').next().context("no stat")?;
    let times: Vec<f64> = after_name.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
    Ok(times.iter().sum::<f64>() / TICKS)
}

/// The `fleetwire` binary that was built beside this one.
pub fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let binary = here.parent().map(|folder| folder.join("fleetwire")).context("no folder")?;
    ensure!(binary.is_file(), "{} is missing; `make build` makes it", binary.display());
    Ok(binary)
}

/// The body of a GET; an error unless the status is 200.
fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => bail!("{path} answers no 200"),
    }
}
