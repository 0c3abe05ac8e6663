//! The position structure to a fix: how far its coordinates can be trusted. Corrupt longitudes (1137.97) are in
//! real captures, beside good values in all other fields.

use fleetwire_model::pb::{Fix, FixType};

use super::options::NoFixRule;

/// The largest course that means anything, degrees.
const MAX_COURSE: u16 = 360;

/// The structure of the first bit of the first mask, as the device sends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// Degrees east; this format sends it first.
    longitude: f32,
    /// Degrees north.
    latitude: f32,
    speed_kmh: u8,
    satellites: u8,
    /// A code from 0 to 15 of unknown scale.
    pub(super) hdop_raw: u8,
    course_deg: u16,
    altitude_m: u16,
    /// Metres since the record before; verified against the great circle between positions.
    pub(super) distance_m: f32,
}

impl Place {
    /// Bytes of the structure.
    pub(super) const SIZE: usize = 17;

    #[rustfmt::skip]
    pub(super) fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [o0, o1, o2, o3, a0, a1, a2, a3, speed_kmh, quality, half_course, h0, h1, d0, d1, d2, d3] = bytes;
        Self {
            longitude: f32::from_le_bytes([o0, o1, o2, o3]),
            latitude: f32::from_le_bytes([a0, a1, a2, a3]),
            speed_kmh,
            satellites: quality & 0x0F,
            hdop_raw: quality >> 4,
            course_deg: u16::from(half_course) * 2,
            altitude_m: u16::from_le_bytes([h0, h1]),
            distance_m: f32::from_le_bytes([d0, d1, d2, d3]),
        }
    }

    /// The fix; what is no coordinate is left out, the rest is what the device sent.
    pub(super) fn fix(&self, rule: NoFixRule) -> Fix {
        let usable = self.is_on_earth();
        let fix_type = match (usable, rule) {
            (false, _) => FixType::NoFix,
            (true, NoFixRule::ZeroSatellites) if self.satellites == 0 => FixType::LastKnown,
            (true, _) => FixType::Fix,
        };
        let coordinate = |degrees: f32| if usable { f64::from(degrees) } else { 0.0 };
        Fix {
            r#type: fix_type.into(),
            latitude: coordinate(self.latitude),
            longitude: coordinate(self.longitude),
            altitude_m: Some(self.altitude_m.into()),
            speed_kmh: Some(self.speed_kmh.into()),
            heading_deg: self.has_course().then(|| self.course_deg.into()),
            satellites: Some(self.satellites.into()),
            hdop: None,
            accuracy_m: None,
        }
    }

    /// Whether the coordinates are on Earth and not 0/0.
    pub(super) fn is_on_earth(&self) -> bool {
        // A comparison with a number that is none is false.
        let in_range = self.latitude.abs() <= 90.0 && self.longitude.abs() <= 180.0;
        in_range && (self.latitude != 0.0 || self.longitude != 0.0)
    }

    /// Whether every part means what it should.
    pub(super) fn is_whole(&self) -> bool {
        self.is_on_earth() && self.has_course() && self.has_distance()
    }

    /// Whether the distance is one.
    pub(super) const fn has_distance(&self) -> bool {
        self.distance_m.is_finite() && self.distance_m >= 0.0
    }

    const fn has_course(&self) -> bool {
        self.course_deg <= MAX_COURSE
    }
}
