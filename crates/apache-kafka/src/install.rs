//! Java and Maven on this machine: found, or installed where that is possible (Debian, as root).

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What running Kafka needs.
pub(crate) fn ensure_java(progress: &dyn Fn(&str)) -> Result<()> {
    ensure("java", "-version", "openjdk-17-jre-headless", progress)
}

/// What fetching Kafka needs.
pub(crate) fn ensure_maven(progress: &dyn Fn(&str)) -> Result<()> {
    ensure("mvn", "-version", "maven", progress)
}

fn ensure(program: &str, version_flag: &str, package: &str, progress: &dyn Fn(&str)) -> Result<()> {
    if runs(program, version_flag) {
        return Ok(());
    }
    if !Path::new("/etc/debian_version").exists() || !rustix::process::geteuid().is_root() {
        bail!(
            "`{program}` is missing: install Java 17 or newer and Maven (Debian: apt-get install -y \
             openjdk-17-jre-headless maven), or set FLEETWIRE_TEST_KAFKA=host:port to use a running Kafka"
        );
    }
    progress(&format!("installing {package}"));
    // A fresh image has no package lists; a failure to refresh them shows in the install itself.
    let _ = apt(&["update", "-q"]);
    apt(&["install", "-y", "-q", "--no-install-recommends", package])?;
    if !runs(program, version_flag) {
        bail!("`{program}` does not run although package {package} was installed");
    }
    Ok(())
}

fn runs(program: &str, version_flag: &str) -> bool {
    Command::new(program)
        .arg(version_flag)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("apt-get cannot be started")?;
    if !output.status.success() {
        bail!("apt-get {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
