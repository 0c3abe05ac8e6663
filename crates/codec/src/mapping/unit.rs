//! Units in which feeds give their numbers, and how each becomes the unit of the contract.

use std::fmt;

use serde::Deserialize;

/// Unit of a number in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Unit {
    /// Kilometres per hour.
    #[serde(rename = "km/h")]
    KilometresPerHour,
    /// Metres per second.
    #[serde(rename = "m/s")]
    MetresPerSecond,
    /// Nautical miles per hour.
    #[serde(rename = "knots")]
    Knots,
    /// Miles per hour.
    #[serde(rename = "mph")]
    MilesPerHour,
    /// Metres.
    #[serde(rename = "m")]
    Metres,
    /// Kilometres.
    #[serde(rename = "km")]
    Kilometres,
    /// Feet.
    #[serde(rename = "ft")]
    Feet,
    /// Miles of 1609.344 m.
    #[serde(rename = "mi")]
    Miles,
    /// Volts.
    #[serde(rename = "V")]
    Volts,
    /// Millivolts.
    #[serde(rename = "mV")]
    Millivolts,
    /// Degrees of an angle.
    #[serde(rename = "deg")]
    Degrees,
    /// Hundred-thousandths of a degree.
    #[serde(rename = "1e-5")]
    Degrees1e5,
    /// Millionths of a degree.
    #[serde(rename = "1e-6")]
    Degrees1e6,
    /// Ten-millionths of a degree.
    #[serde(rename = "1e-7")]
    Degrees1e7,
    /// Degrees Celsius.
    #[serde(rename = "C")]
    Celsius,
    /// Degrees Fahrenheit.
    #[serde(rename = "F")]
    Fahrenheit,
    /// Kelvin.
    #[serde(rename = "K")]
    Kelvin,
    /// Per cent.
    #[serde(rename = "%")]
    PerCent,
    /// A share of 1.
    #[serde(rename = "fraction")]
    Fraction,
    /// Litres.
    #[serde(rename = "l")]
    Litres,
    /// US gallons of 3.785411784 l.
    #[serde(rename = "gal")]
    Gallons,
    /// Litres per hour.
    #[serde(rename = "l/h")]
    LitresPerHour,
    /// US gallons per hour.
    #[serde(rename = "gal/h")]
    GallonsPerHour,
    /// Hours.
    #[serde(rename = "h")]
    Hours,
    /// Minutes.
    #[serde(rename = "min")]
    Minutes,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
}

/// What a number measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Speed,
    Length,
    Voltage,
    Coordinate,
    Temperature,
    Share,
    Volume,
    VolumeRate,
    Duration,
    /// A number of its own unit: there is nothing to choose.
    Plain,
}

impl Dimension {
    /// Units of it; the first is the contract's.
    pub(super) const fn units(self) -> &'static [Unit] {
        match self {
            Self::Speed => &[Unit::KilometresPerHour, Unit::MetresPerSecond, Unit::Knots, Unit::MilesPerHour],
            Self::Length => &[Unit::Metres, Unit::Kilometres, Unit::Feet, Unit::Miles],
            Self::Voltage => &[Unit::Volts, Unit::Millivolts],
            Self::Coordinate => &[Unit::Degrees, Unit::Degrees1e5, Unit::Degrees1e6, Unit::Degrees1e7],
            Self::Temperature => &[Unit::Celsius, Unit::Fahrenheit, Unit::Kelvin],
            Self::Share => &[Unit::PerCent, Unit::Fraction],
            Self::Volume => &[Unit::Litres, Unit::Gallons],
            Self::VolumeRate => &[Unit::LitresPerHour, Unit::GallonsPerHour],
            Self::Duration => &[Unit::Hours, Unit::Minutes, Unit::Seconds, Unit::Milliseconds],
            Self::Plain => &[],
        }
    }
}

impl Unit {
    /// A number of this unit as one of the contract's unit. Divided where a factor would not be exact.
    pub(super) fn convert(self, number: f64) -> f64 {
        match self {
            Self::KilometresPerHour
            | Self::Metres
            | Self::Volts
            | Self::Degrees
            | Self::Celsius
            | Self::PerCent
            | Self::Litres
            | Self::LitresPerHour
            | Self::Hours => number,
            Self::MetresPerSecond => number * 3.6,
            Self::Knots => number * 1.852,
            Self::MilesPerHour => number * 1.609_344,
            Self::Kilometres => number * 1000.0,
            Self::Feet => number * 0.3048,
            Self::Miles => number * 1609.344,
            Self::Millivolts => number / 1000.0,
            Self::Degrees1e5 => number / 1e5,
            Self::Degrees1e6 => number / 1e6,
            Self::Degrees1e7 => number / 1e7,
            Self::Fahrenheit => (number - 32.0) / 1.8,
            Self::Kelvin => number - 273.15,
            Self::Fraction => number * 100.0,
            Self::Gallons | Self::GallonsPerHour => number * 3.785_411_784,
            Self::Minutes => number / 60.0,
            Self::Seconds => number / 3600.0,
            Self::Milliseconds => number / 3_600_000.0,
        }
    }

    /// Its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KilometresPerHour => "km/h",
            Self::MetresPerSecond => "m/s",
            Self::Knots => "knots",
            Self::MilesPerHour => "mph",
            Self::Metres => "m",
            Self::Kilometres => "km",
            Self::Feet => "ft",
            Self::Miles => "mi",
            Self::Volts => "V",
            Self::Millivolts => "mV",
            Self::Degrees => "deg",
            Self::Degrees1e5 => "1e-5",
            Self::Degrees1e6 => "1e-6",
            Self::Degrees1e7 => "1e-7",
            Self::Celsius => "C",
            Self::Fahrenheit => "F",
            Self::Kelvin => "K",
            Self::PerCent => "%",
            Self::Fraction => "fraction",
            Self::Litres => "l",
            Self::Gallons => "gal",
            Self::LitresPerHour => "l/h",
            Self::GallonsPerHour => "gal/h",
            Self::Hours => "h",
            Self::Minutes => "min",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_those_of_the_contract() {
        for (unit, number, expected) in [
            (Unit::MetresPerSecond, 10.0, 36.0),
            (Unit::Knots, 10.0, 18.52),
            (Unit::MilesPerHour, 60.0, 96.560_64),
            (Unit::Kilometres, 12.5, 12_500.0),
            (Unit::Feet, 1000.0, 304.8),
            (Unit::Millivolts, 12_345.0, 12.345),
            (Unit::Degrees1e7, 545_432_109.0, 54.543_210_9),
            (Unit::Fahrenheit, 212.0, 100.0),
            (Unit::Kelvin, 273.15, 0.0),
            (Unit::Fraction, 0.5, 50.0),
            (Unit::Gallons, 10.0, 37.854_117_84),
            (Unit::Minutes, 90.0, 1.5),
            (Unit::Milliseconds, 7_200_000.0, 2.0),
        ] {
            assert!((unit.convert(number) - expected).abs() < 1e-9, "{unit} {number}");
        }
    }

    #[test]
    fn a_unit_is_read_as_it_is_printed() {
        #[derive(Deserialize)]
        struct Holder {
            unit: Unit,
        }
        use Dimension::*;
        for dimension in
            [Speed, Length, Voltage, Coordinate, Temperature, Share, Volume, VolumeRate, Duration, Plain]
        {
            for unit in dimension.units() {
                let read: Holder = toml::from_str(&format!("unit = \"{unit}\"")).unwrap();
                assert_eq!(read.unit, *unit);
            }
        }
    }
}
