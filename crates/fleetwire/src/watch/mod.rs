//! `fleetwire watch`: what flows through the topics, live.

mod rows;

pub(crate) use rows::printable;

use std::io::{BufWriter, Stdout, Write as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use fleetwire_kafka::{Event, MissingTopic, Reader, ReaderOptions, Start};
use fleetwire_model::Topic;
use fleetwire_model::pb::{DeadLetter, DeviceEvent, PositionEvent, RawPublish};
use fleetwire_service::exit::Exit;
use fleetwire_service::stages::interrupted;
use prost::{Message, Name};
use tokio_util::sync::CancellationToken;

use crate::json::Json;
use crate::process;
use crate::target::TargetFlags;
use crate::watch::rows::Row;

/// How long Kafka may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(15);

/// Prints a line for each record as it comes, until Ctrl-C.
///
/// Without --kafka it watches the `fleetwire run` of this machine.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// What to watch
    #[arg(default_value = "positions")]
    what: What,
    /// One JSON object per line, with the field names of the .proto files
    #[arg(long)]
    json: bool,
    /// Begin with the oldest record that is kept, not with the next one
    #[arg(long)]
    from_beginning: bool,
    /// Only this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// End after this many records
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// Fail if nothing comes for this long, for example 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    idle_timeout: Option<Duration>,
    #[command(flatten)]
    target: TargetFlags,
}

/// What can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Decoded positions
    Positions,
    /// Publishes as devices sent them
    Raw,
    /// Publishes of devices that nobody activated
    Held,
    /// Events by the device's own codes
    Events,
    /// What could not be decoded, and why
    DeadLetters,
}

pub(crate) fn watch(args: &WatchArgs) -> Result<Exit> {
    process::block_on(async {
        let stop = CancellationToken::new();
        let reading = {
            let (stop, target) = (stop.clone(), args.target.resolve()?);
            let view = View { json: args.json, device: args.device.clone(), left: args.count };
            let (what, idle) = (args.what, args.idle_timeout);
            let start = if args.from_beginning { Start::Beginning } else { Start::End };
            let options = ReaderOptions { start, missing: MissingTopic::Fail, ready_timeout: PATIENCE };
            move || -> Result<()> {
                let topic = target.topics.name(what.topic());
                let reader = Reader::new(&target.client, &topic, options, &stop)?;
                match what {
                    What::Positions => view.show::<PositionEvent>(&reader, &stop, idle),
                    What::Raw | What::Held => view.show::<RawPublish>(&reader, &stop, idle),
                    What::Events => view.show::<DeviceEvent>(&reader, &stop, idle),
                    What::DeadLetters => view.show::<DeadLetter>(&reader, &stop, idle),
                }
            }
        };
        tokio::select! {
            done = tokio::task::spawn_blocking(reading) => done.context("the reader panicked")??,
            () = interrupted() => stop.cancel(),
        }
        Ok(Exit::Done)
    })
}

impl What {
    const fn topic(self) -> Topic {
        match self {
            Self::Positions => Topic::Positions,
            Self::Raw => Topic::Raw,
            Self::Held => Topic::Held,
            Self::Events => Topic::DeviceEvents,
            Self::DeadLetters => Topic::DeadLetters,
        }
    }
}

/// What to print of what comes.
#[derive(Debug)]
struct View {
    json: bool,
    device: Option<String>,
    left: Option<u64>,
}

impl View {
    fn show<M>(mut self, reader: &Reader, stop: &CancellationToken, idle: Option<Duration>) -> Result<()>
    where
        M: Message + Name + Default + Row,
    {
        let writer = Json::new()?;
        let mut out = BufWriter::new(std::io::stdout());
        if !self.json {
            writeln!(out, "{}", M::HEADER)?;
            out.flush()?;
        }
        let mut last = Instant::now();
        let mut result = Ok(());
        reader.run(stop, |event| {
            let outcome = match event {
                Event::Record(record) => {
                    last = Instant::now();
                    self.print::<M>(record.payload().unwrap_or_default(), &writer, &mut out)
                }
                Event::CaughtUp => Ok(()),
                Event::Idle if idle.is_some_and(|limit| last.elapsed() > limit) => {
                    Err(anyhow::anyhow!("nothing came for {:?}", idle.unwrap_or_default()))
                }
                // What was printed shows at the latest when there is nothing more.
                Event::Idle => out.flush().map_err(Into::into),
            };
            match outcome {
                Ok(()) if self.left != Some(0) => ControlFlow::Continue(()),
                failed => {
                    result = failed;
                    ControlFlow::Break(())
                }
            }
        })?;
        out.flush()?;
        result
    }

    fn print<M>(&mut self, value: &[u8], json: &Json, out: &mut BufWriter<Stdout>) -> Result<()>
    where
        M: Message + Name + Default + Row,
    {
        let record = match M::decode(value) {
            Ok(record) => record,
            Err(err) => bail!("a record of the topic is no {}: {err}", M::NAME),
        };
        if self.device.as_ref().is_some_and(|wanted| wanted != record.device()) {
            return Ok(());
        }
        if self.json {
            writeln!(out, "{}", json.line(&record)?)?;
        } else {
            writeln!(out, "{}", record.line())?;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(())
    }
}
