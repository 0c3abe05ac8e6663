//! `fleetwire trace`: each step of one device's publishes and commands, live, through every service.

mod line;

use std::io::{Write as _, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::line::Lines;
use crate::client::{Api, ApiFlags, Ask, Event, Events, NotFound};
use crate::process;

/// Events that wait to be shown.
const WAITING: usize = 256;
/// How often it is looked whether the person has had enough.
const LOOK: Duration = Duration::from_millis(100);
/// How long the stream of steps may take to begin, and to end once the device is not followed any more.
const SLACK: Duration = Duration::from_secs(20);

/// Follow one device through every service: what it connects as, publishes and is told to do, and what becomes of it.
///
/// For the given time every frontend, decoder, gateway and keeper of held publishes tells each step of this device, and
/// this shows it, with the time since the publish was received. The device need not be activated: an IMEI whose CONNECTs are
/// refused shows why. It ends by itself, or with Ctrl-C.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Steps are told as far as there is room for them: at most 200 a second. What is missing here may have happened all the
same. docs/tracing.md lists the steps.")]
pub(crate) struct TraceArgs {
    /// IMEI, another device id, or the client id of a connection that speaks for many devices
    #[arg(value_name = "IMEI")]
    device: DeviceId,
    /// How long: 1s to 1h
    #[arg(long = "for", value_name = "TIME", default_value = "5m")]
    time: humantime::Duration,
    /// Show the first 1024 bytes of payloads, hexadecimal; the token needs the scope `devices`, as for following itself
    #[arg(long)]
    payload: bool,
    /// One JSON object for each step
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiFlags,
}

pub(crate) fn trace(args: &TraceArgs) -> Result<Exit> {
    let args = args.clone();
    process::interruptible(move |stop| {
        let flags = args.api.clone();
        flags.with(|api| args.run(api, stop))
    })
}

impl TraceArgs {
    fn run(&self, api: &Api, stop: &CancellationToken) -> Result<Exit> {
        let events = self.listen(api);
        let mut trace =
            Trace { args: self, api, path: format!("/v1/devices/{}/trace", self.device), id: None };
        let shown = trace.show(&events, stop);
        // Also where showing failed: nobody looks any more.
        let ended = trace.end();
        shown.and(ended).map(|()| Exit::Done)
    }

    /// Reads the steps on a thread, which cannot be interrupted and ends with the stream, or with the process.
    fn listen(&self, api: &Api) -> Receiver<Result<Event>> {
        let (sender, events) = sync_channel(WAITING);
        let (api, path) = (api.clone(), format!("/v1/devices/{}/trace/events", self.device));
        let limit = Duration::from(self.time) + SLACK + SLACK;
        std::thread::spawn(move || {
            let ask = Ask::new("GET", &path).body_within(limit);
            let stream = match api.stream(ask) {
                Ok(stream) => stream,
                Err(err) => {
                    // Whoever asked may be gone.
                    let _ = sender.send(Err(err));
                    return;
                }
            };
            for event in Events::new(stream) {
                if sender.send(event.context("the stream of steps broke off")).is_err() {
                    return;
                }
            }
        });
        events
    }
}

/// A device that is followed for a person.
struct Trace<'a> {
    args: &'a TraceArgs,
    api: &'a Api,
    path: String,
    /// Of the request, while it is to be ended.
    id: Option<String>,
}

impl Trace<'_> {
    /// Shows steps until the end.
    fn show(&mut self, events: &Receiver<Result<Event>>, stop: &CancellationToken) -> Result<()> {
        let (mut lines, mut deadline) = (Lines::default(), Instant::now() + SLACK);
        let mut is_ready = false;
        loop {
            if stop.is_cancelled() && (self.id.is_some() || !is_ready) {
                if !is_ready {
                    return Ok(());
                }
                self.end()?;
                deadline = Instant::now() + SLACK;
            }
            match events.recv_timeout(LOOK) {
                Ok(event) => {
                    let event = event?;
                    match event.kind.as_str() {
                        "ready" => {
                            is_ready = true;
                            self.begin()?;
                            deadline = Instant::now() + Duration::from(self.args.time) + SLACK;
                        }
                        "step" => self.print(&mut lines, &event)?,
                        "end" => return self.ended(&event),
                        _ => {}
                    }
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => bail!("the API's stream of steps does not go on"),
                Err(RecvTimeoutError::Disconnected) => bail!("the API's stream of steps broke off"),
            }
        }
    }

    /// Asks for the device to be followed.
    fn begin(&mut self) -> Result<()> {
        let body = json!({ "for": self.args.time.to_string(), "payload": self.args.payload });
        let answer = self.api.change(Ask::new("POST", &self.path), Some(&body))?;
        let id = answer.get("trace_id").and_then(Value::as_str);
        self.id = Some(id.context("the API's answer is not understood")?.to_owned());
        if !self.args.json {
            let TraceArgs { device, time, .. } = self.args;
            let mut out = stdout().lock();
            writeln!(out, "{device} is followed for {time}; Ctrl-C ends it")?;
            out.flush()?;
        }
        Ok(())
    }

    /// Ends the request, unless another one took its place or its time is over.
    fn end(&mut self) -> Result<()> {
        let Some(id) = self.id.take() else { return Ok(()) };
        let path = format!("{}?trace_id={id}", self.path);
        match self.api.change(Ask::new("DELETE", &path), None) {
            Err(err) if !err.is::<NotFound>() => {
                Err(err.context("the device is followed until its time is over"))
            }
            _ => Ok(()),
        }
    }

    fn print(&self, lines: &mut Lines, event: &Event) -> Result<()> {
        let mut out = stdout().lock();
        if self.args.json {
            writeln!(out, "{}", event.data)?;
        } else {
            let step = serde_json::from_str(&event.data).context("the API's steps are not understood")?;
            writeln!(out, "{}", lines.of(&step))?;
        }
        Ok(out.flush()?)
    }

    fn ended(&self, event: &Event) -> Result<()> {
        let said: Value = serde_json::from_str(&event.data).unwrap_or_default();
        match said.get("reason").and_then(Value::as_str).unwrap_or_default() {
            "over" | "time" => Ok(()),
            "failed" => bail!("the API cannot read the steps; its log says why"),
            reason => bail!("the API ended the stream of steps of {}: {reason}", self.args.device),
        }
    }
}
