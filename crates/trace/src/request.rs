//! A request to follow a device, as the registry topic has it. Pure.

use std::time::Duration;

use fleetwire_model::DeviceId;
use fleetwire_model::pb::TraceRequest;
use fleetwire_model::time::{from_unix_ms, to_unix_ms};
use prost::Message as _;

/// Keys of requests begin with it; no device id does.
pub const KEY_PREFIX: &str = "@trace/";

/// Devices that a process follows at a time; further requests are not followed, and counted.
pub const MAX_DEVICES: usize = 64;

/// The longest time for which a device may be followed. A request that says more ends then all the same.
pub const MAX_TIME: Duration = Duration::from_hours(1);

/// One device that is to be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The device; it need not be registered.
    pub device: DeviceId,
    /// A ULID, new with every request.
    pub trace_id: String,
    /// When it was asked for, Unix milliseconds.
    pub start_ms: i64,
    /// When it ends by itself, Unix milliseconds.
    pub expire_ms: i64,
    /// Whether steps show the beginning of payloads.
    pub payload: bool,
    /// Who asked.
    pub requested_by: String,
}

/// Why a record is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The key names no device.
    #[error("the key names no device")]
    Key,
    /// The value is no `TraceRequest`.
    #[error("the value is no TraceRequest")]
    Value,
    /// The value is about another device than the key.
    #[error("the value is about another device than its key")]
    Mismatch,
}

/// The key of the request for a device.
pub fn key(device: &DeviceId) -> String {
    format!("{KEY_PREFIX}{device}")
}

/// The device that a key of the registry topic is about, if it is one of a request.
pub(crate) fn device_of(key: &[u8]) -> Option<Result<DeviceId, RequestError>> {
    let rest = key.strip_prefix(KEY_PREFIX.as_bytes())?;
    let device = std::str::from_utf8(rest).ok().and_then(|text| text.parse().ok());
    Some(device.ok_or(RequestError::Key))
}

impl Request {
    /// The value of its record.
    pub fn encode(&self) -> Vec<u8> {
        TraceRequest {
            device_id: self.device.to_string(),
            trace_id: self.trace_id.clone(),
            start_time: Some(from_unix_ms(self.start_ms)),
            expire_time: Some(from_unix_ms(self.expire_ms)),
            payload: self.payload,
            requested_by: self.requested_by.clone(),
        }
        .encode_to_vec()
    }

    /// Reads a record's value. A time beyond [`MAX_TIME`] is cut, so that nothing is followed for ever.
    pub(crate) fn decode(device: DeviceId, value: &[u8]) -> Result<Self, RequestError> {
        let found = TraceRequest::decode(value).map_err(|_| RequestError::Value)?;
        if found.device_id != device.as_str() {
            return Err(RequestError::Mismatch);
        }
        let (Some(start), Some(expire)) = (&found.start_time, &found.expire_time) else {
            return Err(RequestError::Value);
        };
        let start_ms = to_unix_ms(start);
        let most = i64::try_from(MAX_TIME.as_millis()).unwrap_or(i64::MAX);
        let expire_ms = to_unix_ms(expire).min(start_ms.saturating_add(most));
        Ok(Self {
            device,
            trace_id: found.trace_id,
            start_ms,
            expire_ms,
            payload: found.payload,
            requested_by: found.requested_by,
        })
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::Device;

    use super::*;

    fn request() -> Request {
        Request {
            device: "867035046242895".parse().unwrap(),
            trace_id: "01J".to_owned(),
            start_ms: 1_000,
            expire_ms: 301_000,
            payload: true,
            requested_by: "token:ops".to_owned(),
        }
    }

    #[test]
    fn a_request_survives_its_record() {
        let request = request();
        let key = key(&request.device);
        assert_eq!(key, "@trace/867035046242895");
        let device = device_of(key.as_bytes()).unwrap().unwrap();
        assert_eq!(Request::decode(device, &request.encode()), Ok(request));
    }

    #[test]
    fn a_reader_that_takes_a_request_for_a_device_finds_an_empty_one() {
        assert_eq!(Device::decode(&*request().encode()).unwrap(), Device::default());
        assert!("@trace/867035046242895".parse::<DeviceId>().is_err(), "no device has such an id");
    }

    #[test]
    fn keys_of_devices_are_none_of_requests_and_what_names_no_device_is_told() {
        assert_eq!(device_of(b"867035046242895"), None);
        assert_eq!(device_of(b"@trace/"), Some(Err(RequestError::Key)));
        assert_eq!(device_of(b"@trace/\xff"), Some(Err(RequestError::Key)));
        let other = "1".parse().unwrap();
        assert_eq!(Request::decode(other, &request().encode()), Err(RequestError::Mismatch));
        let device: DeviceId = "1".parse().unwrap();
        assert_eq!(Request::decode(device.clone(), b"\xff"), Err(RequestError::Value));
        let endless = TraceRequest { device_id: "1".into(), ..TraceRequest::default() }.encode_to_vec();
        assert_eq!(Request::decode(device, &endless), Err(RequestError::Value));
    }

    #[test]
    fn no_request_lasts_longer_than_the_longest_time() {
        let long = Request { expire_ms: i64::MAX / 2, ..request() };
        let read = Request::decode(long.device.clone(), &long.encode()).unwrap();
        assert_eq!(read.expire_ms, 1_000 + 3_600_000);
    }
}
