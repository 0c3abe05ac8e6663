//! The states of a command, shown as they come.

use std::io::{Write, stdout};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;
use serde_json::Value;

use super::types::Status;
use crate::client::{Api, Ask, Event, Events, NotFound, encoded};

/// How long one stream is read; a connection that is dead is noticed by then, and another one goes on.
const STREAM: Duration = Duration::from_mins(1);

/// Pause before another stream is asked for.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a person wants to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// As long as something may come.
    ToTheEnd,
    /// So long.
    For(Duration),
}

impl Wait {
    /// The time, where this is the one to the end.
    pub(super) const fn or(self, to_the_end: Duration) -> Duration {
        match self {
            Self::ToTheEnd => to_the_end,
            Self::For(limit) => limit,
        }
    }
}

impl FromStr for Wait {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(Self::ToTheEnd) } else { humantime::parse_duration(text).map(Self::For) }
    }
}

/// A command that is followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follow<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// Its device, where that is known.
    pub(super) device: Option<&'a DeviceId>,
    /// How long to wait for its end.
    pub(super) limit: Duration,
    /// One JSON object for each state.
    pub(super) json: bool,
    /// When the person gave the command.
    pub(super) begin: Instant,
}

/// What a stream ended with.
enum Ended {
    /// Nothing more comes of the command.
    Terminal,
    /// The stream did, and another one may go on.
    Stream,
}

impl Follow<'_> {
    /// Shows each state until the last one, or until the time is over.
    pub(super) fn run(self, api: &Api) -> Result<Exit> {
        let mut shown = Shown { last: None, event_id: None };
        let (deadline, mut is_first) = (self.begin + self.limit, true);
        loop {
            match self.stream(api, deadline, &mut shown) {
                Ok(Ended::Terminal) => break,
                Ok(Ended::Stream) => is_first = false,
                // What went well once is tried again: an API that starts anew, a proxy that had enough.
                Err(err) if is_first || err.is::<NotFound>() => return Err(err),
                Err(err) => tracing::debug!(error = format!("{err:#}"), "the stream of events ended"),
            }
            if Instant::now() + AGAIN >= deadline {
                let state = shown.last.map_or_else(|| "sent".to_owned(), |last| last.state);
                let limit = humantime::format_duration(Duration::from_secs(self.limit.as_secs()));
                bail!(
                    "nothing final came of command {} within {limit}: its state is {state}, and it may still be carried \
                     out; `fleetwire command show {}` tells",
                    self.id,
                    self.id
                );
            }
            std::thread::sleep(AGAIN);
        }
        let is_success = shown.last.is_some_and(|last| last.is_success());
        Ok(if is_success { Exit::Done } else { Exit::Unfulfilled })
    }

    fn stream(self, api: &Api, deadline: Instant, shown: &mut Shown) -> Result<Ended> {
        let left = deadline.saturating_duration_since(Instant::now()).max(AGAIN);
        let device = self.device.map(|device| format!("?device={device}")).unwrap_or_default();
        let path = format!("/v1/commands/{}/events{device}", encoded(self.id));
        let after = shown.event_id.clone();
        let mut ask = Ask::new("GET", &path).body_within(left.min(STREAM));
        if let Some(after) = &after {
            ask = ask.header("last-event-id", after);
        }
        for event in Events::new(api.stream(ask)?) {
            // A stream that broke off is one that ended.
            let Ok(event) = event else { break };
            if event.kind == "status" && self.show(&event, shown)? {
                return Ok(Ended::Terminal);
            }
        }
        // The API has nothing to say after what it said last.
        if shown.last.as_ref().is_some_and(|last| last.terminal) {
            Ok(Ended::Terminal)
        } else {
            Ok(Ended::Stream)
        }
    }

    /// Shows one; whether it is the last.
    fn show(self, event: &Event, shown: &mut Shown) -> Result<bool> {
        let value: Value =
            serde_json::from_str(&event.data).context("the API's events are not understood")?;
        let mut out = stdout().lock();
        if self.json {
            let mut value = value.clone();
            if let Some(members) = value.as_object_mut() {
                members.insert("id".to_owned(), self.id.into());
            }
            writeln!(out, "{value}")?;
        }
        let status: Status = serde_json::from_value(value)?;
        if !self.json {
            writeln!(out, "{}", line(self.begin.elapsed(), &status))?;
        }
        out.flush()?;
        let is_last = status.terminal;
        shown.event_id.clone_from(&event.id);
        shown.last = Some(status);
        Ok(is_last)
    }
}

/// What was shown so far.
struct Shown {
    last: Option<Status>,
    event_id: Option<String>,
}

/// A state as one line.
fn line(since: Duration, status: &Status) -> String {
    let text = format!("{:>9.3} s  {:<12}  {}", since.as_secs_f64(), status.state, status.words());
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_a_time_or_lasts_to_the_end() {
        let wait = |text: &str| text.parse::<Wait>();
        assert_eq!(wait(""), Ok(Wait::ToTheEnd));
        assert_eq!(wait("30s"), Ok(Wait::For(Duration::from_secs(30))));
        assert!(wait("long").is_err());
        assert_eq!(Wait::ToTheEnd.or(AGAIN), AGAIN);
    }

    #[test]
    fn a_state_is_one_line_with_the_time_since_the_command_was_given() {
        let status =
            Status { state: "queued".into(), reason: "the device is away".into(), ..Status::default() };
        assert_eq!(
            line(Duration::from_millis(1234), &status),
            "    1.234 s  queued        the device is away"
        );
        let status = Status { state: "accepted".into(), ..Status::default() };
        assert_eq!(line(Duration::from_millis(12), &status), "    0.012 s  accepted");
    }
}
