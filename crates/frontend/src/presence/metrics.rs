//! Metrics of the sessions topic; docs/metrics.md lists them.

use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::{Counter, Gauge};
const PRESENCE_RECORDS: Metric = Metric::counter(
    "fleetwire_frontend_presence_records_total",
    "Records of the sessions topic that Kafka has. `connected`: a session began, or its device \
     subscribed to its command topic or no longer is. `removed`: a session of a device that nobody \
     registered is over. `alive`: word that this frontend is alive.",
)
.from_start(&[Label::words("kind", &["connected", "disconnected", "removed", "alive"])])
.worry(
    "`alive` stands still: after four times `alive_interval` the devices of this frontend count \
     as not connected.",
);
const PRESENCE_FAILURES: Metric = Metric::counter(
    "fleetwire_frontend_presence_failures_total",
    "Records of the sessions topic that Kafka did not take. They are written again, the newest of \
     each device.",
)
.labels(&[Label::words(
    "code",
    &[
        "timed_out",
        "too_large",
        "unknown_topic",
        "auth",
        "not_enough_replicas",
        "ended",
        "fatal",
        "other",
        "full",
    ],
)
.note("as that of `fleetwire_frontend_delivery_failures_total`; `timed_out` from the start")])
.worry("Any growth; the code says why.");
const PRESENCE_WAITING: Metric = Metric::gauge(
    "fleetwire_frontend_presence_waiting",
    "Devices whose newest session change is not in Kafka.",
)
.worry("Stays above 0: Kafka is slow or away.");
const PRESENCE_DROPPED: Metric = Metric::counter(
    "fleetwire_frontend_presence_dropped_total",
    "Ends of sessions that were not written: `max_connections` of them waited already, or the \
     frontend had to stop first.",
)
.worry(
    "Growth while the frontend runs: such a device counts as connected until it comes again or \
     the frontend ends.",
);
const PRESENCE_TAKEOVERS: Metric = Metric::counter(
    "fleetwire_frontend_presence_takeovers_total",
    "Sessions closed because their device has a newer one on another frontend.",
)
.worry("Grows steadily: two devices with one IMEI.");
const PRESENCE_REPAIRS: Metric = Metric::counter(
    "fleetwire_frontend_presence_repairs_total",
    "Records written again because a late one of an older session had followed them.",
)
.worry("Grows fast: the clocks of the frontends differ.");

/// What is counted here.
pub(crate) const METRICS: &[Metric] = &[
    PRESENCE_RECORDS,
    PRESENCE_FAILURES,
    PRESENCE_WAITING,
    PRESENCE_DROPPED,
    PRESENCE_TAKEOVERS,
    PRESENCE_REPAIRS,
];

/// Handles, made once.
#[derive(Debug)]
pub(super) struct PresenceMetrics {
    pub(super) records: CounterFamily,
    pub(super) failures: CounterFamily,
    pub(super) waiting: Gauge,
    pub(super) dropped: Counter,
    pub(super) takeovers: Counter,
    pub(super) repairs: Counter,
}

impl PresenceMetrics {
    pub(super) fn new() -> Self {
        Self {
            records: PRESENCE_RECORDS.family(),
            failures: PRESENCE_FAILURES.family_with(&["timed_out"]),
            waiting: PRESENCE_WAITING.to_gauge(),
            dropped: PRESENCE_DROPPED.to_counter(),
            takeovers: PRESENCE_TAKEOVERS.to_counter(),
            repairs: PRESENCE_REPAIRS.to_counter(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(super) fn waiting(&self, count: usize) {
        self.waiting.set(count as f64);
    }
}
