//! Generated payloads of DT7: no bytes panic, mutations of captures stay bounded, and what is written is read.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

mod dt7_made;
#[allow(dead_code, reason = "each test takes what it needs")]
mod facts;
mod opened;
mod written;

use dt7_made::{Packet, fields, sealed, structure};
use facts::Facts;
use fleetwire_codec::dt7::{self, Adc, Options, Profile};
use fleetwire_codec::{Body, Codec, DecodeError, Decoded, Input};
use fleetwire_model::Imei;
use fleetwire_model::pb::attribute_value::Value as Typed;
use proptest::prelude::*;

/// 2026-07-02.
const RECEIVED_MS: i64 = 1_782_950_400_000;

/// Decodes with every setting that changes the path, and checks what holds for any input.
fn check(payload: &[u8]) -> Result<(), TestCaseError> {
    let lenient =
        Options { accept_bad_checksum: true, profile: Profile::None, adc: Adc::Raw, ..Options::default() };
    for options in [Options::default(), lenient] {
        let input = Input { payload, topic: "", received_ms: RECEIVED_MS };
        let mut out = Decoded::default();
        let outcome = dt7::decode(input, &options, &mut out);
        match outcome {
            Ok(()) => bounded(payload, &out)?,
            Err(error) => {
                prop_assert!(DecodeError::CODES.contains(&error.code()));
                prop_assert!(error.byte_offset().is_none_or(|offset| offset <= payload.len()));
                prop_assert_eq!(out, Decoded::default());
            }
        }
    }
    Ok(())
}

/// Records do not overlap, and hold no more than their bytes allow.
fn bounded(payload: &[u8], out: &Decoded) -> Result<(), TestCaseError> {
    let mut end = 8;
    for record in &opened::open(out).records {
        prop_assert!(record.span.start >= end && record.span.end < payload.len());
        end = record.span.end;
        if let Body::Position(event) = &record.body {
            prop_assert!(event.attributes.len() <= record.span.len());
            if let Some(fix) = &event.fix {
                prop_assert!(fix.latitude.abs() <= 90.0 && fix.longitude.abs() <= 180.0);
                prop_assert!(fix.heading_deg.is_none_or(|heading| (0.0..=360.0).contains(&heading)));
            }
            for attribute in event.attributes.values() {
                if let Some(Typed::DoubleValue(number)) = attribute.value {
                    prop_assert!(number.is_finite());
                }
            }
        }
    }
    Ok(())
}

fn capture() -> impl Strategy<Value = Vec<u8>> {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("fixtures/dt7/vectors.json")).unwrap();
    let bytes = |vector: &serde_json::Value| hex::decode(vector["hex"].as_str().unwrap()).unwrap();
    prop::sample::select(vectors.iter().map(bytes).collect::<Vec<_>>())
}

/// One structure that the writer makes.
#[derive(Debug, Clone)]
enum Written {
    Event { function: u8, code: u8, tag: String },
    Fields(Vec<(usize, u32, u64)>),
    Other(u8, Vec<u8>),
}

fn written() -> impl Strategy<Value = Written> {
    let bit = (0..written::BITS.len(), any::<u64>(), 0_u32..64).prop_map(|(place, number, shift)| {
        let (mask, bit) = written::BITS[place];
        (mask, bit, number >> shift)
    });
    // Few enough to fit into the 255 bytes of a structure.
    let bits = prop::collection::vec(bit, 1..7).prop_map(|mut bits| {
        bits.sort_unstable();
        bits.dedup_by_key(|(mask, bit, _)| (*mask, *bit));
        Written::Fields(bits)
    });
    let event = (any::<(u8, u8)>(), "[ -~]{0,8}").prop_map(|((function, code), tag)| Written::Event {
        function,
        code,
        tag,
    });
    let other = (prop_oneof![0_u8..6, 8_u8..16], prop::collection::vec(any::<u8>(), 0..60))
        .prop_map(|(kind, body)| Written::Other(kind, body));
    prop_oneof![4 => bits, 2 => event, 1 => other]
}

impl Written {
    fn bytes(&self, ticks: u32) -> Vec<u8> {
        match self {
            Self::Event { function, code, tag } => {
                structure(6, ticks, &[&[*function, *code], tag.as_bytes()].concat())
            }
            Self::Fields(bits) => {
                let bits: Vec<_> = bits
                    .iter()
                    .map(|(mask, bit, number)| (*mask, *bit, written::bytes(*mask, *bit, *number)))
                    .collect();
                fields(ticks, &bits)
            }
            Self::Other(kind, body) => structure(*kind, ticks, body),
        }
    }

    fn check(&self, body: &Body, seconds: i64) -> Result<(), TestCaseError> {
        match (self, body) {
            (Self::Event { function, code, tag }, Body::Event(event)) => {
                prop_assert_eq!(event.device_time.unwrap().seconds, seconds);
                prop_assert_eq!(event.function, Some(u32::from(*function)));
                prop_assert_eq!(event.code, Some(u32::from(*code)));
                prop_assert_eq!(&event.text, tag);
            }
            (Self::Fields(bits), Body::Position(event)) => {
                prop_assert_eq!(event.device_time.unwrap().seconds, seconds);
                let mut expected = Facts::default();
                for (mask, bit, number) in bits {
                    expected.merge(written::facts(*mask, *bit, *number));
                }
                prop_assert_eq!(Facts::of(event), expected);
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&payload)?;
        check(&sealed(payload))?;
    }

    #[test]
    fn no_structure_panics(
        imei in 0..=999_999_999_999_999_u64,
        structures in prop::collection::vec((5_u8..9, prop::collection::vec(any::<u8>(), 0..=250)), 0..6),
        service in prop::sample::select(vec![0xA5_u8, 0xA0, 0xC1, 0x41, 0x19, 0x77]),
    ) {
        let data: Vec<_> = structures.iter().flat_map(|(kind, body)| structure(*kind, 7, body)).collect();
        check(&Packet::new(Imei::from_number(imei).unwrap()).block(service, 1, &data).finish())?;
    }

    #[test]
    fn a_mutated_capture_is_an_error_or_bounded(
        payload in capture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut payload = payload;
        for (index, byte) in changes {
            let length = payload.len();
            payload[index.index(length)] = byte;
        }
        check(&payload)?;
        check(&sealed(payload[..payload.len() - 1].to_vec()))?;
        check(&payload[..cut.index(payload.len())])?;
    }

    #[test]
    fn one_changed_byte_never_passes_for_another_payload(
        payload in capture(),
        index in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut payload = payload;
        let length = payload.len();
        payload[index.index(length)] ^= flip;
        let input = Input { payload: &payload, ..Input::default() };
        prop_assert!(dt7::decode(input, &Options::default(), &mut Decoded::default()).is_err());
    }

    #[test]
    fn what_is_written_is_read(
        imei in 0..=999_999_999_999_999_u64,
        blocks in prop::collection::vec(
            (any::<bool>(), any::<u8>(), prop::collection::vec((written(), any::<u16>()), 0..5)), 1..4),
    ) {
        let imei = Imei::from_number(imei).unwrap();
        let mut packet = Packet::new(imei);
        for (stored, key, structures) in &blocks {
            // Ticks of the year before the reception, in the second turn of the counter.
            let data: Vec<_> = structures
                .iter()
                .flat_map(|(written, minutes)| written.bytes(7_000_000 + u32::from(*minutes) * 30))
                .collect();
            packet = packet.block(if *stored { 0xA5 } else { 0xA0 }, *key, &data);
        }
        let payload = packet.finish();
        check(&payload)?;
        let input = Input { payload: &payload, topic: "", received_ms: RECEIVED_MS };
        let decoded = opened::decode(&Codec::Dt7(Options::default()), input).unwrap();
        let mut records = decoded.records.iter();
        let mut skipped = decoded.skipped.iter();
        for (written, minutes) in blocks.iter().flat_map(|(.., structures)| structures) {
            if let Written::Other(kind, _) = written {
                prop_assert_eq!(skipped.next().unwrap().record_type, *kind);
                continue;
            }
            let record = records.next().unwrap();
            prop_assert_eq!(record.device_id.clone(), Some(imei.into()));
            let seconds = 1_736_016_512 + 14_000_000 + i64::from(*minutes) * 60;
            written.check(&record.body, seconds)?;
        }
        prop_assert!(records.next().is_none() && skipped.next().is_none());
    }
}
