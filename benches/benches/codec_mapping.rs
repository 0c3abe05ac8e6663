//! Decoding of JSON by a mapping on one core, into a buffer that is used again as a worker does:
//! `cargo bench -p fleetwire-benches --bench codec_mapping`.
#![expect(clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fleetwire_codec::Decoded;
use fleetwire_codec::mapping::Mapping;

const GLOBALMATIX: &[u8] = include_bytes!("../../crates/codec/tests/fixtures/globalmatix/g00_flat.json");
const EVERY_FIELD: &[u8] = include_bytes!("../../crates/codec/tests/fixtures/json/j00_every_field.json");
const EVERY_FIELD_MAPPING: &str = include_str!("../../crates/codec/tests/fixtures/json/mapping.toml");

/// A record of 18 values by the built-in mapping, the same a hundred times in one payload, and one of 45 values whose
/// mapping uses everything.
fn decode(criterion: &mut Criterion) {
    let built_in = Mapping::globalmatix().expect("the built-in mapping is one");
    let every_field = Mapping::from_toml(EVERY_FIELD_MAPPING).expect("the mapping of the fixtures is one");
    let batch = [b"[".as_slice(), &[GLOBALMATIX; 100].join(&b","[..]), b"]"].concat();
    let mut out = Decoded::default();
    let mut group = criterion.benchmark_group("codec_mapping");
    for (name, mapping, payload) in [
        ("one_record", &built_in, GLOBALMATIX),
        ("hundred_records", &built_in, batch.as_slice()),
        ("every_field", &every_field, EVERY_FIELD),
    ] {
        mapping.decode(payload, &mut out).expect("a fixture decodes");
        group.throughput(Throughput::Elements(out.records.len() as u64));
        out.clear();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                mapping.decode(black_box(payload), &mut out)
            });
        });
        out.clear();
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
