//! Health of a process, which the admin HTTP shows: conditions, for whether it can take work, and signs of life of its
//! parts, for whether it has to be killed.
//!
//! The two are kept apart on purpose. What another system does, Kafka first of all, is a condition and never a sign of
//! life: to restart a process helps against nothing but itself.

mod vital;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Label, Metric};
use vital::Watched;

pub use vital::{Pulse, Sign, Vital};

const CONDITION: Metric = Metric::gauge(
    "fleetwire_health_condition",
    "1 if a condition of readiness is fulfilled, 0 if not: what `/readyz` shows.",
)
.labels(&[Label::text("condition", "those of the process, see [operations.md](operations.md#health)")])
.worry("0 for longer than a start takes.");
/// Metrics of health.
pub(crate) const METRICS: &[Metric] = &[CONDITION];

/// The condition that the beginning of a stop ends.
const STOPPING: &str = "stopping";

/// State of one condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum State {
    /// Fine.
    Ready,
    /// Not ready to take work, with the reason for people.
    NotReady(String),
}

/// Bounds of what counts as healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthLimits {
    /// How long Kafka may be away from a process that was ready before the process is not.
    pub kafka_away: Duration,
    /// How long a part may show no sign of life, where it has no limit of its own. Loops that read from Kafka may
    /// wait for it for a minute or two in one call, so this is longer.
    pub silence: Duration,
}

impl Default for HealthLimits {
    fn default() -> Self {
        Self { kafka_away: Duration::from_secs(30), silence: Duration::from_mins(5) }
    }
}

/// The health of a process. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    limits: HealthLimits,
    conditions: watch::Sender<Conditions>,
    watched: Mutex<Vec<Weak<Watched>>>,
    stopping: OnceLock<CancellationToken>,
}

type Conditions = BTreeMap<&'static str, Word>;

/// The last word on a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Ready,
    NotReady(String),
    /// It is ready until this time, unless it says so again.
    ReadyUntil {
        until: Instant,
        reason: String,
    },
    /// It was ready, and since then what it needs of others is away.
    Away {
        since: Instant,
        reason: String,
    },
}

impl Health {
    /// The health of a process with these bounds.
    pub fn new(limits: HealthLimits) -> Self {
        Self(Arc::new(Shared { limits, ..Shared::default() }))
    }

    /// A condition that is not ready until its owner says so.
    pub fn condition(&self, name: &'static str) -> Condition {
        let condition = Condition { health: self.clone(), name };
        condition.not_ready("starting");
        condition
    }

    /// From the moment that the token is cancelled the process is not ready, and lives until its end: it is on its way
    /// out, and how long that may take is bounded elsewhere. The first token counts.
    pub fn stops_with(&self, stopping: CancellationToken) {
        // There is one stop of a process.
        let _first = self.0.stopping.set(stopping);
    }

    /// The conditions by name.
    pub fn report(&self) -> BTreeMap<&'static str, State> {
        let mut states: BTreeMap<_, _> =
            self.0.conditions.borrow().iter().map(|(name, word)| (*name, self.judge(word))).collect();
        if self.is_stopping() {
            states.insert(STOPPING, State::NotReady("the process is stopping".to_owned()));
        }
        states
    }

    /// True if every condition is ready.
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.all_ready(&self.0.conditions.borrow())
    }

    /// Waits until every condition is ready.
    pub async fn until_ready(&self) {
        let mut conditions = self.0.conditions.subscribe();
        // The sender is ours, so the wait cannot fail.
        drop(conditions.wait_for(|conditions| self.all_ready(conditions)).await);
    }

    /// Sets the gauge of each condition; to be called before metrics are shown.
    pub fn export(&self) {
        for (condition, state) in self.report() {
            CONDITION.gauge_of([condition]).set(if state == State::Ready { 1.0 } else { 0.0 });
        }
    }

    /// A part that gives a sign of life itself, and may be silent for as long as the limits say.
    pub fn pulse(&self, name: &'static str) -> Pulse {
        self.pulse_within(name, self.0.limits.silence)
    }

    /// A part that gives a sign of life itself, within a limit of its own.
    pub fn pulse_within(&self, name: &'static str, limit: Duration) -> Pulse {
        let pulse = Pulse::new(name, limit);
        self.watch(pulse.watched());
        pulse
    }

    /// A part of which something else knows how long it has been silent. It is watched for as long as what is returned
    /// is kept.
    pub fn vital(&self, name: &'static str, silence: impl Fn() -> Duration + Send + Sync + 'static) -> Vital {
        let watched = Arc::new(Watched::new(name, self.0.limits.silence, silence));
        self.watch(&watched);
        Vital::new(watched)
    }

    /// The parts by name; of several with a name, the one that has been silent for longest.
    pub fn signs(&self) -> BTreeMap<&'static str, Sign> {
        let mut signs = BTreeMap::new();
        for watched in self.watched().iter().filter_map(Weak::upgrade) {
            let sign = watched.sign(self.is_stopping());
            let worst = signs.entry(watched.name()).or_insert(sign);
            if sign.silent_seconds > worst.silent_seconds {
                *worst = sign;
            }
        }
        signs
    }

    /// False if a part has been silent for longer than it may.
    pub fn is_live(&self) -> bool {
        self.signs().values().all(Sign::is_live)
    }

    fn is_stopping(&self) -> bool {
        self.0.stopping.get().is_some_and(CancellationToken::is_cancelled)
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Watched>>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, watched: &Arc<Watched>) {
        let mut all = self.watched();
        all.retain(|watched| watched.strong_count() > 0);
        all.push(Arc::downgrade(watched));
    }

    fn judge(&self, word: &Word) -> State {
        match word {
            Word::ReadyUntil { until, reason } if Instant::now() >= *until => State::NotReady(reason.clone()),
            Word::Away { since, reason } if since.elapsed() >= self.0.limits.kafka_away => {
                State::NotReady(reason.clone())
            }
            Word::NotReady(reason) => State::NotReady(reason.clone()),
            Word::Ready | Word::ReadyUntil { .. } | Word::Away { .. } => State::Ready,
        }
    }

    fn all_ready(&self, conditions: &Conditions) -> bool {
        conditions.values().all(|word| self.judge(word) == State::Ready)
    }

    fn say(&self, name: &'static str, word: impl FnOnce(Option<&Word>) -> Word) {
        self.0.conditions.send_if_modified(|conditions| {
            let before = conditions.get(name);
            let word = word(before);
            let is_new = before != Some(&word);
            if is_new {
                conditions.insert(name, word);
            }
            is_new
        });
    }
}

/// One condition, held by the part that it speaks of.
#[derive(Debug, Clone)]
pub struct Condition {
    health: Health,
    name: &'static str,
}

impl Condition {
    /// The part is fine.
    pub fn ready(&self) {
        self.health.say(self.name, |_| Word::Ready);
    }

    /// The part cannot take work, and why.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.health.say(self.name, |_| Word::NotReady(reason.into()));
    }

    /// The part is fine, and not any more if it does not say so again within the time.
    pub fn ready_for(&self, time: Duration, otherwise: impl Into<String>) {
        let until = Instant::now() + time;
        self.health.say(self.name, |_| Word::ReadyUntil { until, reason: otherwise.into() });
    }

    /// Why the part will not be ready, if nothing changes; it is ready for as long as it was to be.
    pub fn lapses(&self, reason: impl Into<String>) {
        self.health.say(self.name, |before| match before {
            Some(Word::ReadyUntil { until, .. }) => Word::ReadyUntil { until: *until, reason: reason.into() },
            _ => Word::NotReady(reason.into()),
        });
    }

    /// Kafka is away, so that the part cannot work. One that was ready is not ready once this lasts for longer than
    /// [`HealthLimits::kafka_away`]; one that was not is not ready at once.
    pub fn away(&self, reason: impl Into<String>) {
        self.health.say(self.name, |before| match before {
            Some(Word::Ready | Word::ReadyUntil { .. }) => {
                Word::Away { since: Instant::now(), reason: reason.into() }
            }
            Some(Word::Away { since, .. }) => Word::Away { since: *since, reason: reason.into() },
            _ => Word::NotReady(reason.into()),
        });
    }

    /// Signs of life of the part, under the condition's name.
    pub fn pulse(&self) -> Pulse {
        self.health.pulse(self.name)
    }
}

#[cfg(test)]
mod tests;
