//! What leaves the router goes to the sessions.

use std::sync::Arc;

use anyhow::Result;
use fleetwire_mqtt::Sessions;
use fleetwire_service::health::Health;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::downlink::Crossings;
use crate::fabric::{Dispatcher, Outgoing};
use crate::session_metrics::MessageMetrics;

/// Hands everything that leaves the router to the sessions, until told to stop.
pub(crate) fn dispatch(
    dispatcher: Dispatcher,
    stop: CancellationToken,
    health: &Health,
    sessions: Sessions,
    crossings: Arc<Crossings>,
) -> impl Future<Output = Result<()>> + use<> {
    let condition = health.condition("downlink_router");
    let messages = MessageMetrics::new();
    dispatcher.run(stop, condition, move |outgoing| match outgoing {
        Outgoing::Command(number, payload) => {
            if let Some(crossing) = crossings.take(number) {
                crossing.arrive(payload, &sessions);
            } else {
                warn!(number, "the router forwarded a command twice");
            }
        }
        Outgoing::Message(message) => messages.published(sessions.publish(&message)),
    })
}
