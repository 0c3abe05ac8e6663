//! The rules by which absence is judged, resolved from the settings.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::{GapsSettings, Intervals};
use crate::followed::Limit;

/// Whether a device is in use. Trackers send rarely when they are parked, or sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    /// The ignition is on, or it moves, or nobody knows.
    Active,
    /// The ignition is off; or it does not move, and it never told an ignition.
    Parked,
}

/// An interval, and where it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) seconds: u32,
    pub(crate) learned: bool,
}

/// Which configured intervals a device has: an index into [`Rules`]. Zero is what holds for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Profile(u32);

/// Settings as the ledger uses them.
#[derive(Debug)]
pub struct Rules {
    tolerance: f64,
    overdue: f64,
    pub(crate) min_gap_ms: i64,
    pub(crate) judge_parked: bool,
    pub(crate) keep_ms: i64,
    pub(crate) max_stretches: usize,
    profiles: Vec<(String, Intervals)>,
    by_model: HashMap<String, Profile>,
    by_device: HashMap<String, Profile>,
}

impl Rules {
    /// The rules of checked settings.
    pub fn new(settings: &GapsSettings) -> Self {
        let mut profiles = vec![(String::new(), settings.intervals)];
        let mut add = |model: &str, intervals: Intervals| {
            // What a table does not say holds from the general one.
            let merged = Intervals {
                active: intervals.active.or(settings.intervals.active),
                parked: intervals.parked.or(settings.intervals.parked),
            };
            profiles.push((model.to_owned(), merged));
            Profile(u32::try_from(profiles.len() - 1).unwrap_or(0))
        };
        let models = settings.models.iter().map(|(model, intervals)| (model.clone(), add(model, *intervals)));
        let by_model = models.collect();
        let devices =
            settings.devices.iter().map(|(device, intervals)| (device.clone(), add("", *intervals)));
        let by_device = devices.collect();
        Self {
            tolerance: settings.tolerance,
            overdue: settings.overdue,
            min_gap_ms: millis(settings.min_gap),
            judge_parked: settings.judge_parked,
            keep_ms: millis(settings.keep),
            max_stretches: settings.max_stretches,
            profiles,
            by_model,
            by_device,
        }
    }

    /// The profile of a device.
    pub(crate) fn profile(&self, device: &str, model: &str) -> Profile {
        let own = self.by_device.get(device).or_else(|| self.by_model.get(model));
        own.copied().unwrap_or_default()
    }

    /// The model that gave a device its profile; empty if none did.
    pub(crate) fn model(&self, profile: Profile) -> &str {
        self.at(profile).map_or("", |(model, _)| model)
    }

    fn at(&self, profile: Profile) -> Option<&(String, Intervals)> {
        self.profiles.get(usize::try_from(profile.0).ok()?)
    }

    /// The configured interval.
    pub(crate) fn configured(&self, profile: Profile, motion: Motion) -> Option<Interval> {
        let (_, intervals) = self.at(profile)?;
        let interval = match motion {
            Motion::Active => intervals.active,
            Motion::Parked => intervals.parked,
        }?;
        let seconds = u32::try_from(interval.as_secs()).unwrap_or(u32::MAX).max(1);
        Some(Interval { seconds, learned: false })
    }

    /// From when on the absence of records that come at this interval is a gap.
    pub(crate) fn limit(&self, interval: Interval) -> Limit {
        let tolerated = Duration::from_secs(u64::from(interval.seconds)).mul_f64(self.tolerance);
        Limit { interval, threshold_ms: millis(tolerated).max(self.min_gap_ms) }
    }

    /// How long a device may be silent before it has a gap that is not over, milliseconds.
    pub(crate) fn silence_ms(&self, limit: Limit) -> i64 {
        let threshold = Duration::from_millis(u64::try_from(limit.threshold_ms).unwrap_or(0));
        millis(threshold.mul_f64(self.overdue))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
