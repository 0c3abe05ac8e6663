//! A held publish as the keeper reads it: the few fields that a knock tells, in place.

use fleetwire_model::wire::{Field, Fields, WireError, read_timestamp, text};

/// Field number of `RawPublish.model`.
const MODEL: u32 = 20;

/// The fields of a `RawPublish` that the keeper needs, without copying them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeldView<'a> {
    pub(crate) payload_len: usize,
    pub(crate) account: &'a str,
    pub(crate) frontend_id: &'a str,
    pub(crate) remote_address: &'a str,
    pub(crate) model: &'a str,
    /// Unix milliseconds; `None` if the frontend did not say.
    pub(crate) received_ms: Option<i64>,
}

impl<'a> HeldView<'a> {
    /// Reads a Kafka value. As protobuf says, of several values of a field the last one counts. A text that is none
    /// is empty.
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self::default();
        for field in Fields::new(value) {
            match field? {
                (1, Field::Bytes(payload)) => view.payload_len = payload.len(),
                (4, Field::Bytes(raw)) => view.account = utf8(raw),
                (10, Field::Bytes(time)) => view.received_ms = Some(read_timestamp(time)?),
                (11, Field::Bytes(raw)) => view.frontend_id = utf8(raw),
                (14, Field::Bytes(raw)) => view.remote_address = utf8(raw),
                (MODEL, Field::Bytes(raw)) => view.model = utf8(raw),
                _ => {}
            }
        }
        Ok(view)
    }
}

/// The value of the raw topic for a held one: the same, of a device of this model, as the frontend would have written
/// it. Of several values of a field the last one counts, so it is enough to add one; fields that this build does not
/// know stay.
pub(crate) fn with_model(held: &[u8], model: &str, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(held);
    let known = HeldView::read(held).is_ok_and(|view| view.model == model);
    if !known {
        text(out, MODEL, model);
    }
}

fn utf8(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::RawPublish;
    use fleetwire_model::time::from_unix_ms;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    proptest! {
        #[test]
        fn a_view_is_what_the_message_says_and_a_model_is_filled_in(
            payload in prop::collection::vec(any::<u8>(), 0..300),
            (account, frontend_id, remote_address) in (".{0,20}", ".{0,20}", ".{0,20}"),
            (before, after) in ("[a-z]{0,3}", "[a-z]{1,3}"),
            ms in 0..2_000_000_000_000_i64,
        ) {
            let raw = RawPublish {
                payload: payload.into(),
                account,
                frontend_id,
                remote_address,
                model: before,
                received_time: Some(from_unix_ms(ms)),
                host: "mqtt.example.com".into(),
                ..RawPublish::default()
            };
            let value = raw.encode_to_vec();
            let expected = HeldView {
                payload_len: raw.payload.len(),
                account: &raw.account,
                frontend_id: &raw.frontend_id,
                remote_address: &raw.remote_address,
                model: &raw.model,
                received_ms: Some(ms),
            };
            prop_assert_eq!(HeldView::read(&value), Ok(expected));
            let mut out = vec![1, 2, 3];
            with_model(&value, &after, &mut out);
            let filled = RawPublish { model: after, ..raw };
            prop_assert_eq!(RawPublish::decode(&*out).unwrap(), filled);
        }
    }

    #[test]
    fn what_is_no_message_is_told() {
        assert_eq!(HeldView::read(&[0x0A, 9]), Err(WireError::Truncated));
        assert_eq!(HeldView::read(&[]), Ok(HeldView::default()));
    }
}
