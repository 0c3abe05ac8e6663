//! One broker process. A small shell stands between it and us: it reads a pipe that only we hold, and when that
//! closes (we stopped the node, or died, even by SIGKILL) it ends the JVM. So no crash leaves a JVM behind.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Starts "$@", tells its pid, and ends it when standard input closes: SIGTERM, after ten seconds SIGKILL.
const WATCHER: &str = r#"
exec 3<&0 </dev/null
log=$1; shift
"$@" >>"$log" 2>&1 3<&- &
pid=$!
echo "$pid"
exec >/dev/null 2>&1
(
  while read -r line <&3; do :; done
  exec 3<&-
  kill -CONT "$pid"; kill -TERM "$pid"
  left=100
  while [ "$left" -gt 0 ] && kill -0 "$pid"; do sleep 0.1; left=$((left - 1)); done
  kill -KILL "$pid"
) &
watcher=$!
exec 3<&-
wait "$pid"
code=$?
kill -KILL "$watcher"
exit "$code"
"#;
const STOP_LIMIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(10);
const TAIL_BYTES: i64 = 4096;

/// A running (or killed, or paused) broker.
#[derive(Debug)]
pub(crate) struct Node {
    shell: Child,
    /// Held, never written: its closing is the signal to end.
    pipe: Option<ChildStdin>,
    java: Pid,
    log: PathBuf,
}

impl Node {
    /// Starts `java` with the arguments; everything it prints goes into `log`.
    pub(crate) fn spawn(arguments: &[std::ffi::OsString], log: &Path) -> Result<Self> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut shell = Command::new("sh")
            .arg("-c")
            .arg(WATCHER)
            .arg("apache-kafka")
            .arg(log)
            .arg("java")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal is for us; we decide when the brokers go.
            .process_group(0)
            .spawn()
            .context("sh cannot be started")?;
        let pipe = shell.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("the shell said no process id")?;
        }
        let java = line.trim().parse().ok().and_then(Pid::from_raw);
        let java = java.with_context(|| format!("`{}` is no process id", line.trim()))?;
        Ok(Self { shell, pipe, java, log: log.to_owned() })
    }

    /// Whether it was killed or stopped by us.
    pub(crate) fn was_stopped(&self) -> bool {
        self.pipe.is_none()
    }

    /// Whether the process has ended.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.shell.try_wait(), Ok(None))
    }

    /// SIGKILL: what a lost machine looks like to the others.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if !self.ended() {
            self.signal(Signal::KILL)?;
            self.wait(STOP_LIMIT)?;
        }
        self.pipe = None;
        Ok(())
    }

    /// SIGSTOP: connections stay, nothing answers.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT after [`Self::pause`].
    pub(crate) fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks the process to end without waiting for it.
    pub(crate) fn begin_stop(&mut self) {
        self.pipe = None;
    }

    /// SIGTERM, after ten seconds SIGKILL (both by the shell); returns when the process is gone.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.begin_stop();
        self.wait(STOP_LIMIT)
    }

    /// The last lines it printed.
    pub(crate) fn log_tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.log)?;
            let length = i64::try_from(fs::metadata(&self.log)?.len()).unwrap_or(0);
            file.seek(SeekFrom::End(-length.min(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_else(|error| format!("{}: {error}", self.log.display()))
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended() {
            bail!("the broker has ended");
        }
        // The shell has not reaped the process, so the id is still its own.
        kill_process(self.java, signal).context("cannot signal the broker")
    }

    fn wait(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.ended() {
            if Instant::now() >= deadline {
                bail!("the broker (process {}) did not end", self.java.as_raw_nonzero());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The pipe is closed by our own drop; waiting only keeps the data folder from going first.
        let _ = self.stop();
    }
}
