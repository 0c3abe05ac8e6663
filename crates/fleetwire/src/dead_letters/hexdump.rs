//! Bytes for people: offset, hexadecimal, text, and a mark at one byte.

use std::fmt::Write as _;

/// Bytes of a line.
const WIDTH: usize = 16;

/// The bytes as lines; `marked` is the byte in brackets, which may be the one behind the last.
pub(super) fn dump(bytes: &[u8], marked: Option<usize>) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(WIDTH).enumerate() {
        let start = line * WIDTH;
        let mark = marked.filter(|at| (start..start + chunk.len()).contains(at));
        // Writing to a string cannot fail.
        let _ = write!(text, "  {start:06x} ");
        // The bracket behind a byte stands where the blank before the next one would.
        let before = |at: usize| match mark {
            Some(mark) if mark == at => '[',
            Some(mark) if mark + 1 == at => ']',
            _ => ' ',
        };
        for column in 0..WIDTH {
            text.push(before(start + column));
            match chunk.get(column) {
                Some(byte) => {
                    let _ = write!(text, "{byte:02x}");
                }
                None => text.push_str("  "),
            }
        }
        text.push(before(start + WIDTH));
        text.push_str(" |");
        text.extend(chunk.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }));
        text.push('|');
        if let Some(mark) = mark {
            let _ = write!(text, "  <- byte {mark}");
        }
        text.push('\n');
    }
    if let Some(at) = marked.filter(|at| *at >= bytes.len()) {
        let _ = writeln!(text, "  {at:06x}  <- byte {at}: the payload has ended");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_byte_stands_in_brackets_and_columns_stay_in_line() {
        let bytes: Vec<u8> = (0x38..0x4b).collect();
        assert_eq!(
            dump(&bytes, Some(2)),
            "  000000  38 39[3a]3b 3c 3d 3e 3f 40 41 42 43 44 45 46 47  |89:;<=>?@ABCDEFG|  <- byte 2\n\
             \x20 000010  48 49 4a                                         |HIJ|\n"
        );
        let lines = |marked| dump(&bytes, marked).lines().map(|line| line.find('|')).collect::<Vec<_>>();
        for marked in 0..bytes.len() {
            assert_eq!(lines(Some(marked)), lines(None), "{marked}");
        }
    }

    #[test]
    fn a_mark_behind_the_last_byte_says_that_the_payload_has_ended() {
        assert!(dump(b"ab", Some(2)).ends_with("000002  <- byte 2: the payload has ended\n"));
        assert_eq!(dump(b"", None), "");
    }
}
