//! Changes of devices.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{self, DeviceStatus};
use fleetwire_registry::{Applied, Change, Existing, Who};

use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::devices::draft::{NewDevice, PatchDevice, PutDevice};
use crate::devices::refusal;
use crate::devices::revision::{DevicePath, IfMatch, etag};
use crate::devices::view::Device;
use crate::problem::{Code, Refusal};
use crate::query::Query;

type Answer = Result<Response, Refusal>;

/// Activate a device.
///
/// Registers it as active. What it sent before, and what is held of it, is released in its order.
#[utoipa::path(
    post, path = "/v1/devices", tag = "devices", operation_id = "createDevice",
    request_body = NewDevice,
    responses(
        (status = 201, description = "The device as it is registered now", body = Device,
            headers(("ETag" = String, description = "Its revision"), ("Location" = String, description = "Its path"))),
        (status = 409, description = "It is registered already; PUT changes it"),
    )
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    Caller(who): Caller,
    uri: Uri,
    JsonBody(new): JsonBody<NewDevice>,
) -> Answer {
    Query::read(&uri, &[])?;
    let (device, draft, password) = new.read(&app)?;
    let release_pending = is_held(&app, &device);
    let existing = Existing::Fail;
    let change = Change::Activate { device, draft, existing, release_pending, if_revision: None };
    let applied = apply(&app, change, who).await?;
    Ok(answer(&app, applied, password))
}

/// Activate a device, or change it and activate it.
///
/// What the body leaves out stays as it is. The same request again changes nothing, unless it generates a password.
#[utoipa::path(
    put, path = "/v1/devices/{id}", tag = "devices", operation_id = "putDevice",
    params(DeviceParams, RevisionHeader), request_body = PutDevice,
    responses(
        (status = 200, description = "The device as it is registered now", body = Device,
            headers(("ETag" = String, description = "Its revision"))),
        (status = 201, description = "It was not registered before", body = Device,
            headers(("ETag" = String, description = "Its revision"), ("Location" = String, description = "Its path"))),
        (status = 412, description = "It has another revision than If-Match says; the problem has the one it has"),
    )
)]
pub(crate) async fn put(
    State(app): State<Shared>,
    Caller(who): Caller,
    DevicePath(device): DevicePath,
    IfMatch(if_revision): IfMatch,
    JsonBody(body): JsonBody<PutDevice>,
) -> Answer {
    let (draft, password) = body.read(&app, &device)?;
    let release_pending = is_held(&app, &device);
    let existing = Existing::Update;
    let change = Change::Activate { device, draft, existing, release_pending, if_revision };
    let applied = apply(&app, change, who).await?;
    Ok(answer(&app, applied, password))
}

/// Change a device.
///
/// What the body leaves out stays as it is, also whether the device is active.
#[utoipa::path(
    patch, path = "/v1/devices/{id}", tag = "devices", operation_id = "patchDevice",
    params(DeviceParams, RevisionHeader), request_body = PatchDevice,
    responses(
        (status = 200, description = "The device as it is registered now", body = Device,
            headers(("ETag" = String, description = "Its revision"))),
        (status = 404, description = "No such device is registered"),
        (status = 412, description = "It has another revision than If-Match says; the problem has the one it has"),
    )
)]
pub(crate) async fn patch(
    State(app): State<Shared>,
    Caller(who): Caller,
    DevicePath(device): DevicePath,
    IfMatch(if_revision): IfMatch,
    JsonBody(body): JsonBody<PatchDevice>,
) -> Answer {
    let (patch, password) = body.read(&app, &app.record(&device)?)?;
    let applied = apply(&app, Change::Update { device, patch, if_revision }, who).await?;
    Ok(answer(&app, applied, password))
}

/// Disable a device.
///
/// Its session is closed within a second, and it is refused when it connects.
#[utoipa::path(
    post, path = "/v1/devices/{id}/disable", tag = "devices", operation_id = "disableDevice",
    params(DeviceParams, RevisionHeader),
    responses(
        (status = 200, description = "The device as it is registered now", body = Device,
            headers(("ETag" = String, description = "Its revision"))),
        (status = 404, description = "No such device is registered"),
        (status = 412, description = "It has another revision than If-Match says; the problem has the one it has"),
    )
)]
pub(crate) async fn disable(
    State(app): State<Shared>,
    Caller(who): Caller,
    DevicePath(device): DevicePath,
    IfMatch(if_revision): IfMatch,
) -> Answer {
    let (status, release_pending) = (DeviceStatus::Disabled, false);
    let change = Change::SetStatus { device, status, release_pending, if_revision };
    let applied = apply(&app, change, who).await?;
    Ok(answer(&app, applied, None))
}

/// Make a device active again.
#[utoipa::path(
    post, path = "/v1/devices/{id}/enable", tag = "devices", operation_id = "enableDevice",
    params(DeviceParams, RevisionHeader),
    responses(
        (status = 200, description = "The device as it is registered now", body = Device,
            headers(("ETag" = String, description = "Its revision"))),
        (status = 404, description = "No such device is registered"),
        (status = 412, description = "It has another revision than If-Match says; the problem has the one it has"),
    )
)]
pub(crate) async fn enable(
    State(app): State<Shared>,
    Caller(who): Caller,
    DevicePath(device): DevicePath,
    IfMatch(if_revision): IfMatch,
) -> Answer {
    let (status, release_pending) = (DeviceStatus::Active, is_held(&app, &device));
    let change = Change::SetStatus { device, status, release_pending, if_revision };
    let applied = apply(&app, change, who).await?;
    Ok(answer(&app, applied, None))
}

/// Remove a device.
///
/// It is as if nobody had ever activated it. The audit trail keeps what it was.
#[utoipa::path(
    delete, path = "/v1/devices/{id}", tag = "devices", operation_id = "removeDevice",
    params(DeviceParams, RevisionHeader),
    responses(
        (status = 204, description = "It is not registered any more"),
        (status = 404, description = "No such device is registered"),
        (status = 412, description = "It has another revision than If-Match says; the problem has the one it has"),
    )
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    Caller(who): Caller,
    DevicePath(device): DevicePath,
    IfMatch(if_revision): IfMatch,
) -> Answer {
    apply(&app, Change::Remove { device, if_revision }, who).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The path of one device.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only; `DevicePath` reads it")]
pub(crate) struct DeviceParams {
    /// IMEI, 15 digits; for models that speak NGP or JSON, the id under which the device connects.
    #[param(example = "867035046242895", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._:-]+$")]
    id: String,
}

/// The header that names a revision.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document only; `IfMatch` reads it")]
pub(crate) struct RevisionHeader {
    /// The revision that the device must have, as its ETag. "0" for a device that is not registered.
    #[param(
        rename = "If-Match",
        nullable = false,
        required = false,
        pattern = "^([0-9]{1,19}|\"[0-9]{1,19}\")$"
    )]
    if_match: Option<String>,
}

/// Whether something of the device is held, so that its activation has to release it.
pub(crate) fn is_held(app: &App, device: &DeviceId) -> bool {
    app.needs.knocks.get(device).is_some()
}

async fn apply(app: &App, change: Change, who: Who) -> Result<Applied, Refusal> {
    let answers = app.needs.registrar.apply(vec![change], who).await;
    let answer = answers.into_iter().next();
    let answer = answer.ok_or_else(|| Refusal::new(Code::Internal, "the registry gave no answer"))?;
    answer.map_err(|err| refusal(&err))
}

fn answer(app: &App, applied: Applied, password: Option<String>) -> Response {
    let (status, record): (_, pb::Device) = match applied {
        Applied::Created(record) => (StatusCode::CREATED, record),
        Applied::Changed(record) | Applied::Unchanged(record) | Applied::Removed(record) => {
            (StatusCode::OK, record)
        }
    };
    let revision = record.revision;
    let device = Device { password, ..Device::new(record, app.needs.catalogue) };
    let location = HeaderValue::try_from(format!("/v1/devices/{}", device.id)).ok();
    let mut response = (status, Json(device)).into_response();
    response.headers_mut().insert(header::ETAG, etag(revision));
    if let Some(location) = location.filter(|_| status == StatusCode::CREATED) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    // It may hold a password.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
