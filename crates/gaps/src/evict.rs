//! The bound of memory: which devices a ledger lets go when there are too many.

use crate::ledger::Ledger;

/// Part of the devices that goes at once, so that this is not done for each new device.
const SHARE: usize = 16;

/// Lets go of the devices that were silent longest, where there are more than `max` in all ledgers together; how
/// many went. Those with something to write stay until it is written.
pub(crate) fn let_go(ledgers: &mut [&mut Ledger], max: usize) -> usize {
    let devices: usize = ledgers.iter().map(|ledger| ledger.devices()).sum();
    if devices <= max {
        return 0;
    }
    let mut heard: Vec<i64> = ledgers.iter().flat_map(|ledger| ledger.heard()).collect();
    let share = (devices - max + max / SHARE).min(devices - 1);
    let (_, cutoff, _) = heard.select_nth_unstable(share);
    let cutoff = *cutoff;
    ledgers.iter_mut().map(|ledger| ledger.evict(cutoff)).sum()
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::PositionEvent;
    use fleetwire_model::time::from_unix_ms;

    use super::*;
    use crate::config::GapsSettings;
    use crate::rules::Rules;

    #[test]
    fn those_that_were_silent_longest_go_once_they_are_written() {
        let rules = Rules::new(&GapsSettings::default());
        let mut ledgers = [Ledger::default(), Ledger::default()];
        for number in 0..200_i64 {
            let time = Some(from_unix_ms(number * 1000));
            let event = PositionEvent {
                device_id: number.to_string(),
                device_time: time,
                received_time: time,
                ..PositionEvent::default()
            };
            let half = usize::from(number % 2 == 0);
            ledgers[half].record(&event, &rules, number * 1000);
        }
        let [one, other] = &mut ledgers;
        assert_eq!(let_go(&mut [one, other], 100), 0, "nothing is written yet");
        for ledger in [&mut *one, &mut *other] {
            assert_eq!(ledger.changes(&rules, 200_000).len(), 100);
        }
        assert_eq!(let_go(&mut [one, other], 100), 107);
        assert!(one.heard().chain(other.heard()).all(|heard| heard >= 107_000));
        assert_eq!(let_go(&mut [one, other], 100), 0);
    }
}
