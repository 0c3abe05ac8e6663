//! Takes requests whose time is over out of the registry topic. They do nothing any more in any case: this keeps the
//! topic small.

use std::time::Duration;

use fleetwire_service::clock;
use tokio::time::interval;
use tracing::debug;

use super::change::send;
use crate::app::Shared;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(30);
/// For how long a request is over before its record goes, milliseconds: nobody prolongs it any more.
const OVER_MS: i64 = 60_000;

/// Tidies up until the process stops.
pub(crate) async fn tidy(app: Shared) {
    let mut tick = interval(EVERY);
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        app.needs.tracer.sweep();
        for device in app.needs.tracer.take_over(clock::unix_ms() - OVER_MS) {
            // Another request may have come since; it is not this one's to end.
            if app.needs.tracer.request(device.as_str()).is_some() {
                continue;
            }
            if let Err(err) = send(&app, &device, None).await {
                debug!(%device, %err, "a request that is over stays in the registry topic for now");
            }
        }
    }
}
