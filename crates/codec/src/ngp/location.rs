//! The `location` of a message to a fix: how far its coordinates can be trusted, and how they came about.

use compact_str::format_compact;
use fleetwire_model::pb::{Fix, FixType, Quality};

use super::event;
use super::json::{Json, Raw};
use super::message::{self, Context};
use super::options::Options;
use super::rest::Rest;
use crate::{Attribute, Position};

/// Member with the position.
pub(super) const LOCATION: &str = "location";

/// What a message says of its position.
#[derive(Debug, Default)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
    altitude_m: Option<f64>,
    speed_kmh: Option<f64>,
    heading_deg: Option<f64>,
    satellites: Option<u32>,
    hdop: Option<f64>,
    accuracy_m: Option<f64>,
    time_ms: Option<i64>,
    /// What the device says of the fix, and by which word.
    fix_type: Option<(FixType, &'static str)>,
    source: Option<Source>,
    out_of_range: bool,
}

/// Where a position comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Satellites,
    /// Mobile network, or a third party's service.
    Network,
}

/// Reads the location of a message.
pub(super) fn fill(position: &mut Position, rest: &mut Rest, raw: Raw<'_>, context: &Context<'_>) {
    if raw.read() != Json::Object || raw.children().next().is_none() {
        return rest.keep(&mut position.attributes, LOCATION, raw);
    }
    let mut location = Location::default();
    for (name, raw) in raw.children() {
        let value = raw.read();
        if location.member(&name, &value, context).is_none() {
            let path = format_compact!("{LOCATION}.{name}");
            rest.keep_read(&mut position.attributes, &path, &value, raw);
        }
    }
    location.finish(position, context);
}

impl Location {
    /// Takes a member in; `None` if it is unknown or does not fit.
    fn member(&mut self, name: &str, value: &Json<'_>, context: &Context<'_>) -> Option<()> {
        match name {
            "source_type" | "precision" if !context.has_1_2() => return None,
            "latitude" => self.latitude = Some(self.coordinate(value, 90.0)?),
            "longitude" => self.longitude = Some(self.coordinate(value, 180.0)?),
            "altitude" => self.altitude_m = Some(value.within(-1000.0, 10_000.0)?),
            "speed" => self.speed_kmh = Some(value.within(0.0, f64::MAX)?),
            "heading" => self.heading_deg = Some(value.within(1.0, 360.0)?),
            "satellites" => {
                let number = value.whole().filter(|number| *number <= 64)?;
                self.satellites = Some(u32::try_from(number).ok()?);
            }
            "hdop" => self.hdop = Some(value.within(0.0, f64::MAX)?),
            "precision" => self.accuracy_m = Some(value.within(0.0, f64::MAX)?),
            "gnss_time" => self.time_ms = Some(message::time(value).ok()?),
            "fix_type" => self.fix_type = Some(fix_type(value)?),
            "source_type" => {
                self.source = Some(source(value)?);
                // What kind of network it was has no field.
                return (self.source == Some(Source::Satellites)).then_some(());
            }
            _ => return None,
        }
        Some(())
    }

    fn coordinate(&mut self, value: &Json<'_>, limit: f64) -> Option<f64> {
        let degrees = value.number()?;
        let in_range = degrees.abs() <= limit;
        self.out_of_range |= !in_range;
        in_range.then_some(degrees)
    }

    fn finish(self, position: &mut Position, context: &Context<'_>) {
        let coordinates = self.latitude.zip(self.longitude);
        let usable = coordinates.filter(|(latitude, longitude)| *latitude != 0.0 || *longitude != 0.0);
        let told = self.fix_type.map(|(told, _)| told);
        if self.out_of_range || (coordinates.is_some() && usable.is_none() && told != Some(FixType::NoFix)) {
            position.quality.insert(Quality::CoordinatesOutOfRange);
        }
        let from_network = match self.source {
            Some(source) => source == Source::Network,
            None => context.event_id == Some(event::NETWORK_POINT),
        };
        let fix_type = match (usable, told) {
            (None, _) => FixType::NoFix,
            (Some(_), Some(FixType::LastKnown)) => FixType::LastKnown,
            (Some(_), _) if from_network => FixType::Network,
            (Some(_), told) => told.unwrap_or(FixType::Fix),
        };
        self.keep_what_does_not_show(position, fix_type, context.options);
        let (latitude, longitude) = usable.filter(|_| fix_type != FixType::NoFix).unwrap_or_default();
        position.fix_time_ms = self.time_ms;
        position.fix = Some(Fix {
            r#type: fix_type.into(),
            latitude,
            longitude,
            altitude_m: self.altitude_m,
            speed_kmh: self.speed_kmh,
            heading_deg: self.heading_deg,
            satellites: self.satellites,
            hdop: self.hdop,
            accuracy_m: self.accuracy_m,
        });
    }

    /// Attributes for coordinates that are no position, a word that was overruled, and a fix that rests on little.
    fn keep_what_does_not_show(&self, position: &mut Position, fix_type: FixType, options: &Options) {
        if let Some((told, word)) = self.fix_type
            && told != fix_type
        {
            position.put("location.fix_type", Attribute::Text(word));
        }
        if fix_type == FixType::NoFix {
            for (name, degrees) in
                [("location.latitude", self.latitude), ("location.longitude", self.longitude)]
            {
                if let Some(degrees) = degrees {
                    position.put(name, Attribute::Double(degrees));
                }
            }
        }
        let from_satellites = matches!(fix_type, FixType::Fix | FixType::Fix2d | FixType::Fix3d);
        if from_satellites && self.satellites.unwrap_or(0) < options.min_satellites {
            position.put("few_satellites", Attribute::Bool(true));
        }
    }
}

/// Where a member of a location goes, in words of the contract; `None` if it stays an attribute.
pub(super) fn target(name: &str, value: &Json<'_>, context: &Context<'_>) -> Option<&'static str> {
    Location::default().member(name, value, context)?;
    Some(match name {
        "latitude" => "fix.latitude",
        "longitude" => "fix.longitude",
        "altitude" => "fix.altitude_m",
        "speed" => "fix.speed_kmh",
        "heading" => "fix.heading_deg",
        "satellites" => "fix.satellites",
        "hdop" => "fix.hdop",
        "precision" => "fix.accuracy_m",
        "gnss_time" => "fix_time",
        _ => "fix.type",
    })
}

fn fix_type(value: &Json<'_>) -> Option<(FixType, &'static str)> {
    const WORDS: [(FixType, &str); 5] = [
        (FixType::Fix, "HAS_FIX"),
        (FixType::NoFix, "NO_FIX"),
        (FixType::LastKnown, "LAST_KNOWN_POSITION"),
        (FixType::Fix2d, "FIX_2D"),
        (FixType::Fix3d, "FIX_3D"),
    ];
    let Json::Text(word) = value else { return None };
    WORDS.into_iter().find(|(_, known)| known == word)
}

fn source(value: &Json<'_>) -> Option<Source> {
    let Json::Text(word) = value else { return None };
    Some(match word.as_ref() {
        "GNSS" => Source::Satellites,
        "LBS" | "ATLAS" => Source::Network,
        _ => return None,
    })
}
