//! How long a frontend's word that it is alive holds.

use std::time::Duration;

/// Words that may be missed before a frontend counts as gone.
const WORDS: u32 = 4;

/// Whole seconds for which a word holds, at least one; zero is the word of a frontend that has stopped.
pub(super) fn valid_s(every: Duration) -> u32 {
    let valid = every.saturating_mul(WORDS);
    let whole = valid.as_secs() + u64::from(valid.subsec_nanos() > 0);
    u32::try_from(whole.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_for_four_times_as_long_as_until_the_next() {
        assert_eq!(valid_s(Duration::from_secs(5)), 20);
        assert_eq!(valid_s(Duration::from_millis(100)), 1);
        assert_eq!(valid_s(Duration::from_millis(300)), 2);
    }
}
