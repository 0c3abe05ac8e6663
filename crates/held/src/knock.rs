//! What is remembered of one device that nobody activated. Pure: offsets and times in, the knock out.

use fleetwire_model::pb::Knock;
use fleetwire_model::time::{from_unix_ms, to_unix_ms};

use crate::view::HeldView;

/// What a knock says of an offset of its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Counted, or released, before: the group reads it a second time.
    Before,
    /// New, while older publishes are held: it belongs behind them.
    Behind,
    /// New, and everything older has been released.
    Free,
}

/// The knock of a device of which this is the first publish that is held.
pub(crate) fn first(device: &str, partition: i32, offset: i64, view: &HeldView<'_>) -> Knock {
    let mut knock = Knock {
        device_id: device.to_owned(),
        partition,
        first_time: Some(from_unix_ms(view.received_ms.unwrap_or_default())),
        first_offset: offset,
        ..Knock::default()
    };
    add(&mut knock, offset, view);
    knock
}

/// Another publish is held.
pub(crate) fn add(knock: &mut Knock, offset: i64, view: &HeldView<'_>) {
    replace(&mut knock.account, view.account);
    replace(&mut knock.remote_address, view.remote_address);
    replace(&mut knock.frontend_id, view.frontend_id);
    knock.last_time = Some(from_unix_ms(view.received_ms.unwrap_or_default()));
    knock.last_offset = offset;
    knock.messages += 1;
    knock.bytes += view.payload_len as u64;
}

/// What the knock says of an offset.
pub(crate) fn known(knock: &Knock, offset: i64) -> Known {
    if offset <= knock.last_offset || offset < knock.released_offset {
        Known::Before
    } else if is_released(knock) {
        Known::Free
    } else {
        Known::Behind
    }
}

/// Whether nothing is held any more.
pub(crate) fn is_released(knock: &Knock) -> bool {
    knock.released_offset > knock.last_offset
}

/// The first offset that may have to be released.
pub(crate) fn next(knock: &Knock) -> i64 {
    knock.released_offset.max(knock.first_offset)
}

/// Whether the publish at this offset is to be released now.
pub(crate) fn is_next(knock: &Knock, offset: i64) -> bool {
    (next(knock)..=knock.last_offset).contains(&offset)
}

/// The publish at this offset was released.
pub(crate) fn release(knock: &mut Knock, offset: i64) {
    knock.released_offset = offset + 1;
    knock.released += 1;
}

/// Everything below this offset was looked through; says how many publishes were there once and are not any more, if
/// that was everything.
pub(crate) fn release_through(knock: &mut Knock, end: i64) -> Option<u64> {
    if knock.last_offset >= end {
        return None;
    }
    knock.released_offset = knock.last_offset + 1;
    Some(knock.messages.saturating_sub(knock.released))
}

/// Unix milliseconds of its last publish.
pub(crate) fn last_ms(knock: &Knock) -> i64 {
    knock.last_time.as_ref().map_or(0, to_unix_ms)
}

/// Keeps the allocation: most devices come from where they came before.
fn replace(text: &mut String, with: &str) {
    if text != with {
        with.clone_into(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(ms: i64) -> HeldView<'static> {
        HeldView { payload_len: 10, account: "a", received_ms: Some(ms), ..HeldView::default() }
    }

    #[test]
    fn a_knock_counts_what_is_held_and_knows_what_it_has_counted() {
        let mut knock = first("d", 3, 5, &view(1000));
        add(&mut knock, 9, &view(2000));
        assert_eq!((knock.messages, knock.bytes, knock.first_offset, knock.last_offset), (2, 20, 5, 9));
        assert_eq!((known(&knock, 9), known(&knock, 10)), (Known::Before, Known::Behind));
        assert_eq!((last_ms(&knock), next(&knock)), (2000, 5));
    }

    #[test]
    fn what_was_released_is_not_released_again_and_the_end_tells_what_was_lost() {
        let mut knock = first("d", 0, 5, &view(0));
        for offset in [7, 9] {
            add(&mut knock, offset, &view(0));
        }
        // Offset 5 is gone.
        release(&mut knock, 7);
        assert_eq!([5, 7, 9, 10].map(|offset| is_next(&knock, offset)), [false, false, true, false]);
        assert_eq!(release_through(&mut knock, 9), None);
        release(&mut knock, 9);
        assert_eq!(release_through(&mut knock, 10), Some(1));
        assert!(is_released(&knock));
        assert_eq!(known(&knock, 10), Known::Free);
    }
}
