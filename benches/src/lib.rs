//! Benchmarks; each is a file in `benches/`.
