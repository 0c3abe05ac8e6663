//! Lines and readings that have numbers: a later value of a number replaces an earlier one, and they come out in
//! the order of their numbers.

/// Digital lines 1 to 64: which are told, and which are on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    told: u64,
    on: u64,
}

impl Lines {
    /// The largest number of a line.
    pub const MAX: u32 = 64;

    /// Sets a line; false if the number is none of a line.
    pub fn set(&mut self, number: u32, on: bool) -> bool {
        let Some(bit) = number.checked_sub(1).and_then(|place| 1_u64.checked_shl(place)) else {
            return false;
        };
        self.told |= bit;
        if on {
            self.on |= bit;
        } else {
            self.on &= !bit;
        }
        true
    }

    /// The lines that are told, by number.
    pub fn iter(self) -> impl Iterator<Item = (u32, bool)> {
        let mut left = self.told;
        std::iter::from_fn(move || {
            let place = left.trailing_zeros();
            let bit = 1_u64.checked_shl(place)?;
            left &= !bit;
            Some((place + 1, self.on & bit != 0))
        })
    }
}

/// Readings with numbers from 0 to 31.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Numbered {
    told: u32,
    values: [f64; 32],
}

impl Numbered {
    /// The largest number of a reading.
    pub const MAX: u32 = 31;

    /// Sets a reading; false if the number is out of range.
    pub fn set(&mut self, number: u32, value: f64) -> bool {
        let place = usize::try_from(number).ok().and_then(|place| self.values.get_mut(place));
        let (Some(place), Some(bit)) = (place, 1_u32.checked_shl(number)) else {
            return false;
        };
        *place = value;
        self.told |= bit;
        true
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.told = 0;
    }

    /// The readings that are told, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f64)> {
        let told = self.told;
        (0..).zip(self.values).filter(move |(number, _)| told >> number & 1 != 0)
    }

    /// Whether none is told.
    pub fn is_empty(&self) -> bool {
        self.told == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_the_order_of_their_numbers() {
        let mut lines = Lines::default();
        assert!(lines.set(64, true) && lines.set(5, true) && lines.set(1, false) && lines.set(5, false));
        assert!(!lines.set(0, true) && !lines.set(65, true));
        assert_eq!(lines.iter().collect::<Vec<_>>(), [(1, false), (5, false), (64, true)]);
    }

    #[test]
    fn readings_come_in_the_order_of_their_numbers() {
        let mut readings = Numbered::default();
        assert!(readings.set(31, 2.0) && readings.set(0, -1.0) && readings.set(31, 3.0));
        assert!(!readings.set(32, 1.0));
        assert_eq!(readings.iter().collect::<Vec<_>>(), [(0, -1.0), (31, 3.0)]);
        readings.clear();
        assert!(readings.is_empty() && readings.iter().next().is_none());
    }
}
