//! Failed logins.

use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::Counter;

const LOGINS_THROTTLED: Metric = Metric::counter(
    "fleetwire_frontend_logins_throttled_total",
    "CONNECTs refused before their password was looked at, because too many logins had failed from \
     the address or with the client id.",
)
.from_start(&[Label::words("by", &["address", "client_id"])])
.worry(
    "Steady growth of `address`: someone guesses, or many devices behind one address have a wrong \
     password. See [operations.md](operations.md#failed-logins).",
);
const LOGINS_FORGOTTEN: Metric = Metric::counter(
    "fleetwire_frontend_logins_forgotten_total",
    "Addresses, client ids and pairs of them whose last logins were forgotten because `remembered` \
     was reached.",
)
.from_start(&[Label::words("of", &["address", "client_id", "pair"])])
.worry(
    "Growth of `address` or `client_id`: more failures than can be followed, an attack from many \
     places. `pair` grows on a frontend with more devices than `remembered`: harmless.",
);

/// What is counted here.
pub(super) const METRICS: &[Metric] = &[LOGINS_THROTTLED, LOGINS_FORGOTTEN];

/// Failed logins.
#[derive(Debug)]
pub struct LoginMetrics {
    throttled: CounterFamily,
}

impl LoginMetrics {
    /// Makes the handles.
    pub fn new() -> Self {
        Self { throttled: LOGINS_THROTTLED.family() }
    }

    /// A CONNECT was refused.
    pub(crate) fn throttled(&self, by: &'static str) {
        self.throttled.increment(by);
    }

    /// The counter of what was forgotten.
    pub(crate) fn forgotten(of: &'static str) -> Counter {
        let counter = LOGINS_FORGOTTEN.counter_of([of]);
        counter.increment(0);
        counter
    }
}

impl Default for LoginMetrics {
    fn default() -> Self {
        Self::new()
    }
}
