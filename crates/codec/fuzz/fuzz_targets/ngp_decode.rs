//! Any bytes as an NGP message: no panic, an error leaves nothing behind, what comes out is bounded by what came in,
//! and an explanation stays within the payload.
//!
//! Built and run as docs/development/fuzzing.md says.
#![no_main]

use std::cell::RefCell;
use std::sync::LazyLock;

use fleetwire_codec::ngp::{self, FuelLevelUnit, Options, UnknownVersion};
use fleetwire_codec::{Decoded, Input, Kind};
use libfuzzer_sys::fuzz_target;

/// Both without and with what a model can set.
static OPTIONS: LazyLock<[Options; 2]> = LazyLock::new(|| {
    let strict = Options {
        unknown_version: UnknownVersion::Reject,
        fields_by_version: true,
        inputs: 64,
        fuel_level_unit: FuelLevelUnit::Percent,
        min_satellites: 3,
        ..Options::default()
    };
    [Options::default(), strict]
});

thread_local! {
    /// Used again as a worker does, so that what one message leaves behind would show in the next.
    static OUT: RefCell<Decoded> = RefCell::default();
}

fuzz_target!(|payload: &[u8]| {
    let input = Input { payload, topic: "ngp/a", received_ms: 0 };
    OUT.with_borrow_mut(|out| {
        for options in OPTIONS.iter() {
            out.clear();
            let outcome = ngp::decode(input, options, out);
            assert!(outcome.is_ok() || *out == Decoded::default());
            for record in &out.records {
                assert_eq!(record.span, usize::from(record.kind == Kind::Event)..payload.len());
                assert!(out.body(record).len() <= payload.len() * 4 + 256 * 128 + 1024);
                assert!(out.open(record).is_ok());
            }
        }
    });
    // Explaining allocates for a person: one message in sixteen is enough.
    if payload.len() % 16 == 0 {
        for part in ngp::explain(input, &OPTIONS[0]).parts {
            assert!(payload.get(part.span).is_some());
        }
    }
});
