//! Ids by which consumers tell events apart: `event_id` for what was decoded from one raw record, and
//! `dedup_key` for what a device said. Both are part of the public contract and never change.

use sha2::{Digest as _, Sha256};

use crate::DeviceId;

/// The ids of the events of one raw record: the same however often it is decoded, and different for any other raw
/// record, also after a topic was deleted and made again, because the time of reception is part of them.
#[derive(Debug, Clone)]
pub struct EventIds(Sha256);

impl EventIds {
    /// The ids for a raw record at a place in Kafka, received at `received_ms` (Unix milliseconds).
    pub fn new(topic: &str, partition: i32, offset: i64, received_ms: i64) -> Self {
        Self(
            Sha256::new()
                .chain_update(b"fleetwire.event.v1\0")
                .chain_update(topic.as_bytes())
                .chain_update([0])
                .chain_update(partition.to_be_bytes())
                .chain_update(offset.to_be_bytes())
                .chain_update(received_ms.to_be_bytes()),
        )
    }

    /// The id of the event of one record of the payload, by its index.
    ///
    /// 32 hexadecimal digits: the first half of SHA-256 over
    /// `"fleetwire.event.v1" 0x00 topic 0x00 partition:i32be offset:i64be received_ms:i64be index:u32be`.
    pub fn at(&self, index: u32) -> [u8; 32] {
        hex(half(self.0.clone().chain_update(index.to_be_bytes())))
    }
}

/// The key by which a record that a device sent twice is recognised: the same for the same bytes of one
/// record of one device, in whichever publish they came.
///
/// 16 bytes: the first half of SHA-256 over
/// `"fleetwire.dedup.v1" 0x00 device_id 0x00 protocol 0x00 record`, where `record` is the record as the
/// device encoded it, with its time.
pub fn dedup_key(device: &DeviceId, protocol: &str, record: &[u8]) -> [u8; 16] {
    half(
        Sha256::new()
            .chain_update(b"fleetwire.dedup.v1\0")
            .chain_update(device.as_str().as_bytes())
            .chain_update([0])
            .chain_update(protocol.as_bytes())
            .chain_update([0])
            .chain_update(record),
    )
}

fn half(hash: Sha256) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(hash.finalize()).for_each(|(place, byte)| *place = byte);
    half
}

/// The digits of bytes.
fn hex(bytes: [u8; 16]) -> [u8; 32] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut text = [0; 32];
    for ([high, low], byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *high = digit(byte >> 4);
        *low = digit(byte & 15);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(offset: i64, index: u32, received_ms: i64) -> [u8; 32] {
        EventIds::new("fleetwire.raw.v1", 3, offset, received_ms).at(index)
    }

    #[test]
    fn ids_are_the_same_in_every_release() {
        assert_eq!(&id(42, 1, 1_700_000_000_000), b"eeecee1f76878aeb8ac2abad64e11845");
        let device = "867035046242895".parse().unwrap();
        assert_eq!(&hex(dedup_key(&device, "iotm", b"record")), b"95c120dfd902afa955cb262d945103a2");
    }

    #[test]
    fn two_records_never_share_an_id() {
        let first = id(42, 0, 0);
        assert_ne!(first, id(42, 1, 0));
        assert_ne!(first, id(43, 0, 0));
        assert_ne!(first, id(42, 0, 1));
    }

    #[test]
    fn a_dedup_key_belongs_to_one_device_and_protocol() {
        let (one, two) = ("867035046242895".parse().unwrap(), "865209039554705".parse().unwrap());
        assert_ne!(dedup_key(&one, "iotm", b"r"), dedup_key(&two, "iotm", b"r"));
        assert_ne!(dedup_key(&one, "iotm", b"r"), dedup_key(&one, "dt7", b"r"));
    }
}
