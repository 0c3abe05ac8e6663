//! Where a device is, and what it last reported.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use fleetwire_model::pb::{self, FixType};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::devices::{DeviceParams, DevicePath, Status};
use crate::held::HeldDevice;
use crate::problem::{Code, Refusal};
use crate::query::Query;
use crate::time::rfc3339;

/// What is known of a device now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceState {
    /// The device.
    #[schema(example = "867035046242895")]
    id: String,
    /// Whether somebody activated it.
    registered: bool,
    /// Whether it may come in, if it is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<Status>,
    /// What is held of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    held: Option<HeldDevice>,
    /// Whether it is connected.
    connected: bool,
    /// Frontend that has its session, or had its last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "frontend-0")]
    frontend: Option<String>,
    /// Where it is, or was, connected from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "192.0.2.7:40122")]
    remote_address: Option<String>,
    /// When it connected, or disconnected, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    since: Option<String>,
    /// Whether it is connected and has subscribed to its command topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    accepts_commands: Option<bool>,
    /// Why its last session ended, if it is not connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "peer_gone")]
    end_reason: Option<String>,
    /// When its newest event was received, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_seen: Option<String>,
    /// Its last position with a fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    position: Option<Position>,
    /// Ignition as last reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ignition: Option<bool>,
    /// Outputs as last reported.
    outputs: Vec<OutputState>,
}

/// A position.
#[derive(Debug, Serialize, ToSchema)]
struct Position {
    /// By the device's clock, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    time: Option<String>,
    /// Degrees north of the equator.
    #[schema(minimum = -90, maximum = 90)]
    latitude: f64,
    /// Degrees east of Greenwich.
    #[schema(minimum = -180, maximum = 180)]
    longitude: f64,
    /// Metres above mean sea level.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    altitude_m: Option<f64>,
    /// Kilometres per hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    speed_kmh: Option<f64>,
    /// Degrees clockwise from true north.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    heading_deg: Option<f64>,
    /// Satellites in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    satellites: Option<u32>,
}

/// An output of a device.
#[derive(Debug, Serialize, ToSchema)]
struct OutputState {
    /// Number of the output in telemetry, from 1.
    number: u32,
    /// Whether it is on.
    on: bool,
}

/// A text that is not empty.
fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn position(fix: &pb::Fix, time: Option<&prost_types::Timestamp>) -> Option<Position> {
    let usable = !matches!(fix.r#type(), FixType::Unspecified | FixType::NoFix);
    usable.then(|| Position {
        time: rfc3339(time),
        latitude: fix.latitude,
        longitude: fix.longitude,
        altitude_m: fix.altitude_m,
        speed_kmh: fix.speed_kmh,
        heading_deg: fix.heading_deg,
        satellites: fix.satellites,
    })
}

/// Show where a device is and what it last reported.
///
/// Also of a device that nobody activated, if something of it is held.
#[utoipa::path(
    get, path = "/v1/devices/{id}/state", tag = "devices", operation_id = "getDeviceState",
    params(DeviceParams),
    responses(
        (status = 200, description = "What is known of it", body = DeviceState),
        (status = 404, description = "Nothing is known of such a device"),
    )
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    DevicePath(id): DevicePath,
    uri: Uri,
) -> Result<Json<DeviceState>, Refusal> {
    Query::read(&uri, &[])?;
    let record = app.needs.records.get(&id);
    let knock = app.needs.knocks.get(&id);
    let view = app.needs.states.get(&id);
    if record.is_none() && knock.is_none() && view.session.is_none() && view.state.is_none() {
        return Err(Refusal::new(Code::NotFound, format!("nothing is known of a device {id}")));
    }
    let releasing = record.as_ref().is_some_and(|record| record.release_pending);
    let session = view.session.unwrap_or_default();
    let state = view.state.unwrap_or_default();
    let output = |line: pb::DigitalLine| OutputState { number: line.number, on: line.on };
    Ok(Json(DeviceState {
        id: id.to_string(),
        registered: record.is_some(),
        status: record.map(|record| Status::of(record.status())),
        held: knock.map(|knock| HeldDevice::new(knock, releasing)),
        connected: view.connected,
        accepts_commands: some(session.session_id).map(|_| view.connected && session.accepts_commands),
        frontend: some(session.frontend_id),
        remote_address: some(session.remote_address),
        since: rfc3339(session.since.as_ref()),
        end_reason: some(session.end_reason),
        last_seen: rfc3339(state.last_seen_time.as_ref()),
        position: state.fix.and_then(|fix| position(&fix, state.position_time.as_ref())),
        ignition: state.ignition,
        outputs: state.outputs.into_iter().map(output).collect(),
    }))
}
