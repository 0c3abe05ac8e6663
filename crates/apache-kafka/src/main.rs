//! `apache-kafka`: fetch, run, or run a command with a local Apache Kafka.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use fleetwire_apache_kafka::{ApacheKafka, Distribution, Options, TEST_KAFKA_ENV};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A local Apache Kafka, for tests and `make run KAFKA=apache`.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Fetch Apache Kafka into the build folder, unless it is there.
    Fetch,
    /// Run in the foreground: print the bootstrap address, stop on Ctrl-C.
    Run(Place),
    /// Run a command while Kafka runs, and end with the command's exit code.
    Exec {
        #[command(flatten)]
        place: Place,
        /// Environment variable that tells the command the bootstrap address.
        #[arg(long, value_name = "NAME", default_value = TEST_KAFKA_ENV)]
        env: String,
        /// The command and its arguments, after `--`.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// Folder to keep records in; without it they go when Kafka stops.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the (first) broker; a free one without it.
    #[arg(long)]
    port: Option<u16>,
    /// Number of nodes.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// Heap of each node, MiB.
    #[arg(long, default_value_t = 384)]
    heap_mib: u32,
}

impl Place {
    fn start(self) -> Result<ApacheKafka> {
        let distribution = Distribution::fetch(&say)?;
        ApacheKafka::start_with(
            &distribution,
            &Options {
                nodes: self.nodes,
                data: self.data,
                port: self.port,
                heap_mib: self.heap_mib,
                ..Options::default()
            },
        )
    }
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Task::Fetch => {
            let distribution = Distribution::fetch(&say)?;
            say(&format!("Apache Kafka is in {}", distribution.home().display()));
            Ok(ExitCode::SUCCESS)
        }
        Task::Run(place) => run(place),
        Task::Exec { place, env, command } => exec(place, &env, &command),
    }
}

fn run(place: Place) -> Result<ExitCode> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let mut kafka = place.start()?;
    print_line(&kafka.bootstrap());
    loop {
        if signals.pending().next().is_some() {
            break;
        }
        if !kafka.running() {
            bail!("a broker ended; see the logs in {}", kafka.logs().display());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    kafka.stop()?;
    Ok(ExitCode::SUCCESS)
}

fn exec(place: Place, env: &str, command: &[String]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let mut kafka = place.start()?;
    let mut child = Command::new(program)
        .args(arguments)
        .env(env, kafka.bootstrap())
        .spawn()
        .with_context(|| format!("`{program}` cannot be started"))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("the command has no id")?;
    let handle = signals.handle();
    // One thread waits for signals, this one for the command.
    let (done, ended) = mpsc::channel::<()>();
    let forwarder = std::thread::spawn(move || {
        for signal in signals.forever() {
            // A terminal's Ctrl-C has reached the command already, as it is in our process group.
            if signal != SIGINT && ended.try_recv() == Err(mpsc::TryRecvError::Empty) {
                let signal = if signal == SIGHUP { Signal::HUP } else { Signal::TERM };
                let _ = kill_process(pid, signal);
            }
        }
    });
    let status = child.wait();
    drop(done);
    handle.close();
    let _ = forwarder.join();
    kafka.stop()?;
    Ok(ExitCode::from(code(status?)))
}

/// The command's code, or 128 + signal as shells say it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[expect(clippy::print_stderr, reason = "a command-line tool says what it does")]
fn say(text: &str) {
    eprintln!("apache-kafka: {text}");
}

#[expect(clippy::print_stdout, reason = "the address is what scripts read")]
fn print_line(text: &str) {
    println!("{text}");
}
