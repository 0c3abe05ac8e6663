//! Fields of log lines for people: as `tracing-subscriber` writes them, but masked.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use super::mask::{Mask, Masker};

/// Writes fields as `name=value`.
#[derive(Debug)]
pub(super) struct Fields(Masker);

impl Fields {
    pub(super) fn new(mask: Mask) -> Self {
        Self(Masker::new(mask))
    }
}

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, masker: &self.0, first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Visitor<'a, 'writer> {
    writer: Writer<'writer>,
    masker: &'a Masker,
    first: bool,
    result: fmt::Result,
}

impl Visitor<'_, '_> {
    fn write(&mut self, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
        // Fields that the `log` bridge adds say nothing about the event.
        if name.starts_with("log.") {
            return Ok(());
        }
        if !std::mem::take(&mut self.first) {
            self.writer.write_char(' ')?;
        }
        if name == "message" {
            return write!(self.writer, "{value:?}");
        }
        if self.writer.has_ansi_escapes() {
            write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?;
        } else {
            write!(self.writer, "{name}=")?;
        }
        match self.masker.word(name, || format!("{value:?}")) {
            Some(word) => self.writer.write_str(&word),
            None => write!(self.writer, "{value:?}"),
        }
    }
}

impl Visit for Visitor<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.result.is_ok() {
            self.result = self.write(field.name().trim_start_matches("r#"), value);
        }
    }
}
