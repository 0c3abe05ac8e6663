//! Devices that nobody activated and that send all the same.

use std::cmp::Reverse;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use fleetwire_model::pb;
use fleetwire_model::time::to_unix_ms;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::Shared;
use crate::cursor;
use crate::problem::Refusal;
use crate::query::{Query, Times};
use crate::time::rfc3339;

/// A device of which publishes are held.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldDevice {
    /// Id that it came with.
    #[schema(example = "867035046242895")]
    id: String,
    /// Account (MQTT user name) under which it came.
    #[schema(example = "bce_device")]
    account: String,
    /// Where its last connection came from.
    #[schema(example = "192.0.2.7:40122")]
    remote_address: String,
    /// When its first held publish was received, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    first_seen: Option<String>,
    /// When its last held publish was received, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_seen: Option<String>,
    /// Publishes held since then; retention may have removed some.
    messages: u64,
    /// Payload bytes of them.
    bytes: u64,
    /// Frontend that took the last one.
    #[schema(example = "frontend-0")]
    frontend: String,
    /// Whether it was activated, and what is held is being released.
    releasing: bool,
}

/// A page of held devices.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldList {
    /// Those that sent last come first.
    held: Vec<HeldDevice>,
    /// Cursor of the next page; null at the end.
    #[schema(required = true)]
    next: Option<String>,
}

/// Which part of the list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only; `cursor` reads it")]
pub(crate) struct HeldParams {
    /// Devices of the page at most.
    #[param(nullable = false, required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// `next` of the page before.
    #[param(nullable = false, required = false)]
    cursor: Option<String>,
}

impl HeldDevice {
    pub(crate) fn new(knock: pb::Knock, releasing: bool) -> Self {
        Self {
            first_seen: rfc3339(knock.first_time.as_ref()),
            last_seen: rfc3339(knock.last_time.as_ref()),
            id: knock.device_id,
            account: knock.account,
            remote_address: knock.remote_address,
            messages: knock.messages,
            bytes: knock.bytes,
            frontend: knock.frontend_id,
            releasing,
        }
    }
}

/// List devices that nobody activated.
///
/// They came with a valid password of an account. What they publish is kept, and released once somebody activates them.
#[utoipa::path(
    get, path = "/v1/held", tag = "held", operation_id = "listHeld",
    params(HeldParams),
    responses((status = 200, description = "A page of held devices", body = HeldList))
)]
pub(crate) async fn list(State(app): State<Shared>, uri: Uri) -> Result<Json<HeldList>, Refusal> {
    let query = Query::read(&uri, &[("limit", Times::Once), ("cursor", Times::Once)])?;
    let (limit, after) = (cursor::limit(&query)?, cursor::time_and_device(&query)?);
    let place = |knock: &pb::Knock| {
        (Reverse(knock.last_time.as_ref().map_or(0, to_unix_ms)), knock.device_id.clone())
    };
    let mut all: Vec<_> = app.needs.knocks.list().into_iter().map(|knock| (place(&knock), knock)).collect();
    if let Some((time, id)) = after {
        let after = (Reverse(time), id.to_string());
        all.retain(|(place, _)| *place > after);
    }
    all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let more = all.len() > limit;
    all.truncate(limit);
    let last = all.last().filter(|_| more);
    let next = last.map(|((Reverse(time), id), _)| cursor::write(&format!("{time} {id}")));
    let is_releasing = |knock: &pb::Knock| {
        let record = knock.device_id.parse().ok().and_then(|id| app.needs.records.get(&id));
        record.is_some_and(|record| record.release_pending)
    };
    let held = all.into_iter().map(|(_, knock)| {
        let releasing = is_releasing(&knock);
        HeldDevice::new(knock, releasing)
    });
    Ok(Json(HeldList { held: held.collect(), next }))
}
