//! The statuses of a command as they come: server-sent events.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::entry::{Key, Snapshot};
use super::metrics::CommandMetrics;
use super::path::{self, CommandParams, CommandPath, DeviceParam};
use super::shown::CommandStatus;
use crate::app::Shared;
use crate::problem::{Code, Refusal};
use crate::query::{Query, Times, bad};
use crate::transfer::driven::{Driven, Out};

/// Where a client goes on that had a stream before.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document only; `last_event_id` reads it")]
pub(crate) struct LastEventId {
    /// Id of the last event that the client has: the `sequence` of its status. Later ones come.
    #[param(rename = "Last-Event-ID", nullable = false, required = false, pattern = "^[0-9]{1,9}$")]
    last_event_id: Option<String>,
}

/// Follow a command.
///
/// Server-sent events: one `status` for each status there is and each that comes, with its `sequence` as id. The stream
/// ends with an `end`, whose `reason` is `terminal` where nothing more comes of the command. Otherwise it is `time`,
/// `stopping` or `forgotten`, and a new stream with Last-Event-ID goes on. Comments show that the stream is alive.
#[utoipa::path(
    get, path = "/v1/commands/{id}/events", tag = "commands", operation_id = "followCommand",
    params(CommandParams, DeviceParam, LastEventId),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String),
        (status = 204, description = "Nothing comes after Last-Event-ID"),
        (status = 404, description = "No such command is remembered here"),
        (status = 409, description = "Several devices have a command of this id"),
    )
)]
pub(crate) async fn events(
    State(app): State<Shared>,
    CommandPath(id): CommandPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let query = Query::read(&uri, &[("device", Times::Once)])?;
    let after = last_event_id(&headers)?;
    let snapshot = path::find(&app.commands, &id, path::device(&query)?.as_ref())?;
    if snapshot.is_terminal() && after.is_some_and(|after| snapshot.last().sequence <= after) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let open = Open::new(&app).ok_or_else(|| {
        app.metrics.refused.increment("busy");
        let detail =
            "too many streams of events are open; GET the command now and then instead, or try again";
        Refusal::new(Code::Busy, detail).retry_after(5)
    })?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that gather an answer before they pass it on are told not to.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let body = Driven::new(|out| follow(app, snapshot.key, after, out, open));
    Ok((headers, Body::from_stream(body)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u32>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = Some(text).filter(|_| is_number).and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| bad("Last-Event-ID is the id of an event of this command, a number"))
}

/// A stream that is open.
#[derive(Debug)]
struct Open {
    metrics: Arc<CommandMetrics>,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(app: &Shared) -> Option<Self> {
        let permit = Arc::clone(&app.commands.streams).try_acquire_owned().ok()?;
        let metrics = Arc::clone(&app.commands.metrics);
        metrics.streams.increment(1);
        Some(Self { metrics, _permit: permit })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.streams.decrement(1);
    }
}

/// Writes what there is and what comes, until the end.
async fn follow(app: Shared, key: Key, after: Option<u32>, out: Out, open: Open) {
    let reason = tell(&app, &key, after, &out).await;
    if let Some(reason) = reason {
        open.metrics.streams_ended.increment(reason);
        // The client may be gone.
        let _ = out.send(text(None, "end", &json!({ "reason": reason }).to_string())).await;
    }
}

/// The same; why it ends, unless the client is gone.
async fn tell(app: &Shared, key: &Key, mut after: Option<u32>, out: &Out) -> Option<&'static str> {
    let settings = &app.commands.settings;
    let end = Instant::now() + settings.max_stream;
    out.send(Bytes::from_static(b"retry: 2000\n\n")).await.ok()?;
    loop {
        let Some((snapshot, mut changed)) = app.commands.view.watch(key) else { return Some("forgotten") };
        for event in news(&snapshot, &mut after) {
            out.send(event).await.ok()?;
        }
        if snapshot.is_terminal() {
            return Some("terminal");
        }
        loop {
            let heartbeat = Instant::now() + settings.heartbeat;
            tokio::select! {
                () = app.stop.cancelled() => return Some("stopping"),
                () = sleep_until(end) => return Some("time"),
                // Let go, or changed: either shows in a new look.
                _ = changed.changed() => break,
                () = sleep_until(heartbeat) => out.send(Bytes::from_static(b":\n\n")).await.ok()?,
            }
        }
    }
}

/// The events that the client does not have.
fn news(snapshot: &Snapshot, after: &mut Option<u32>) -> Vec<Bytes> {
    let mut events = Vec::new();
    let sent = snapshot.statuses.is_empty().then(|| snapshot.sent());
    for status in snapshot.statuses.iter().cloned().chain(sent) {
        if after.is_some_and(|after| status.sequence <= after) {
            continue;
        }
        let sequence = status.sequence;
        *after = Some(sequence);
        let data = serde_json::to_string(&CommandStatus::new(status)).unwrap_or_default();
        events.push(text(Some(sequence), "status", &data));
    }
    events
}

/// An event. Its data is one line.
fn text(id: Option<u32>, event: &str, data: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("{id}event: {event}\ndata: {data}\n\n"))
}
