//! Signs of life: how long ago a part of the process last came round.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A part that is watched.
pub(super) struct Watched {
    name: &'static str,
    limit: Duration,
    silence: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl Watched {
    pub(super) fn new(
        name: &'static str,
        limit: Duration,
        silence: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { name, limit, silence: Box::new(silence) }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// How it is now. In a stop its loops end one after the other, so silence says nothing then.
    pub(super) fn sign(&self, is_stopping: bool) -> Sign {
        let silent = (self.silence)();
        let life = if is_stopping {
            Life::Stopping
        } else if silent > self.limit {
            Life::Hangs
        } else {
            Life::Lives
        };
        Sign { state: life, silent_seconds: silent.as_secs(), limit_seconds: self.limit.as_secs() }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Life {
    Lives,
    Hangs,
    Stopping,
}

/// How a part is, as `/livez` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sign {
    state: Life,
    /// Whole seconds since its last sign of life.
    pub silent_seconds: u64,
    /// How many it may be silent.
    pub limit_seconds: u64,
}

impl Sign {
    /// Whether the part lives.
    pub fn is_live(&self) -> bool {
        self.state != Life::Hangs
    }
}

/// A part of which something else knows how long it has been silent. Dropping it ends the watch.
#[derive(Debug)]
pub struct Vital(#[expect(dead_code, reason = "held, not read")] Arc<Watched>);

impl Vital {
    pub(super) const fn new(watched: Arc<Watched>) -> Self {
        Self(watched)
    }
}

/// A part that gives signs of life itself; made with one. Clones share it, and dropping the last ends the watch.
#[derive(Debug, Clone)]
pub struct Pulse {
    heart: Arc<Heart>,
    watched: Arc<Watched>,
}

/// When the last sign came.
#[derive(Debug)]
struct Heart {
    start: Instant,
    /// Milliseconds after the start.
    last: AtomicU64,
}

impl Pulse {
    pub(super) fn new(name: &'static str, limit: Duration) -> Self {
        let heart = Arc::new(Heart { start: Instant::now(), last: AtomicU64::new(0) });
        let of = Arc::clone(&heart);
        Self { heart, watched: Arc::new(Watched::new(name, limit, move || of.silence())) }
    }

    pub(super) const fn watched(&self) -> &Arc<Watched> {
        &self.watched
    }

    /// The part is alive. Costs a look at the clock.
    pub fn beat(&self) {
        let since = u64::try_from(self.heart.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heart.last.fetch_max(since, Ordering::Relaxed);
    }

    /// How long it has been silent.
    pub fn silence(&self) -> Duration {
        self.heart.silence()
    }
}

impl Heart {
    fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}
