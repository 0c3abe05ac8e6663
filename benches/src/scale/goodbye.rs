//! DISCONNECT of an MQTT 5 server, read as a device reads it.

use std::net::SocketAddr;

/// Packet type of DISCONNECT.
pub(super) const KIND: u8 = 14;
/// Reason: use another server, for now.
pub(super) const USE_ANOTHER_SERVER: u8 = 0x9c;

/// Identifiers of the properties that a server may send with it.
const SERVER_REFERENCE: u8 = 0x1c;
const REASON_STRING: u8 = 0x1f;
const USER_PROPERTY: u8 = 0x26;

/// What a server said with its DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Goodbye {
    /// Reason code.
    pub(super) reason: u8,
    /// The server that it refers to.
    pub(super) server: Option<SocketAddr>,
}

impl Goodbye {
    /// Reads what follows the fixed header; nothing if it is malformed.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let Some((&reason, rest)) = body.split_first() else { return Some(Self { reason: 0, server: None }) };
        let mut server = None;
        let mut rest = if rest.is_empty() { rest } else { properties(rest)? };
        while let Some((&id, value)) = rest.split_first() {
            let (first, behind) = text(value)?;
            rest = match id {
                SERVER_REFERENCE => {
                    server = std::str::from_utf8(first).ok()?.parse().ok();
                    behind
                }
                REASON_STRING => behind,
                USER_PROPERTY => text(behind)?.1,
                _ => return None,
            };
        }
        Some(Self { reason, server })
    }
}

/// The properties behind their length.
fn properties(input: &[u8]) -> Option<&[u8]> {
    let (mut length, mut rest) = (0_usize, input);
    for shift in [0, 7, 14, 21] {
        let (&byte, behind) = rest.split_first()?;
        (length, rest) = (length | usize::from(byte & 0x7f) << shift, behind);
        if byte & 0x80 == 0 {
            return (rest.len() == length).then_some(rest);
        }
    }
    None
}

/// A text with its length before it, and what stands behind.
fn text(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_reference_is_found_beside_other_properties() {
        let mut body = vec![USE_ANOTHER_SERVER, 0];
        for (id, texts) in [(0x1f, &["bye"][..]), (0x26, &["a", "b"][..]), (0x1c, &["127.0.0.1:1883"][..])] {
            body.push(id);
            for text in texts {
                body.extend([0, u8::try_from(text.len()).unwrap()]);
                body.extend(text.bytes());
            }
        }
        body[1] = u8::try_from(body.len() - 2).unwrap();
        let server = Some("127.0.0.1:1883".parse().unwrap());
        assert_eq!(Goodbye::read(&body), Some(Goodbye { reason: USE_ANOTHER_SERVER, server }));
        body.pop();
        assert_eq!(Goodbye::read(&body), None);
    }

    #[test]
    fn short_forms_have_no_reference() {
        assert_eq!(Goodbye::read(&[]), Some(Goodbye { reason: 0, server: None }));
        assert_eq!(Goodbye::read(&[0x9c]), Some(Goodbye { reason: 0x9c, server: None }));
        assert_eq!(Goodbye::read(&[0x8b, 0]), Some(Goodbye { reason: 0x8b, server: None }));
    }
}
