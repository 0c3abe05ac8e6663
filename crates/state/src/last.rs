//! What a device last reported: the newest by its own time, whatever the order in which records come.

use fleetwire_model::pb::{DeviceState, FixType};
use fleetwire_model::time::to_unix_ms;
use fleetwire_model::wire;
use prost::Message as _;
use prost_types::Timestamp;

use crate::report::{MAX_LINES, Report};

/// The state of one device.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Last {
    /// When something was received from it last.
    seen_ms: i64,
    /// When the newest fix was.
    position_ms: Option<i64>,
    fix: Option<Box<[u8]>>,
    /// Whether the fix is one of its instant, and not an earlier one that was repeated.
    is_fixed: bool,
    /// When the newest record was.
    reported_ms: Option<i64>,
    ignition: Option<bool>,
    /// By number.
    outputs: Vec<(u32, bool)>,
    positions: u64,
}

/// What a record was to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The newest.
    Newest,
    /// An older one that came late.
    Late,
}

impl Last {
    /// Takes a record in. An older one than what is known changes nothing but when the device was heard and how much it
    /// sent.
    pub(crate) fn take(&mut self, report: &Report<'_>) -> Kind {
        self.positions += 1;
        self.seen_ms = self.seen_ms.max(report.received_ms);
        self.take_fix(report);
        if self.reported_ms.is_some_and(|known| report.time_ms < known) {
            return Kind::Late;
        }
        self.reported_ms = Some(report.time_ms);
        self.ignition = report.ignition.or(self.ignition);
        for (number, is_on) in &report.outputs {
            match self.outputs.binary_search_by_key(number, |(number, _)| *number) {
                Ok(index) => {
                    if let Some((_, known)) = self.outputs.get_mut(index) {
                        *known = *is_on;
                    }
                }
                Err(index) if self.outputs.len() < MAX_LINES => self.outputs.insert(index, (*number, *is_on)),
                Err(_) => {}
            }
        }
        Kind::Newest
    }

    fn take_fix(&mut self, report: &Report<'_>) {
        let Some(fix) = report.fix else { return };
        let is_fixed = match report.fix_type {
            FixType::Unspecified | FixType::NoFix => return,
            FixType::LastKnown => false,
            _ => true,
        };
        // An earlier fix that is repeated is better than none, and no better than any other.
        let is_better = match (self.is_fixed, is_fixed) {
            (false, true) => true,
            (true, false) => false,
            _ => self.position_ms.is_none_or(|known| report.time_ms >= known),
        };
        if is_better {
            self.position_ms = Some(report.time_ms);
            self.fix = Some(fix.into());
            self.is_fixed = is_fixed;
        }
    }

    /// The record of the topic of device states: a `DeviceState`, field by field.
    pub(crate) fn write(&self, out: &mut Vec<u8>, device: &str) {
        wire::text(out, 1, device);
        wire::timestamp(out, 2, self.seen_ms);
        if let Some(ms) = self.position_ms {
            wire::timestamp(out, 3, ms);
        }
        if let Some(fix) = &self.fix {
            wire::some_bytes(out, 4, fix);
        }
        if let Some(is_on) = self.ignition {
            wire::some_number(out, 5, is_on.into());
        }
        for (number, is_on) in &self.outputs {
            wire::message(out, 6, |out| {
                wire::number(out, 1, (*number).into());
                wire::number(out, 2, (*is_on).into());
            });
        }
        wire::number(out, 7, self.positions);
        if let Some(ms) = self.reported_ms {
            wire::timestamp(out, 8, ms);
        }
    }
}

impl From<&DeviceState> for Last {
    fn from(state: &DeviceState) -> Self {
        let ms = |time: &Option<Timestamp>| time.as_ref().map(to_unix_ms);
        let mut outputs: Vec<_> = state.outputs.iter().map(|line| (line.number, line.on)).collect();
        outputs.sort_unstable_by_key(|(number, _)| *number);
        outputs.dedup_by_key(|(number, _)| *number);
        Self {
            seen_ms: ms(&state.last_seen_time).unwrap_or(0),
            position_ms: ms(&state.position_time),
            fix: state.fix.as_ref().map(|fix| fix.encode_to_vec().into_boxed_slice()),
            is_fixed: state.fix.as_ref().is_some_and(|fix| fix.r#type() != FixType::LastKnown),
            reported_ms: ms(&state.reported_time),
            ignition: state.ignition,
            outputs,
            positions: state.positions,
        }
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::{DigitalLine, Fix, PositionEvent};
    use fleetwire_model::time::from_unix_ms;

    use super::*;

    const DEVICE: &str = "867035046242895";

    /// A position of this second with this latitude, received as it came.
    fn at(second: i64, latitude: f64) -> PositionEvent {
        PositionEvent {
            device_id: DEVICE.into(),
            device_time: Some(from_unix_ms(second * 1000)),
            received_time: Some(from_unix_ms(1_000_000)),
            fix: Some(Fix { r#type: FixType::Fix.into(), latitude, ..Fix::default() }),
            ..PositionEvent::default()
        }
    }

    fn take(last: &mut Last, event: &PositionEvent) -> Kind {
        last.take(&Report::read(&event.encode_to_vec()).unwrap())
    }

    fn state(last: &Last) -> DeviceState {
        let mut out = Vec::new();
        last.write(&mut out, DEVICE);
        let state = DeviceState::decode(out.as_slice()).unwrap();
        assert_eq!(state.encode_to_vec(), out, "it is written as its type writes it");
        assert_eq!(Last::from(&state), *last, "it is read as it was written");
        state
    }

    #[test]
    fn the_newest_position_stays_whatever_comes_late() {
        let mut last = Last::default();
        assert_eq!(take(&mut last, &at(10, 1.0)), Kind::Newest);
        assert_eq!(take(&mut last, &at(30, 3.0)), Kind::Newest);
        let late = PositionEvent { received_time: Some(from_unix_ms(2_000_000)), ..at(20, 2.0) };
        assert_eq!(take(&mut last, &late), Kind::Late);
        let state = state(&last);
        assert_eq!(state.fix.map(|fix| fix.latitude), Some(3.0));
        assert_eq!(state.position_time, Some(from_unix_ms(30_000)));
        assert_eq!(state.last_seen_time, Some(from_unix_ms(2_000_000)), "a late record is heard as well");
        assert_eq!(state.positions, 3);
    }

    #[test]
    fn ignition_and_outputs_are_those_of_the_newest_record_that_told_them() {
        let mut last = Last::default();
        let told = |second, ignition, outputs: &[(u32, bool)]| PositionEvent {
            fix: None,
            ignition,
            outputs: outputs.iter().map(|(number, on)| DigitalLine { number: *number, on: *on }).collect(),
            ..at(second, 0.0)
        };
        take(&mut last, &told(10, Some(true), &[(2, true), (1, true)]));
        take(&mut last, &told(20, None, &[(1, false)]));
        take(&mut last, &told(15, Some(false), &[(2, false)]));
        let state = state(&last);
        assert_eq!(state.ignition, Some(true));
        assert_eq!(
            state.outputs,
            [DigitalLine { number: 1, on: false }, DigitalLine { number: 2, on: true }]
        );
        assert_eq!((state.fix, state.position_time), (None, None));
        assert_eq!(state.reported_time, Some(from_unix_ms(20_000)));
    }

    #[test]
    fn no_fix_is_no_position_and_a_repeated_one_is_the_last_resort() {
        let mut last = Last::default();
        let with = |second, latitude, fix_type: FixType| {
            let fix = Fix { r#type: fix_type.into(), latitude, ..Fix::default() };
            PositionEvent { fix: Some(fix), ..at(second, 0.0) }
        };
        take(&mut last, &with(10, 0.0, FixType::NoFix));
        assert_eq!(state(&last).fix, None);
        take(&mut last, &with(20, 1.0, FixType::LastKnown));
        assert_eq!(state(&last).fix.map(|fix| fix.latitude), Some(1.0));
        take(&mut last, &with(15, 2.0, FixType::Fix));
        assert_eq!(state(&last).fix.map(|fix| fix.latitude), Some(2.0));
        take(&mut last, &with(30, 3.0, FixType::LastKnown));
        assert_eq!(state(&last).position_time, Some(from_unix_ms(15_000)));
    }
}
