//! What librdkafka says of every client, and gauges that several clients of a process add up to.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fleetwire_metrics::{Label, Metric};
use metrics::{Counter, Gauge};
use rdkafka::Statistics;
use rdkafka::statistics::Broker;

const CLIENTS: &[Label] = &[Label::words("client", &["producer", "consumer"])];

const BROKER_RTT: Metric = Metric::gauge(
    "fleetwire_kafka_broker_rtt_seconds",
    "Mean round trip to the slowest broker, in the last second. Of several clients of a kind, the one \
     that wrote last.",
)
.labels(CLIENTS)
.worry(
    "Grows: brokers or the network are slow. A fetch of a consumer waits for records, up to half \
     a second.",
);
const OUTBUF: Metric = Metric::gauge(
    "fleetwire_kafka_outbuf_requests",
    "Requests that wait to be written to a broker's socket.",
)
.labels(CLIENTS)
.worry("Stays above some: the network, or a broker, takes less than is sent.");
const SENT: Metric = Metric::counter(
    "fleetwire_kafka_sent_messages_total",
    "Records that were sent to brokers, those that were sent again included.",
)
.labels(&[Label::words("client", &["producer"])])
.worry("Far above the `delivered` of `fleetwire_kafka_deliveries_total`: records are sent again.");
const RECEIVED: Metric = Metric::counter(
    "fleetwire_kafka_received_messages_total",
    "Records that came from brokers, those that were thrown away after a rebalance included.",
)
.labels(&[Label::words("client", &["consumer"])])
.worry(
    "Far above `fleetwire_kafka_consumed_records_total`: what was fetched is thrown away, by \
     rebalances or pauses.",
);
const RETRIES: Metric =
    Metric::counter("fleetwire_kafka_request_retries_total", "Requests that were sent to a broker again.")
        .labels(CLIENTS)
        .worry("Steady growth: brokers fail, move leaders, or do not answer in time.");
const TIMEOUTS: Metric = Metric::counter(
    "fleetwire_kafka_request_timeouts_total",
    "Requests that a broker did not answer in time.",
)
.labels(CLIENTS)
.worry("Any growth: a broker hangs, or the network loses packets.");
const ERRORS: Metric = Metric::counter(
    "fleetwire_kafka_transport_errors_total",
    "Errors of sockets while requests were written or answers read.",
)
.labels(CLIENTS)
.worry("Growth outside of restarts of brokers.");
const THROTTLE: Metric = Metric::gauge(
    "fleetwire_kafka_throttle_seconds",
    "For how long the broker that throttles most makes requests wait, on average of the last second. \
     Of several clients of a kind, the one that wrote last.",
)
.labels(CLIENTS)
.worry("Above 0: a quota of the Kafka cluster is reached.");

/// What is counted here.
pub(super) const METRICS: &[Metric] =
    &[BROKER_RTT, OUTBUF, SENT, RECEIVED, RETRIES, TIMEOUTS, ERRORS, THROTTLE];

/// One client's share of a gauge: the gauge is the sum over all that the process has.
#[derive(Debug)]
pub(crate) struct Share {
    gauge: Gauge,
    mine: Mutex<usize>,
}

impl Share {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self { gauge, mine: Mutex::new(0) }
    }

    /// From now on the share is this.
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(crate) fn set(&self, share: usize) {
        let before = std::mem::replace(&mut *lock(&self.mine), share);
        if share >= before {
            self.gauge.increment((share - before) as f64);
        } else {
            self.gauge.decrement((before - share) as f64);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A counter that follows a number of librdkafka's, which counts from the start of its client.
#[derive(Debug)]
struct Following {
    counter: Counter,
    seen: Mutex<u64>,
}

impl Following {
    fn new(counter: Counter) -> Self {
        Self { counter, seen: Mutex::new(0) }
    }

    /// What librdkafka has counted until now; a broker that it forgets takes its share away.
    fn follow(&self, total: u64) {
        let before = std::mem::replace(&mut *lock(&self.seen), total);
        self.counter.increment(total.saturating_sub(before));
    }
}

/// What librdkafka says of one client.
#[derive(Debug)]
pub(crate) struct BrokerMetrics {
    rtt: Gauge,
    outbuf: Share,
    /// Records sent, of a producer, or received.
    messages: Following,
    is_producer: bool,
    retries: Following,
    timeouts: Following,
    errors: Following,
    throttle: Gauge,
}

impl BrokerMetrics {
    /// `client` is "producer" or "consumer".
    pub(crate) fn new(client: &'static str) -> Self {
        let is_producer = client == "producer";
        let following = |metric: &Metric| Following::new(metric.counter_of([client]));
        Self {
            rtt: BROKER_RTT.gauge_of([client]),
            outbuf: Share::new(OUTBUF.gauge_of([client])),
            messages: following(if is_producer { &SENT } else { &RECEIVED }),
            is_producer,
            retries: following(&RETRIES),
            timeouts: following(&TIMEOUTS),
            errors: following(&ERRORS),
            throttle: THROTTLE.gauge_of([client]),
        }
    }

    /// Takes the statistics of a second, and the round trip in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "gauges")]
    pub(crate) fn observe(&self, statistics: &Statistics, rtt_us: Option<i64>) {
        if let Some(rtt_us) = rtt_us {
            self.rtt.set(rtt_us as f64 / 1e6);
        }
        let brokers = || statistics.brokers.values();
        let sum = |number: fn(&Broker) -> u64| brokers().map(number).sum::<u64>();
        self.outbuf.set(brokers().map(|broker| usize::try_from(broker.outbuf_cnt).unwrap_or(0)).sum());
        let messages = if self.is_producer { statistics.txmsgs } else { statistics.rxmsgs };
        self.messages.follow(u64::try_from(messages).unwrap_or(0));
        self.retries.follow(sum(|broker| broker.txretries));
        self.timeouts.follow(sum(|broker| broker.req_timeouts));
        self.errors.follow(sum(|broker| broker.txerrs + broker.rxerrs));
        let throttled_ms =
            brokers().filter_map(|broker| broker.throttle.as_ref()).map(|window| window.avg).max();
        self.throttle.set(throttled_ms.unwrap_or(0) as f64 / 1e3);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "small whole numbers")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use metrics::{CounterFn, GaugeFn};

    use super::*;

    #[derive(Debug, Default)]
    struct Sum(AtomicI64);

    impl GaugeFn for Sum {
        fn increment(&self, value: f64) {
            self.0.fetch_add(value as i64, Ordering::Relaxed);
        }

        fn decrement(&self, value: f64) {
            self.0.fetch_sub(value as i64, Ordering::Relaxed);
        }

        fn set(&self, value: f64) {
            self.0.store(value as i64, Ordering::Relaxed);
        }
    }

    #[derive(Debug, Default)]
    struct Count(AtomicU64);

    impl CounterFn for Count {
        fn increment(&self, value: u64) {
            self.0.fetch_add(value, Ordering::Relaxed);
        }

        fn absolute(&self, value: u64) {
            self.0.store(value, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_gauge_is_the_sum_of_its_shares_and_one_that_ends_is_taken_off() {
        let sum = Arc::new(Sum::default());
        let share = || Share::new(Gauge::from_arc(Arc::clone(&sum)));
        let (one, other) = (share(), share());
        one.set(5);
        other.set(7);
        one.set(2);
        assert_eq!(sum.0.load(Ordering::Relaxed), 9);
        drop(other);
        assert_eq!(sum.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_counter_follows_and_never_goes_back() {
        let count = Arc::new(Count::default());
        let following = Following::new(Counter::from_arc(Arc::clone(&count)));
        for total in [10, 15, 3, 4] {
            following.follow(total);
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 16);
    }
}
