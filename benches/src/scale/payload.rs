//! What a device of these checks publishes: an IOTM payload of one position, whose time says which publish it is.

use anyhow::Result;
use fleetwire_codec::iotm::write::Payload;
use fleetwire_codec::iotm::{Gps, Value};
use fleetwire_model::Imei;

/// Time of the publish with the number 0, seconds since 1970 UTC.
const FIRST: u32 = 1_790_000_000;
/// Where the time is: behind the version, the record with the IMEI, and the head of the record with the telemetry.
const TIME_AT: usize = 1 + 11 + 3;

/// The payload of a device's publish.
pub(super) fn write(imei: Imei, number: u32) -> Result<Vec<u8>> {
    let gps = Gps {
        latitude: 43.25,
        longitude: 27.98,
        speed_kmh: 62,
        hdop_tenths: 9,
        satellites: 12,
        course_deg: 120,
        altitude_m: 210,
    };
    let items = [
        (0xD000, Value::Gps(gps)),
        (0x006D, Value::Bool(true)),
        (0x5000, Value::Unsigned(1 + u64::from(number))),
        (0x3000, Value::Unsigned(13_900)),
    ];
    Ok(Payload::new().imei(imei).telemetry(FIRST.saturating_add(number), &items)?.finish())
}

/// The number, if the whole payload is as [`write`] made it for this device.
pub(super) fn read(imei: Imei, payload: &[u8]) -> Option<u32> {
    let (time, _) = payload.get(TIME_AT..)?.split_first_chunk::<4>()?;
    let number = u32::from_le_bytes(*time).checked_sub(FIRST)?;
    (write(imei, number).ok()? == payload).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::imeis;

    #[test]
    fn a_payload_says_which_it_is_and_shows_damage_and_another_device() {
        let devices = imeis(2).unwrap();
        let mut payload = write(devices[0], 70_000).unwrap();
        assert_eq!((read(devices[0], &payload), read(devices[1], &payload)), (Some(70_000), None));
        payload[30] ^= 1;
        assert_eq!((read(devices[0], &payload), read(devices[0], b"short")), (None, None));
    }
}
