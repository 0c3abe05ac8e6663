//! Files of devices: their formats, and standard input and output in their place.

use std::path::Path;

use clap::ValueEnum;

/// How devices are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A header, then one device a line: id,model,name,group,labels,account,status,password
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Format {
    /// The format that the end of a file's name tells.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }

    /// Its name in the API.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// Its media type.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Jsonl => "application/x-ndjson",
        }
    }
}

/// Whether a path stands for standard input or output.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_name_tells_the_format() {
        assert_eq!(Format::of(Path::new("fleet.CSV")), Some(Format::Csv));
        assert_eq!(Format::of(Path::new("/tmp/fleet.jsonl")), Some(Format::Jsonl));
        assert_eq!(Format::of(Path::new("fleet.txt")), None);
        assert_eq!(Format::of(Path::new("-")), None);
    }
}
