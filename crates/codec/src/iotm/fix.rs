//! The GPS structure to a fix: how far its coordinates can be trusted.

use fleetwire_model::pb::{Fix, FixType};

use super::options::NoFixRule;
use super::value::Gps;

/// Value of the dilution of precision by which a device says that it does not know it (inferred).
const HDOP_UNKNOWN: u8 = 255;
/// The largest course that means anything, degrees.
pub(super) const MAX_COURSE: u16 = 360;

/// The fix of a structure. Speed, heading, altitude and satellites are what the device sent, also where
/// it repeats old coordinates.
pub(super) fn fix(gps: &Gps, rule: NoFixRule) -> Fix {
    let known = (gps.hdop_tenths != HDOP_UNKNOWN).then(|| f64::from(gps.hdop_tenths) / 10.0);
    let usable = is_usable(gps);
    let fix_type = match usable {
        false => FixType::NoFix,
        true if is_repeat(gps, rule) => FixType::LastKnown,
        true => FixType::Fix,
    };
    let coordinate = |degrees: f32| if usable { f64::from(degrees) } else { 0.0 };
    Fix {
        r#type: fix_type.into(),
        latitude: coordinate(gps.latitude),
        longitude: coordinate(gps.longitude),
        altitude_m: Some(gps.altitude_m.into()),
        speed_kmh: Some(gps.speed_kmh.into()),
        heading_deg: has_course(gps).then(|| gps.course_deg.into()),
        satellites: Some(gps.satellites.into()),
        hdop: known,
        accuracy_m: None,
    }
}

/// Whether the coordinates are on Earth and not 0/0, which devices send before their first fix.
pub(super) fn is_usable(gps: &Gps) -> bool {
    // A comparison with a number that is none is false.
    let in_range = gps.latitude.abs() <= 90.0 && gps.longitude.abs() <= 180.0;
    in_range && (gps.latitude != 0.0 || gps.longitude != 0.0)
}

/// Whether the course is a direction.
pub(super) const fn has_course(gps: &Gps) -> bool {
    gps.course_deg <= MAX_COURSE
}

const fn is_repeat(gps: &Gps, rule: NoFixRule) -> bool {
    match rule {
        NoFixRule::ZeroSatellitesAndHdop => gps.satellites == 0 && gps.hdop_tenths == 0,
        NoFixRule::ZeroSatellites => gps.satellites == 0,
        NoFixRule::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Gps = Gps {
        latitude: 54.5,
        longitude: -24.25,
        speed_kmh: 7,
        hdop_tenths: 8,
        satellites: 6,
        course_deg: 238,
        altitude_m: -2,
    };

    fn fix_type(gps: Gps, rule: NoFixRule) -> FixType {
        fix(&gps, rule).r#type()
    }

    #[test]
    fn neither_satellites_nor_precision_is_a_repeat_of_the_last_fix() {
        let rule = NoFixRule::ZeroSatellitesAndHdop;
        let lost = Gps { satellites: 0, hdop_tenths: 0, ..GOOD };
        assert_eq!(fix_type(GOOD, rule), FixType::Fix);
        assert_eq!(fix_type(lost, rule), FixType::LastKnown);
        assert_eq!(fix_type(Gps { satellites: 1, ..lost }, rule), FixType::Fix);
        assert_eq!(fix_type(Gps { hdop_tenths: 9, ..lost }, rule), FixType::Fix);
        assert_eq!(fix_type(Gps { hdop_tenths: 9, ..lost }, NoFixRule::ZeroSatellites), FixType::LastKnown);
        assert_eq!(fix_type(lost, NoFixRule::Never), FixType::Fix);
    }

    #[test]
    fn coordinates_that_are_not_on_earth_are_left_out() {
        for (latitude, longitude) in
            [(90.1, 0.0), (0.0, -180.1), (f32::NAN, 1.0), (1.0, f32::INFINITY), (0.0, -0.0)]
        {
            let fix = fix(&Gps { latitude, longitude, ..GOOD }, NoFixRule::Never);
            assert_eq!(fix.r#type(), FixType::NoFix, "{latitude} {longitude}");
            assert_eq!((fix.latitude, fix.longitude), (0.0, 0.0));
            assert_eq!(fix.speed_kmh, Some(7.0));
        }
        let pole = fix(&Gps { latitude: -90.0, longitude: 180.0, ..GOOD }, NoFixRule::Never);
        assert_eq!((pole.latitude, pole.longitude), (-90.0, 180.0));
    }

    #[test]
    fn what_the_device_does_not_know_is_absent() {
        let fix = fix(&Gps { hdop_tenths: 255, course_deg: 361, ..GOOD }, NoFixRule::Never);
        assert_eq!((fix.hdop, fix.heading_deg), (None, None));
    }
}
