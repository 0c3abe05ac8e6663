//! What is logged: the filter of the settings, and another one for a while at run time.
//!
//! Whoever reaches the admin address may set a filter, without a password. So such a filter turns lines of Fleetwire's own
//! modules on and off and no more: what a field may show is the mask's affair, and libraries, whose lines from `debug`
//! on may show what passes through them, stay at `info`.

use std::fmt;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tracing::{Level, Metadata, info};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::{EnvFilter, Registry, layer, reload};

use super::repeats;

/// A library whose lines below this level are noise, and may show what passes through it; no filter changes this.
const QUIET: &str = "rumqttd=warn";
/// Longest filter that is taken at run time, bytes.
const LONGEST: usize = 1024;
/// Longest time for which one is taken.
const MOST: Duration = Duration::from_hours(7 * 24);

/// A text that is no log filter.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no log filter; use error, warn, info, debug, trace, or target=level with commas")]
pub struct FilterError(String);

/// Why the filter is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is none.
    #[error(transparent)]
    NoFilter(#[from] FilterError),
    /// It asks for what only the settings may.
    #[error(
        "a filter by spans or fields ([...]) is taken from the settings only; use levels and target=level"
    )]
    Fields,
    /// It is too long.
    #[error("the filter is longer than {LONGEST} bytes; name fewer targets")]
    TooLong,
    /// It would last for no time, or too long.
    #[error("`for` must be 1s to 7days, for example for=10m")]
    Time,
    /// The process is about to end.
    #[error("logging has ended")]
    Ended,
}

/// Whether a text is a log filter.
pub fn check(filter: &str) -> Result<(), FilterError> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let is_known = |directive: &str| match directive.trim().rsplit_once('=') {
        _ if directive.trim().is_empty() || directive.contains('[') => true,
        Some((_, level)) => LevelFilter::from_str(level).is_ok(),
        // Taken for the name of a module, a mistyped level would silence everything.
        None => LevelFilter::from_str(directive.trim()).is_ok(),
    };
    // A field's value may hold a comma.
    if !filter.contains('[') && !filter.split(',').all(is_known) {
        return Err(FilterError(filter.to_owned()));
    }
    // A directive for a part of the library would win over one for the whole.
    let own = filter.split(',').filter(|directive| !directive.trim_start().starts_with("rumqttd"));
    // A sum of lines is shown wherever the lines were.
    let sums = format!("{}=info", repeats::TARGET);
    let kept: Vec<&str> = own.chain([QUIET, &sums]).collect();
    EnvFilter::try_new(kept.join(",")).map_err(|_| FilterError(filter.to_owned()))
}

/// A filter as the layer of the lines has it.
type Wanted = Box<dyn layer::Filter<Registry> + Send + Sync>;

/// What is logged, to look at and to change while the process runs. Clones share.
#[derive(Clone)]
pub struct LogFilter(Arc<Inner>);

struct Inner {
    configured: String,
    handle: reload::Handle<Wanted, Registry>,
    change: Mutex<Option<Change>>,
}

/// A filter in place of the configured one.
#[derive(Debug, Clone)]
struct Change {
    filter: String,
    until: Option<Instant>,
}

/// What is logged now, and what the settings say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The filter that is used.
    pub current: String,
    /// The filter of the settings.
    pub configured: String,
    /// Seconds until the filter of the settings is used again; none if that is not planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returns_in_seconds: Option<u64>,
}

impl LogFilter {
    /// The filter of the settings, and what the layer has.
    pub(super) fn new(configured: &str) -> Result<(Self, reload::Layer<Wanted, Registry>), FilterError> {
        let (wanted, handle) = reload::Layer::new(as_configured(configured)?);
        let inner = Inner { configured: configured.to_owned(), handle, change: Mutex::new(None) };
        Ok((Self(Arc::new(inner)), wanted))
    }

    /// What is logged at this time.
    pub fn shown(&self, now: Instant) -> Shown {
        let change = self.changed().clone();
        let until = change.as_ref().and_then(|change| change.until);
        Shown {
            current: change.map_or_else(|| self.0.configured.clone(), |change| change.filter),
            configured: self.0.configured.clone(),
            returns_in_seconds: until.map(|until| until.saturating_duration_since(now).as_secs()),
        }
    }

    /// Uses another filter, for a while or until the process ends.
    pub fn change(&self, filter: &str, lasts: Option<Duration>, now: Instant) -> Result<(), ChangeError> {
        let filter = filter.trim();
        if filter.len() > LONGEST {
            return Err(ChangeError::TooLong);
        }
        if filter.contains('[') {
            return Err(ChangeError::Fields);
        }
        if lasts.is_some_and(|lasts| !(Duration::from_secs(1)..=MOST).contains(&lasts)) {
            return Err(ChangeError::Time);
        }
        if filter.is_empty() {
            return Err(FilterError(String::new()).into());
        }
        let wanted = parse(filter)?.and(filter_fn(is_for_everybody).with_max_level_hint(LevelFilter::TRACE));
        let mut change = self.changed();
        self.0.handle.reload(Box::new(wanted) as Wanted).map_err(|_| ChangeError::Ended)?;
        *change = Some(Change { filter: filter.to_owned(), until: lasts.map(|lasts| now + lasts) });
        drop(change);
        info!(filter, ?lasts, "the log filter is another one for now");
        Ok(())
    }

    /// Uses the filter of the settings again.
    pub fn restore(&self) -> Result<(), ChangeError> {
        let mut change = self.changed();
        if change.is_none() {
            return Ok(());
        }
        let wanted = as_configured(&self.0.configured)?;
        self.0.handle.reload(wanted).map_err(|_| ChangeError::Ended)?;
        *change = None;
        drop(change);
        info!(filter = self.0.configured, "the log filter is that of the settings again");
        Ok(())
    }

    /// The same, once the time of another filter is over.
    pub(super) fn restore_if_due(&self, now: Instant) {
        let is_due =
            self.changed().as_ref().and_then(|change| change.until).is_some_and(|until| now >= until);
        // It was taken once, so it is taken again.
        if is_due && let Err(err) = self.restore() {
            tracing::warn!(%err, "the log filter stays as it is");
        }
    }

    fn changed(&self) -> MutexGuard<'_, Option<Change>> {
        self.0.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_configured(filter: &str) -> Result<Wanted, FilterError> {
    Ok(Box::new(parse(filter)?))
}

/// Whether a line may be shown to whoever asks for it at run time.
fn is_for_everybody(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || metadata.target().starts_with("fleetwire")
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFilter").field("configured", &self.0.configured).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
