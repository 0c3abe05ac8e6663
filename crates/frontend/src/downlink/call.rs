//! A gateway's request, read and checked.

use bytes::Bytes;
use fleetwire_model::time::to_unix_ms;
use fleetwire_model::{DeviceId, pb};
use fleetwire_mqtt::topic;
use tonic::Status;

use super::terms::MAX_PARTITIONS;

/// Characters of a command id at most.
const MAX_ID: usize = 64;

/// A request that makes sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) device: DeviceId,
    pub(super) epoch: u64,
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) expire_ms: i64,
    pub(super) command_id: String,
    pub(super) partition: u32,
    pub(super) term: u64,
}

impl Call {
    /// Reads a request; the status says what is wrong with it.
    pub(super) fn read(request: pb::DeliverRequest) -> Result<Self, Status> {
        let is_id = |id: &str| (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        let wrong = |what: &'static str| Status::invalid_argument(what);
        if !is_id(&request.command_id) {
            return Err(wrong("command_id is not 1 to 64 printable ASCII characters"));
        }
        if topic::check_name(&request.topic).is_err() {
            return Err(wrong("topic is not the name of a topic"));
        }
        if request.partition >= MAX_PARTITIONS {
            return Err(wrong("partition is out of range"));
        }
        let device = request.device_id.parse().map_err(|_| wrong("device_id is not a device's"))?;
        let expire_time = request.expire_time.ok_or_else(|| wrong("expire_time is missing"))?;
        Ok(Self {
            device,
            epoch: request.session_epoch,
            topic: request.topic,
            payload: request.payload,
            expire_ms: to_unix_ms(&expire_time),
            command_id: request.command_id,
            partition: request.partition,
            term: request.term,
        })
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_model::time::from_unix_ms;
    use tonic::Code;

    use super::*;

    fn request(change: impl FnOnce(&mut pb::DeliverRequest)) -> pb::DeliverRequest {
        let mut request = pb::DeliverRequest {
            device_id: "867035046242895".into(),
            topic: "867035046242895/OUTC".into(),
            expire_time: Some(from_unix_ms(1_700_000_000_000)),
            command_id: "01JC".into(),
            ..pb::DeliverRequest::default()
        };
        change(&mut request);
        request
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_is_wrong() {
        assert_eq!(Call::read(request(|_| {})).unwrap().expire_ms, 1_700_000_000_000);
        let wrong: [(&str, pb::DeliverRequest); 7] = [
            ("command_id", request(|r| r.command_id.clear())),
            ("command_id", request(|r| r.command_id = "a b".into())),
            ("command_id", request(|r| r.command_id = "x".repeat(65))),
            ("topic", request(|r| r.topic = "a/#".into())),
            ("partition", request(|r| r.partition = MAX_PARTITIONS)),
            ("device_id", request(|r| r.device_id.clear())),
            ("expire_time", request(|r| r.expire_time = None)),
        ];
        for (named, request) in wrong {
            let status = Call::read(request).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(named), "{status}");
        }
    }
}
