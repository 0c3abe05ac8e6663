//! Beginning to follow a device, and ending it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use fleetwire_model::DeviceId;
use fleetwire_service::clock;
use fleetwire_trace::{MAX_DEVICES, Request, key};
use tokio::time::{Instant, sleep};
use ulid::Ulid;

use super::ask::{FollowedDevice, NewTrace};
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::body::MaybeJson;
use crate::commands::SendFailure;
use crate::devices::{DeviceParams, DevicePath};
use crate::problem::{Code, Refusal};
use crate::query::{Query, Times};

/// How long this process may take to hear of its own request.
const HEARD: Duration = Duration::from_secs(3);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// Follow a device.
///
/// Every service then tells each step of the device's connections, publishes and commands, which
/// `/v1/devices/{id}/trace/events` shows. The device need not be registered. It ends by itself; a second request prolongs
/// it. A body is not needed.
#[utoipa::path(
    post, path = "/v1/devices/{id}/trace", tag = "devices", operation_id = "traceDevice",
    params(DeviceParams), request_body = NewTrace,
    responses((status = 201, description = "It is followed", body = FollowedDevice))
)]
pub(crate) async fn start(
    State(app): State<Shared>,
    Caller(who): Caller,
    DevicePath(device): DevicePath,
    uri: Uri,
    MaybeJson(body): MaybeJson<NewTrace>,
) -> Result<Response, Refusal> {
    Query::read(&uri, &[])?;
    let (tracer, now_ms) = (&app.needs.tracer, clock::unix_ms());
    let before = tracer.request(device.as_str());
    if before.is_none() && tracer.requests().len() >= MAX_DEVICES {
        let detail =
            format!("{MAX_DEVICES} devices are followed already; wait until one of them is not any more");
        return Err(Refusal::new(Code::Busy, detail).retry_after(60));
    }
    let time_ms = i64::try_from(body.time()?.as_millis()).unwrap_or(i64::MAX);
    let request = Request {
        device: device.clone(),
        trace_id: Ulid::generate().to_string(),
        start_ms: now_ms,
        expire_ms: now_ms.saturating_add(time_ms).max(before.as_ref().map_or(0, |before| before.expire_ms)),
        payload: body.payload || before.is_some_and(|before| before.payload),
        requested_by: who.actor,
    };
    write(&app, &device, Some(&request.encode())).await?;
    // So that it can be ended, and its steps be asked for, from now on.
    let deadline = Instant::now() + HEARD;
    let is_heard = || tracer.request(device.as_str()).is_some_and(|found| found.trace_id == request.trace_id);
    while !is_heard() && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    Ok((StatusCode::CREATED, Json(FollowedDevice::new(request))).into_response())
}

/// Show whether a device is followed.
#[utoipa::path(
    get, path = "/v1/devices/{id}/trace", tag = "devices", operation_id = "getDeviceTrace",
    params(DeviceParams),
    responses(
        (status = 200, description = "It is followed", body = FollowedDevice),
        (status = 404, description = "It is not followed"),
    )
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    DevicePath(device): DevicePath,
    uri: Uri,
) -> Result<Json<FollowedDevice>, Refusal> {
    Query::read(&uri, &[])?;
    current(&app, &device).map(|request| Json(FollowedDevice::new(request)))
}

/// Which request is to be ended.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only; `stop` reads it")]
pub(crate) struct TraceParam {
    /// Id of the request to end; another one that came later goes on.
    #[param(nullable = false, required = false, min_length = 1, max_length = 64)]
    trace_id: Option<String>,
}

/// Follow a device no more.
#[utoipa::path(
    delete, path = "/v1/devices/{id}/trace", tag = "devices", operation_id = "endDeviceTrace",
    params(DeviceParams, TraceParam),
    responses(
        (status = 204, description = "It is not followed any more"),
        (status = 404, description = "It is not followed, or by another request"),
    )
)]
pub(crate) async fn stop(
    State(app): State<Shared>,
    DevicePath(device): DevicePath,
    uri: Uri,
) -> Result<StatusCode, Refusal> {
    let query = Query::read(&uri, &[("trace_id", Times::Once)])?;
    let found = current(&app, &device)?;
    if query.one("trace_id").is_some_and(|id| id != found.trace_id) {
        let detail = format!("another request follows device {device}, {}", found.trace_id);
        return Err(Refusal::new(Code::NotFound, detail));
    }
    write(&app, &device, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, device: &DeviceId) -> Result<Request, Refusal> {
    let found = app.needs.tracer.request(device.as_str());
    found.ok_or_else(|| Refusal::new(Code::NotFound, format!("device {device} is not followed")))
}

/// Writes the request of a device, or its end.
async fn write(app: &App, device: &DeviceId, value: Option<&[u8]>) -> Result<(), Refusal> {
    send(app, device, value).await.map_err(|failure| {
        Refusal::new(Code::Unavailable, format!("the request did not reach Kafka: {failure}")).retry_after(5)
    })
}

/// The same, for those who answer nobody.
pub(super) async fn send(app: &App, device: &DeviceId, value: Option<&[u8]>) -> Result<(), SendFailure> {
    let record = (key(device), value, "fleetwire.v1.TraceRequest");
    app.commands.sender.write(&app.traces.registry, record).await
}
