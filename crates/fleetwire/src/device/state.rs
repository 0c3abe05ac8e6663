//! `fleetwire device state`.

use std::io::{Write as _, stdout};

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;

use super::check;
use crate::client::{ApiFlags, Position, State};
use crate::table::{counted, dash, facts, time};

#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// IMEI, or another device id
    #[arg(value_name = "IMEI")]
    id: DeviceId,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl StateArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| {
            let answer = api.get(&format!("/v1/devices/{}/state", self.id));
            let answer = answer.map_err(|err| check::with_hint(err, &self.id))?;
            let mut out = stdout().lock();
            if self.json {
                writeln!(out, "{answer}")?;
            } else {
                let state: State =
                    serde_json::from_value(answer).context("the API's answer is not understood")?;
                facts(&mut out, &lines(&self.id, &state))?;
            }
            Ok(Exit::Done)
        })
    }
}

fn lines(id: &DeviceId, state: &State) -> Vec<(&'static str, String)> {
    let registered = match &state.status {
        Some(status) if state.registered => format!("yes, {status}"),
        _ if state.registered => "yes".to_owned(),
        _ => "no".to_owned(),
    };
    let mut lines =
        vec![("device", id.to_string()), ("registered", registered), ("connected", connected(state))];
    if state.connected {
        lines.push(("takes commands", yes_no(state.accepts_commands.unwrap_or_default())));
    }
    if let Some(held) = &state.held {
        let messages = counted(held.messages, "message");
        lines.push(("held", format!("{messages} since {} UTC", time(&held.first_seen))));
    }
    lines.push((
        "last seen",
        state.last_seen.as_ref().map_or_else(|| "-".into(), |at| format!("{} UTC", time(at))),
    ));
    lines.push(("position", state.position.as_ref().map_or_else(|| "-".into(), position)));
    if let Some(on) = state.ignition {
        lines.push(("ignition", on_off(on).to_owned()));
    }
    let outputs: Vec<_> =
        state.outputs.iter().map(|output| format!("{} {}", output.number, on_off(output.on))).collect();
    if !outputs.is_empty() {
        lines.push(("outputs", outputs.join(", ")));
    }
    lines
}

fn connected(state: &State) -> String {
    let since = state.since.as_ref().map(|at| format!(" since {} UTC", time(at))).unwrap_or_default();
    if !state.connected {
        let reason = state.end_reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        return format!("no{since}{reason}");
    }
    let of = |value: &Option<String>| dash(value.as_deref().unwrap_or_default());
    format!("yes{since}, from {}, to frontend {}", of(&state.remote_address), of(&state.frontend))
}

fn position(position: &Position) -> String {
    let mut text =
        format!("{:.6}, {:.6} at {} UTC", position.latitude, position.longitude, time(&position.time));
    let more = [
        position.altitude_m.map(|value| format!("{value:.0} m")),
        position.speed_kmh.map(|value| format!("{value:.0} km/h")),
        position.heading_deg.map(|value| format!("heading {value:.0}")),
        position.satellites.map(|value| format!("{value} satellites")),
    ];
    for part in more.into_iter().flatten() {
        text.push_str(", ");
        text.push_str(&part);
    }
    text
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

const fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash_and_no_guess() {
        let state = State { registered: true, status: Some("active".into()), ..State::default() };
        let lines = lines(&"867035046242895".parse().unwrap(), &state);
        let of = |name: &str| lines.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(of("registered"), Some("yes, active"));
        assert_eq!(of("connected"), Some("no"));
        assert_eq!(of("position"), Some("-"));
        assert_eq!(of("ignition"), None);
    }

    #[test]
    fn a_position_is_one_line() {
        let at = Position {
            time: "2026-11-24T12:00:00Z".into(),
            latitude: 25.162_023_5,
            longitude: 55.402_519_2,
            speed_kmh: Some(18.0),
            ..Position::default()
        };
        assert_eq!(position(&at), "25.162024, 55.402519 at 2026-11-24 12:00:00 UTC, 18 km/h");
    }
}
