//! What could not be read, for the dead-letters topic.

use fleetwire_kafka::{Message, Outputs, Record, SendError};
use fleetwire_model::TYPE_HEADER;
use fleetwire_model::pb::{DeadLetter, RawRef};
use fleetwire_model::time::from_unix_ms;
use fleetwire_service::clock;
use prost::Message as _;

/// How much of a record goes into its dead letter. Whole, a record of the largest size would not fit.
const KEPT: usize = 64 * 1024;
/// Bytes of a key that go with it.
const KEY: usize = 256;

/// Why a record is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// A fixed word.
    pub(crate) code: &'static str,
    /// A sentence for people.
    pub(crate) reason: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Writes dead letters.
#[derive(Debug)]
pub(crate) struct Letters {
    /// Name of the topic.
    pub(crate) topic: String,
    /// Build that writes them.
    pub(crate) version: &'static str,
}

impl Letters {
    /// Writes what is wrong with a record, and the record, as part of the transaction.
    pub(crate) fn send(
        &self,
        message: &Message<'_>,
        fault: &Fault,
        outputs: &Outputs<'_>,
    ) -> Result<(), SendError> {
        let value = message.payload().unwrap_or_default();
        let kept = value.get(..KEPT).unwrap_or(value);
        let mut reason = fault.reason.clone();
        if kept.len() < value.len() {
            reason = format!("{reason} (the first {KEPT} of {} bytes are kept)", value.len());
        }
        let letter = DeadLetter {
            raw_ref: Some(RawRef {
                topic: message.topic().to_owned(),
                partition: message.partition(),
                offset: message.offset(),
                ..RawRef::default()
            }),
            code: fault.code.to_owned(),
            reason,
            rejected_time: Some(from_unix_ms(clock::unix_ms())),
            decoder_version: self.version.to_owned(),
            raw_value: bytes::Bytes::copy_from_slice(kept),
            ..DeadLetter::default()
        };
        outputs.send(Record {
            topic: &self.topic,
            key: message.key().map(|key| key.get(..KEY).unwrap_or(key)),
            payload: Some(&letter.encode_to_vec()),
            timestamp_ms: message.timestamp_ms(),
            headers: &[(TYPE_HEADER, b"fleetwire.v1.DeadLetter")],
        })
    }
}
