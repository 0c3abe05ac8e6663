//! What every command that is sent has in common.

use std::io::{Write as _, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_service::exit::Exit;
use serde_json::{Map, Value};

use super::follow::{Follow, Wait};
use super::types::Command;
use crate::client::{Api, Ask};

/// How long a command is good for unless it is said, as the API has it.
const DEFAULT_TTL: Duration = Duration::from_mins(1);

/// How long after the end of a command's time its last state may come: telemetry may confirm it for five minutes.
const AFTER: Duration = Duration::from_mins(6);

#[derive(Debug, Args)]
pub(super) struct SendFlags {
    /// How long the command is good for: 1s to 24h [default: 1m]
    #[arg(long, value_name = "TIME")]
    expires: Option<humantime::Duration>,
    #[command(flatten)]
    common: CommonFlags,
}

#[derive(Debug, Args)]
pub(super) struct CommonFlags {
    /// For whom you ask, for the trail
    #[arg(long, value_name = "NAME")]
    on_behalf_of: Option<String>,
    /// A text of your own: the same command with the same key again has its effect once
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Show the states as they come, until the last one; --wait=TIME ends sooner [default: the command's time and 6m]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    wait: Option<Wait>,
    /// JSON: one object, with --wait one for each state
    #[arg(long)]
    json: bool,
}

impl SendFlags {
    /// Sends to a path.
    pub(super) fn send(&self, api: &Api, path: &str, mut body: Map<String, Value>) -> Result<Exit> {
        if let Some(expires) = self.expires {
            body.insert("expires_in".to_owned(), expires.to_string().into());
        }
        self.common.send(api, path, body, self.expires.map_or(DEFAULT_TTL, Into::into))
    }
}

impl CommonFlags {
    /// Sends to a path; `ttl` is how long the command is good for.
    pub(super) fn send(
        &self,
        api: &Api,
        path: &str,
        mut body: Map<String, Value>,
        ttl: Duration,
    ) -> Result<Exit> {
        let begin = Instant::now();
        if let Some(name) = &self.on_behalf_of {
            body.insert("on_behalf_of".to_owned(), name.as_str().into());
        }
        let mut ask = Ask::new("POST", path);
        if let Some(key) = &self.idempotency_key {
            ask = ask.header("idempotency-key", key);
        }
        let answer = api.change(ask, Some(&Value::Object(body)))?;
        let command: Command =
            serde_json::from_value(answer.clone()).context("the API's answer is not understood")?;
        let Some(wait) = self.wait else {
            let mut out = stdout().lock();
            if self.json {
                writeln!(out, "{answer}")?;
            } else {
                let id = &command.id;
                writeln!(
                    out,
                    "{} {id}; `fleetwire command show {id}` tells what becomes of it",
                    command.status.state
                )?;
            }
            return Ok(Exit::Done);
        };
        if !self.json {
            let words = command.asked.as_ref().map(super::types::Asked::words).unwrap_or_default();
            writeln!(stdout().lock(), "{} for {}: {words}", command.id, command.device_id)?;
        }
        let limit = wait.or(ttl + AFTER);
        let device = command.device_id.parse().ok();
        Follow { id: &command.id, device: device.as_ref(), limit, json: self.json, begin }.run(api)
    }
}
