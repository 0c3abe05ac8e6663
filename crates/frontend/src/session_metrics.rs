//! Metrics of sessions that outlive their connections, and of messages among sessions; docs/metrics.md lists them.

use fleetwire_mqtt::{Event, Published};
use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::{Counter, Gauge};

const SESSIONS_AWAY: Metric = Metric::gauge(
    "fleetwire_frontend_sessions_away",
    "Sessions that are kept for clients without a connection.",
)
.worry("Near `[frontend.sessions] max_away`: further ones end with their connection.");
const SESSIONS_KEPT: Metric = Metric::counter(
    "fleetwire_frontend_sessions_kept_total",
    "Sessions that should outlive their connection, and what became of them. `over` counts those \
     whose time, client or server ended them.",
)
.from_start(&[Label::words("outcome", &["kept", "no_room", "resumed", "over"])])
.worry("`no_room` grows.");
const THROTTLED: Metric = Metric::counter(
    "fleetwire_frontend_throttled_total",
    "Times a session was not read for a moment, because it published faster than `max_publish_rate`, \
     or its address faster than `publish_rate_per_address`. Nothing is lost.",
)
.worry("Grows steadily: a device sends too much.");
const MESSAGES: Metric = Metric::counter(
    "fleetwire_frontend_messages_total",
    "Messages for sessions of subscriber accounts: handed to a session; dropped because too much \
     waits for a session; and publishes of devices that no session got to see because too much was on \
     its way through the router. What devices publish is in Kafka all the same.",
)
.from_start(&[Label::words("outcome", &["taken", "dropped", "not_mirrored"])])
.worry("`dropped`: a subscriber does not keep up. `not_mirrored`: all of them together do not.");
const MESSAGES_NOT_RETAINED: Metric = Metric::counter(
    "fleetwire_frontend_messages_not_retained_total",
    "Messages of subscribers that should be retained and found no room (10,000 messages, 16 MiB). \
     They were sent on.",
)
.worry("Any growth.");

/// What is counted here.
pub(crate) const METRICS: &[Metric] =
    &[SESSIONS_AWAY, SESSIONS_KEPT, THROTTLED, MESSAGES, MESSAGES_NOT_RETAINED];

/// Sessions whose clients come and go.
#[derive(Debug)]
pub(crate) struct SessionMetrics {
    away: Gauge,
    kept: CounterFamily,
    throttled: Counter,
    dropped: Counter,
}

impl SessionMetrics {
    pub(crate) fn new() -> Self {
        Self {
            away: SESSIONS_AWAY.to_gauge(),
            kept: SESSIONS_KEPT.family(),
            throttled: THROTTLED.to_counter(),
            dropped: dropped(),
        }
    }

    /// Notes an event, if it is one of these.
    pub(crate) fn on(&self, event: &Event<'_>) {
        match event {
            Event::Kept(_) => {
                self.kept.increment("kept");
                self.away.increment(1.0);
            }
            Event::NotKept(_) => self.kept.increment("no_room"),
            Event::KeptOver(_) => {
                self.kept.increment("over");
                self.away.decrement(1.0);
            }
            Event::Resumed(_) => {
                self.kept.increment("resumed");
                self.away.decrement(1.0);
            }
            Event::Throttled(_) => self.throttled.increment(1),
            Event::MessageDropped(_) => self.dropped.increment(1),
            _ => {}
        }
    }
}

/// Messages for sessions that listen.
#[derive(Debug)]
pub(crate) struct MessageMetrics {
    taken: Counter,
    dropped: Counter,
    not_retained: Counter,
}

impl MessageMetrics {
    pub(crate) fn new() -> Self {
        Self { taken: outcome("taken"), dropped: dropped(), not_retained: MESSAGES_NOT_RETAINED.to_counter() }
    }

    pub(crate) fn published(&self, published: Published) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.taken.increment(count(published.taken));
        self.dropped.increment(count(published.dropped));
        self.not_retained.increment(published.not_retained.into());
    }
}

/// Messages that a listening session did not get because too much waited for it.
fn dropped() -> Counter {
    outcome("dropped")
}

/// Publishes of devices that no session got to see because too much was on its way.
pub(crate) fn not_mirrored() -> Counter {
    outcome("not_mirrored")
}

fn outcome(outcome: &'static str) -> Counter {
    MESSAGES.counter_of([outcome])
}
