//! What a rule fills: the fields of a position by the names of the contract, what each measures, and its range.

use std::fmt;
use std::ops::RangeInclusive;

use super::field::{CellField, EngineField, FixField, FuelField, PowerField, VehicleField};
use super::settings::Line;
use super::unit::Dimension;

/// What a rule fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Device,
    Time,
    FixTime,
    Fix(FixField),
    Vehicle(VehicleField),
    Power(PowerField),
    Engine(EngineField),
    Fuel(FuelField),
    Cell(CellField),
    Input(Line),
    Output(Line),
    AnalogInput(u32),
    Temperature(u32),
    EventCode,
    EventFunction,
    EventText,
    Named(Box<str>),
}

/// What kind of value a target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A device id or a time, which have settings of their own.
    Own,
    Bool,
    Number,
    Text,
    FixType,
    /// Whatever its rule says.
    Any,
}

impl Target {
    pub(super) const fn holds(&self) -> Holds {
        match self {
            Self::Device | Self::Time | Self::FixTime => Holds::Own,
            Self::Fix(FixField::Type) => Holds::FixType,
            Self::Vehicle(VehicleField::Ignition | VehicleField::IsMoving)
            | Self::Input(Line::Number(_))
            | Self::Output(Line::Number(_)) => Holds::Bool,
            Self::Vehicle(VehicleField::Driver) | Self::EventText => Holds::Text,
            Self::Named(_) => Holds::Any,
            Self::Fix(_)
            | Self::Vehicle(VehicleField::Odometer)
            | Self::Power(_)
            | Self::Engine(_)
            | Self::Fuel(_)
            | Self::Cell(_)
            | Self::Input(Line::Mask)
            | Self::Output(Line::Mask)
            | Self::AnalogInput(_)
            | Self::Temperature(_)
            | Self::EventCode
            | Self::EventFunction => Holds::Number,
        }
    }

    /// What its number measures.
    pub(super) const fn dimension(&self) -> Dimension {
        match self {
            Self::Fix(FixField::Latitude | FixField::Longitude) => Dimension::Coordinate,
            Self::Fix(FixField::Speed) => Dimension::Speed,
            Self::Fix(FixField::Altitude | FixField::Accuracy) | Self::Vehicle(VehicleField::Odometer) => {
                Dimension::Length
            }
            Self::Power(PowerField::Supply | PowerField::Battery) | Self::AnalogInput(_) => {
                Dimension::Voltage
            }
            Self::Power(PowerField::BatteryLevel)
            | Self::Engine(EngineField::Load | EngineField::Accelerator)
            | Self::Fuel(FuelField::Level | FuelField::Level2) => Dimension::Share,
            Self::Engine(EngineField::Hours) => Dimension::Duration,
            Self::Engine(EngineField::Coolant) | Self::Temperature(_) => Dimension::Temperature,
            Self::Fuel(FuelField::Used) => Dimension::Volume,
            Self::Fuel(FuelField::Rate) => Dimension::VolumeRate,
            _ => Dimension::Plain,
        }
    }

    /// Whether its number is a whole one.
    pub(super) const fn is_whole(&self) -> bool {
        matches!(
            self,
            Self::Fix(FixField::Satellites)
                | Self::Cell(CellField::Mcc | CellField::Mnc | CellField::Lac | CellField::CellId)
                | Self::Input(Line::Mask)
                | Self::Output(Line::Mask)
                | Self::EventCode
                | Self::EventFunction
        )
    }

    /// Values of its number that mean something. Coordinates are looked at together.
    pub(super) const fn range(&self) -> RangeInclusive<f64> {
        match self {
            Self::Fix(FixField::Heading) => 0.0..=360.0,
            Self::Fix(FixField::Speed | FixField::Hdop | FixField::Accuracy)
            | Self::Vehicle(VehicleField::Odometer)
            | Self::Engine(EngineField::Speed | EngineField::Hours)
            | Self::Fuel(FuelField::Used | FuelField::Rate) => 0.0..=f64::MAX,
            Self::Power(PowerField::BatteryLevel)
            | Self::Engine(EngineField::Accelerator)
            | Self::Fuel(FuelField::Level | FuelField::Level2) => 0.0..=100.0,
            Self::Engine(EngineField::Load) => 0.0..=125.0,
            Self::Cell(CellField::Signal) => -200.0..=0.0,
            _ => f64::MIN..=f64::MAX,
        }
    }
}

/// Its name in settings and in reports, for example `fix.speed_kmh`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("device"),
            Self::Time => f.write_str("time"),
            Self::FixTime => f.write_str("fix_time"),
            Self::Fix(field) => write!(f, "fix.{}", field.name()),
            Self::Vehicle(field) => write!(f, "vehicle.{}", field.name()),
            Self::Power(field) => write!(f, "power.{}", field.name()),
            Self::Engine(field) => write!(f, "engine.{}", field.name()),
            Self::Fuel(field) => write!(f, "fuel.{}", field.name()),
            Self::Cell(field) => write!(f, "cell.{}", field.name()),
            Self::Input(Line::Mask) => f.write_str("inputs.mask"),
            Self::Input(Line::Number(number)) => write!(f, "inputs.{number}"),
            Self::Output(Line::Mask) => f.write_str("outputs.mask"),
            Self::Output(Line::Number(number)) => write!(f, "outputs.{number}"),
            Self::AnalogInput(number) => write!(f, "analog_inputs.{number}"),
            Self::Temperature(number) => write!(f, "temperatures.{number}"),
            Self::EventCode => f.write_str("event.code"),
            Self::EventFunction => f.write_str("event.function"),
            Self::EventText => f.write_str("event.text"),
            Self::Named(name) => write!(f, "named.{name}"),
        }
    }
}
