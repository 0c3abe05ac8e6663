//! Log output of a process, to standard error.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Libraries whose `info` is noise here; a filter that names them goes before this.
const QUIET: &str = "rumqttd=warn";

/// Starts logging. `filter` is a `tracing` filter such as `info` or `warn,fleetwire_frontend=debug`.
pub fn init(filter: &str, format: Format) -> Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))
        .with_context(|| format!("log filter `{filter}` is not valid"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        Format::Text => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|err| anyhow::anyhow!("logging could not start: {err}"))
}
