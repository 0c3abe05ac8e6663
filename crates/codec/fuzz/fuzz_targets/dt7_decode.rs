//! Any bytes as a DT7 payload: no panic, an error leaves nothing behind, and records lie within the payload one
//! behind the other. The first bytes are the time of reception, against which times are read.
//!
//! See docs/development/fuzzing.md for how it is built and run.
#![no_main]

use std::sync::LazyLock;

use fleetwire_codec::dt7::{self, Adc, Options, Profile};
use fleetwire_codec::{Decoded, Input};
use libfuzzer_sys::fuzz_target;

/// Both with and without what a model can set; a checksum would keep the fuzzer from most of the decoder.
static OPTIONS: LazyLock<[Options; 2]> = LazyLock::new(|| {
    let lenient = Options { accept_bad_checksum: true, ..Options::default() };
    let raw = Options { profile: Profile::None, adc: Adc::Raw, ..lenient.clone() };
    [lenient, raw]
});

fuzz_target!(|payload: &[u8]| {
    let received_ms = payload.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes));
    let input = Input { payload, topic: "", received_ms };
    let mut out = Decoded::default();
    for options in OPTIONS.iter() {
        out.clear();
        let outcome = dt7::decode(input, options, &mut out);
        assert!(outcome.is_ok() || out == Decoded::default());
        let mut end = 0;
        for record in &out.records {
            assert!(record.span.start >= end && payload.get(record.span.clone()).is_some());
            end = record.span.end;
        }
    }
});
