//! `fleetwire device export`.

use std::io::{self, Write as _, stdout};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_service::exit::Exit;
use indicatif::ProgressBar;

use super::files::{Format, is_standard};
use crate::client::{ApiFlags, Ask};
use crate::whole;

/// Passwords of devices are not in it. `device import` takes it back.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The file, or - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Its format [default: what the end of its name tells, or jsonl]
    #[arg(long)]
    format: Option<Format>,
}

impl ExportArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        let format = self.format.or_else(|| Format::of(&self.output)).unwrap_or(Format::Jsonl);
        flags.with(|api| {
            let path = format!("/v1/devices/export?format={}", format.name());
            let mut answer = api.stream(Ask::new("GET", &path))?;
            if is_standard(&self.output) {
                io::copy(&mut answer, &mut stdout().lock())?;
                return Ok(Exit::Done);
            }
            let written = whole::write(&self.output, |file| {
                io::copy(&mut ProgressBar::new_spinner().wrap_read(&mut answer), file)?;
                Ok(())
            });
            written.with_context(|| format!("{} was not written", self.output.display()))?;
            writeln!(stdout(), "{} is written; passwords of devices are not in it", self.output.display())?;
            Ok(Exit::Done)
        })
    }
}
