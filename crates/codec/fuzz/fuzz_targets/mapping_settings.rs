//! Any text as a mapping file, and what it makes of two payloads: no panic, whatever a person writes.
//!
//! `cargo +nightly fuzz run mapping_settings corpus/mapping_settings seeds/mapping_settings` in `crates/codec/fuzz`.
#![no_main]

use fleetwire_codec::Decoded;
use fleetwire_codec::mapping::Mapping;
use libfuzzer_sys::fuzz_target;

const PAYLOADS: [&[u8]; 2] = [
    include_bytes!("../../tests/fixtures/json/j00_every_field.json"),
    include_bytes!("../../tests/fixtures/globalmatix/g01_batch_of_devices.json"),
];

fuzz_target!(|text: &str| {
    match Mapping::from_toml(text) {
        Ok(mapping) => {
            for payload in PAYLOADS {
                let mut out = Decoded::default();
                let outcome = mapping.decode(payload, &mut out);
                assert!(outcome.is_ok() || out == Decoded::default());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
