//! Metrics of the frontend; docs/metrics.md lists them.

use std::sync::Arc;

use crate::session_metrics::{self, SessionMetrics};
use fleetwire_mqtt::packet::QoS;
use fleetwire_mqtt::{Event, Observer, TurnedAway};
use fleetwire_service::metrics::CounterFamily;
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

/// What happens at the front door, as the session layer tells it.
#[derive(Debug)]
pub struct DoorMetrics {
    connections: Gauge,
    opened: Counter,
    turned_away: CounterFamily,
    told_busy: Counter,
    certificate_not_after: Gauge,
    certificates: CounterFamily,
    websocket_breaches: Counter,
    accept_failures: Counter,
    sessions: Gauge,
    connects: CounterFamily,
    disconnects: CounterFamily,
    subscriptions: CounterFamily,
    publishes_refused: Counter,
    publishes_failed: CounterFamily,
    duplicates: Counter,
    ingest_full: Counter,
    kept: SessionMetrics,
}

impl DoorMetrics {
    /// Makes the handles.
    pub fn new() -> Self {
        describe();
        Self {
            connections: gauge!("fleetwire_frontend_connections"),
            opened: counter!("fleetwire_frontend_accepted_total"),
            turned_away: CounterFamily::new(
                "fleetwire_frontend_turned_away_total",
                "reason",
                &TurnedAway::ALL.map(TurnedAway::code),
            ),
            told_busy: counter!("fleetwire_frontend_told_busy_total"),
            certificate_not_after: gauge!("fleetwire_frontend_certificate_not_after_seconds"),
            certificates: CounterFamily::new(
                "fleetwire_frontend_certificate_loads_total",
                "result",
                &["loaded", "refused"],
            ),
            websocket_breaches: counter!("fleetwire_frontend_websocket_breaches_total"),
            accept_failures: counter!("fleetwire_frontend_accept_failures_total"),
            sessions: gauge!("fleetwire_frontend_sessions"),
            connects: CounterFamily::new("fleetwire_frontend_connects_total", "result", &["accepted"]),
            disconnects: CounterFamily::new("fleetwire_frontend_disconnects_total", "reason", &[]),
            subscriptions: CounterFamily::new(
                "fleetwire_frontend_subscriptions_total",
                "result",
                &["granted", "refused"],
            ),
            publishes_refused: counter!("fleetwire_frontend_publishes_refused_total"),
            publishes_failed: CounterFamily::new(
                "fleetwire_frontend_publishes_unacknowledged_total",
                "reason",
                &[],
            ),
            duplicates: counter!("fleetwire_frontend_duplicates_total"),
            ingest_full: counter!("fleetwire_frontend_ingest_full_total"),
            kept: SessionMetrics::new(),
        }
    }
}

impl Default for DoorMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for DoorMetrics {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::Opened => {
                self.opened.increment(1);
                self.connections.increment(1.0);
            }
            Event::Closed => self.connections.decrement(1.0),
            Event::TurnedAway(why) => self.turned_away.increment(why.code()),
            Event::ToldBusy => self.told_busy.increment(1),
            Event::CertificateLoaded { not_after } => {
                self.certificates.increment("loaded");
                #[expect(clippy::cast_precision_loss, reason = "a time in seconds is far below 2^52")]
                self.certificate_not_after.set(not_after as f64);
            }
            Event::CertificateRefused => self.certificates.increment("refused"),
            Event::WebSocketBreach => self.websocket_breaches.increment(1),
            Event::AcceptFailed => self.accept_failures.increment(1),
            Event::NotAdmitted(why) => self.connects.increment(why.code()),
            Event::Connected(_) => {
                self.connects.increment("accepted");
                self.sessions.increment(1.0);
            }
            Event::Disconnected(_, end) => {
                self.disconnects.increment(end.code());
                self.sessions.decrement(1.0);
            }
            Event::Subscribed(..) => self.subscriptions.increment("granted"),
            Event::SubscriptionRefused(_) => self.subscriptions.increment("refused"),
            Event::PublishRefused(_) => self.publishes_refused.increment(1),
            Event::PublishFailed(_, reason) => self.publishes_failed.increment(reason.code()),
            Event::Duplicate(_) => self.duplicates.increment(1),
            Event::IngestFull(_) => self.ingest_full.increment(1),
            other => self.kept.on(&other),
        }
    }
}

/// Failed logins.
#[derive(Debug)]
pub struct LoginMetrics {
    throttled: CounterFamily,
}

impl LoginMetrics {
    /// Makes the handles.
    pub fn new() -> Self {
        let (throttled, forgotten) =
            ("fleetwire_frontend_logins_throttled_total", "fleetwire_frontend_logins_forgotten_total");
        describe_counter!(
            throttled,
            "CONNECTs refused because too many logins had failed, by what had failed."
        );
        describe_counter!(
            forgotten,
            "Addresses, client ids and pairs of them whose failed logins were forgotten early: too many to remember."
        );
        Self { throttled: CounterFamily::new(throttled, "by", &["address", "client_id"]) }
    }

    /// A CONNECT was refused.
    pub(crate) fn throttled(&self, by: &'static str) {
        self.throttled.increment(by);
    }

    /// The counter of what was forgotten.
    #[expect(clippy::unused_self, reason = "whoever has the handles has described the counter")]
    pub(crate) fn forgotten(&self, of: &'static str) -> Counter {
        let counter = counter!("fleetwire_frontend_logins_forgotten_total", "of" => of);
        counter.increment(0);
        counter
    }
}

impl Default for LoginMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What becomes of publishes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IngestMetrics(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    /// By quality of service, for devices that go to the raw topic and for others.
    raw: [Counter; 3],
    held: [Counter; 3],
    bytes: Counter,
    failures: CounterFamily,
    not_mirrored: Counter,
}

impl IngestMetrics {
    /// Makes the handles.
    pub fn new() -> Self {
        let publishes = |topic: &'static str| {
            ["0", "1", "2"]
                .map(|qos| counter!("fleetwire_frontend_publishes_total", "qos" => qos, "topic" => topic))
        };
        Self(Arc::new(Handles {
            raw: publishes("raw"),
            held: publishes("held"),
            bytes: counter!("fleetwire_frontend_publish_bytes_total"),
            failures: CounterFamily::new(
                "fleetwire_frontend_delivery_failures_total",
                "code",
                &["timed_out", "not_enough_replicas", "unknown_topic", "auth", "too_large"],
            ),
            not_mirrored: session_metrics::not_mirrored(),
        }))
    }

    /// A publish was not shown to the sessions that listen.
    pub(crate) fn not_mirrored(&self) {
        self.0.not_mirrored.increment(1);
    }

    /// A publish was handed to Kafka's client.
    pub(crate) fn taken(&self, qos: QoS, direct: bool, bytes: usize) {
        let [at_most_once, at_least_once, exactly_once] = if direct { &self.0.raw } else { &self.0.held };
        match qos {
            QoS::AtMostOnce => at_most_once,
            QoS::AtLeastOnce => at_least_once,
            QoS::ExactlyOnce => exactly_once,
        }
        .increment(1);
        self.0.bytes.increment(bytes as u64);
    }

    /// Kafka did not take a publish.
    pub(crate) fn failed(&self, code: &'static str) {
        self.0.failures.increment(code);
    }
}

impl Default for IngestMetrics {
    fn default() -> Self {
        Self::new()
    }
}

fn describe() {
    describe_connections();
    describe_publishes();
}

fn describe_connections() {
    describe_gauge!("fleetwire_frontend_connections", Unit::Count, "Open connections.");
    describe_counter!("fleetwire_frontend_accepted_total", "Connections accepted.");
    describe_counter!(
        "fleetwire_frontend_turned_away_total",
        "Connections that were over a limit, by limit."
    );
    describe_counter!(
        "fleetwire_frontend_told_busy_total",
        "Plain connections over a limit that were told \"server busy\"."
    );
    describe_gauge!(
        "fleetwire_frontend_certificate_not_after_seconds",
        Unit::Seconds,
        "End of the served certificate's validity, unix time; 0 without TLS."
    );
    describe_counter!(
        "fleetwire_frontend_certificate_loads_total",
        "Times certificate files were taken in or refused, by result."
    );
    describe_counter!(
        "fleetwire_frontend_websocket_breaches_total",
        "WebSocket connections that ended because of a text frame, a malformed frame or one that is too large."
    );
    describe_counter!(
        "fleetwire_frontend_accept_failures_total",
        "Times the listener could not accept, for example for lack of file descriptors."
    );
    describe_gauge!("fleetwire_frontend_sessions", Unit::Count, "Sessions whose CONNECT was accepted.");
    describe_counter!(
        "fleetwire_frontend_connects_total",
        "CONNECTs, and connections that ended before one, by result."
    );
    describe_counter!("fleetwire_frontend_disconnects_total", "Sessions that ended, by reason.");
    describe_counter!("fleetwire_frontend_subscriptions_total", "Topic filters asked for, by result.");
}

fn describe_publishes() {
    describe_counter!(
        "fleetwire_frontend_publishes_refused_total",
        "Publishes to topics that the account does not allow; not stored."
    );
    describe_counter!(
        "fleetwire_frontend_publishes_unacknowledged_total",
        "Publishes that Kafka did not take and that were not acknowledged, by reason."
    );
    describe_counter!(
        "fleetwire_frontend_duplicates_total",
        "QoS 2 publishes that came again before their release; not stored twice."
    );
    describe_counter!(
        "fleetwire_frontend_ingest_full_total",
        "Times a session stopped being read because too much waited for Kafka."
    );
    describe_counter!(
        "fleetwire_frontend_publishes_total",
        "Publishes handed to Kafka's client, by QoS and topic (held: devices that are not active, or not yet released)."
    );
    describe_counter!(
        "fleetwire_frontend_publish_bytes_total",
        Unit::Bytes,
        "Payload bytes handed to Kafka's client."
    );
    describe_counter!(
        "fleetwire_frontend_delivery_failures_total",
        "Publishes that Kafka did not take, by code."
    );
}
