//! Fields of the contract that a rule can fill, with their names in settings, which are those of the contract.

use serde::Deserialize;

/// Fields of the fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum FixField {
    /// Degrees north.
    #[serde(rename = "latitude")]
    Latitude,
    /// Degrees east.
    #[serde(rename = "longitude")]
    Longitude,
    /// Metres above sea level.
    #[serde(rename = "altitude_m")]
    Altitude,
    /// Kilometres per hour.
    #[serde(rename = "speed_kmh")]
    Speed,
    /// Degrees from true north.
    #[serde(rename = "heading_deg")]
    Heading,
    /// Satellites in use.
    #[serde(rename = "satellites")]
    Satellites,
    /// Horizontal dilution of precision.
    #[serde(rename = "hdop")]
    Hdop,
    /// Radius of accuracy, metres.
    #[serde(rename = "accuracy_m")]
    Accuracy,
    /// How the position came about.
    #[serde(rename = "type")]
    Type,
}

impl FixField {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Latitude => "latitude",
            Self::Longitude => "longitude",
            Self::Altitude => "altitude_m",
            Self::Speed => "speed_kmh",
            Self::Heading => "heading_deg",
            Self::Satellites => "satellites",
            Self::Hdop => "hdop",
            Self::Accuracy => "accuracy_m",
            Self::Type => "type",
        }
    }
}

/// State of the vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum VehicleField {
    /// Whether the ignition is on.
    #[serde(rename = "ignition")]
    Ignition,
    /// Whether it moves.
    #[serde(rename = "is_moving")]
    IsMoving,
    /// Total distance, metres.
    #[serde(rename = "odometer_m")]
    Odometer,
    /// Driver key or card.
    #[serde(rename = "driver_id")]
    Driver,
}

impl VehicleField {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ignition => "ignition",
            Self::IsMoving => "is_moving",
            Self::Odometer => "odometer_m",
            Self::Driver => "driver_id",
        }
    }
}

/// Supply and battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum PowerField {
    /// Supply voltage.
    #[serde(rename = "supply_v")]
    Supply,
    /// Battery voltage.
    #[serde(rename = "battery_v")]
    Battery,
    /// Charge of the battery, per cent.
    #[serde(rename = "battery_level_pct")]
    BatteryLevel,
}

impl PowerField {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Supply => "supply_v",
            Self::Battery => "battery_v",
            Self::BatteryLevel => "battery_level_pct",
        }
    }
}

/// Engine data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum EngineField {
    /// Revolutions per minute.
    #[serde(rename = "speed_rpm")]
    Speed,
    /// Hours of operation.
    #[serde(rename = "hours")]
    Hours,
    /// Coolant temperature.
    #[serde(rename = "coolant_c")]
    Coolant,
    /// Load, per cent.
    #[serde(rename = "load_pct")]
    Load,
    /// Accelerator pedal, per cent.
    #[serde(rename = "accelerator_pct")]
    Accelerator,
}

impl EngineField {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed_rpm",
            Self::Hours => "hours",
            Self::Coolant => "coolant_c",
            Self::Load => "load_pct",
            Self::Accelerator => "accelerator_pct",
        }
    }
}

/// Fuel data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum FuelField {
    /// First tank, per cent.
    #[serde(rename = "level_pct")]
    Level,
    /// Total used, litres.
    #[serde(rename = "used_l")]
    Used,
    /// Litres per hour.
    #[serde(rename = "rate_lph")]
    Rate,
    /// Second tank, per cent.
    #[serde(rename = "level_2_pct")]
    Level2,
}

impl FuelField {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Level => "level_pct",
            Self::Used => "used_l",
            Self::Rate => "rate_lph",
            Self::Level2 => "level_2_pct",
        }
    }
}

/// Mobile network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum CellField {
    /// Country code.
    #[serde(rename = "mcc")]
    Mcc,
    /// Network code.
    #[serde(rename = "mnc")]
    Mnc,
    /// Area code.
    #[serde(rename = "lac")]
    Lac,
    /// Cell identity.
    #[serde(rename = "cell_id")]
    CellId,
    /// Signal, dBm.
    #[serde(rename = "signal_dbm")]
    Signal,
}

impl CellField {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mcc => "mcc",
            Self::Mnc => "mnc",
            Self::Lac => "lac",
            Self::CellId => "cell_id",
            Self::Signal => "signal_dbm",
        }
    }
}
