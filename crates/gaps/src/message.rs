//! A gap as the message that consumers read.

use fleetwire_model::pb::{Gap, GapState, IntervalSource, Stretch};
use fleetwire_model::time::from_unix_ms;
use sha2::{Digest, Sha256};

use crate::followed::{Followed, NO_END};
use crate::rules::Motion;

/// The id of a gap: the same in every record of it. 32 hexadecimal digits: the first half of SHA-256 over
/// `"fleetwire.gap.v1" 0x00 device_id 0x00 from_ms:i64be`.
pub fn gap_id(device: &str, from_ms: i64) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::new()
        .chain_update(b"fleetwire.gap.v1\0")
        .chain_update(device.as_bytes())
        .chain_update([0])
        .chain_update(from_ms.to_be_bytes())
        .finalize();
    let mut id = String::with_capacity(32);
    for byte in digest.iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// The next record of a gap, of which `missing` is what has not come.
pub(crate) fn message(device: &str, gap: &Followed, missing: &[(i64, i64)], now_ms: i64) -> Gap {
    let count = |from: i64, to: i64| {
        let to = if to == NO_END { now_ms } else { to };
        expected(to.saturating_sub(from), gap.interval.seconds)
    };
    let expected = count(gap.from, gap.to);
    let lacking = missing.iter().fold(0_u32, |sum, (from, to)| sum.saturating_add(count(*from, *to)));
    let received = expected.saturating_sub(lacking);
    let state = match (missing, received) {
        ([], _) => GapState::Closed,
        (_, 0) => GapState::Open,
        _ => GapState::Partly,
    };
    let end = |to: i64| Some(to).filter(|to| *to != NO_END).map(from_unix_ms);
    let stretch =
        |(from, to): &(i64, i64)| Stretch { from_time: Some(from_unix_ms(*from)), to_time: end(*to) };
    Gap {
        gap_id: gap_id(device, gap.from),
        device_id: device.to_owned(),
        revision: gap.revision,
        state: state.into(),
        from_time: Some(from_unix_ms(gap.from)),
        to_time: end(gap.to),
        expected,
        received,
        missing: missing.iter().map(stretch).collect(),
        interval_s: gap.interval.seconds,
        interval_source: if gap.interval.learned {
            IntervalSource::Learned.into()
        } else {
            IntervalSource::Configured.into()
        },
        parked: gap.motion == Motion::Parked,
        given_up: false,
        opened_time: Some(from_unix_ms(gap.opened_ms)),
        changed_time: Some(from_unix_ms(now_ms)),
    }
}

/// Records that should lie strictly between two that are `length_ms` apart.
fn expected(length_ms: i64, interval_s: u32) -> u32 {
    let between = length_ms.saturating_sub(1).max(0) / (i64::from(interval_s.max(1)) * 1000);
    u32::try_from(between).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_in_every_release() {
        assert_eq!(gap_id("867035046242895", 1_700_000_000_000), "6949e30012b41f3602c4a8a277db9ea1");
        assert_ne!(gap_id("867035046242895", 1), gap_id("867035046242895", 2));
        assert_ne!(gap_id("867035046242895", 1), gap_id("865209039554705", 1));
    }

    #[test]
    fn what_is_expected_lies_between_the_ends() {
        assert_eq!(expected(60_000, 60), 0);
        assert_eq!(expected(60_001, 60), 1);
        assert_eq!(expected(600_000, 60), 9);
        assert_eq!(expected(i64::MAX, 1), u32::MAX);
        assert_eq!(expected(-5, 60), 0);
    }
}
