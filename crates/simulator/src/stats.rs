//! What a run does, readable while it lasts, and its report.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::outputs::Verdict;

/// Why a server does not take a device, by its CONNACK. The device does not try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Return code 1.
    ProtocolVersion,
    /// Return code 2.
    Identifier,
    /// Return code 4.
    Credentials,
    /// Return code 5.
    NotAuthorized,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProtocolVersion => "the server does not speak MQTT 3.1.1",
            Self::Identifier => "the client identifier (IMEI) is refused",
            Self::Credentials => "user name or password is wrong",
            Self::NotAuthorized => "not authorized",
        })
    }
}

/// What went wrong with a session. The device tries again, ever more slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// No connection, or none any more.
    Network,
    /// The server took too long.
    Timeout,
    /// The server says that it is not available (CONNACK return code 3).
    Unavailable,
    /// The server broke the protocol.
    Protocol,
    /// The server granted no subscription to the device's commands. The session goes on.
    Subscription,
    /// So many failures in a row that the device stays away.
    GaveUp,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "no connection",
            Self::Timeout => "timed out",
            Self::Unavailable => "server not available",
            Self::Protocol => "protocol broken",
            Self::Subscription => "subscription refused",
            Self::GaveUp => "gave up",
        })
    }
}

/// Counters of a run, shared by its devices.
#[derive(Debug)]
pub struct Stats {
    connected: AtomicU64,
    connects: AtomicU64,
    published: AtomicU64,
    resent: AtomicU64,
    acknowledged: AtomicU64,
    records: AtomicU64,
    out_of_order: AtomicU64,
    cuts: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug)]
struct Rest {
    refused: BTreeMap<Refusal, u64>,
    failed: BTreeMap<Failure, u64>,
    commands: BTreeMap<Verdict, u64>,
    /// Microseconds from handing a message over until its PUBACK.
    latency: Option<Histogram<u64>>,
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

impl Stats {
    /// Counters at zero.
    pub fn new() -> Self {
        Self {
            connected: AtomicU64::new(0),
            connects: AtomicU64::new(0),
            published: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            records: AtomicU64::new(0),
            out_of_order: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            rest: Mutex::new(Rest {
                refused: BTreeMap::new(),
                failed: BTreeMap::new(),
                commands: BTreeMap::new(),
                // A minute at the most, to three digits, which are bounds that a histogram can have.
                latency: Histogram::new_with_max(60_000_000, 3).ok(),
            }),
        }
    }

    /// The numbers of this instant.
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rest = self.rest();
        let latency = |quantile| {
            let histogram = rest.latency.as_ref().filter(|histogram| !histogram.is_empty());
            histogram.map(|histogram| Duration::from_micros(histogram.value_at_quantile(quantile)))
        };
        Snapshot {
            connected: get(&self.connected),
            connects: get(&self.connects),
            published: get(&self.published),
            resent: get(&self.resent),
            acknowledged: get(&self.acknowledged),
            records: get(&self.records),
            out_of_order: get(&self.out_of_order),
            cuts: get(&self.cuts),
            commands: rest.commands.clone(),
            refused: rest.refused.clone(),
            failed: rest.failed.clone(),
            latency_p50: latency(0.5),
            latency_p99: latency(0.99),
            latency_max: latency(1.0),
        }
    }

    pub(crate) fn connected(&self) {
        add(&self.connected);
        add(&self.connects);
    }

    pub(crate) fn disconnected(&self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn published(&self) {
        add(&self.published);
    }

    pub(crate) fn resent(&self) {
        add(&self.resent);
    }

    pub(crate) fn acknowledged(&self, records: u32, latency: Duration) {
        add(&self.acknowledged);
        self.records.fetch_add(records.into(), Ordering::Relaxed);
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(histogram) = &mut self.rest().latency {
            histogram.saturating_record(micros);
        }
    }

    pub(crate) fn out_of_order(&self) {
        add(&self.out_of_order);
    }

    pub(crate) fn cut(&self) {
        add(&self.cuts);
    }

    pub(crate) fn command(&self, verdict: Verdict) {
        *self.rest().commands.entry(verdict).or_default() += 1;
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        *self.rest().refused.entry(refusal).or_default() += 1;
    }

    pub(crate) fn failed(&self, failure: Failure) {
        *self.rest().failed.entry(failure).or_default() += 1;
    }

    /// Counters stay what they are if a thread that held them panicked.
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The numbers of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Devices that are connected.
    pub connected: u64,
    /// Connections that a server accepted, repeats included.
    pub connects: u64,
    /// Messages sent, repeats not included.
    pub published: u64,
    /// Messages sent again on a new connection, because the one before it brought no PUBACK.
    pub resent: u64,
    /// Messages with a PUBACK.
    pub acknowledged: u64,
    /// Records in them.
    pub records: u64,
    /// PUBACKs that came before that of an earlier message.
    pub out_of_order: u64,
    /// Connections that devices lost because the settings say so.
    pub cuts: u64,
    /// What devices made of the messages that came down to them.
    pub commands: BTreeMap<Verdict, u64>,
    /// Devices that the server does not take.
    pub refused: BTreeMap<Refusal, u64>,
    /// What went wrong with sessions.
    pub failed: BTreeMap<Failure, u64>,
    /// Half of the messages had their PUBACK within this time; absent before the first.
    pub latency_p50: Option<Duration>,
    /// 99 of 100 messages had their PUBACK within this time.
    pub latency_p99: Option<Duration>,
    /// All messages had their PUBACK within this time.
    pub latency_max: Option<Duration>,
}

/// The numbers of a run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Counters at the end.
    pub totals: Snapshot,
    /// From the start of the first device until the end of the last.
    pub elapsed: Duration,
    /// Acknowledged messages a second.
    pub messages_per_s: f64,
    /// Acknowledged records a second.
    pub records_per_s: f64,
}

impl Report {
    #[expect(clippy::cast_precision_loss, reason = "rates are for people")]
    pub(crate) fn new(totals: Snapshot, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            messages_per_s: totals.acknowledged as f64 / seconds,
            records_per_s: totals.records as f64 / seconds,
            totals,
            elapsed,
        }
    }
}
