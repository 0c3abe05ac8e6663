//! Many devices at once: import and export, streamed with bounded memory.

mod csv_form;
pub(crate) mod driven;
pub(crate) mod export;
pub(crate) mod import;
mod labels;
mod lines;
mod report;
mod row;

use std::str::FromStr;

/// How devices are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Comma-separated values with a header line (RFC 4180), without line breaks in values.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err("it is csv or jsonl"),
        }
    }
}
