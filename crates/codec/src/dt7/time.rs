//! Times of records. Their counter has 28 bits of two seconds each, so it begins again every 17 years, first on
//! 2025-01-04: which turn is meant, only the time of reception tells.

/// 2008-01-01 UTC, seconds since 1970.
const FIRST_S: i64 = 1_199_145_600;
/// After so many seconds the counter begins again.
const TURN_S: i64 = 1 << 29;
/// The last second of the year 9999: no server has a later clock.
const LATEST_S: i64 = 253_402_300_799;

/// The time of a count of ticks that is nearest to the time of reception, Unix milliseconds. Without a time of
/// reception, which is 0, no turn is chosen: it is the time in the first one, from 2008 to 2025.
pub(super) fn unix_ms(ticks: u32, received_ms: i64) -> i64 {
    let first = FIRST_S + i64::from(ticks) * 2;
    let received = received_ms.div_euclid(1000).clamp(0, LATEST_S);
    let turns = (received - first + TURN_S / 2).div_euclid(TURN_S).max(0);
    (first + turns * TURN_S) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1000;

    #[test]
    fn the_turn_is_the_one_nearest_to_the_reception() {
        let ticks = 0x0166_47D3;
        let first = (FIRST_S + i64::from(ticks) * 2) * SECOND;
        let second = first + TURN_S * SECOND;
        let middle = first + TURN_S / 2 * SECOND;
        assert_eq!(unix_ms(ticks, first), first);
        assert_eq!(unix_ms(ticks, middle - SECOND), first);
        assert_eq!(unix_ms(ticks, middle + SECOND), second);
        assert_eq!(unix_ms(ticks, second - 3600 * SECOND), second);
        assert_eq!(unix_ms(ticks, second + TURN_S * SECOND), second + TURN_S * SECOND);
    }

    #[test]
    fn around_the_first_wrap_time_goes_on() {
        let wrap = FIRST_S + TURN_S;
        assert_eq!(wrap, 1_736_016_512);
        assert_eq!(unix_ms(0x0FFF_FFFF, (wrap + 5) * SECOND), (wrap - 2) * SECOND);
        assert_eq!(unix_ms(0, (wrap - 5) * SECOND), wrap * SECOND);
    }

    #[test]
    fn without_a_time_of_reception_no_turn_is_chosen() {
        assert_eq!(unix_ms(0, 0), FIRST_S * SECOND);
        assert_eq!(unix_ms(0x0FFF_FFFF, 0), (FIRST_S + TURN_S - 2) * SECOND);
    }

    #[test]
    fn no_clock_overflows() {
        for received in [i64::MIN, -1, i64::MAX] {
            for ticks in [0, 0x0FFF_FFFF] {
                assert!(unix_ms(ticks, received) >= FIRST_S * SECOND);
            }
        }
    }
}
