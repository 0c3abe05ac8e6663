//! Identities of the simulated devices.

use fleetwire_model::Imei;

/// The IMEI of the device of this number: `first_14` is the first 14 digits of device 0, of which the first
/// eight are the type allocation code; the check digit is added. `None` beyond 14 digits.
pub fn imei(first_14: u64, index: u32) -> Option<Imei> {
    let digits = first_14.checked_add(index.into())?;
    let number = digits.checked_mul(10)?.checked_add(Imei::check_digit(digits).into())?;
    Imei::from_number(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_a_valid_imei_of_its_own() {
        let imeis: Vec<_> = (0..1000).map(|index| imei(86_703_504_000_000, index).unwrap()).collect();
        assert!(imeis.iter().all(|imei| imei.has_valid_check_digit()));
        assert!(imeis.is_sorted_by(|one, two| one < two));
        assert!(imeis[0].to_string().starts_with("86703504000000"));
    }

    #[test]
    fn there_is_none_beyond_fifteen_digits() {
        assert!(imei(99_999_999_999_999, 0).is_some());
        assert!(imei(99_999_999_999_999, 1).is_none());
        assert!(imei(u64::MAX, 1).is_none());
    }
}
