//! Placeholder until the crate's parts land.
