//! Ids by which consumers tell events apart: `event_id` for what was decoded from one raw record, and
//! `dedup_key` for what a device said. Both are part of the public contract and never change.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::DeviceId;
use crate::pb::RawRef;

/// The id of an event: the same however often the same raw record is decoded, and different for any
/// other raw record, also after a topic was deleted and made again, because the time of reception is
/// part of it.
///
/// 32 hexadecimal digits: the first half of SHA-256 over
/// `"fleetwire.event.v1" 0x00 topic 0x00 partition:i32be offset:i64be received_ms:i64be index:u32be`.
pub fn event_id(raw: &RawRef, received_ms: i64) -> String {
    let digest = Sha256::new()
        .chain_update(b"fleetwire.event.v1\0")
        .chain_update(raw.topic.as_bytes())
        .chain_update([0])
        .chain_update(raw.partition.to_be_bytes())
        .chain_update(raw.offset.to_be_bytes())
        .chain_update(received_ms.to_be_bytes())
        .chain_update(raw.record_index.to_be_bytes())
        .finalize();
    hex(digest.iter().take(16))
}

/// The key by which a record that a device sent twice is recognised: the same for the same bytes of one
/// record of one device, in whichever publish they came.
///
/// 16 bytes: the first half of SHA-256 over
/// `"fleetwire.dedup.v1" 0x00 device_id 0x00 protocol 0x00 record`, where `record` is the record as the
/// device encoded it, with its time.
pub fn dedup_key(device: &DeviceId, protocol: &str, record: &[u8]) -> Bytes {
    let digest = Sha256::new()
        .chain_update(b"fleetwire.dedup.v1\0")
        .chain_update(device.as_str().as_bytes())
        .chain_update([0])
        .chain_update(protocol.as_bytes())
        .chain_update([0])
        .chain_update(record)
        .finalize();
    digest.iter().take(16).copied().collect()
}

fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(offset: i64, record_index: u32) -> RawRef {
        RawRef { topic: "fleetwire.raw.v1".into(), partition: 3, offset, record_index, record_count: 2 }
    }

    #[test]
    fn ids_are_the_same_in_every_release() {
        assert_eq!(event_id(&raw(42, 1), 1_700_000_000_000), "eeecee1f76878aeb8ac2abad64e11845");
        let device = "867035046242895".parse().unwrap();
        assert_eq!(hex(dedup_key(&device, "iotm", b"record").iter()), "95c120dfd902afa955cb262d945103a2");
    }

    #[test]
    fn two_records_never_share_an_id() {
        let first = event_id(&raw(42, 0), 0);
        assert_ne!(first, event_id(&raw(42, 1), 0));
        assert_ne!(first, event_id(&raw(43, 0), 0));
        assert_ne!(first, event_id(&raw(42, 0), 1));
    }

    #[test]
    fn a_dedup_key_belongs_to_one_device_and_protocol() {
        let (one, two) = ("867035046242895".parse().unwrap(), "865209039554705".parse().unwrap());
        assert_ne!(dedup_key(&one, "iotm", b"r"), dedup_key(&two, "iotm", b"r"));
        assert_ne!(dedup_key(&one, "iotm", b"r"), dedup_key(&one, "dt7", b"r"));
    }
}
