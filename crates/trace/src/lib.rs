//! Following single devices through every service: who is followed, and the steps that are told of them.
//!
//! A request lies in the registry topic, which every process reads; steps go to a topic of their own. Where nobody is
//! followed a service pays one look at a flag. Steps are told as far as there is room: nothing waits for them.

mod context;
mod metrics;
mod publish;
mod request;
mod table;
mod telemetry;
mod tracer;
mod words;

pub use context::{TRACEPARENT, TraceContext};
pub use metrics::SECTION as METRICS;
pub use publish::subject_of;
pub use request::{KEY_PREFIX, MAX_DEVICES, MAX_TIME, Request, RequestError, key};
pub use telemetry::{Exporter, Identity, Span, SpanKind, Telemetry, TelemetryError, TelemetrySettings};
pub use tracer::{Following, MAX_PAYLOAD, Place, Tracer};
pub use words::{service, word};
