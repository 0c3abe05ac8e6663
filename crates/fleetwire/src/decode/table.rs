//! Parts of a payload as a table, and the place of an error within it.

use std::fmt::Write as _;
use std::ops::Range;

use comfy_table::{ContentArrangement, Table, presets};
use fleetwire_codec::{DecodeError, Explanation, Part};

/// Bytes of a part that are shown.
const BYTES: usize = 8;
/// Characters of a value, and of a meaning, that are shown.
const VALUE: usize = 48;
const MEANING: usize = 400;
/// Bytes before and after an error that are shown.
const AROUND: usize = 12;
/// The same of a text, in characters.
const TEXT_AROUND: usize = 40;

/// The parts as a table; those of a text without its bytes.
pub(crate) fn parts(explanation: &Explanation, payload: &[u8], is_text: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let mut header = vec!["BYTES", "HEX", "PART", "VALUE", "MEANING"];
    if is_text {
        header.remove(1);
    }
    table.set_header(header);
    for part in &explanation.parts {
        let mut row = vec![place(&part.span)];
        if !is_text {
            row.push(hex(payload.get(part.span.clone()).unwrap_or_default()));
        }
        row.extend([name(part), short(&part.value, VALUE), short(&part.meaning, MEANING)]);
        table.add_row(row);
    }
    table.trim_fmt()
}

fn name(part: &Part) -> String {
    format!("{}{}", "  ".repeat(part.depth.min(8)), short(&part.what, VALUE))
}

fn place(span: &Range<usize>) -> String {
    if span.is_empty() { String::new() } else { format!("{}..{}", span.start, span.end) }
}

/// The first bytes as digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(BYTES) {
        // A string takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > BYTES {
        text.push_str("..");
    }
    text
}

/// A text in one line, cut to a number of characters.
pub(crate) fn short(text: &str, longest: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(longest) {
        None => line,
        Some((end, _)) => format!("{}..", line.get(..end).unwrap_or_default()),
    }
}

/// What is wrong, by its word and sentence, and below it the place in the payload.
pub(crate) fn error(error: &DecodeError, payload: &[u8], is_text: bool) -> String {
    let mut text = format!("{}: {error}\n", error.code());
    let Some(offset) = error.byte_offset() else { return text };
    let marked = match std::str::from_utf8(payload) {
        Ok(payload) if is_text => mark_text(payload, offset),
        _ => mark_bytes(payload, offset),
    };
    text.push_str(&marked);
    text
}

/// Bytes around a place, with the one at fault in brackets.
fn mark_bytes(payload: &[u8], offset: usize) -> String {
    let range = offset.saturating_sub(AROUND)..payload.len().min(offset.saturating_add(AROUND + 1));
    let mut text = format!("  byte {offset}: ");
    if range.start > 0 {
        text.push_str(".. ");
    }
    for (place, byte) in range.clone().zip(payload.get(range.clone()).unwrap_or_default()) {
        let _ = if place == offset { write!(text, "[{byte:02x}] ") } else { write!(text, "{byte:02x} ") };
    }
    if offset >= payload.len() {
        text.push_str("[end]");
    } else if range.end < payload.len() {
        text.push_str("..");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The text around a place, with a mark below it.
fn mark_text(payload: &str, offset: usize) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let (before, after) = payload.split_at_checked(offset).unwrap_or((payload, ""));
    let mut head: Vec<char> = before.chars().rev().take(TEXT_AROUND).map(visible).collect();
    head.reverse();
    let tail: String = after.chars().take(TEXT_AROUND).map(visible).collect();
    let indent = " ".repeat(head.len());
    format!("  {}{tail}\n  {indent}^ byte {offset}\n", head.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_error_is_marked() {
        let payload: Vec<u8> = (0..40).collect();
        assert_eq!(
            mark_bytes(&payload, 20),
            "  byte 20: .. 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 [14] 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 ..\n"
        );
        assert_eq!(mark_bytes(&[1, 2], 2), "  byte 2: 01 02 [end]\n");
        assert_eq!(mark_text("{\"a\":\n}", 6), "  {\"a\": }\n        ^ byte 6\n");
        assert_eq!(mark_text("é", 1), "  é\n   ^ byte 1\n");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(hex(&[0xab; 9]), "abababababababab..");
        assert_eq!(short("a \n  b\u{7}c", 10), "a b c");
        assert_eq!(short("ééé", 2), "éé..");
    }
}
