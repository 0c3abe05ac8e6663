//! The steps of a device as they come: server-sent events.

use std::ops::ControlFlow;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use fleetwire_kafka::{ClientSettings, Event, MissingTopic, Reader, ReaderError, ReaderOptions, Start};
use fleetwire_model::{DeviceId, pb};
use fleetwire_trace::MAX_TIME;
use prost::Message as _;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::shown::{Payloads, Step};
use crate::app::Shared;
use crate::auth::Actor;
use crate::devices::{DeviceParams, DevicePath};
use crate::problem::{Code, Refusal};
use crate::query::Query;
use crate::settings::Scope;
use crate::transfer::driven::{Driven, Out};

/// Steps that wait for a client; further ones wait in Kafka.
const WAITING: usize = 256;
/// How long Kafka may take until the topic is read.
const OPEN: Duration = Duration::from_secs(10);
/// How often it is looked whether the device is still followed.
const LOOK: Duration = Duration::from_millis(500);
/// How long a stream waits for the device to be followed.
const BEGIN: Duration = Duration::from_mins(1);
/// How long steps may come after the device is no longer followed.
const AFTER: Duration = Duration::from_secs(2);

/// Show the steps of a device that is followed.
///
/// Server-sent events: a `ready` once steps would be seen, then one `step` for each that comes. Open the stream first, and
/// POST to `/v1/devices/{id}/trace` when it is ready, so that nothing is missed. The stream ends with an `end`, whose
/// `reason` is `over` when the device is not followed any more, else `time`, `stopping` or `failed`. Comments show that the
/// stream is alive. Payloads are shown to tokens with the scope `devices` only, where the request asked for them.
#[utoipa::path(
    get, path = "/v1/devices/{id}/trace/events", tag = "devices", operation_id = "followDevice",
    params(DeviceParams),
    responses((status = 200, description = "Events", content_type = "text/event-stream", body = String))
)]
pub(crate) async fn events(
    State(app): State<Shared>,
    actor: Actor,
    DevicePath(device): DevicePath,
    uri: Uri,
) -> Result<Response, Refusal> {
    Query::read(&uri, &[])?;
    let permit = app.traces.streams.clone().try_acquire_owned().map_err(|_| {
        let detail = "too many streams of steps are open; try again when another one has ended";
        Refusal::new(Code::Busy, detail).retry_after(30)
    })?;
    let payloads = if actor.scopes.contains(&Scope::Devices) { Payloads::Shown } else { Payloads::Hidden };
    let (sender, told) = channel(WAITING);
    let stop = app.stop.child_token();
    let (client, topic) = (app.needs.kafka.clone(), app.traces.steps.clone());
    let (reading, name) = (stop.clone(), device.clone());
    // It ends within a moment of the stream: what it waits for is gone then.
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        if let Err(err) = read((&client, &topic), &name, &sender, &reading) {
            // Whoever asked may be gone.
            let _ = sender.blocking_send(Told::Failed(err.to_string()));
        }
    });
    let guard = stop.drop_guard();
    let body = Driven::new(|out| async move {
        let _guard = guard;
        follow(&app, &device, told, (payloads, out)).await;
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that gather an answer before they pass it on are told not to.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What the reader has to say.
enum Told {
    Ready,
    Step(Box<pb::TraceStep>),
    Failed(String),
}

/// Reads the steps of a device until nobody wants them; blocks.
fn read(
    (client, topic): (&ClientSettings, &str),
    device: &DeviceId,
    sender: &Sender<Told>,
    stop: &CancellationToken,
) -> Result<(), ReaderError> {
    let options = ReaderOptions { start: Start::End, missing: MissingTopic::Fail, ready_timeout: OPEN };
    let reader = Reader::new(client, topic, options, stop)?;
    reader.run(stop, |event| {
        let told = match event {
            Event::CaughtUp => Told::Ready,
            Event::Record(record) if record.key() == Some(device.as_str().as_bytes()) => {
                match pb::TraceStep::decode(record.payload().unwrap_or_default()) {
                    Ok(found) => Told::Step(Box::new(found)),
                    // Of a later version, perhaps.
                    Err(_) => return ControlFlow::Continue(()),
                }
            }
            Event::Record(_) | Event::Idle => {
                return if sender.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
        };
        if sender.blocking_send(told).is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

/// Writes what comes, until the end.
async fn follow(app: &Shared, device: &DeviceId, mut told: Receiver<Told>, (payloads, out): (Payloads, Out)) {
    if let Some(reason) = tell(app, device, &mut told, (payloads, &out)).await {
        // The client may be gone.
        let _ = out.send(event("end", &json!({ "reason": reason }).to_string())).await;
    }
}

/// The same; why it ends, unless the client is gone.
async fn tell(
    app: &Shared,
    device: &DeviceId,
    told: &mut Receiver<Told>,
    (payloads, out): (Payloads, &Out),
) -> Option<&'static str> {
    let begin = Instant::now();
    let end = begin + MAX_TIME + BEGIN;
    // Until then it is waited for the device to be followed, or for its last steps.
    let mut patience = begin + OPEN + BEGIN;
    let mut heartbeat = begin + app.commands.settings.heartbeat;
    loop {
        let look = Instant::now() + LOOK;
        tokio::select! {
            () = app.stop.cancelled() => return Some("stopping"),
            () = sleep_until(end) => return Some("time"),
            came = told.recv() => match came {
                Some(Told::Ready) => out.send(event("ready", "{}")).await.ok()?,
                Some(Told::Step(step)) => {
                    let data = serde_json::to_string(&Step::new(*step, payloads)).unwrap_or_default();
                    out.send(event("step", &data)).await.ok()?;
                }
                Some(Told::Failed(reason)) => {
                    tracing::warn!(reason, "the topic of steps cannot be read");
                    return Some("failed");
                }
                None => return Some("failed"),
            },
            () = sleep_until(look) => {}
        }
        let now = Instant::now();
        if app.needs.tracer.request(device.as_str()).is_some() {
            patience = now + AFTER;
        } else if now >= patience {
            return Some("over");
        }
        if now >= heartbeat {
            heartbeat = now + app.commands.settings.heartbeat;
            out.send(Bytes::from_static(b":\n\n")).await.ok()?;
        }
    }
}

/// An event. Its data is one line.
fn event(kind: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))
}
