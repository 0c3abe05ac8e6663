//! Decoding of IOTM payloads on one core, into a buffer that is used again as a worker does:
//! `cargo bench -p fleetwire-benches --bench codec_iotm`.
#![expect(clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fleetwire_codec::Decoded;
use fleetwire_codec::iotm::{self, Options};

/// One record of a driving vehicle, and thirteen of a parked one.
const PAYLOADS: [(&str, &str); 2] = [
    ("one_record", include_str!("../../crates/codec/tests/fixtures/iotm/i00_field_position.hex")),
    ("thirteen_records", include_str!("../../crates/codec/tests/fixtures/iotm/i11_thirteen_records.hex")),
];

fn decode(criterion: &mut Criterion) {
    let options = Options::default();
    let mut out = Decoded::default();
    let mut group = criterion.benchmark_group("codec_iotm");
    for (name, text) in PAYLOADS {
        let payload = hex::decode(text.trim()).expect("a fixture is hexadecimal");
        iotm::decode(&payload, &options, &mut out).expect("a fixture decodes");
        group.throughput(Throughput::Elements(out.records.len() as u64));
        out.clear();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                iotm::decode(black_box(&payload), &options, &mut out)
            });
        });
        out.clear();
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
