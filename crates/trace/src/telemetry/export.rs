//! Spans to the collector, in batches. A collector that is away costs spans and nothing else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tracing::{info, warn};

use super::span::attribute;
use crate::metrics::SpanMetrics;

/// Spans of a batch at most.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How long what is left may take at a stop.
const LAST: Duration = Duration::from_secs(3);
/// How often it is told at most that the collector is away.
const TELL: Duration = Duration::from_mins(1);

/// Who exports, as the collector sees it.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// `service.name`.
    pub service: &'static str,
    /// `service.instance.id`: name of the replica.
    pub instance: String,
    /// `service.version`.
    pub version: &'static str,
    /// `region`: name of the deployment; may be empty.
    pub region: String,
}

/// Takes spans to the collector.
pub struct Exporter {
    client: TraceServiceClient<Channel>,
    resource: Resource,
    spans: mpsc::Receiver<Span>,
    metrics: Arc<SpanMetrics>,
    /// When it was told last that the collector does not take them, and how many were lost since.
    told: Option<Instant>,
    lost: usize,
}

impl Exporter {
    pub(super) fn new(
        endpoint: &Endpoint,
        identity: &Identity,
        spans: mpsc::Receiver<Span>,
        metrics: Arc<SpanMetrics>,
    ) -> Self {
        let text = |value: &str| Value::StringValue(value.to_owned());
        let mut attributes = vec![
            attribute("service.name", text(identity.service)),
            attribute("service.instance.id", text(&identity.instance)),
            attribute("service.version", text(identity.version)),
        ];
        if !identity.region.is_empty() {
            attributes.push(attribute("region", text(&identity.region)));
        }
        let resource = Resource { attributes, ..Resource::default() };
        let client = TraceServiceClient::new(endpoint.connect_lazy());
        Self { client, resource, spans, metrics, told: None, lost: 0 }
    }

    /// Exports until told to stop, and then what is left, within a few seconds.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                count = self.spans.recv_many(&mut batch, BATCH) => if count == 0 { break },
            }
            let deadline = Instant::now() + GATHER;
            while batch.len() < BATCH && !stop.is_cancelled() {
                let room = BATCH - batch.len();
                let more = self.spans.recv_many(&mut batch, room);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    more = timeout_at(deadline, more) => if !matches!(more, Ok(1..)) { break },
                }
            }
            let sent = std::mem::take(&mut batch);
            let count = sent.len();
            tokio::select! {
                () = self.export(sent) => {}
                // It may have been taken all the same.
                () = stop.cancelled() => self.drop_spans("stopping", count),
            }
        }
        self.finish(batch).await;
    }

    /// Exports what is left, as far as the time allows it.
    async fn finish(mut self, mut batch: Vec<Span>) {
        self.spans.close();
        let deadline = Instant::now() + LAST;
        loop {
            while batch.len() < BATCH
                && let Ok(span) = self.spans.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            let (sent, left) = (std::mem::take(&mut batch), self.spans.len());
            let count = sent.len();
            let in_time =
                timeout(deadline.saturating_duration_since(Instant::now()), self.export(sent)).await;
            if in_time.is_err() {
                self.drop_spans("stopping", count + left);
                warn!(
                    spans = count + left,
                    "spans are left that the OpenTelemetry collector did not take in time"
                );
                return;
            }
        }
    }

    async fn export(&mut self, spans: Vec<Span>) {
        let count = spans.len();
        let scope = InstrumentationScope { name: "fleetwire".to_owned(), ..InstrumentationScope::default() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        match self.client.export(ExportTraceServiceRequest { resource_spans }).await {
            Ok(answer) => {
                let partial = answer.into_inner().partial_success.unwrap_or_default();
                let rejected = usize::try_from(partial.rejected_spans).unwrap_or(0).min(count);
                self.drop_spans("rejected", rejected);
                self.metrics.exported.increment((count - rejected) as u64);
                if self.told.take().is_some() {
                    info!(lost = self.lost, "the OpenTelemetry collector takes spans again");
                    self.lost = 0;
                }
            }
            Err(status) => {
                self.drop_spans("export_failed", count);
                self.lost += count;
                let now = Instant::now();
                if self.told.is_none_or(|told| now.duration_since(told) >= TELL) {
                    self.told = Some(now);
                    let (code, lost) = (status.code(), self.lost);
                    warn!(
                        ?code,
                        reason = status.message(),
                        lost,
                        "the OpenTelemetry collector takes no spans"
                    );
                }
            }
        }
    }

    fn drop_spans(&self, reason: &'static str, count: usize) {
        if count > 0 {
            self.metrics.dropped.get(reason).increment(count as u64);
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("resource", &self.resource).finish_non_exhaustive()
    }
}
