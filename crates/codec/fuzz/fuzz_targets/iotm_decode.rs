//! Any bytes as an IOTM payload: no panic, and an error leaves nothing behind.
//!
//! `cargo +nightly fuzz run iotm_decode corpus/iotm_decode seeds/iotm_decode` in `crates/codec/fuzz`.
#![no_main]

use std::sync::LazyLock;

use fleetwire_codec::{Decoded, Options, Profile, Protocol};
use libfuzzer_sys::fuzz_target;

/// Both without and with what a model can set; a checksum would keep the fuzzer from most of the decoder.
static OPTIONS: LazyLock<[Options; 2]> = LazyLock::new(|| {
    let lenient = Options {
        accept_bad_checksum: true,
        ..Options::default()
    };
    let scaled = Options {
        profile: Profile::J1939,
        ..lenient.clone()
    };
    [lenient, scaled]
});

fuzz_target!(|payload: &[u8]| {
    let mut out = Decoded::default();
    for options in OPTIONS.iter() {
        out.clear();
        let outcome = Protocol::Iotm.decode(payload, options, &mut out);
        assert!(outcome.is_ok() || out == Decoded::default());
        for record in &out.records {
            assert!(payload.get(record.span.clone()).is_some());
        }
    }
});
