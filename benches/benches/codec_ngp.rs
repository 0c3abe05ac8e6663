//! Decoding of NGP messages on one core, into a buffer that is used again as a worker does:
//! `cargo bench -p fleetwire-benches --bench codec_ngp`.
#![expect(clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fleetwire_codec::{Codec, Decoded, Input, ngp};

/// The least that a position needs, and the documentation's example of everything.
const MESSAGES: [(&str, &str); 2] = [
    ("minimum", include_str!("../../crates/codec/tests/fixtures/ngp/minimum_to_be_stored.json")),
    ("complete", include_str!("../../crates/codec/tests/fixtures/ngp/complete.json")),
];

fn decode(criterion: &mut Criterion) {
    let codec = Codec::Ngp(ngp::Options::default());
    let mut out = Decoded::default();
    let mut group = criterion.benchmark_group("codec_ngp");
    for (name, text) in MESSAGES {
        let input = Input { payload: text.as_bytes(), ..Input::default() };
        codec.decode(input, &mut out).expect("a fixture decodes");
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                codec.decode(black_box(input), &mut out)
            });
        });
        out.clear();
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
