//! Facts about this build, for `--version`, events and metrics.

/// Version of the package, for example "0.1.0".
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Short commit hash, or "unknown" where it was built outside a repository.
pub const COMMIT: &str = env!("FLEETWIRE_COMMIT");

/// Compiler, for example "rustc 1.95.0 (59807616e 2026-04-14)".
pub const COMPILER: &str = env!("FLEETWIRE_COMPILER");

/// Target triple.
pub const TARGET: &str = env!("FLEETWIRE_TARGET");

/// Version with commit, for example "0.1.0+1a2b3c4": what events carry as `decoder_version`.
pub fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), "+", env!("FLEETWIRE_COMMIT"))
}

/// Version with all facts, for `--version`.
pub const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "+",
    env!("FLEETWIRE_COMMIT"),
    "\ncommit    ",
    env!("FLEETWIRE_COMMIT"),
    "\ncompiler  ",
    env!("FLEETWIRE_COMPILER"),
    "\ntarget    ",
    env!("FLEETWIRE_TARGET"),
);
