//! Which guards hold for which device.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Result;
use fleetwire_kafka::{ClientSettings, Event, Message};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::Device;
use fleetwire_registry::follow::Followed;
use fleetwire_service::health::Condition;
use prost::Message as _;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::machine::Guards;

/// One `[[command_gateway.guards]]`: which devices, and when commands to them are refused.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardSettings {
    /// Devices of these models; of all, if none is named.
    pub models: Vec<String>,
    /// Devices of these groups; of all, if none is named.
    pub groups: Vec<String>,
    /// Devices that have all of these labels.
    pub labels: BTreeMap<String, String>,
    /// No output is switched on above this speed, km/h, nor while the speed is not known.
    pub max_speed_kmh: Option<f64>,
    /// No output is switched on unless the newest fix is younger than this.
    #[serde(with = "humantime_serde")]
    pub fix_within: Option<Duration>,
    /// How many commands a device may get.
    pub rate: Option<RateSettings>,
    /// A second person has to approve.
    pub four_eyes: bool,
}

/// So many commands within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// Commands.
    pub count: u32,
    /// Within this time.
    #[serde(with = "humantime_serde")]
    pub per: Duration,
}

impl GuardSettings {
    /// The key and what is wrong with it, if something is.
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        let speed = self.max_speed_kmh.is_none_or(|speed| (0.0..=1000.0).contains(&speed));
        let fix = self.fix_within.is_none_or(|within| within >= Duration::from_secs(1));
        let rate = self.rate.is_none_or(|rate| {
            (1..=1000).contains(&rate.count)
                && (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&rate.per)
        });
        let guards_something = self.max_speed_kmh.is_some()
            || self.fix_within.is_some()
            || self.rate.is_some()
            || self.four_eyes;
        let checks = [
            (speed, ".max_speed_kmh", "must be 0 to 1000"),
            (fix, ".fix_within", "must be at least 1s"),
            (rate, ".rate", "must be { count = 1 to 1000, per = 1s to 1 day }"),
            (
                guards_something,
                "",
                "guards nothing: give it max_speed_kmh, fix_within, rate or four_eyes = true",
            ),
        ];
        checks.into_iter().find(|(holds, ..)| !holds).map(|(_, key, reason)| (key, reason))
    }

    /// Whether the registry's full record decides if it holds.
    fn asks_record(&self) -> bool {
        !self.labels.is_empty() || !self.groups.is_empty()
    }

    fn fits(&self, device: &Device) -> bool {
        let has = |(key, value): (&String, &String)| device.labels.get(key) == Some(value);
        (self.groups.is_empty() || self.groups.contains(&device.group)) && self.labels.iter().all(has)
    }
}

/// The guards of a deployment, and which devices have the groups and labels that they ask for.
#[derive(Debug)]
pub(crate) struct GuardBook {
    settings: Vec<GuardSettings>,
    /// For each device that fits at least one guard that asks for its record: which, as bits.
    fits: RwLock<HashMap<DeviceId, u64>>,
}

impl GuardBook {
    /// At most 64 guards, which the check of the settings holds.
    pub(crate) fn new(settings: &[GuardSettings]) -> Self {
        Self { settings: settings.to_vec(), fits: RwLock::default() }
    }

    /// Whether a guard has to know how devices move.
    pub(crate) fn asks_motion(&self) -> bool {
        self.settings.iter().any(|guard| guard.max_speed_kmh.is_some() || guard.fix_within.is_some())
    }

    /// Whether a guard asks for groups or labels.
    pub(crate) fn asks_records(&self) -> bool {
        self.settings.iter().any(GuardSettings::asks_record)
    }

    /// What holds for a device: of several guards, the strictest of each kind.
    pub(crate) fn of(&self, device: &DeviceId, model: &str) -> Guards {
        let mut guards = Guards::default();
        if self.settings.is_empty() {
            return guards;
        }
        let bits = if self.asks_records() {
            let fits = self.fits.read().unwrap_or_else(PoisonError::into_inner);
            fits.get(device).copied().unwrap_or_default()
        } else {
            0
        };
        for (index, guard) in self.settings.iter().enumerate() {
            let is_of_model = guard.models.is_empty() || guard.models.iter().any(|known| known == model);
            if is_of_model && (!guard.asks_record() || bits & (1 << index) != 0) {
                add(&mut guards, guard);
            }
        }
        guards
    }

    /// Takes a record of the registry.
    pub(crate) fn apply(&self, device: DeviceId, record: Option<&Device>) {
        let bits = record.map_or(0, |record| {
            let asking = self.settings.iter().enumerate().filter(|(_, guard)| guard.asks_record());
            asking.filter(|(_, guard)| guard.fits(record)).fold(0, |bits, (index, _)| bits | 1 << index)
        });
        let mut fits = self.fits.write().unwrap_or_else(PoisonError::into_inner);
        match bits {
            0 => drop(fits.remove(&device)),
            bits => drop(fits.insert(device, bits)),
        }
    }

    /// Follows the registry until told to stop; blocks. `caught_up` becomes true when everything of it is known.
    pub(crate) fn follow(
        self: Arc<Self>,
        (client, topic): (&ClientSettings, &str),
        condition: &Condition,
        caught_up: &watch::Sender<bool>,
        stop: &CancellationToken,
    ) -> Result<()> {
        Followed { client, topic, condition }.follow(stop, |event| match event {
            Event::Record(record) => self.take(record),
            Event::CaughtUp => {
                condition.ready();
                caught_up.send_replace(true);
            }
            Event::Idle => {}
        })?;
        Ok(())
    }

    fn take(&self, record: &Message<'_>) {
        let key = std::str::from_utf8(record.key().unwrap_or_default()).unwrap_or_default();
        if key.starts_with(fleetwire_trace::KEY_PREFIX) {
            return;
        }
        let device = record.payload().map(Device::decode).transpose();
        if let (Ok(id), Ok(device)) = (key.parse(), device) {
            self.apply(id, device.as_ref());
        } else {
            warn!(offset = record.offset(), "a record of the registry is not usable");
        }
    }
}

fn add(guards: &mut Guards, more: &GuardSettings) {
    let speeds = [guards.max_speed_kmh, more.max_speed_kmh];
    guards.max_speed_kmh = speeds.into_iter().flatten().min_by(f64::total_cmp);
    guards.fix_within = [guards.fix_within, more.fix_within].into_iter().flatten().min();
    let per_second = |(count, per): &(u32, Duration)| f64::from(*count) / per.as_secs_f64();
    let rates = [guards.rate, more.rate.map(|rate| (rate.count, rate.per))];
    guards.rate =
        rates.into_iter().flatten().min_by(|one, other| per_second(one).total_cmp(&per_second(other)));
    guards.four_eyes |= more.four_eyes;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> DeviceId {
        text.parse().unwrap()
    }

    #[test]
    fn of_several_guards_the_strictest_holds() {
        let guard = |max_speed_kmh, count| GuardSettings {
            max_speed_kmh: Some(max_speed_kmh),
            rate: Some(RateSettings { count, per: Duration::from_mins(1) }),
            ..GuardSettings::default()
        };
        let four_eyes =
            GuardSettings { models: vec!["m".into()], four_eyes: true, ..GuardSettings::default() };
        let book = GuardBook::new(&[guard(5.0, 10), guard(20.0, 2), four_eyes]);
        let found = book.of(&id("a"), "m");
        assert_eq!((found.max_speed_kmh, found.rate), (Some(5.0), Some((2, Duration::from_mins(1)))));
        assert!(found.four_eyes && !book.of(&id("a"), "other").four_eyes);
        assert!(book.asks_motion() && !book.asks_records());
    }

    #[test]
    fn a_guard_by_label_holds_for_devices_that_have_all_of_its_labels() {
        let guard: GuardSettings =
            toml::from_str("labels = { vehicle = 'truck', site = 'a' }\nfour_eyes = true").unwrap();
        let book = GuardBook::new(&[guard]);
        let device = |labels: &[(&str, &str)]| Device {
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..Device::default()
        };
        book.apply(id("a"), Some(&device(&[("vehicle", "truck"), ("site", "a"), ("x", "y")])));
        book.apply(id("b"), Some(&device(&[("vehicle", "truck")])));
        assert!(book.of(&id("a"), "m").four_eyes);
        assert!(!book.of(&id("b"), "m").four_eyes && !book.of(&id("c"), "m").four_eyes);
        book.apply(id("a"), None);
        assert!(!book.of(&id("a"), "m").four_eyes);
    }
}
