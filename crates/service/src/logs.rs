//! Log output of a process, to standard error.

use std::io::IsTerminal as _;

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

/// A text that is no log filter.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no log filter; use error, warn, info, debug, trace, or target=level with commas")]
pub struct FilterError(String);

/// Whether a text is a log filter.
pub fn check(filter: &str) -> Result<(), FilterError> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|_| FilterError(filter.to_owned()))
}

/// Starts logging. `filter` is a `tracing` filter such as `info` or `warn,fleetwire_frontend=debug`.
pub fn init(filter: &str, format: Format) -> anyhow::Result<()> {
    let filter = parse(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|err| anyhow::anyhow!("logging could not start: {err}"))
}
