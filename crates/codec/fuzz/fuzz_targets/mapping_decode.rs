//! Any bytes as a payload for mappings: no panic, an error leaves nothing behind, what comes out lies within the
//! payload and within the bounds, and the explanation of any payload can be made.
//!
//! `cargo +nightly fuzz run mapping_decode corpus/mapping_decode seeds/mapping_decode` in `crates/codec/fuzz`.
#![no_main]

use std::sync::LazyLock;

use fleetwire_codec::Decoded;
use fleetwire_codec::mapping::Mapping;
use libfuzzer_sys::fuzz_target;

/// One that uses everything that a mapping can say, and the built-in one.
static MAPPINGS: LazyLock<[Mapping; 2]> = LazyLock::new(|| {
    let rich = Mapping::from_toml(include_str!("../../tests/fixtures/json/mapping.toml"));
    [rich.unwrap(), Mapping::globalmatix().unwrap()]
});

fuzz_target!(|payload: &[u8]| {
    let mut out = Decoded::default();
    for mapping in MAPPINGS.iter() {
        out.clear();
        let outcome = mapping.decode(payload, &mut out);
        assert!(outcome.is_ok() || out == Decoded::default());
        for record in &out.records {
            assert!(payload.get(record.span.clone()).is_some_and(|bytes| !bytes.is_empty()));
            assert!(record.device_id.is_some() && record.device_time_ms.is_some());
        }
        let explanation = mapping.explain(payload);
        assert_eq!(explanation.error.is_some(), outcome.is_err());
        assert!(explanation.parts.iter().all(|part| payload.get(part.span.clone()).is_some()));
    }
});
