//! Escapes of JSON texts.

/// The text that an escaped one means. Half of a surrogate pair becomes U+FFFD. The scanner has checked the form.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut characters = escape.chars();
        let letter = characters.next();
        rest = characters.as_str();
        out.push(match letter {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => code_point(&mut rest),
            Some(same) => same,
            None => char::REPLACEMENT_CHARACTER,
        });
    }
    out.push_str(rest);
    out
}

/// Takes the digits after `\u`, and the second half of a pair.
fn code_point(rest: &mut &str) -> char {
    let first = unit(rest);
    if let 0xD800..0xDC00 = first
        && let Some(mut behind) = rest.strip_prefix("\\u")
    {
        let second = unit(&mut behind);
        if let 0xDC00..0xE000 = second {
            *rest = behind;
            let point = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
    }
    char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Takes four hexadecimal digits.
fn unit(rest: &mut &str) -> u32 {
    let Some((digits, behind)) = rest.split_at_checked(4) else { return 0xFFFD };
    *rest = behind;
    u32::from_str_radix(digits, 16).unwrap_or(0xFFFD)
}
