//! Tables of any length, and what stands in their cells.

use std::io::{self, Write};

use crate::when;

/// A table that is printed page by page, so that any number of rows needs the memory of one page. The columns of a page
/// are at least as wide as those of the pages before it.
#[derive(Debug)]
pub(crate) struct Pages<const N: usize> {
    header: [&'static str; N],
    widths: [usize; N],
    begun: bool,
    rows: u64,
}

impl<const N: usize> Pages<N> {
    pub(crate) fn new(header: [&'static str; N]) -> Self {
        Self { header, widths: header.map(str::len), begun: false, rows: 0 }
    }

    /// Rows so far.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Prints the next rows, and the header before the first.
    pub(crate) fn print(&mut self, out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if !std::mem::replace(&mut self.begun, true) {
            line(out, &self.header, &self.widths)?;
        }
        self.rows += rows.len() as u64;
        rows.iter().try_for_each(|row| line(out, row, &self.widths))
    }
}

/// One row, without spaces at its end.
fn line<T: AsRef<str>>(out: &mut impl Write, cells: &[T], widths: &[usize]) -> io::Result<()> {
    let mut text = String::new();
    for (cell, &width) in cells.iter().zip(widths) {
        let cell = cell.as_ref();
        text.push_str(&format!("{cell:<width$}  "));
    }
    writeln!(out, "{}", text.trim_end())
}

/// Facts, one a line, with their names in a column of their own.
pub(crate) fn facts(out: &mut impl Write, facts: &[(&str, String)]) -> io::Result<()> {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, fact) in facts {
        writeln!(out, "{name:<width$}  {fact}")?;
    }
    Ok(())
}

/// A time of the API for people, UTC, to the second.
pub(crate) fn time(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => when::seconds(time.as_millisecond()),
        Err(_) => dash(text),
    }
}

/// A text, or "-" where there is none.
pub(crate) fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// "1 device", "2 devices".
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_page_has_no_header_and_columns_as_wide_as_the_first() {
        let mut pages = Pages::new(["DEVICE", "NAME"]);
        let mut out = Vec::new();
        pages.print(&mut out, &[["867035046242895".into(), "truck".into()]]).unwrap();
        pages.print(&mut out, &[["tc-1".into(), "van".into()]]).unwrap();
        pages.print(&mut out, &[]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("DEVICE"), "{text}");
        assert_eq!(lines[1].find("truck"), lines[2].find("van"), "{text}");
        assert_eq!(pages.rows(), 2);
    }

    #[test]
    fn times_are_shown_to_the_second_and_what_is_none_stays() {
        assert_eq!(time("2026-11-24T12:00:00.123Z"), "2026-11-24 12:00:00");
        assert_eq!(time(""), "-");
        assert_eq!(counted(1, "device"), "1 device");
        assert_eq!(counted(0, "device"), "0 devices");
    }
}
