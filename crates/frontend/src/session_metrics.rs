//! Metrics of sessions that outlive their connections, and of messages among sessions; docs/metrics.md lists them.

use fleetwire_mqtt::{Event, Published};
use fleetwire_service::metrics::CounterFamily;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

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
        describe_gauge!(
            "fleetwire_frontend_sessions_away",
            "Sessions that are kept for clients without a connection."
        );
        describe_counter!(
            "fleetwire_frontend_sessions_kept_total",
            "Sessions that should outlive their connection, by what became of them."
        );
        describe_counter!(
            "fleetwire_frontend_throttled_total",
            "Times a session was not read for a moment because it, or its address, published too fast."
        );
        Self {
            away: gauge!("fleetwire_frontend_sessions_away"),
            kept: CounterFamily::new(
                "fleetwire_frontend_sessions_kept_total",
                "outcome",
                &["kept", "no_room", "resumed", "over"],
            ),
            throttled: counter!("fleetwire_frontend_throttled_total"),
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
        describe_counter!(
            "fleetwire_frontend_messages_not_retained_total",
            "Messages of subscribers that should be retained and found no room; they were sent on."
        );
        Self {
            taken: outcome("taken"),
            dropped: dropped(),
            not_retained: counter!("fleetwire_frontend_messages_not_retained_total"),
        }
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
    let name = "fleetwire_frontend_messages_total";
    describe_counter!(name, "Messages for sessions that listen, by outcome.");
    counter!(name, "outcome" => outcome)
}
