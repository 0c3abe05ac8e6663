//! Traces of commands that are exported: their context comes with the command and goes on with each of its statuses.
//!
//! Contexts are in memory only. A gateway that takes a partition over goes on with the commands and not with their
//! traces.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fleetwire_kafka::Message;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::CommandStatus;
use fleetwire_trace::{Span, SpanKind, TRACEPARENT, TraceContext, Tracer};

/// Commands whose contexts are remembered; of further ones, statuses are no part of a trace.
const MOST: usize = 10_000;

/// Contexts of commands under way, by device and command.
#[derive(Debug, Default)]
pub(crate) struct Contexts(Mutex<HashMap<(DeviceId, String), TraceContext>>);

impl Contexts {
    /// A command came.
    pub(crate) fn came(&self, tracer: &Tracer, message: &Message<'_>, (device, id): (&DeviceId, &str)) {
        let Some(telemetry) = tracer.telemetry() else { return };
        let is_followed = tracer.follows(device.as_str()).is_some();
        let header = message.header(TRACEPARENT);
        let Some(mut span) = telemetry.resume("command receive", SpanKind::Consumer, (header, is_followed))
        else {
            return;
        };
        span.set("fleetwire.device", device.as_str());
        span.set("fleetwire.command", id);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST {
            all.insert((device.clone(), id.to_owned()), span.context());
        }
    }

    /// The span of a status, if its command is part of a trace.
    pub(crate) fn status(&self, tracer: &Tracer, device: &DeviceId, status: &CommandStatus) -> Option<Span> {
        let telemetry = tracer.telemetry()?;
        let key = (device.clone(), status.command_id.clone());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let context = if status.terminal { all.remove(&key) } else { all.get(&key).copied() };
        let mut span = telemetry.child_of(context?, "command status", SpanKind::Producer);
        span.set("fleetwire.command", &status.command_id);
        span.set("fleetwire.command.state", status.state().as_str_name());
        span.set("fleetwire.command.code", &status.code);
        Some(span)
    }
}
