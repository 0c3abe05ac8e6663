//! Log lines for collectors: one JSON object each, with the event's fields at the top, masked.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime as Clock};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::mask::{Mask, Masker};

/// Writes events as JSON.
#[derive(Debug)]
pub(super) struct Lines(Masker);

impl Lines {
    pub(super) fn new(mask: Mask) -> Self {
        Self(Masker::new(mask))
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        Clock.format_time(&mut Writer::new(&mut timestamp))?;
        let mut fields = Map::new();
        fields.insert("timestamp".to_owned(), timestamp.into());
        fields.insert("level".to_owned(), event.metadata().level().as_str().into());
        event.record(&mut Visitor { fields: &mut fields, masker: &self.0 });
        fields.insert("target".to_owned(), event.metadata().target().into());
        writeln!(writer, "{}", Value::Object(fields))
    }
}

struct Visitor<'a> {
    fields: &'a mut Map<String, Value>,
    masker: &'a Masker,
}

impl Visitor<'_> {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name().trim_start_matches("r#");
        // Fields that the `log` bridge adds say nothing about the event.
        if name.starts_with("log.") {
            return;
        }
        let value = value.into();
        let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let word = self.masker.word(name, text);
        self.fields.insert(name.to_owned(), word.map_or(value, Value::from));
    }
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}
