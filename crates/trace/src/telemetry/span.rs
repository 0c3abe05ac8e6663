//! One step of a trace, from its begin to its end.

use fleetwire_service::clock;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span as Finished, Status, span, status};

use super::Telemetry;
use crate::context::TraceContext;

/// What a span does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// It answers somebody, as a frontend does a device.
    Server,
    /// It hands something to Kafka.
    Producer,
    /// It works on something from Kafka.
    Consumer,
}

/// A step of a trace that is under way. It is exported when it ends, or is dropped.
#[derive(Debug)]
pub struct Span {
    telemetry: Telemetry,
    context: TraceContext,
    finished: Option<Box<Finished>>,
}

impl Span {
    pub(super) fn new(
        telemetry: Telemetry,
        name: &'static str,
        kind: SpanKind,
        (context, parent): (TraceContext, Option<TraceContext>),
    ) -> Self {
        let kind = match kind {
            SpanKind::Server => span::SpanKind::Server,
            SpanKind::Producer => span::SpanKind::Producer,
            SpanKind::Consumer => span::SpanKind::Consumer,
        };
        let finished = Finished {
            trace_id: context.trace_id.to_vec(),
            span_id: context.span_id.to_vec(),
            parent_span_id: parent.map(|parent| parent.span_id.to_vec()).unwrap_or_default(),
            flags: 1,
            name: name.to_owned(),
            kind: kind.into(),
            start_time_unix_nano: clock::unix_ns(),
            ..Finished::default()
        };
        Self { telemetry, context, finished: Some(Box::new(finished)) }
    }

    /// A step within this one.
    #[must_use]
    pub fn child(&self, name: &'static str, kind: SpanKind) -> Self {
        Self::new(self.telemetry.clone(), name, kind, (self.context.child(), Some(self.context)))
    }

    /// What records carry that are made by this step.
    pub const fn context(&self) -> TraceContext {
        self.context
    }

    /// It began earlier, Unix nanoseconds.
    pub fn began_at(&mut self, unix_ns: u64) {
        if let Some(finished) = &mut self.finished {
            finished.start_time_unix_nano = unix_ns;
        }
    }

    /// Says something about it.
    pub fn set(&mut self, key: &'static str, value: &str) {
        if !value.is_empty() {
            self.push(key, Value::StringValue(value.to_owned()));
        }
    }

    /// Says a number about it.
    pub fn set_number(&mut self, key: &'static str, value: i64) {
        self.push(key, Value::IntValue(value));
    }

    /// It did not happen: nothing is exported.
    pub fn discard(mut self) {
        self.finished = None;
    }

    /// It did not go well, for a reason that is a fixed word.
    pub fn fail(&mut self, reason: &'static str) {
        if let Some(finished) = &mut self.finished {
            finished.status =
                Some(Status { message: reason.to_owned(), code: status::StatusCode::Error.into() });
        }
    }

    fn push(&mut self, key: &'static str, value: Value) {
        if let Some(finished) = &mut self.finished {
            finished.attributes.push(attribute(key, value));
        }
    }
}

/// An attribute.
pub(super) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut finished) = self.finished.take() {
            finished.end_time_unix_nano = clock::unix_ns().max(finished.start_time_unix_nano);
            self.telemetry.take(*finished);
        }
    }
}
