//! What a numbered publish carries: who sent it, and which of its publishes it is.

/// Tells our payloads from others.
const MARK: [u8; 4] = *b"LOSS";
/// Mark, device, number.
pub(super) const MIN: usize = 16;

/// Overwrites `out` with a payload of `size` bytes, at least [`MIN`].
pub(super) fn write(out: &mut Vec<u8>, device: u32, number: u64, size: usize) {
    out.clear();
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&device.to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    // Something that does not compress to nothing, and that shows when a payload is cut or mixed up.
    let fill = filler(device, number);
    out.extend(fill.iter().copied().cycle().take(size.saturating_sub(MIN)));
}

/// Device and number, if the whole payload is as [`write`] made it.
pub(super) fn read(payload: &[u8]) -> Option<(u32, u64)> {
    let (head, rest) = payload.split_first_chunk::<MIN>()?;
    let (mark, head) = head.split_first_chunk::<4>()?;
    let (device, number) = head.split_first_chunk::<4>()?;
    let (device, number) = (u32::from_be_bytes(*device), u64::from_be_bytes(number.try_into().ok()?));
    let fill = filler(device, number);
    let whole = rest.iter().eq(fill.iter().cycle().take(rest.len()));
    (*mark == MARK && whole).then_some((device, number))
}

fn filler(device: u32, number: u64) -> [u8; 8] {
    (number ^ u64::from(device) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_who_and_which_and_shows_damage() {
        let mut payload = Vec::new();
        write(&mut payload, 7, 1 << 33, 100);
        assert_eq!((payload.len(), read(&payload)), (100, Some((7, 1 << 33))));
        payload[99] ^= 1;
        assert_eq!(read(&payload), None);
        assert_eq!(read(b"something else"), None);
    }
}
