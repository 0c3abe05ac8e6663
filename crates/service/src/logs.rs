//! Log output of a process, to standard error: what is logged, how it looks, and what is left out.
//!
//! The lines are one layer over a registry. A further layer, such as one that exports spans, is given to [`start`] and
//! filters for itself: the log filter is that of the lines alone.

mod filter;
mod json;
mod mask;
mod repeats;
mod text;

pub use filter::{ChangeError, FilterError, LogFilter, Shown, check};
pub use mask::Mask;
pub(crate) use repeats::METRICS;
pub use repeats::RepeatSettings;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt};

use repeats::{Limited, Repeats};

/// How often what is due is done: repeats summed up, a filter for a while taken back.
const UPKEEP: Duration = Duration::from_secs(1);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

impl Format {
    /// The format of a process whose standard error is a terminal, or is none.
    fn on(self, is_terminal: bool) -> Self {
        match self {
            Self::Auto if is_terminal => Self::Text,
            Self::Auto => Self::Json,
            chosen => chosen,
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// A `tracing` filter such as `info` or `warn,fleetwire_frontend=debug`.
    pub filter: String,
    /// How lines look.
    pub format: Format,
    /// What they do not show.
    pub mask: Mask,
    /// When lines that repeat are left out.
    pub repeats: RepeatSettings,
}

/// One more layer beside the lines. The log filter does not concern it.
pub type FurtherLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The logs of a running process. Clones share.
#[derive(Debug, Clone)]
pub struct Logs {
    filter: LogFilter,
    repeats: Arc<Repeats>,
}

impl Logs {
    /// What is logged, to look at and to change.
    pub const fn filter(&self) -> &LogFilter {
        &self.filter
    }

    /// Sums up what was left out, and takes back a filter whose time is over, until told to stop.
    pub async fn upkeep(&self, stop: &CancellationToken) {
        let mut tick = interval(UPKEEP);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.filter.restore_if_due(Instant::now());
            self.repeats.sum_up(Instant::now());
        }
        self.repeats.sum_up_all();
    }

    /// The layer that writes lines, and what controls it.
    fn new(settings: &LogSettings) -> Result<(Self, FurtherLayer), FilterError> {
        let (filter, wanted) = LogFilter::new(&settings.filter)?;
        let repeats = Arc::new(Repeats::new(settings.repeats));
        let lines = lines(settings.format, settings.mask, &repeats);
        Ok((Self { filter, repeats }, lines.with_filter(wanted).boxed()))
    }
}

fn lines(format: Format, mask: Mask, repeats: &Arc<Repeats>) -> FurtherLayer {
    let is_terminal = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr);
    let repeats = Arc::clone(repeats);
    match format.on(is_terminal) {
        Format::Json => lines.event_format(Limited { format: json::Lines::new(mask), repeats }).boxed(),
        Format::Text | Format::Auto => {
            let format = fmt::format().with_target(false);
            let lines = lines.with_ansi(is_terminal).event_format(Limited { format, repeats });
            lines.fmt_fields(text::Fields::new(mask)).boxed()
        }
    }
}

/// Starts logging, with further layers. Call it once, after the metrics recorder is installed.
pub fn start(settings: &LogSettings, further: Vec<FurtherLayer>) -> anyhow::Result<Logs> {
    let (logs, lines) = Logs::new(settings)?;
    let mut layers = vec![lines];
    layers.extend(further);
    let started = tracing_subscriber::registry().with(layers).try_init();
    started.map_err(|err| anyhow::anyhow!("logging could not start: {err}"))?;
    Ok(logs)
}

/// Starts logging without limits for repeats: for tools and tests.
pub fn init(filter: &str, format: Format, mask: Mask) -> anyhow::Result<()> {
    let settings = LogSettings { filter: filter.to_owned(), format, mask, repeats: RepeatSettings::off() };
    start(&settings, Vec::new()).map(drop)
}

#[cfg(test)]
impl Logs {
    /// Logs of which nothing is written.
    pub(crate) fn quiet(settings: &LogSettings) -> Result<Self, FilterError> {
        Self::new(settings).map(|(logs, _)| logs)
    }
}

/// Makes the counters of lines.
#[cfg(test)]
pub(crate) fn count_nothing() {
    drop(Repeats::new(RepeatSettings::off()));
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing::subscriber::with_default;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        /// The text, which is gone then.
        pub(super) fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

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
            Format::Text | Format::Auto => {
                with_default(builder.fmt_fields(text::Fields::new(mask)).finish(), log);
            }
            Format::Json => with_default(builder.event_format(json::Lines::new(mask)).finish(), log),
        }
        lines.take()
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

    #[test]
    fn people_at_a_terminal_get_text_and_collectors_json_unless_the_settings_say_otherwise() {
        assert_eq!(Format::Auto.on(true), Format::Text);
        assert_eq!(Format::Auto.on(false), Format::Json);
        for is_terminal in [true, false] {
            assert_eq!(Format::Text.on(is_terminal), Format::Text);
            assert_eq!(Format::Json.on(is_terminal), Format::Json);
        }
    }
}
