//! A record as it comes from Kafka, without a copy.

use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers as _};

/// A record that lives as long as the call it was handed to; copy what must live longer.
#[derive(Debug)]
pub struct Message<'a>(BorrowedMessage<'a>);

impl<'a> Message<'a> {
    pub(crate) fn new(inner: BorrowedMessage<'a>) -> Self {
        Self(inner)
    }

    /// Name of the topic.
    pub fn topic(&self) -> &str {
        self.0.topic()
    }

    /// Number of the partition.
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Offset in the partition.
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// The key, if it has one.
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    /// The value; `None` is a tombstone.
    pub fn payload(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// Milliseconds since 1970, UTC, by the producer (or the broker where the topic says so).
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.0.timestamp().to_millis()
    }

    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find_map(|(key, value)| if key == name { value } else { None })
    }

    /// Every header in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.0.headers();
        headers
            .into_iter()
            .flat_map(|headers| (0..headers.count()).filter_map(|index| headers.try_get(index)))
            .map(|header| (header.key, header.value))
    }

    /// Bytes of key and payload.
    pub(crate) fn size(&self) -> usize {
        self.0.key_len() + self.0.payload_len()
    }
}
