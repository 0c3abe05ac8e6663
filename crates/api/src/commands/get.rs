//! Commands that are looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use fleetwire_model::DeviceId;
use serde::Serialize;
use utoipa::openapi::schema::{Array, ArrayBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

use super::path::{self, CommandParams, CommandPath, DeviceParam};
use super::shown::{Command, CommandState, CommandWithStatuses};
pub(crate) use super::view::Place;
use crate::app::Shared;
use crate::cursor;
use crate::problem::Refusal;
use crate::query::{Query, Times};

/// A page of commands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CommandList {
    /// The newest first, by when a gateway first saw them.
    commands: Vec<Command>,
    /// Cursor of the next page; null at the end.
    #[schema(required = true)]
    next: Option<String>,
}

/// Which commands are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only; `list` reads it")]
pub(crate) struct ListParams {
    /// Device that they are for.
    #[param(
        nullable = false,
        required = false,
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._:-]+$"
    )]
    device: Option<String>,
    /// State that they are in; may come more than once, for any of them.
    #[param(required = false, schema_with = states)]
    state: Option<Vec<CommandState>>,
    /// Commands of the page at most.
    #[param(nullable = false, required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// `next` of the page before.
    #[param(nullable = false, required = false)]
    cursor: Option<String>,
}

fn states() -> Array {
    let state: RefOr<Schema> = RefOr::Ref(Ref::from_schema_name("CommandState"));
    ArrayBuilder::new().items(state).build()
}

/// List commands.
///
/// Those that this API remembers: the newest of the deployment, whoever sent them.
#[utoipa::path(
    get, path = "/v1/commands", tag = "commands", operation_id = "listCommands",
    params(ListParams),
    responses((status = 200, description = "A page of commands", body = CommandList))
)]
pub(crate) async fn list(State(app): State<Shared>, uri: Uri) -> Result<Json<CommandList>, Refusal> {
    let known =
        [("device", Times::Once), ("state", Times::Many), ("limit", Times::Once), ("cursor", Times::Once)];
    let query = Query::read(&uri, &known)?;
    let (limit, device) = (cursor::limit(&query)?, path::device(&query)?);
    let states = query.all("state").map(|text| {
        text.parse::<CommandState>()
            .map_err(|err| crate::query::bad(format!("query parameter `state`: {err}")))
    });
    let states: BTreeSet<CommandState> = states.collect::<Result<_, _>>()?;
    let after: Option<Place> = cursor::time_command_and_device(&query)?;
    let page =
        app.commands.view.page(after.as_ref(), limit, device.as_ref().map(DeviceId::as_str), |state| {
            states.is_empty() || states.contains(&CommandState::of(state))
        });
    let next = page.next.map(|(time, key)| cursor::write(&format!("{time} {} {}", key.1, key.0)));
    Ok(Json(CommandList { commands: page.commands.iter().map(Command::new).collect(), next }))
}

/// Show a command, with all of its statuses.
///
/// One that was just sent is in the state `sent` until a gateway has seen it.
#[utoipa::path(
    get, path = "/v1/commands/{id}", tag = "commands", operation_id = "getCommand",
    params(CommandParams, DeviceParam),
    responses(
        (status = 200, description = "The command", body = CommandWithStatuses),
        (status = 404, description = "No such command is remembered here"),
        (status = 409, description = "Several devices have a command of this id"),
    )
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    CommandPath(id): CommandPath,
    uri: Uri,
) -> Result<Json<CommandWithStatuses>, Refusal> {
    let query = Query::read(&uri, &[("device", Times::Once)])?;
    let snapshot = path::find(&app.commands, &id, path::device(&query)?.as_ref())?;
    Ok(Json(CommandWithStatuses::new(&snapshot)))
}

/// The place of a cursor's parts.
pub(crate) fn place(time_ms: i64, device: &str, command: &str) -> Place {
    (time_ms, Arc::new((command.to_owned(), device.to_owned())))
}
