//! Connections, sessions, and what the session layer tells of them.

use fleetwire_mqtt::{Event, Observer, TurnedAway};
use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::{Counter, Gauge, Histogram};

use super::answers::AnswerMetrics;
use crate::session_metrics::SessionMetrics;

const CONNECTIONS: Metric =
    Metric::gauge("fleetwire_frontend_connections", "Open connections, with and without a session.").worry(
        "Near `max_connections`. Far above `fleetwire_frontend_sessions`: someone opens connections \
     and says nothing.",
    );
const ACCEPTED: Metric = Metric::counter("fleetwire_frontend_accepted_total", "Connections accepted.")
    .worry("Grows much faster than the fleet reconnects.");
const TURNED_AWAY: Metric = Metric::counter(
    "fleetwire_frontend_turned_away_total",
    "Connections over a limit: `max_connections`, `connections_per_address`, \
     `connect_rate_per_address`, or those that may wait for a handshake. Closed at once, or told \
     \"server busy\" first.",
)
.from_start(&[Label::words("reason", &["connections", "address_connections", "address_rate", "handshakes"])])
.worry(
    "`connections` grows: add frontends or raise the bound. `address_*`: someone floods, or the limit \
     is too low for a carrier's address. `handshakes`: more clients than CPU for TLS, or handshakes \
     that are held open.",
);
const TOLD_BUSY: Metric = Metric::counter(
    "fleetwire_frontend_told_busy_total",
    "Plain connections over a limit that were held for a while and told \"server busy\".",
);
const CERTIFICATE_NOT_AFTER_SECONDS: Metric = Metric::gauge(
    "fleetwire_frontend_certificate_not_after_seconds",
    "End of the served certificate's validity, unix time in seconds; 0 without TLS.",
)
.worry(
    "`fleetwire_frontend_certificate_not_after_seconds > 0` and less than `time() + 14 * 86400`: it \
     is not being renewed.",
);
const CERTIFICATE_LOADS: Metric = Metric::counter(
    "fleetwire_frontend_certificate_loads_total",
    "Times certificate files were taken in, the start included, or refused.",
)
.from_start(&[Label::words("result", &["loaded", "refused"])])
.worry(
    "`refused` grows: the new files do not fit or cannot be read; the log says why. The old \
     certificate serves on until it expires.",
);
const WEBSOCKET_BREACHES: Metric = Metric::counter(
    "fleetwire_frontend_websocket_breaches_total",
    "WebSocket connections that ended because of a text frame, a malformed frame, or a message that \
     is too large. Their sessions end as `peer_gone`.",
)
.worry("Grows: a client that speaks something else.");
const ACCEPT_FAILURES: Metric = Metric::counter(
    "fleetwire_frontend_accept_failures_total",
    "Times the listener could not accept, for example for lack of file descriptors.",
)
.worry("Any growth: raise the limit of open files.");
const HANDSHAKE_SECONDS: Metric = Metric::histogram(
    "fleetwire_frontend_handshake_seconds",
    "From the accept of a connection to its CONNACK, of clients that were let in: PROXY header, TLS, \
     WebSocket, the wait for the CONNECT, and its judgement.",
)
.worry(
    "Grows: more clients come than there is CPU for TLS, or the devices' networks are slow. After a \
     restart, for as long as the fleet reconnects.",
);
const SESSIONS: Metric = Metric::gauge("fleetwire_frontend_sessions", "Sessions whose CONNECT was accepted.")
    .worry("A sudden fall.");
const CONNECTS: Metric =
    Metric::counter("fleetwire_frontend_connects_total", "CONNECTs, and connections that ended before one.")
        .labels(&[Label::text("result", "see [the values](#result-of-connects); `accepted` from the start")])
        .worry("See [the values](#result-of-connects).");
const DISCONNECTS: Metric = Metric::counter("fleetwire_frontend_disconnects_total", "Sessions that ended.")
    .labels(&[Label::text("reason", "see [the values](#reason-of-disconnects)")])
    .worry("See [the values](#reason-of-disconnects).");
const SUBSCRIPTIONS: Metric =
    Metric::counter("fleetwire_frontend_subscriptions_total", "Topic filters that sessions asked for.")
        .from_start(&[Label::words("result", &["granted", "refused"])])
        .worry("`refused` grows: a device has a wrong control topic, or someone is looking around.");

/// What is counted here.
pub(super) const METRICS: &[Metric] = &[
    CONNECTIONS,
    ACCEPTED,
    TURNED_AWAY,
    TOLD_BUSY,
    CERTIFICATE_NOT_AFTER_SECONDS,
    CERTIFICATE_LOADS,
    WEBSOCKET_BREACHES,
    ACCEPT_FAILURES,
    HANDSHAKE_SECONDS,
    SESSIONS,
    CONNECTS,
    DISCONNECTS,
    SUBSCRIPTIONS,
];

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
    handshake: Histogram,
    publishes: AnswerMetrics,
    kept: SessionMetrics,
}

impl DoorMetrics {
    /// Makes the handles; publishes are told apart by these accounts.
    pub fn new(accounts: impl IntoIterator<Item = String>) -> Self {
        Self {
            connections: CONNECTIONS.to_gauge(),
            opened: ACCEPTED.to_counter(),
            turned_away: TURNED_AWAY.family_with(&TurnedAway::ALL.map(TurnedAway::code)),
            told_busy: TOLD_BUSY.to_counter(),
            certificate_not_after: CERTIFICATE_NOT_AFTER_SECONDS.to_gauge(),
            certificates: CERTIFICATE_LOADS.family(),
            websocket_breaches: WEBSOCKET_BREACHES.to_counter(),
            accept_failures: ACCEPT_FAILURES.to_counter(),
            sessions: SESSIONS.to_gauge(),
            connects: CONNECTS.family_with(&["accepted"]),
            disconnects: DISCONNECTS.family(),
            subscriptions: SUBSCRIPTIONS.family(),
            handshake: HANDSHAKE_SECONDS.to_histogram(),
            publishes: AnswerMetrics::new(accounts),
            kept: SessionMetrics::new(),
        }
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
            Event::Admitted { took } => self.handshake.record(took),
            other if self.publishes.on(&other) => {}
            other => self.kept.on(&other),
        }
    }
}
