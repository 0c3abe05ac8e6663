//! What the tests of the ledger share: records of one device, and a stand-in for the topics.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, HashMap};

use fleetwire_gaps::{Change, GapsSettings, Kind, Ledger, Rules, State};
use fleetwire_model::pb::{DeviceLedger, Gap, GapState, PositionEvent, Quality};
use fleetwire_model::time::{from_unix_ms, to_unix_ms};
use prost::Message as _;

pub(crate) const DEVICE: &str = "867035046242895";

/// Some day; times of the tests are seconds since then.
const DAY_MS: i64 = 1_700_000_000_000;

pub(crate) fn settings(text: &str) -> GapsSettings {
    let settings: GapsSettings = toml::from_str(text).unwrap();
    settings.check().unwrap();
    settings
}

/// A record, and when it is received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) event: PositionEvent,
}

impl Seen {
    pub(crate) fn set_quality(&mut self, quality: Quality) {
        self.event.quality = vec![quality.into()];
    }

    pub(crate) fn second(&self) -> i64 {
        (to_unix_ms(self.event.device_time.as_ref().unwrap()) - DAY_MS) / 1000
    }
}

/// A record with the ignition on.
pub(crate) fn record(second: i64) -> Seen {
    with_ignition(second, true)
}

/// A record with the ignition off.
pub(crate) fn parked(second: i64) -> Seen {
    with_ignition(second, false)
}

pub(crate) fn with_ignition(second: i64, ignition: bool) -> Seen {
    let time = Some(from_unix_ms(DAY_MS + second * 1000));
    let event = PositionEvent {
        device_id: DEVICE.into(),
        model: "tracker".into(),
        device_time: time,
        received_time: time,
        ignition: Some(ignition),
        ..PositionEvent::default()
    };
    Seen { event }
}

/// What is missing of a gap, seconds.
pub(crate) fn times(gap: &Gap) -> Vec<(i64, Option<i64>)> {
    let second = |time: &prost_types::Timestamp| (to_unix_ms(time) - DAY_MS) / 1000;
    let stretch = |stretch: &fleetwire_model::pb::Stretch| {
        (second(stretch.from_time.as_ref().unwrap()), stretch.to_time.as_ref().map(second))
    };
    gap.missing.iter().map(stretch).collect()
}

/// A ledger with its topics.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) ledger: Ledger,
    pub(crate) rules: Rules,
    /// The state topic.
    pub(crate) states: HashMap<String, Vec<u8>>,
    /// The newest record of each gap.
    pub(crate) gaps: BTreeMap<String, Gap>,
    /// The latest time seen is the time of the ledger.
    pub(crate) now_ms: i64,
}

impl Log {
    pub(crate) fn new(settings: &GapsSettings) -> Self {
        settings.check().unwrap();
        Self {
            ledger: Ledger::default(),
            rules: Rules::new(settings),
            states: HashMap::new(),
            gaps: BTreeMap::new(),
            now_ms: DAY_MS,
        }
    }

    /// Takes records in and writes what changed.
    pub(crate) fn take(&mut self, records: impl IntoIterator<Item = Seen>) {
        for seen in records {
            self.one(&seen);
        }
        self.flush();
    }

    pub(crate) fn one(&mut self, seen: &Seen) -> Kind {
        self.now_ms = self.now_ms.max(seen.event.received_time.as_ref().map_or(0, to_unix_ms));
        self.ledger.record(&seen.event, &self.rules, self.now_ms)
    }

    /// Looks for silence at this second.
    pub(crate) fn look(&mut self, second: i64) {
        self.now_ms = DAY_MS + second * 1000;
        self.ledger.scan(&self.rules, self.now_ms);
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        for change in self.ledger.changes(&self.rules, self.now_ms) {
            self.write(change);
        }
    }

    fn write(&mut self, change: Change) {
        match change.state {
            State::Keep => {}
            State::Write(state) => {
                self.states.insert(change.device.to_string(), state);
            }
            State::Forget => {
                self.states.remove(change.device.as_str());
            }
        }
        for gap in change.gaps {
            self.gaps.insert(gap.gap_id.clone(), gap);
        }
    }

    /// Another ledger takes over, with what was written.
    pub(crate) fn restart(&mut self) {
        self.ledger = Ledger::default();
        for (device, state) in &self.states {
            self.ledger.restore(device, Some(state), &self.rules).unwrap();
        }
    }

    pub(crate) fn state(&self) -> DeviceLedger {
        DeviceLedger::decode(self.states.get(DEVICE).unwrap().as_slice()).unwrap()
    }

    pub(crate) fn only_gap(&mut self) -> Gap {
        assert_eq!(self.gaps.len(), 1, "{:#?}", self.gaps);
        self.newest_gap()
    }

    pub(crate) fn newest_gap(&self) -> Gap {
        self.gaps.values().max_by_key(|gap| gap.from_time.as_ref().map(to_unix_ms)).unwrap().clone()
    }

    /// Everything that is missing now, in order, seconds.
    pub(crate) fn open_missing(&self) -> Vec<(i64, Option<i64>)> {
        let open = self.gaps.values().filter(|gap| gap.state() != GapState::Closed);
        let mut missing: Vec<_> = open.flat_map(times).collect();
        missing.sort_unstable();
        missing
    }
}
