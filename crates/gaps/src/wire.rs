//! A device's state as it lies in the state topic.

use fleetwire_model::pb::{DeviceLedger, Gap, LedgerGap, LedgerStretch};

use crate::device::Device;
use crate::followed::{Followed, NO_END, Open, Stretch};
use crate::rules::{Interval, Motion, Rules};

/// The state of a device, with the changes of gaps that belong to it.
pub(crate) fn write(id: &str, device: &Device, unwritten: Vec<Gap>, rules: &Rules) -> DeviceLedger {
    let open = device.open.as_deref();
    let differences = |values: &[u16]| values.iter().map(|seconds| u32::from(*seconds)).collect();
    DeviceLedger {
        device_id: id.to_owned(),
        model: rules.model(device.profile).to_owned(),
        since_ms: device.since,
        last_ms: device.last,
        received_ms: device.received,
        parked: is_parked(device.motion),
        active_differences_s: differences(device.active.values()),
        parked_differences_s: differences(device.parked.values()),
        stretches: open.map(|open| open.stretches.iter().map(stretch).collect()).unwrap_or_default(),
        gaps: open.map(|open| open.gaps.iter().map(gap).collect()).unwrap_or_default(),
        unwritten,
        tells_ignition: device.tells_ignition,
    }
}

/// The device of a state; its unwritten changes stay with the caller.
pub(crate) fn read(ledger: &DeviceLedger, rules: &Rules) -> Device {
    let stretches = ledger.stretches.iter().map(|stretch| Stretch {
        from: stretch.from_ms,
        to: stretch.to_ms.unwrap_or(NO_END),
        motion: motion(stretch.parked),
        gap: stretch.gap_from_ms,
    });
    let gaps = ledger.gaps.iter().map(|gap| Followed {
        from: gap.from_ms,
        to: gap.to_ms.unwrap_or(NO_END),
        opened_ms: gap.opened_ms,
        interval: Interval { seconds: gap.interval_s, learned: gap.learned },
        motion: motion(gap.parked),
        revision: gap.revision,
        changed: false,
    });
    let open = Open { stretches: stretches.collect(), gaps: gaps.collect(), ended: Vec::new() };
    Device {
        since: ledger.since_ms,
        last: ledger.last_ms,
        received: ledger.received_ms,
        motion: motion(ledger.parked),
        tells_ignition: ledger.tells_ignition,
        profile: rules.profile(&ledger.device_id, &ledger.model),
        active: ledger.active_differences_s.iter().copied().collect(),
        parked: ledger.parked_differences_s.iter().copied().collect(),
        open: Some(open).filter(|open| !open.is_empty()).map(Box::new),
        unwritten: false,
    }
}

fn stretch(stretch: &Stretch) -> LedgerStretch {
    LedgerStretch {
        from_ms: stretch.from,
        to_ms: Some(stretch.to).filter(|to| *to != NO_END),
        parked: is_parked(stretch.motion),
        gap_from_ms: stretch.gap,
    }
}

fn gap(gap: &Followed) -> LedgerGap {
    LedgerGap {
        from_ms: gap.from,
        to_ms: Some(gap.to).filter(|to| *to != NO_END),
        opened_ms: gap.opened_ms,
        interval_s: gap.interval.seconds,
        learned: gap.interval.learned,
        parked: is_parked(gap.motion),
        revision: gap.revision,
    }
}

fn is_parked(motion: Motion) -> bool {
    motion == Motion::Parked
}

fn motion(parked: bool) -> Motion {
    if parked { Motion::Parked } else { Motion::Active }
}
