//! Device ids in payloads: an IMEI as text or number, or an id of the deployment's own.

use fleetwire_model::{DeviceId, Imei};

use super::settings::IdKind;
use crate::json::Scalar;

/// An IMEI that is sent as a number has lost its leading zeros; fewer digits are no IMEI but a number of another kind.
const MIN_NUMBER: u64 = 1_000_000_000_000;

/// The device id that a value is; IMEIs have 15 digits after it. A wrong check digit is none of its business.
pub(super) fn read(kind: IdKind, value: &Scalar<'_>) -> Result<DeviceId, &'static str> {
    match (kind, value) {
        (_, Scalar::Bool(_)) => Err("true and false are no id"),
        (IdKind::Imei, Scalar::Number(digits)) => {
            let number = digits.parse().map_err(|_| "an IMEI has 15 digits and nothing else")?;
            if number < MIN_NUMBER {
                return Err("a number with so few digits is no IMEI");
            }
            Imei::from_number(number).map(DeviceId::from).map_err(|_| "an IMEI has no more than 15 digits")
        }
        (IdKind::Imei, Scalar::Text(text)) => {
            let digits: compact_str::CompactString =
                text.trim().chars().filter(|character| !matches!(character, '-' | ' ')).collect();
            digits.parse::<Imei>().map(DeviceId::from).map_err(|_| "an IMEI has 15 digits and nothing else")
        }
        (IdKind::Id, Scalar::Number(text)) => id(text),
        (IdKind::Id, Scalar::Text(text)) => id(text.trim()),
    }
}

fn id(text: &str) -> Result<DeviceId, &'static str> {
    text.parse().map_err(|_| "an id has 1 to 64 letters, digits and . _ : - only")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar<'_> {
        Scalar::Text(text.into())
    }

    #[test]
    fn an_imei_has_fifteen_digits_however_it_is_sent() {
        for (value, expected) in [
            (text("867035046242895"), "867035046242895"),
            (text(" 86-703504-624289-5 "), "867035046242895"),
            (Scalar::Number("867035046242895"), "867035046242895"),
            (Scalar::Number("4999010640000"), "004999010640000"),
            (text("867035046242890"), "867035046242890"),
        ] {
            assert_eq!(read(IdKind::Imei, &value).unwrap().as_str(), expected);
        }
        for bad in [
            text(""),
            text("86703504624289"),
            text("8670350462428955"),
            text("86703504624289x"),
            Scalar::Number("12"),
            Scalar::Number("8670350462428950"),
            Scalar::Number("-867035046242895"),
            Scalar::Number("8.6e14"),
            Scalar::Bool(true),
        ] {
            assert!(read(IdKind::Imei, &bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_what_a_device_id_can_be() {
        assert_eq!(read(IdKind::Id, &text("truck-7")).unwrap().as_str(), "truck-7");
        assert_eq!(read(IdKind::Id, &Scalar::Number("0012")).unwrap().as_str(), "0012");
        for bad in [text(""), text("a b"), text("a/b"), Scalar::Bool(false)] {
            assert!(read(IdKind::Id, &bad).is_err(), "{bad:?}");
        }
    }
}
