//! How often a device sends, learned from the differences between its records.
//!
//! The interval is the smallest difference that seven eighths of the last sixteen do not exceed. Short differences of
//! events between the regular records do not pull it down, and two outages do not push it up; when a device is set to
//! a longer interval, it is learned with the third record.

/// Differences that are remembered.
const REMEMBERED: usize = 16;
/// Differences from which on there is an interval.
const ENOUGH: usize = 5;

/// The last differences between records of a device in one state, seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    values: [u16; REMEMBERED],
    len: u8,
}

impl Differences {
    /// Takes in a difference in milliseconds; one longer than 18 hours counts as 18 hours.
    pub(crate) fn push(&mut self, difference_ms: i64) {
        let seconds = u16::try_from(difference_ms.saturating_add(500) / 1000).unwrap_or(u16::MAX).max(1);
        if usize::from(self.len) == REMEMBERED {
            self.values.rotate_left(1);
        } else {
            self.len += 1;
        }
        if let Some(newest) = self.values.get_mut(usize::from(self.len) - 1) {
            *newest = seconds;
        }
    }

    /// What is remembered, oldest first.
    pub(crate) fn values(&self) -> &[u16] {
        self.values.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The interval, once enough is known.
    pub(crate) fn interval_s(&self) -> Option<u32> {
        let mut sorted = self.values;
        let sorted = sorted.get_mut(..usize::from(self.len))?;
        if sorted.len() < ENOUGH {
            return None;
        }
        sorted.sort_unstable();
        sorted.get((sorted.len() * 7).div_ceil(8) - 1).map(|seconds| u32::from(*seconds))
    }
}

impl FromIterator<u32> for Differences {
    fn from_iter<T: IntoIterator<Item = u32>>(seconds: T) -> Self {
        let mut differences = Self::default();
        for second in seconds {
            differences.push(i64::from(second) * 1000);
        }
        differences
    }
}

/// The interval that a device's remembered differences give, seconds, as the ledger judges by it; none while too
/// little is known.
pub fn learned_interval_s(differences_s: &[u32]) -> Option<u32> {
    differences_s.iter().copied().collect::<Differences>().interval_s()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_known_from_five_differences_on() {
        assert_eq!(learned_interval_s(&[60; 4]), None);
        assert_eq!(learned_interval_s(&[60; 5]), Some(60));
    }

    #[test]
    fn events_in_between_and_two_outages_do_not_change_it() {
        let mixed = [60, 3, 57, 60, 7200, 12, 48, 60, 2, 58, 1, 59, 60, 7200, 5, 55];
        assert_eq!(learned_interval_s(&mixed), Some(60));
    }

    #[test]
    fn a_new_setting_is_learned_with_a_few_records() {
        let mut differences: Differences = [10; 16].into_iter().collect();
        for _ in 0..2 {
            differences.push(600_000);
        }
        assert_eq!(differences.interval_s(), Some(10));
        differences.push(600_000);
        assert_eq!(differences.interval_s(), Some(600));
        assert_eq!(differences.values().len(), 16);
    }

    #[test]
    fn a_difference_has_bounds() {
        let mut differences = Differences::default();
        differences.push(1);
        differences.push(i64::MAX);
        assert_eq!(differences.values(), [1, u16::MAX]);
    }
}
