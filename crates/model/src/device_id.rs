//! Identities of devices: the IMEI, and the id under which a device is registered and keyed.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;

/// International Mobile Equipment Identity: 15 decimal digits, of which the last is a Luhn check digit.
///
/// The digit is not enforced when parsing, because devices with a wrong one exist in the field; ask
/// [`Imei::has_valid_check_digit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Imei(u64);

/// Why a text or a number is no IMEI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImeiError {
    /// Not exactly 15 characters.
    #[error("an IMEI has 15 digits, this has {0} characters")]
    Length(usize),
    /// A character that is no decimal digit.
    #[error("an IMEI has digits only, character {0} is none")]
    NotADigit(usize),
    /// A number above 15 digits, as a payload may hold.
    #[error("{0} has more than 15 digits")]
    TooLarge(u64),
}

impl Imei {
    /// The largest number of 15 digits.
    const MAX: u64 = 999_999_999_999_999;

    /// The IMEI of a number, as binary protocols carry it; leading zeros are restored.
    pub const fn from_number(number: u64) -> Result<Self, ImeiError> {
        if number > Self::MAX { Err(ImeiError::TooLarge(number)) } else { Ok(Self(number)) }
    }

    /// The IMEI of 15 ASCII digits; `None` for anything else. Quicker than parsing, which finds out why.
    pub fn from_ascii(text: &[u8]) -> Option<Self> {
        let digits: &[u8; 15] = text.try_into().ok()?;
        let mut number = 0;
        for digit in digits {
            let value = digit.wrapping_sub(b'0');
            if value > 9 {
                return None;
            }
            number = number * 10 + u64::from(value);
        }
        Some(Self(number))
    }

    /// The 15 digits as a number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Whether the last digit is the Luhn check digit of the others (3GPP TS 23.003, annex B).
    pub fn has_valid_check_digit(self) -> bool {
        self.0 % 10 == u64::from(Self::check_digit(self.0 / 10))
    }

    /// The Luhn check digit of the first 14 digits, taken as a number.
    pub fn check_digit(first_14: u64) -> u8 {
        let mut rest = first_14;
        let mut sum = 0;
        for position in 0..14 {
            let digit = (rest % 10) as u8;
            rest /= 10;
            // Counted from the right, every other digit, beginning with the first, is doubled.
            sum += if position % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit };
        }
        (10 - sum % 10) % 10
    }
}

impl fmt::Display for Imei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:015}", self.0)
    }
}

impl FromStr for Imei {
    type Err = ImeiError;

    fn from_str(text: &str) -> Result<Self, ImeiError> {
        let mut number = 0;
        for (index, character) in text.chars().enumerate().take(15) {
            let digit = character.to_digit(10).ok_or(ImeiError::NotADigit(index + 1))?;
            number = number * 10 + u64::from(digit);
        }
        match text.chars().count() {
            15 => Ok(Self(number)),
            other => Err(ImeiError::Length(other)),
        }
    }
}

/// The id under which a device is registered, and the Kafka key of everything of it: an IMEI as 15
/// digits, or the id that an NGP device chose. 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(CompactString);

/// Why a text is no device id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceIdError {
    /// Empty, or longer than 64 characters.
    #[error("a device id has 1 to 64 characters, this has {0}")]
    Length(usize),
    /// A character that would not be safe in a topic.
    #[error("a device id has letters, digits and . _ : - only, character {0} is none of them")]
    Character(usize),
}

impl DeviceId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The IMEI, if the id is one.
    pub fn imei(&self) -> Option<Imei> {
        Imei::from_ascii(self.0.as_bytes())
    }
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        if text.is_empty() || text.len() > 64 {
            return Err(DeviceIdError::Length(text.chars().count()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        match text.chars().position(|c| !allowed(c)) {
            None => Ok(Self(CompactString::new(text))),
            Some(index) => Err(DeviceIdError::Character(index + 1)),
        }
    }
}

impl From<Imei> for DeviceId {
    fn from(imei: Imei) -> Self {
        Self(compact_str::format_compact!("{imei}"))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imei_keeps_its_leading_zeros() {
        let imei: Imei = "004999010640000".parse().unwrap();
        assert_eq!(imei.to_string(), "004999010640000");
        assert_eq!(Imei::from_number(4_999_010_640_000), Ok(imei));
    }

    #[test]
    fn what_is_not_fifteen_digits_is_refused_with_the_reason() {
        assert_eq!("123".parse::<Imei>(), Err(ImeiError::Length(3)));
        assert_eq!("1234567890123456".parse::<Imei>(), Err(ImeiError::Length(16)));
        assert_eq!("12345678901234x".parse::<Imei>(), Err(ImeiError::NotADigit(15)));
        assert_eq!("٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠".parse::<Imei>(), Err(ImeiError::NotADigit(1)));
        assert_eq!(Imei::from_number(1 << 60), Err(ImeiError::TooLarge(1 << 60)));
    }

    #[test]
    fn bytes_are_an_imei_where_the_text_is_one() {
        for text in
            ["867035046242895", "004999010640000", "123", "1234567890123456", "12345678901234x", "", "é"]
        {
            assert_eq!(Imei::from_ascii(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert_eq!(Imei::from_ascii(b"86703504624289\xff"), None);
    }

    #[test]
    fn check_digits_of_real_devices_hold() {
        for text in ["867035046242895", "865209039554705", "490154203237518"] {
            assert!(text.parse::<Imei>().unwrap().has_valid_check_digit(), "{text}");
        }
        assert!(!"867035046242896".parse::<Imei>().unwrap().has_valid_check_digit());
    }

    #[test]
    fn a_device_id_is_safe_in_a_topic() {
        assert!("truck-7.eu:A_1".parse::<DeviceId>().is_ok());
        assert_eq!("".parse::<DeviceId>(), Err(DeviceIdError::Length(0)));
        for bad in ["a/b", "a+", "#", "a b", "é"] {
            assert!(matches!(bad.parse::<DeviceId>(), Err(DeviceIdError::Character(_))), "{bad}");
        }
    }
}
