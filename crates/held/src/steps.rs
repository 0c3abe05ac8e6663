//! Steps of held publishes of devices that are followed. They are told when they are done, and so once more where a
//! transaction is undone.

use fleetwire_kafka::Message;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{RawPublish, TraceStep, TraceStepKind};
use fleetwire_trace::{Tracer, subject_of};
use prost::Message as _;

/// Tells of a held publish, if its device is followed.
pub(crate) fn tell(tracer: &Tracer, kind: TraceStepKind, message: &Message<'_>, device: &DeviceId) {
    let Some(following) = tracer.follows(device.as_str()) else { return };
    let raw = RawPublish::decode(message.payload().unwrap_or_default()).unwrap_or_default();
    let step = TraceStep {
        subject: subject_of(&raw),
        received_time: raw.received_time,
        kafka_topic: message.topic().to_owned(),
        partition: Some(message.partition()),
        offset: Some(message.offset()),
        ..TraceStep::default()
    };
    following.tell(kind, step);
}
