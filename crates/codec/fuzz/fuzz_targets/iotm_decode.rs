//! Any bytes as an IOTM payload: no panic, an error leaves nothing behind, and records lie within the payload one
//! behind the other; a command that can be read is written so that it is read again.
//!
//! See docs/development/fuzzing.md for how it is built and run.
#![no_main]

use std::sync::LazyLock;

use fleetwire_codec::Decoded;
use fleetwire_codec::iotm::output::{OutputControl, Polarity};
use fleetwire_codec::iotm::{self, Options, Profile};
use libfuzzer_sys::fuzz_target;

/// Both without and with what a model can set; a checksum would keep the fuzzer from most of the decoder.
static OPTIONS: LazyLock<[Options; 2]> = LazyLock::new(|| {
    let lenient = Options { accept_bad_checksum: true, ..Options::default() };
    let scaled = Options { profile: Profile::J1939, ..lenient.clone() };
    [lenient, scaled]
});

fuzz_target!(|payload: &[u8]| {
    let mut out = Decoded::default();
    for options in OPTIONS.iter() {
        out.clear();
        let outcome = iotm::decode(payload, options, &mut out);
        assert!(outcome.is_ok() || out == Decoded::default());
        let mut end = 0;
        for record in &out.records {
            assert!(record.span.start >= end && payload.get(record.span.clone()).is_some());
            end = record.span.end;
        }
    }
    if let Ok(command) = OutputControl::parse(payload, Polarity::OneIsOn) {
        let written = command.write(Polarity::OneIsOn);
        assert_eq!(OutputControl::parse(&written, Polarity::OneIsOn), Ok(command));
    }
});
