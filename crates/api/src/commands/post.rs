//! Commands that are asked for.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{self, command::Action};
use fleetwire_model::time::from_unix_ms;
use fleetwire_registry::Who;
use fleetwire_service::clock;
use tokio::time::{Instant, sleep_until};

use super::Commands;
use super::entry::Snapshot;
use super::form::{self, Draft, NewCommand, Say, SwitchOutput};
use super::idempotency::{IdempotencyKey, KeyHeader, command_id};
use super::path::{self, CommandParams, CommandPath, DeviceParam, OutputParams, OutputPath};
use super::sender::SendFailure;
use super::shown::{Command, CommandState, CommandStatus};
use super::view::Found;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::body::{JsonBody, MaybeJson};
use crate::problem::{Code, Refusal};
use crate::query::{Query, Times, bad};

type Answer = Result<Response, Refusal>;

/// Part of the time that a request may take in all that may go by in waiting.
const WAITING: f64 = 0.8;

/// How long a request waits for the end of its command.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only; `Asking` reads it")]
pub(crate) struct WaitParam {
    /// Answer when nothing more comes of the command, or after this time, for example "10s"; 25 s at most. The answer has the
    /// newest status.
    #[param(nullable = false, required = false, pattern = "^([0-9]|1[0-9]|2[0-5])s$", example = "10s")]
    wait: Option<String>,
}

/// How a command is asked for, besides what it is.
#[derive(Debug)]
pub(crate) struct Asking {
    who: Who,
    key: Option<String>,
    /// Until when to wait for the end of the command.
    until: Option<Instant>,
    /// Device of the command that the path names.
    device: Option<DeviceId>,
}

impl FromRequestParts<Shared> for Asking {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Refusal> {
        let begin = Instant::now();
        let Caller(who) = Caller::from_request_parts(parts, app).await?;
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(parts, app).await?;
        let all = [("wait", Times::Once), ("device", Times::Once)];
        let is_about = parts.uri.path().starts_with("/v1/commands/");
        let query = Query::read(&parts.uri, if is_about { &all } else { all.get(..1).unwrap_or_default() })?;
        let wait = query.one("wait").map(|text| {
            let wait = humantime::parse_duration(text).ok().filter(|wait| *wait <= Commands::MAX_WAIT);
            let limit = Commands::MAX_WAIT.as_secs();
            wait.ok_or_else(|| {
                bad(format!("query parameter `wait`: it is a duration such as 10s, up to {limit}s"))
            })
        });
        // So that the answer is not cut off.
        let most = app.settings.request_timeout.mul_f64(WAITING);
        let until = wait.transpose()?.filter(|wait| !wait.is_zero()).map(|wait| begin + wait.min(most));
        Ok(Self { who, key, until, device: path::device(&query)? })
    }
}

/// Switch an output.
///
/// The answer says that Kafka has the command. What becomes of it, `GET` of its Location tells, and the events below it.
#[utoipa::path(
    post, path = "/v1/devices/{id}/outputs/{number}", tag = "commands", operation_id = "switchOutput",
    params(OutputParams, WaitParam, KeyHeader), request_body = SwitchOutput,
    responses(
        (status = 202, description = "It is sent", body = Command,
            headers(("Location" = String, description = "Path of the command"))),
        (status = 200, description = "With `wait`: nothing more comes of it", body = Command,
            headers(("Location" = String, description = "Path of the command"))),
        (status = 404, description = "No such device is registered"),
        (status = 409, description = "The device is disabled"),
    )
)]
pub(crate) async fn output(
    State(app): State<Shared>,
    OutputPath(device, number): OutputPath,
    asking: Asking,
    JsonBody(body): JsonBody<SwitchOutput>,
) -> Answer {
    let draft = body.read(&app, device, number)?;
    order(&app, draft, asking).await
}

/// Send a command.
///
/// Whether a raw command's topic is allowed, gateways know. A cancellation and an approval are commands themselves, with a
/// status of their own.
#[utoipa::path(
    post, path = "/v1/commands", tag = "commands", operation_id = "sendCommand",
    params(WaitParam, KeyHeader), request_body = NewCommand,
    responses(
        (status = 202, description = "It is sent", body = Command,
            headers(("Location" = String, description = "Path of the command"))),
        (status = 200, description = "With `wait`: nothing more comes of it", body = Command,
            headers(("Location" = String, description = "Path of the command"))),
        (status = 404, description = "No such device is registered"),
        (status = 409, description = "The device is disabled"),
    )
)]
pub(crate) async fn command(
    State(app): State<Shared>,
    asking: Asking,
    JsonBody(body): JsonBody<NewCommand>,
) -> Answer {
    let draft = body.read(&app)?;
    order(&app, draft, asking).await
}

/// Take a command back.
///
/// It works as long as the command has not been published. The answer is about the cancellation, which is a command of its
/// own. A body is not needed.
#[utoipa::path(
    post, path = "/v1/commands/{id}/cancel", tag = "commands", operation_id = "cancelCommand",
    params(CommandParams, DeviceParam, WaitParam, KeyHeader), request_body = Say,
    responses(
        (status = 202, description = "The cancellation is sent", body = Command,
            headers(("Location" = String, description = "Path of the cancellation"))),
        (status = 200, description = "With `wait`: nothing more comes of it", body = Command,
            headers(("Location" = String, description = "Path of the cancellation"))),
        (status = 404, description = "No such command is remembered here"),
        (status = 409, description = "Nothing more comes of the command, or several devices have one of this id"),
    )
)]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    CommandPath(id): CommandPath,
    asking: Asking,
    MaybeJson(body): MaybeJson<Say>,
) -> Answer {
    about(&app, id, form::cancel, (body, asking)).await
}

/// Approve a command.
///
/// For commands that wait for a second person, where the guards of the gateways ask for one. Whoever asked for a command
/// cannot approve it. The answer is about the approval, which is a command of its own. A body is not needed.
#[utoipa::path(
    post, path = "/v1/commands/{id}/approve", tag = "commands", operation_id = "approveCommand",
    params(CommandParams, DeviceParam, WaitParam, KeyHeader), request_body = Say,
    responses(
        (status = 202, description = "The approval is sent", body = Command,
            headers(("Location" = String, description = "Path of the approval"))),
        (status = 200, description = "With `wait`: nothing more comes of it", body = Command,
            headers(("Location" = String, description = "Path of the approval"))),
        (status = 404, description = "No such command is remembered here"),
        (status = 409, description = "Nothing more comes of the command, or several devices have one of this id"),
    )
)]
pub(crate) async fn approve(
    State(app): State<Shared>,
    CommandPath(id): CommandPath,
    asking: Asking,
    MaybeJson(body): MaybeJson<Say>,
) -> Answer {
    about(&app, id, form::approve, (body, asking)).await
}

/// A command about another one.
async fn about(app: &App, id: String, action: fn(String) -> Action, (body, asking): (Say, Asking)) -> Answer {
    let other = path::find(&app.commands, &id, asking.device.as_ref())?;
    if other.is_terminal() {
        let state = CommandStatus::new(other.last()).state;
        let detail = format!("nothing more comes of command {id}: its state is {}", word(state));
        return Err(Refusal::new(Code::Finished, detail));
    }
    let device: DeviceId =
        other.key.1.parse().map_err(|err| {
            Refusal::new(Code::Invalid, format!("the device of command {id} is none: {err}"))
        })?;
    order(app, body.read(device, action(id))?, asking).await
}

/// A state as the API writes it.
fn word(state: CommandState) -> String {
    serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Sends a command unless it is known to be sent, and waits for its end as far as that was asked for.
async fn order(app: &App, draft: Draft, asking: Asking) -> Answer {
    let commands = &app.commands;
    let command_id = command_id(&asking.who.actor, asking.key.as_deref(), &draft.device);
    let device_id = draft.device.to_string();
    let known = asking.key.as_ref().map(|_| commands.view.find(&command_id, Some(&device_id)));
    let snapshot = if let Some(Found::One(known)) = known {
        repeat(&known, &draft)?;
        known
    } else {
        let command = made(draft, command_id, &asking.who);
        commands.sender.send(&command).await.map_err(|failure| failed(commands, failure))?;
        commands.metrics.sent.increment(kind(&command));
        commands.view.sent(&command, clock::unix_ms());
        current(commands, &command)
    };
    let snapshot = match asking.until {
        Some(until) => settled(app, snapshot, until).await,
        None => snapshot,
    };
    let is_over = asking.until.is_some() && snapshot.is_terminal();
    let status = if is_over { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = HeaderValue::try_from(format!("/v1/commands/{}", snapshot.key.0)).ok();
    let mut response = (status, Json(Command::new(&snapshot))).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Whether a request with a key that was used is the same request.
fn repeat(known: &Snapshot, draft: &Draft) -> Result<(), Refusal> {
    let asked = pb::Command { action: Some(draft.action.clone()), ..pb::Command::default() };
    if known.order.as_ref().is_none_or(|order| order.asks_the_same(&asked)) {
        return Ok(());
    }
    let detail = format!(
        "the Idempotency-Key was used for another command of this device, {}; take a new key for a new command",
        known.key.0
    );
    Err(Refusal::new(Code::Invalid, detail))
}

fn made(draft: Draft, command_id: String, who: &Who) -> pb::Command {
    let now_ms = clock::unix_ms();
    let ttl_ms = i64::try_from(draft.ttl.as_millis()).unwrap_or(i64::MAX);
    let requested_by = match draft.on_behalf_of {
        Some(person) => format!("{}/{person}", who.actor),
        None => who.actor.clone(),
    };
    pb::Command {
        command_id,
        device_id: draft.device.to_string(),
        issued_time: Some(from_unix_ms(now_ms)),
        expire_time: Some(from_unix_ms(now_ms.saturating_add(ttl_ms))),
        requested_by,
        action: Some(draft.action),
    }
}

/// What is known of a command that was just sent.
fn current(commands: &Commands, command: &pb::Command) -> Snapshot {
    match commands.view.find(&command.command_id, Some(&command.device_id)) {
        Found::One(snapshot) => snapshot,
        // There was no room for it.
        Found::None | Found::Several(_) => Snapshot::only_sent(command, clock::unix_ms()),
    }
}

fn failed(commands: &Commands, failure: SendFailure) -> Refusal {
    commands.metrics.failed.increment(failure.code());
    let detail = match failure {
        SendFailure::Refused(error) => format!("the command was not sent: {error}"),
        SendFailure::Undelivered(error) => format!(
            "whether Kafka has the command is not known: {error}; ask again with the same Idempotency-Key, and it has \
             its effect once"
        ),
    };
    Refusal::new(Code::Unavailable, detail).retry_after(5)
}

/// The command once nothing more comes of it, or as it is when the time is over.
async fn settled(app: &App, mut snapshot: Snapshot, until: Instant) -> Snapshot {
    let Ok(_permit) = app.commands.waits.try_acquire() else { return snapshot };
    while let Some((newest, mut changed)) = app.commands.view.watch(&snapshot.key) {
        snapshot = newest;
        if snapshot.is_terminal() {
            break;
        }
        tokio::select! {
            () = sleep_until(until) => break,
            () = app.stop.cancelled() => break,
            changed = changed.changed() => if changed.is_err() { break },
        }
    }
    snapshot
}

/// The metric label of a command.
const fn kind(command: &pb::Command) -> &'static str {
    match command.action {
        Some(Action::RawDownlink(_)) => "raw",
        Some(Action::Cancel(_)) => "cancel",
        Some(Action::Approve(_)) => "approve",
        Some(Action::OutputControl(_)) | None => "output",
    }
}
