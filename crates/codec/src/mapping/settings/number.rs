//! Numbers of lines, inputs and sensors as keys of a file.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// Number of a digital line, or all of them as bits of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Bit 0 is line 1.
    Mask,
    /// One line, from 1.
    Number(u32),
}

/// Number of an input or sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub u32);

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=crate::Lines::MAX).contains(number));
        match (text, number) {
            ("mask", _) => Ok(Self::Mask),
            (_, Some(number)) => Ok(Self::Number(number)),
            _ => Err(format!("{text:?} is no line: a line is a number from 1 to 64, or `mask`")),
        }
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|number| *number <= crate::Numbered::MAX);
        number.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no number of a sensor: they are 0 to {}",
                crate::Numbered::MAX
            ))
        })
    }
}
