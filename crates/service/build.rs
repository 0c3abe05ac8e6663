//! Puts the commit, the compiler and the target into the binary.

use std::process::Command;

fn main() {
    // Where the build has no repository, as in an image, whoever builds may tell.
    let told = std::env::var("FLEETWIRE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = told.or_else(|| output("git", &["rev-parse", "--short=9", "HEAD"]));
    println!("cargo::rerun-if-env-changed=FLEETWIRE_COMMIT");
    let compiler = output(&std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()), &["--version"]);
    println!("cargo::rustc-env=FLEETWIRE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=FLEETWIRE_COMPILER={}", compiler.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=FLEETWIRE_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    if let Some(head) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
