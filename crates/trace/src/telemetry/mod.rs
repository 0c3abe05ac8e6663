//! Spans for an OpenTelemetry collector, behind a setting: nothing of this is paid without it.

mod export;
mod settings;
mod span;

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span as Finished;
use tokio::sync::mpsc;

use crate::context::TraceContext;
use crate::metrics::SpanMetrics;

pub use export::{Exporter, Identity};
pub use settings::{TelemetryError, TelemetrySettings};
pub use span::{Span, SpanKind};

/// The way to the collector. Clones share.
#[derive(Debug, Clone)]
pub struct Telemetry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Finished>,
    sample_ratio: f64,
    metrics: Arc<SpanMetrics>,
}

impl Telemetry {
    /// The way to the collector of these settings, and what is to run at its other end; none without an endpoint.
    pub fn new(
        settings: &TelemetrySettings,
        identity: &Identity,
    ) -> Result<Option<(Self, Exporter)>, TelemetryError> {
        let Some(endpoint) = settings.endpoint()? else { return Ok(None) };
        let metrics = Arc::new(SpanMetrics::new());
        let (queue, spans) = mpsc::channel(settings.max_queue.get());
        let exporter = Exporter::new(&endpoint, identity, spans, Arc::clone(&metrics));
        let inner = Inner { queue, sample_ratio: settings.sample_ratio, metrics };
        Ok(Some((Self(Arc::new(inner)), exporter)))
    }

    /// Whether publishes of devices that are not followed may be recorded.
    pub(crate) fn samples(&self) -> bool {
        self.0.sample_ratio > 0.0
    }

    /// The first span of a publish that came: of one that is followed always, else as often as the settings say.
    pub fn begin(&self, name: &'static str, kind: SpanKind, is_followed: bool) -> Option<Span> {
        let chosen = is_followed || (self.samples() && rand::random::<f64>() < self.0.sample_ratio);
        chosen.then(|| Span::new(self.clone(), name, kind, (TraceContext::new_trace(), None)))
    }

    /// A span that goes on with a trace from elsewhere. Without one, or where that is not recorded, a new trace begins if
    /// the device is followed.
    pub fn resume(
        &self,
        name: &'static str,
        kind: SpanKind,
        (header, is_followed): (Option<&[u8]>, bool),
    ) -> Option<Span> {
        match header.and_then(TraceContext::parse) {
            Some(parent) if parent.sampled => {
                Some(Span::new(self.clone(), name, kind, (parent.child(), Some(parent))))
            }
            _ if is_followed => Some(Span::new(self.clone(), name, kind, (TraceContext::new_trace(), None))),
            _ => None,
        }
    }

    /// A step of a trace that is known by its context.
    pub fn child_of(&self, parent: TraceContext, name: &'static str, kind: SpanKind) -> Span {
        Span::new(self.clone(), name, kind, (parent.child(), Some(parent)))
    }

    fn take(&self, span: Finished) {
        match self.0.queue.try_send(span) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => self.0.metrics.dropped.increment("queue_full"),
            Err(mpsc::error::TrySendError::Closed(_)) => self.0.metrics.dropped.increment("stopping"),
        }
    }
}
