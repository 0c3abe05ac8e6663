//! Log output of a process, to standard error.

mod json;
mod mask;
mod text;

pub use mask::Mask;

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

/// A library whose lines below this level are noise, and may show what passes through it; no filter changes this.
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
    // A directive for a part of the library would win over one for the whole.
    let own = filter.split(',').filter(|directive| !directive.trim_start().starts_with("rumqttd"));
    let kept: Vec<&str> = own.chain([QUIET]).collect();
    EnvFilter::try_new(kept.join(",")).map_err(|_| FilterError(filter.to_owned()))
}

/// Starts logging. `filter` is a `tracing` filter such as `info` or `warn,fleetwire_frontend=debug`.
pub fn init(filter: &str, format: Format, mask: Mask) -> anyhow::Result<()> {
    let filter = parse(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .fmt_fields(text::Fields::new(mask))
            .try_init(),
        Format::Json => builder.event_format(json::Lines::new(mask)).try_init(),
    }
    .map_err(|err| anyhow::anyhow!("logging could not start: {err}"))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(format: Format, mask: Mask) -> String {
        let lines = Lines::default();
        let builder = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false);
        let log = || {
            let (device, peer) = ("867035046242895", "192.0.2.1:4000");
            tracing::info!(device, %peer, count = 7, address = "0.0.0.0:1883", "a line");
        };
        match format {
            Format::Text => with_default(builder.fmt_fields(text::Fields::new(mask)).finish(), log),
            Format::Json => with_default(builder.event_format(json::Lines::new(mask)).finish(), log),
        }
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn what_is_masked_is_in_no_line_of_either_format() {
        for format in [Format::Text, Format::Json] {
            let open = logged(format, Mask::None);
            for part in ["867035046242895", "192.0.2.1:4000", "0.0.0.0:1883", "a line", "7"] {
                assert!(open.contains(part), "{open}");
            }
            let masked = logged(format, Mask::All);
            assert!(!masked.contains("867035046242895") && !masked.contains("192.0.2.1"), "{masked}");
            assert!(masked.contains("0.0.0.0:1883") && masked.contains("a line"), "{masked}");
            assert_eq!(masked.matches("masked-").count(), 2, "{masked}");
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_the_fields_at_its_top() {
        let line: serde_json::Value = serde_json::from_str(&logged(Format::Json, Mask::None)).unwrap();
        assert_eq!(line["message"], "a line");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["count"], 7);
        assert_eq!(line["device"], "867035046242895");
        assert!(line["timestamp"].is_string() && line["target"].is_string());
    }
}
