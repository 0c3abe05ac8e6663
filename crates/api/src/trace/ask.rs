//! What clients ask for, and what they are answered.

use std::time::Duration;

use fleetwire_model::time::from_unix_ms;
use fleetwire_trace::{MAX_TIME, Request};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::devices::present;
use crate::problem::{Code, Refusal};
use crate::time::rfc3339;

/// How long a device is followed unless the request says otherwise.
const DEFAULT: Duration = Duration::from_mins(5);

/// How a device is to be followed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTrace {
    /// How long: 1 second to 1 hour, "5m" unless it is said.
    #[serde(default, rename = "for", deserialize_with = "present")]
    #[schema(nullable = false, example = "5m", max_length = 40)]
    pub(super) time: Option<String>,
    /// Whether steps show the first 1024 bytes of payloads. Only tokens with the scope `devices` see them.
    #[serde(default)]
    pub(super) payload: bool,
}

impl NewTrace {
    pub(super) fn time(&self) -> Result<Duration, Refusal> {
        let Some(text) = &self.time else { return Ok(DEFAULT) };
        let time = humantime::parse_duration(text).ok();
        time.filter(|time| (Duration::from_secs(1)..=MAX_TIME).contains(time)).ok_or_else(|| {
            Refusal::new(Code::Invalid, "`for` is a duration such as 5m, of 1 second to 1 hour")
        })
    }
}

/// A device that is followed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FollowedDevice {
    /// The device.
    #[schema(example = "867035046242895")]
    device_id: String,
    /// Which request it is, to end it.
    #[schema(example = "01JDH3ZK6W4T4Q6ZV0Q8X9Y7AB")]
    trace_id: String,
    /// When it ends by itself, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    expires: Option<String>,
    /// Whether steps show payloads.
    payload: bool,
    /// Who asked.
    #[schema(example = "token:ops")]
    requested_by: String,
}

impl FollowedDevice {
    pub(super) fn new(request: Request) -> Self {
        Self {
            device_id: request.device.to_string(),
            trace_id: request.trace_id,
            expires: rfc3339(Some(&from_unix_ms(request.expire_ms))),
            payload: request.payload,
            requested_by: request.requested_by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_between_a_second_and_an_hour() {
        let time = |text: Option<&str>| {
            NewTrace { time: text.map(str::to_owned), payload: false }
                .time()
                .map_err(|refusal| refusal.code())
        };
        assert_eq!(time(None), Ok(DEFAULT));
        assert_eq!(time(Some("90s")), Ok(Duration::from_secs(90)));
        for text in ["", "0s", "61m", "soon"] {
            assert_eq!(time(Some(text)), Err(Code::Invalid), "{text}");
        }
    }
}
